"""What a dispatch policy knows when it decides, and what it may answer: values only, no I/O, no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gpuqio.errors import InvalidParameter

if TYPE_CHECKING:
    from gpuqio.backend import Statistics

__all__ = ["Breaker", "Budget", "Place", "Spent", "View", "at_least_zero"]

FIRST_REST = 1.0  # seconds that a remote is left alone for after its first failure; each further one doubles them
LONGEST_REST = 300.0


class Place(Enum):
    """Where a job goes."""

    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Spent:
    """What remote work has taken so far.

    Attributes:
        jobs: sent there, whatever became of them; one a problem, as services count.
        seconds: from sending to end, of each, summed; of those under way up to now.
        cost: as the service stated it, in its currency; it states that of an ended job.
    """

    jobs: int = 0
    seconds: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How much remote work there may be; None for no bound. Checks itself; raises `InvalidParameter`.

    A job is sent if it fits into `jobs`, and while less than `seconds` and `cost` have been spent. Of these, what jobs
    that are under way then take may come on top, since it is known at their end; `jobs` is never exceeded, but by what
    `RemoteOnly` can have done only there, such as a job whose problem lies there.

    Attributes:
        jobs, seconds, cost: bounds on what `Spent` counts.
    """

    jobs: int | None = None
    seconds: float | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and (isinstance(self.jobs, bool) or not isinstance(self.jobs, int) or self.jobs < 0):
            raise InvalidParameter(
                f"jobs must be a whole number of 0 or more, or None for no bound; found jobs={self.jobs!r}.",
                field="jobs",
                value=self.jobs,
            )
        for name in ("seconds", "cost"):
            if getattr(self, name) is not None:
                at_least_zero(name, getattr(self, name))

    def allows(self, spent: Spent, jobs: int = 1) -> bool:
        """Whether so many more jobs may be sent."""
        fits = self.jobs is None or spent.jobs + jobs <= self.jobs
        others = ((self.seconds, spent.seconds), (self.cost, spent.cost))
        return fits and all(bound is None or used < bound for bound, used in others)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Leaves a remote alone after it has failed, longer each time. Then one job tries it, before others follow.

    Attributes:
        failures: since the last success, those of jobs under way together counting as one.
        until: the end of the rest, on the caller's clock.
    """

    failures: int = 0
    until: float = -math.inf

    def allows(self, now: float, out: int) -> bool:
        """Whether a job may be sent, where `out` of them are under way."""
        return self.failures == 0 or (now >= self.until and out == 0)

    def failed(self, now: float) -> Breaker:
        """After a failure."""
        if now < self.until:
            return self  # of a job that was sent before the rest
        rest = min(FIRST_REST * 2.0 ** min(self.failures, 64), LONGEST_REST)
        return Breaker(self.failures + 1, now + rest)


@dataclass(frozen=True, slots=True)
class View:
    """How things stand when a job comes.

    Attributes:
        now: the time, on trio's clock.
        local, remote: how busy the two places are.
        out: jobs sent to the remote place and not ended.
        spent: what remote work has taken.
        breaker: whether the remote place has failed lately.
        jobs: how many the job would be at a service: one a problem.
        portable: whether the job can be done in either place; else its problem or its session is in one.
    """

    now: float
    local: Statistics
    remote: Statistics
    out: int = 0
    spent: Spent = Spent()
    breaker: Breaker = Breaker()
    jobs: int = 1
    portable: bool = True


def at_least_zero(name: str, value: object) -> None:
    """`value` is a number, 0 or more; else `InvalidParameter`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidParameter(f"{name} must be a number, 0 or more; found {name}={value!r}.", field=name, value=value)
