"""The policies: frozen values that say where a job goes. Each decides by a pure function of a `View`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from gpuqio.dispatch.backend import DispatchBackend
from gpuqio.dispatch.decision import Budget, Place, View, at_least_zero

if TYPE_CHECKING:
    from gpuqio.backend import Backend, Statistics
    from gpuqio.dispatch.account import Account

__all__ = ["LocalOnly", "Overflow", "Policy", "Race", "RemoteOnly"]

MOST_AHEAD = 256  # jobs: what one who has many holds in memory to let the local queue grow


class Policy(Protocol):
    """Says where each job goes."""

    @property
    def falls_back(self) -> bool:
        """Whether a job that the remote place fails to do is done locally."""

    def decide(self, view: View) -> Place:
        """Where a job goes that comes now."""

    def ahead(self, local: Statistics) -> int:
        """How many jobs more than its workers need the local queue must be able to hold for the policy to work."""

    def over(self, local: Backend, remote: Backend, account: Account | None = None) -> Backend:
        """A backend that sends jobs to two others by this policy. `account` goes on with what was spent before."""


@dataclass(frozen=True, slots=True)
class LocalOnly:
    """Everything on this machine; the remote place is never spoken to."""

    falls_back: ClassVar[bool] = False

    def decide(self, view: View) -> Place:
        """`Place.LOCAL`."""
        return Place.LOCAL

    def ahead(self, local: Statistics) -> int:
        """None."""
        return 0

    def over(self, local: Backend, remote: Backend, account: Account | None = None) -> Backend:
        """The local backend itself."""
        return local


class _Hybrid:
    """What the policies that use both places share."""

    __slots__ = ()

    def ahead(self, local: Statistics) -> int:
        """None."""
        return 0

    def over(self: Policy, local: Backend, remote: Backend, account: Account | None = None) -> Backend:
        """A backend that sends jobs to two others by this policy. `account` goes on with what was spent before."""
        return DispatchBackend(self, local, remote, account)


@dataclass(frozen=True, slots=True)
class RemoteOnly(_Hybrid):
    """Everything at the remote place, whose failures are reported; once the budget is used up, on this machine.

    Attributes:
        budget: of remote work.
    """

    budget: Budget = field(default_factory=Budget)

    falls_back: ClassVar[bool] = False

    def decide(self, view: View) -> Place:
        """Remote while the budget lasts. A job that is bound to the remote place goes there in any case."""
        return Place.REMOTE if self.budget.allows(view.spent, view.jobs) or not view.portable else Place.LOCAL


@dataclass(frozen=True, slots=True)
class Overflow(_Hybrid):
    """On this machine, until a job would have to wait there for too long; then remote.

    A job that the remote place fails to do is done locally, and the remote place is left alone for a while.

    Attributes:
        max_wait: seconds that a job may be predicted to wait here (`Statistics.predicted_wait`). 0: a job goes remote
            if no worker is free.
        budget: of remote work.
    """

    max_wait: float
    budget: Budget = field(default_factory=Budget)

    falls_back: ClassVar[bool] = True

    def __post_init__(self) -> None:
        at_least_zero("max_wait", self.max_wait)

    def decide(self, view: View) -> Place:
        """Remote if the wait here is too long, or the queue full, and the remote place may be used."""
        local = view.local
        is_full = local.waiting >= local.max_waiting or local.submitting > 0
        too_long = is_full or local.predicted_wait > self.max_wait
        return Place.REMOTE if too_long and _may_be_used(view, self.budget) else Place.LOCAL

    def ahead(self, local: Statistics) -> int:
        """As many as are done here within `max_wait`: with fewer no job would ever wait longer than that."""
        jobs = local.waiting + local.executing
        if local.predicted_wait <= 0 or jobs == 0 or math.isinf(self.max_wait):
            return 0
        return min(math.ceil(self.max_wait * jobs / local.predicted_wait), MOST_AHEAD)


@dataclass(frozen=True, slots=True)
class Race(_Hybrid):
    """Both places at once. The first success is the result; the other's work is cancelled before it is given back.

    While the remote place fails, or once the budget is used up, on this machine alone.

    Attributes:
        budget: of remote work.
    """

    budget: Budget = field(default_factory=Budget)

    falls_back: ClassVar[bool] = True

    def decide(self, view: View) -> Place:
        """Both, if the remote place may be used."""
        return Place.BOTH if _may_be_used(view, self.budget) else Place.LOCAL


def _may_be_used(view: View, budget: Budget) -> bool:
    return view.portable and view.breaker.allows(view.now, view.out) and budget.allows(view.spent, view.jobs)
