"""One trip of a worker into the engine: blocking, and the same for one job as for hundreds.

What goes wrong with a job becomes that job's answer; its neighbours go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuqio.backend import JobError
from gpuqio.errors import InputError
from gpuqio.scheduler.lifecycle import Event
from gpuqio.scheduler.policy import Finding
from gpuqio.scheduler.turns import Job

if TYPE_CHECKING:
    from gpuqio.engines.base import Engine, Run, Work
    from gpuqio.result import Result, StopReason

__all__ = ["Answer", "Crossing", "Item", "Stop", "job_error"]


class Stop:
    """A flag that one thread sets and another looks at (`engines.base.StopFlag`); it stays set."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


@dataclass(frozen=True, slots=True)
class Item:
    """A job as a worker gets it.

    Attributes:
        run: None if the job has not begun.
        reason: set when nothing but its outcome is wanted.
    """

    job: Job
    work: Work
    run: Run | None = None
    reason: StopReason | None = None


@dataclass(frozen=True, slots=True)
class Answer(Finding):
    """A finding for the policy, with what the job's owner is to get.

    Attributes:
        run: after ADVANCE.
        results: after FINISH.
        error: after FAIL.
    """

    run: Run | None = None
    results: Sequence[Result] | None = None
    error: JobError | None = None


@dataclass(eq=False, slots=True)
class _Hand:
    """An item while the worker is busy with it."""

    item: Item
    run: Run | None
    predicted: float = 0.0
    started: float = 0.0  # seconds that its start took
    solved: float = 0.0
    results: Sequence[Result] | None = None
    error: JobError | None = None

    def attempt(self, step: Callable[[_Hand], None]) -> bool:
        """Take a step for this job alone: what it raises is this job's error."""
        try:
            step(self)
        except Exception as error:
            self.error = job_error(error)
        return self.error is None

    def answer(self) -> Answer:
        if self.error is not None:
            event = Event.FAIL
        elif self.results is not None:
            event = Event.FINISH
        else:
            event = Event.RETURN if self.run is None else Event.ADVANCE
        return Answer(
            self.item.job,
            event,
            predicted=self.predicted if event is Event.ADVANCE else 0.0,
            worked=self.started + self.solved,
            solved=self.solved,
            run=self.run if event is Event.ADVANCE else None,
            results=self.results,
            error=self.error,
        )


@dataclass(frozen=True, slots=True)
class Crossing:
    """A slice of work, to be called from a worker thread.

    Attributes:
        items: the jobs, in the policy's order. The first is sure to be started; one that comes after the slice is
            full is not touched.
        seconds: for advancing all of them together. A worker that has spent as much on starts begins no more.
        stop: ends the slice early.
        clock: seconds, from any zero.
        elsewhere: what is not begun here, because the engine is lost, may be begun on another one.
    """

    engine: Engine[Any]
    items: Sequence[Item]
    seconds: float
    stop: Stop
    clock: Callable[[], float] = time.perf_counter
    elsewhere: bool = False

    def __call__(self) -> list[Answer]:
        """Start, advance, and give outcomes: one answer an item, in order."""
        hands = [_Hand(item, item.run) for item in self.items]
        group = self._start(hands)
        if group:
            self._advance(group, self.seconds)
        for hand in hands:
            if hand.run is not None and hand.error is None:
                hand.attempt(self._look)
        return [hand.answer() for hand in hands]

    def _start(self, hands: list[_Hand]) -> list[_Hand]:
        """Start what has not begun, until the slice is full. Returns the runs that share it."""
        group = [hand for hand in hands if hand.run is not None and hand.item.reason is None]
        room = self.seconds - sum(hand.item.job.predicted for hand in group)
        began = self.clock()
        for hand in hands:
            if hand.run is not None:
                continue
            if hand.attempt(self._begin):
                if group and hand.predicted > room:
                    break  # started, and ready for a slice of its own
                group.append(hand)
                room -= hand.predicted
            elif self.elsewhere and self.engine.lost:
                hand.error = None  # as if it had never come here
                break
            if room <= 0 or self.clock() - began >= self.seconds or self.stop.is_set():
                break
        return group

    def _begin(self, hand: _Hand) -> None:
        began = self.clock()
        try:
            hand.run = self.engine.start(hand.item.work)
            hand.predicted = hand.run.predicted_seconds
        finally:
            hand.started = self.clock() - began

    def _advance(self, group: list[_Hand], seconds: float) -> None:
        began = self.clock()
        try:
            runs = [hand.run for hand in group if hand.run is not None and not hand.run.finished]
            if runs:
                self.engine.advance(runs, seconds, self.stop)
        except Exception as error:
            if len(group) > 1:  # whose fault it was shows when each goes alone
                for hand in group:
                    self._advance([hand], seconds / len(group))
                return
            group[0].error = job_error(error)
        # An engine works through its runs one after another, so each had an equal part of the worker's time.
        for hand in group:
            hand.solved = (self.clock() - began) / len(group)

    def _look(self, hand: _Hand) -> None:
        """Fetch the results of a run that has finished or is to be closed."""
        assert hand.run is not None
        finished = hand.run.finished
        if finished or hand.item.reason is not None:
            hand.results = self.engine.outcome(hand.run, None if finished else hand.item.reason)
        else:
            hand.predicted = hand.run.predicted_seconds


def job_error(error: BaseException) -> JobError:
    """What the job's owner is told, in the service's classes."""
    if isinstance(error, InputError):
        scarce = error.code in ("AZQ001", "AZQ002")
        text = f"{error.code}: {error}" if error.code else str(error)
        return JobError("InsufficientResources" if scarce else "InvalidInputData", text)
    if isinstance(error, MemoryError):
        text = str(error) or "There is not enough memory for this job; make it smaller."
        return JobError("InsufficientResources", f"AZQ001: {text}")
    return JobError("InternalError", f"{type(error).__name__}: {error}")
