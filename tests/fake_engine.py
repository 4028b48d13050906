"""An engine whose runs take the seconds they are told to, and workers that let them pass on trio's clock."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import trio

from gpuqio.backend import Request
from gpuqio.engines.base import Run, StopFlag, Work
from gpuqio.problem import Problem
from gpuqio.result import Report, Result, StopReason
from gpuqio.scheduler.crossing import Answer, Crossing
from gpuqio.scheduler.loop import Scheduler
from gpuqio.solvers.base import Solver


@dataclass(frozen=True)
class FakeSolver:
    """Work that takes `seconds`, after a start that takes `pack`.

    It raises `error` in the step that `breaks` names: "start", "advance" or "outcome".
    """

    seconds: float = 0.001
    timeout: float | None = None
    pack: float = 0.0
    predictable: bool = True
    breaks: str = ""
    seed: int | None = None
    error: BaseException | None = None

    @property
    def target(self) -> str:
        return "fake"

    def parameters(self) -> Mapping[str, object]:
        return {}

    def at(self, step: str) -> None:
        if step == self.breaks and self.error is not None:
            raise self.error


@dataclass(eq=False)
class FakeRun:
    solver: FakeSolver
    remaining: float

    @property
    def finished(self) -> bool:
        return self.remaining <= 1e-9

    @property
    def predicted_seconds(self) -> float:
        return self.remaining if self.solver.predictable else math.inf


@dataclass(eq=False)
class FakeEngine:
    """Advances one run after another. `calls` has what was asked, as text."""

    name: str = "fake"
    device: str = "none"
    lost: str = ""
    now: float = 0.0
    granted: float = math.inf  # seconds that really pass in the next `advance`
    calls: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def start(self, work: Work) -> FakeRun:
        solver = cast(FakeSolver, work.solver)
        self.calls.append("start")
        self.now += solver.pack
        solver.at("start")
        return FakeRun(solver, solver.seconds)

    def advance(self, runs: Sequence[Run], seconds: float, stop: StopFlag) -> None:
        self.calls.append(f"advance {len(runs)}")
        budget = min(seconds, self.granted)
        for run in cast("Sequence[FakeRun]", runs):
            run.solver.at("advance")
            spent = min(run.remaining, budget)
            run.remaining -= spent
            budget -= spent
            self.now += spent

    def outcome(self, run: Run, reason: StopReason | None) -> tuple[Result, ...]:
        self.calls.append(f"outcome {reason.name if reason else 'finished'}")
        cast(FakeRun, run).solver.at("outcome")
        return (a_result(reason or StopReason.COMPLETED),)


def a_result(reason: StopReason = StopReason.COMPLETED, variables: int = 1) -> Result:
    report = Report("fake", "none", "none", 1, 1, 0, 0, 0.0, 0.0, reason)
    return Result(np.arange(variables), np.ones((1, variables), np.int8), np.zeros(1), {}, report)


def a_request(job_id: str, seconds: float = 0.001, **more: Any) -> Request:
    """A request for work of so many seconds; `more` goes to the solver or to the request, by name."""
    ours = {name: more.pop(name) for name in list(more) if name in FakeSolver.__dataclass_fields__}
    solver = cast(Solver, FakeSolver(seconds, **ours))
    return Request(Work((Problem(job_id),), solver), job_id=job_id, **more)


class FakeWorkers:
    """Runs crossings as threads would, except that seconds pass on trio's clock. Counts what happens."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.crossings = 0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, crossing: Crossing) -> list[Answer]:
        self.crossings += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            with trio.CancelScope(shield=True):  # a thread does not stop for a cancelled scope either
                slept = await self._pass_time(crossing)
            self.engine.granted = slept
            return crossing()
        finally:
            self.at_once -= 1

    async def _pass_time(self, crossing: Crossing) -> float:
        needed = 0.0
        for item in crossing.items:
            if item.reason is None:
                run = cast("FakeRun | None", item.run)
                needed += cast(FakeSolver, item.work.solver).seconds if run is None else run.remaining
        began = trio.current_time()
        end = began + min(needed, crossing.seconds)
        # The flag is made for threads, and can only be looked at.
        while (now := trio.current_time()) < end - 1e-9 and not crossing.stop.is_set():  # noqa: ASYNC110
            await trio.sleep(min(0.001, end - now))
        return trio.current_time() - began


@asynccontextmanager
async def a_scheduler(workers: int = 1, max_waiting: int = 10_000) -> AsyncIterator[Scheduler]:
    """A scheduler that runs on fake workers for the length of the block."""
    engine = FakeEngine()
    scheduler = Scheduler([engine], FakeWorkers(engine), workers, max_waiting=max_waiting, clock=engine.clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        yield scheduler
        nursery.cancel_scope.cancel()
