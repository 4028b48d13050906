"""Dispatch over this machine and a gpuqio server, a process of its own on loopback that may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trio

import gpuqio
from gpuqio import ProblemBatch
from gpuqio.dispatch import Budget, DispatchStatistics, Overflow, Policy, Race
from gpuqio.solvers import SimulatedAnnealing
from gpuqio.trio import Workspace
from tests.a_server_process import ServerProcess

KEY = "k" * 24
CREDENTIAL = SimpleNamespace(key=KEY)
SOLVER = SimulatedAnnealing(sweeps=100, restarts=8, seed=11)


def some_problems(count: int) -> ProblemBatch:
    return ProblemBatch.from_dense(np.triu(np.random.default_rng(7).integers(1, 10, (count, 8, 8)), 1))


@contextmanager
def a_server(folder: Path) -> Iterator[ServerProcess]:
    keys = folder / "keys"
    keys.write_text(KEY)
    keys.chmod(0o600)
    with ServerProcess(folder / "data", "--key-file", str(keys)) as server:
        server.http.headers["x-ms-quantum-api-key"] = KEY
        yield server


async def compare(policy: Policy, count: int, folder: Path, killed_after: int | None = None) -> DispatchStatistics:
    """Solve a batch over both places, and see that its answers are those of this machine alone.

    Args:
        killed_after: kill the server once more chunks than this have been sent.
    """
    problems = some_problems(count)
    alone = await Workspace().solve_many(problems, SOLVER)
    with a_server(folder) as server:
        async with Workspace("s", "g", "w", endpoint=server.url, credential=CREDENTIAL, dispatch=policy) as workspace:
            async with trio.open_nursery() as nursery:

                async def kill() -> None:
                    while True:  # what is waited for is no event of ours
                        said = await workspace.statistics()
                        assert isinstance(said, DispatchStatistics)
                        if said.sent > (killed_after or 0):
                            await trio.to_thread.run_sync(server.kill)
                            return
                        await trio.sleep(0.001)

                if killed_after is not None:
                    nursery.start_soon(kill)
                together = await workspace.solve_many(problems, SOLVER)
                nursery.cancel_scope.cancel()
            said = await workspace.statistics()
    assert len(together) == count
    assert np.array_equal(together.costs, alone.costs)
    for one, other in zip(together, alone, strict=True):
        assert one.configuration == other.configuration
    assert isinstance(said, DispatchStatistics)
    return said


@pytest.mark.slow
async def test_a_batch_over_this_machine_and_a_server_has_the_answers_of_this_machine(tmp_path: Path) -> None:
    said = await compare(Overflow(0.0, Budget(jobs=250)), 2_000, tmp_path)
    assert said.sent >= 2  # chunks of more than a hundred problems
    assert (said.returned, said.failure) == (0, "")
    assert 200 <= said.spent.jobs <= 250


@pytest.mark.slow
def test_a_lone_problem_races(tmp_path: Path) -> None:
    (problem,) = some_problems(1)
    with gpuqio.Workspace() as workspace:
        alone = workspace.solve(problem, SOLVER)
    with (
        a_server(tmp_path) as server,
        gpuqio.Workspace("s", "g", "w", endpoint=server.url, credential=CREDENTIAL, dispatch=Race()) as workspace,
    ):
        assert workspace.solve(problem, SOLVER).configuration == alone.configuration
        said = workspace.statistics()
        assert isinstance(said, DispatchStatistics)
        assert (said.sent, said.failure) == (1, "")
        found = server.call("GET", "/jobs").json()["value"]
        assert all(job["status"] in ("Cancelled", "Succeeded") for job in found)


@pytest.mark.validate
async def test_so_has_one_of_which_the_server_gets_all_that_would_wait(tmp_path: Path) -> None:
    said = await compare(Overflow(0.0), 2_000, tmp_path)
    assert said.sent >= 3
    assert (said.returned, said.failure) == (0, "")


@pytest.mark.slow
async def test_a_server_that_is_killed_costs_nothing_but_time(tmp_path: Path) -> None:
    said = await compare(Overflow(0.0), 2_000, tmp_path, killed_after=3)
    assert said.returned >= 1
    assert said.failure.startswith("RemoteError: ")
