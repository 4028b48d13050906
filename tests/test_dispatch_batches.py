"""A batch over two places has the answers of one, and keeps both busy."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import trio
import trio.testing

import gpuqio
from gpuqio.backend import Backend
from gpuqio.batch_result import BatchResult
from gpuqio.dispatch import (
    DispatchBackend,
    Overflow,
    Policy,
    Race,
    RemoteOnly,
)
from gpuqio.engines.cpu import CpuEngine
from gpuqio.optimization import Problem, ProblemType, Term
from gpuqio.scheduler.local import LocalBackend
from gpuqio.solvers import SimulatedAnnealing
from gpuqio.trio import Workspace
from tests.fake_backend import FakeBackend
from tests.fake_remote import FakeRemote

Clock = trio.testing.MockClock


async def test_a_batch_keeps_as_much_in_work_as_is_wanted_by_now(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FakeBackend(held=True)
    less = backend.statistics()
    monkeypatch.setattr(backend, "statistics", lambda: replace(less, workers=3 if len(backend.requests) > 1 else 1))
    problem = Problem("p", [Term(c=1.0, indices=[0, 1])], problem_type=ProblemType.ising)
    with trio.move_on_after(1):
        await Workspace(backend=cast(Backend, backend)).solve_many([problem] * 1_000, SOLVER)
    assert len(backend.requests) == 6


SOLVER = SimulatedAnnealing(sweeps=20, restarts=8, seed=11)


@pytest.fixture(scope="module")
def batch() -> tuple[list[Problem], BatchResult]:
    """2,000 problems, and what one machine makes of them."""
    rng = np.random.default_rng(7)
    pairs = [[i, j] for i in range(6) for j in range(i)]

    def terms() -> list[Term]:
        return [Term(c=float(c), indices=pair) for c, pair in zip(rng.integers(1, 10, len(pairs)), pairs, strict=True)]

    problems = [Problem(str(number), terms(), problem_type=ProblemType.ising) for number in range(2_000)]
    with gpuqio.Workspace() as workspace:
        return problems, workspace.solve_many(problems, SOLVER)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "count", "dies"),
    [
        (Overflow(0.0), 2_000, False),
        (Overflow(0.0), 800, True),
        (Race(), 500, False),
        (Race(), 500, True),
        (RemoteOnly(), 500, False),
    ],
)
async def test_a_batch_over_two_places_has_the_answers_of_one(
    policy: Policy, count: int, dies: bool, batch: tuple[list[Problem], BatchResult]
) -> None:
    problems, alone = batch[0][:count], batch[1]
    local, inner = LocalBackend(CpuEngine(), workers=1), LocalBackend(CpuEngine(), workers=1)
    remote = FakeRemote(inner, latency=0.0)
    backend = policy.over(cast(Backend, local), cast(Backend, remote))
    async with trio.open_nursery() as nursery:
        await nursery.start(local.run)
        await nursery.start(inner.run)

        async def kill() -> None:
            while len(remote.requests) < 3:
                await trio.testing.wait_all_tasks_blocked()
                await trio.lowlevel.checkpoint()
            remote.dead = True

        if dies:
            nursery.start_soon(kill)
        together = await Workspace(backend=backend).solve_many(problems, SOLVER)
        nursery.cancel_scope.cancel()
    assert len(together) == count
    assert np.array_equal(together.costs, alone.costs[:count])
    for place in range(count):
        assert together[place].configuration == alone[place].configuration
    assert isinstance(backend, DispatchBackend)
    said = backend.statistics()
    assert said.sent >= 3
    assert (backend._runner.breaker.failures > 0) == dies
    assert (said.returned > 0) == (dies and isinstance(policy, Overflow))
    assert remote.running == []
