"""What an engine is: the seam between the scheduler, which decides, and the machine, which computes.

An engine is asked three things, all blocking, all from a worker thread: `start` a piece of work,
`advance` several runs for a slice of time, and give a run's `outcome`. Nothing else crosses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gpuqio.problem import Problem
from gpuqio.result import Result, StopReason
from gpuqio.solvers.base import Solver

__all__ = ["Engine", "Run", "StopFlag", "Work"]


class StopFlag(Protocol):
    """Tells a running slice to return early. `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Problems that one solver is to solve: a single problem, or a chunk of a batch."""

    problems: Sequence[Problem]
    solver: Solver


class Run(Protocol):
    """Work in progress. Owned by one worker at a time; between slices it is plain data."""

    @property
    def finished(self) -> bool:
        """True when there is nothing more to advance."""

    @property
    def predicted_seconds(self) -> float:
        """Predicted time to the end on one worker; `math.inf` where nothing is known yet.

        An engine that advances runs side by side counts a run's part of that, and no more than its part of a slice.
        """

    @property
    def lowest_cost(self) -> float | None:
        """The lowest cost found so far, to within the rounding of coefficients, while one problem is being solved.

        None for several problems, and where nothing is known yet. It may be asked from any thread, also while a worker
        advances the run, and is then what was known a moment ago.
        """


R = TypeVar("R", bound=Run)


class Engine(Protocol[R]):
    """A place where runs of its own kind are advanced."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def lost(self) -> str:
        """Why it can compute no more, and refuses everything; empty while it can."""

    def start(self, work: Work) -> R:
        """Check, pack and initialise. Raises `InputError` for a bad problem or parameter."""

    def advance(self, runs: Sequence[R], seconds: float, stop: StopFlag) -> None:
        """Advance all `runs` for about `seconds`, or until `stop` is set, or until all have finished."""

    def outcome(self, run: R, reason: StopReason | None) -> Sequence[Result]:
        """One result a problem: the best found so far. `reason` says why an unfinished run ended."""
