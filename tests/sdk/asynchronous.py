"""The unmodified azure-quantum 0.28.277227, its asyncio half, against `gpuqio serve`."""

from __future__ import annotations

import asyncio
import os
import warnings

from tests.sdk.programs import IDS, SMALL, SMALL_COST, URL, AsyncCredential, run

os.environ["AZURE_QUANTUM_BASEURL"] = URL  # read when azure.quantum is imported
warnings.simplefilter("ignore")

from azure.quantum.aio import Workspace  # noqa: E402
from azure.quantum.aio.optimization import (  # noqa: E402
    OnlineProblem,
    ParallelTempering,
    Problem,
    ProblemType,
    SimulatedAnnealing,
    StreamingProblem,
)
from azure.quantum.optimization import Term  # noqa: E402


def workspace() -> Workspace:
    return Workspace(**IDS, credential=AsyncCredential())


def problem(name: str = "three spins") -> Problem:
    return Problem(name, [Term(c=c, indices=ids) for c, ids in SMALL], problem_type=ProblemType.ising)


def annealing(where: Workspace) -> SimulatedAnnealing:
    return SimulatedAnnealing(where, sweeps=100, restarts=4, seed=7)


async def check_the_how_to() -> None:
    """Ten problems at once; the costs are the documentation's."""
    solver = ParallelTempering(workspace(), timeout=100, seed=11)
    problems = [
        Problem(
            f"n = {n}",
            [Term(c=-9 + n, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])],
            problem_type=ProblemType.ising,
        )
        for n in range(10)
    ]
    results = await asyncio.gather(*(solver.optimize(one) for one in problems))
    expected = [-float(abs(n - 9) + 8) for n in range(10)]
    assert [result["cost"] for result in results] == expected


async def check_jobs() -> None:
    where = workspace()
    job = await annealing(where).submit(problem("asynchronous"))
    await job.wait_until_completed(print_progress=False)
    assert (await job.get_results())["cost"] == SMALL_COST
    assert (await where.get_job(job.id)).details.status == "Succeeded"
    assert [one.id for one in await where.list_jobs(name_match="^asynchronous$")] == [job.id]
    assert (await where.cancel_job(job)).details.status == "Succeeded"
    await job.upload_attachment("notes.txt", b"three spins")
    assert await job.download_attachment("notes.txt") == b"three spins"


async def check_targets_and_quotas() -> None:
    where = workspace()
    assert "microsoft.qmc.cpu" in {target.name for target in await where.get_targets()}
    assert isinstance(await where.get_quotas(), list)


async def check_uploads() -> None:
    where = workspace()
    sent = problem("sent")
    url = await sent.upload(where, blob_name="asynchronous")
    assert (await annealing(where).optimize(url))["cost"] == SMALL_COST
    assert len((await sent.download(where)).terms) == 3
    assert len((await OnlineProblem("online", url).download(where)).terms) == 3


async def check_streaming_problem() -> None:
    where = workspace()
    streamed = await StreamingProblem.create(where, name="streamed", problem_type=ProblemType.ising)
    await streamed.add_term(c=-9, indices=[0])
    await streamed.add_terms([Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])])
    url = await streamed.upload()
    assert (await annealing(where).optimize(url))["cost"] == SMALL_COST


if __name__ == "__main__":
    run(globals())
