"""The unmodified azure-quantum 0.28.277227, blocking, against `gpuqio serve`."""

from __future__ import annotations

import os
import warnings
from datetime import date
from typing import Any

from tests.sdk.programs import IDS, SMALL, SMALL_COST, URL, Credential, raises, run

os.environ["AZURE_QUANTUM_BASEURL"] = URL  # read when azure.quantum is imported
warnings.simplefilter("ignore")

from azure.core.exceptions import ResourceNotFoundError  # noqa: E402
from azure.quantum import Job, JobStatus, Workspace  # noqa: E402
from azure.quantum.job.base_job import ContentType  # noqa: E402
from azure.quantum.optimization import (  # noqa: E402
    OnlineProblem,
    ParallelTempering,
    PopulationAnnealing,
    Problem,
    ProblemType,
    QuantumMonteCarlo,
    RangeSchedule,
    SimulatedAnnealing,
    SlcTerm,
    StreamingProblem,
    SubstochasticMonteCarlo,
    Tabu,
    Term,
)
from azure.quantum.target import (  # noqa: E402
    PathRelinkingSolver,
    PticmSolver,
    SimulatedBifurcationMachine,
    TabuSearch,
)

WORKSPACE = Workspace(**IDS, credential=Credential())


def problem(name: str = "three spins", kind: ProblemType = ProblemType.ising) -> Problem:
    return Problem(name, [Term(c=c, indices=ids) for c, ids in SMALL], problem_type=kind)


def annealing(**options: Any) -> SimulatedAnnealing:
    return SimulatedAnnealing(WORKSPACE, **{"sweeps": 100, "restarts": 4, "seed": 7, **options})


def long_problem() -> Problem:
    """A chain that no restart of so many sweeps finishes soon."""
    return Problem("long", [Term(c=1.0, indices=[i, i + 1]) for i in range(2000)], problem_type=ProblemType.ising)


def check_every_solver_of_microsoft() -> None:
    for solver in (
        ParallelTempering(WORKSPACE, sweeps=50, all_betas=[0.1, 0.5, 2.0], seed=1),
        annealing(beta_start=0.1, beta_stop=3.0),
        Tabu(WORKSPACE, sweeps=50, tabu_tenure=1, restarts=4, seed=1),
        QuantumMonteCarlo(WORKSPACE, sweeps=50, trotter_number=4, restarts=4, beta_start=0.5, seed=1),
        PopulationAnnealing(WORKSPACE, sweeps=50, population=32, seed=1, beta=RangeSchedule("linear", 0.1, 4)),
        SubstochasticMonteCarlo(WORKSPACE, step_limit=500, target_population=16, seed=1),
        ParallelTempering(WORKSPACE, timeout=2, seed=1),
    ):
        result = solver.optimize(problem())
        assert result["cost"] == SMALL_COST, (solver.name, result)
        assert result["solutions"][0]["cost"] == SMALL_COST
        assert list(result["configuration"]) == ["0", "1", "2"]
        assert result["version"] == "1.0"
        assert result["parameters"]["seed"] == solver.params["params"]["seed"]


def check_other_providers() -> None:
    tabu = TabuSearch(WORKSPACE, seed=1, improvement_cutoff=50).optimize(problem())
    assert tabu["solutions"][0]["cost"] == SMALL_COST
    assert set(tabu["solutions"][0]["configuration"].values()) <= {"1", "-1"}
    assert PathRelinkingSolver(WORKSPACE, seed=1).optimize(problem())["solutions"][0]["cost"] == SMALL_COST
    assert (
        PticmSolver(WORKSPACE, seed=1, num_sweeps_per_run=20).optimize(problem())["solutions"][0]["cost"] == SMALL_COST
    )
    toshiba = SimulatedBifurcationMachine(WORKSPACE, steps=100, loops=2).optimize(problem())
    assert toshiba["solutions"][0]["cost"] == SMALL_COST


def check_submit_wait_and_details() -> None:
    job = annealing().submit(problem("a name"))
    assert isinstance(job, Job)
    job.wait_until_completed(print_progress=False)
    assert job.has_completed()
    details = job.details
    assert details.status == JobStatus.SUCCEEDED.value
    assert details.name == "a name"
    assert details.provider_id.lower() == "microsoft"
    assert details.target == "microsoft.simulatedannealing.cpu"
    assert details.input_params["params"]["seed"] == 7
    assert details.creation_time <= details.begin_execution_time <= details.end_execution_time
    assert details.error_data is None
    assert job.get_results()["cost"] == SMALL_COST
    assert WORKSPACE.get_job(job.id).details.status == "Succeeded"


def check_lists_pages_and_filters() -> None:
    names = [f"listed {n:02d}" for n in range(9)]
    jobs = [annealing().submit(problem(name)) for name in names]
    url = problem().upload(WORKSPACE, blob_name="listed")
    jobs += [annealing().submit(url) for _ in range(95)]  # with them more than a page
    for job in jobs:
        job.wait_until_completed(print_progress=False)
    everything = [job.id for job in WORKSPACE.list_jobs()]
    assert {job.id for job in jobs} <= set(everything)
    assert len(set(everything)) == len(everything)
    listed = WORKSPACE.list_jobs(name_match="^listed")
    assert sorted(job.details.name for job in listed) == names
    assert len({job.id for job in listed}) == len(names)
    assert [job.details.name for job in WORKSPACE.list_jobs(name_match="listed 07$")] == ["listed 07"]
    done = WORKSPACE.list_jobs(name_match="^listed", status=JobStatus.SUCCEEDED, created_after=date(2020, 1, 1))
    assert len(done) == len(names)
    assert WORKSPACE.list_jobs(name_match="^listed", status=JobStatus.FAILED) == []


def check_cancel() -> None:
    job = annealing(sweeps=2_000_000, restarts=64).submit(long_problem())
    cancelled = WORKSPACE.cancel_job(job)
    assert cancelled.id == job.id
    cancelled.wait_until_completed(print_progress=False)
    assert cancelled.details.status == JobStatus.CANCELLED.value
    assert cancelled.details.cancellation_time is not None
    with raises(RuntimeError, "Cancelled"):
        cancelled.get_results()
    finished = annealing().submit(problem())
    finished.wait_until_completed(print_progress=False)
    assert WORKSPACE.cancel_job(finished).details.status == "Succeeded"


def check_targets_and_quotas() -> None:
    names = {target.name for target in WORKSPACE.get_targets()}  # Tabu without parameters is its other target
    assert {"microsoft.tabu-parameterfree.cpu", "microsoft.qmc.cpu", "1qbit.tabu", "toshiba.sbm.ising"} <= names, names
    assert WORKSPACE.get_targets(name="microsoft.qmc.cpu").current_availability == "Available"
    assert all(target.name.startswith("1qbit") for target in WORKSPACE.get_targets(provider_id="1qbit"))
    target = WORKSPACE.get_targets(name="microsoft.tabu.cpu")
    target.refresh()
    quotas = WORKSPACE.get_quotas()
    assert all({"dimension", "limit", "utilization"} <= set(quota) for quota in quotas), quotas


def check_upload_once_solve_twice() -> None:
    uploaded = problem("uploaded")
    url = uploaded.upload(WORKSPACE, blob_name="once")
    assert "sig=" not in url
    assert uploaded.upload(WORKSPACE, blob_name="once") == url  # it is not sent again
    for seed in (1, 2):
        assert annealing(seed=seed).optimize(url)["cost"] == SMALL_COST
    assert annealing().submit(OnlineProblem("online", url)).get_results()["cost"] == SMALL_COST


def check_streaming_problem() -> None:
    streamed = StreamingProblem(WORKSPACE, name="streamed", problem_type=ProblemType.ising)
    streamed.upload_terms_threshold = 2  # several blocks
    streamed.add_term(c=-9, indices=[0])
    streamed.add_terms([Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])])
    url = streamed.upload(WORKSPACE)
    assert annealing().optimize(url)["cost"] == SMALL_COST
    assert len(streamed.download().terms) == 3


def check_grouped_and_protobuf() -> None:
    square = SlcTerm([Term(c=3, indices=[0]), Term(c=2, indices=[1]), Term(c=-1, indices=[2])], c=2)
    grouped = Problem("grouped", [square], problem_type=ProblemType.ising)
    assert annealing().optimize(grouped)["cost"] == 0.0
    packed = problem("packed", ProblemType.pubo)
    packed.content_type = ContentType.protobuf
    solver = PopulationAnnealing(WORKSPACE, sweeps=50, seed=1, content_type=ContentType.protobuf)
    assert solver.optimize(packed)["cost"] == -12.0


def check_attachments() -> None:
    job = annealing().submit(problem())
    job.upload_attachment("notes.txt", b"three spins")
    assert job.download_attachment("notes.txt") == b"three spins"
    job.wait_until_completed(print_progress=False)


def check_sessions() -> None:
    solver = annealing()
    with solver.open_session(name="morning") as session:
        job = solver.submit(problem())
        job.wait_until_completed(print_progress=False)
    assert [one.id for one in WORKSPACE.list_session_jobs(session.id)] == [job.id]
    assert session.id in {one.id for one in WORKSPACE.list_sessions()}
    assert WORKSPACE.get_session(session.id).details.status == "Succeeded"
    assert session.id in {item.id for item in WORKSPACE.list_top_level_items()}


def check_refusals() -> None:
    with raises(ResourceNotFoundError, "JobNotFound"):
        WORKSPACE.get_job("00000000-0000-0000-0000-000000000000")
    job = annealing(beta_start=-1.0).submit(problem())
    job.wait_until_completed(print_progress=False)
    assert job.details.status == "Failed"
    assert job.details.error_data.code == "InvalidInputData"
    assert "AZQ" in job.details.error_data.message


if __name__ == "__main__":
    run(globals())
