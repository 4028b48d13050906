"""The current azure-quantum, whose solvers are gone and whose jobs are not, against `gpuqio serve`.

It has no setting for the service's address but a private one, and takes an API key over http too.
"""

from __future__ import annotations

import gzip
import json

from azure.core.credentials import AzureKeyCredential
from azure.quantum import Job, Workspace
from azure.quantum.target import Target

from tests.sdk.programs import IDS, KEY, SMALL, SMALL_COST, URL, run

WORKSPACE = Workspace(**IDS, credential=AzureKeyCredential(KEY or "anything"), _quantum_endpoint=URL)

TARGET = "microsoft.simulatedannealing.cpu"
PROBLEM = {
    "metadata": {"name": "three spins"},
    "cost_function": {"version": "1.0", "type": "ising", "terms": [{"c": c, "ids": ids} for c, ids in SMALL]},
}


def submitted(name: str, sweeps: int = 100, terms: list[tuple[float, list[int]]] | None = None) -> Job:
    problem = json.loads(json.dumps(PROBLEM))
    if terms is not None:
        problem["cost_function"]["terms"] = [{"c": c, "ids": ids} for c, ids in terms]
    return Job.from_input_data(
        workspace=WORKSPACE,
        name=name,
        target=TARGET,
        provider_id="Microsoft",
        input_data=gzip.compress(json.dumps(problem).encode()),
        encoding="gzip",
        input_data_format="microsoft.qio.v2",
        output_data_format="microsoft.qio-results.v2",
        input_params={"params": {"sweeps": sweeps, "restarts": 4, "seed": 7}},
    )


def check_submit_and_wait() -> None:
    job = submitted("current")
    job.wait_until_completed(timeout_secs=60)
    assert job.details.status == "Succeeded"
    assert job.get_results()["cost"] == SMALL_COST
    assert WORKSPACE.get_job(job.id).details.name == "current"


def check_cancel() -> None:
    job = submitted("long", 10_000_000, [(1.0, [i, i + 1]) for i in range(2000)])
    stopped = WORKSPACE.cancel_job(job)
    stopped.wait_until_completed(timeout_secs=60)
    assert stopped.details.status == "Cancelled"


def check_lists() -> None:
    jobs = {submitted(f"current list {n:02d}").id for n in range(13)}
    listed = {job.id for job in WORKSPACE.list_jobs(name_match="current list")}
    assert listed == jobs
    page = list(WORKSPACE.list_jobs_paginated(name_match="current list", skip=3, top=5))
    assert len(page) == 5
    assert {job.id for job in page} <= jobs


def check_targets_and_quotas() -> None:
    assert Target(WORKSPACE, name=TARGET, provider_id="Microsoft").name == TARGET
    assert isinstance(WORKSPACE.get_quotas(), list)


if __name__ == "__main__":
    run(globals())
