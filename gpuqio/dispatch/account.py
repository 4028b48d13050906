"""The account of remote work: what has been spent, and since when each job under way is out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuqio.dispatch.decision import Spent

__all__ = ["Account", "price"]


class Account:
    """Counts remote work. One account may serve several backends, one after another, so that a budget holds for all."""

    def __init__(self) -> None:
        self._jobs, self._seconds, self._cost = 0, 0.0, 0.0
        self._since: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Account: {self._jobs} jobs, {self._seconds:.3g} s, cost {self._cost:.6g}; {self.out} under way>"

    @property
    def out(self) -> int:
        """Jobs sent and not ended, as they were sent."""
        return len(self._since)

    def open(self, job_id: str, now: float, jobs: int = 1) -> None:
        """A job is being sent, which is so many at the service."""
        self._jobs += jobs
        self._since[job_id] = now

    def close(self, job_id: str, now: float, cost: float) -> None:
        """It has ended there, or nothing more is expected of it."""
        self._seconds += now - self._since.pop(job_id)
        self._cost += cost

    def spent(self, now: float) -> Spent:
        """What has been spent up to now."""
        under_way = sum(now - since for since in self._since.values())
        return Spent(self._jobs, self._seconds + under_way, self._cost)


def price(cost_estimate: Any) -> float:
    """The total of a job's cost estimate, an object or the JSON of one; 0 where none is stated."""
    if isinstance(cost_estimate, Mapping):
        total = cost_estimate.get("estimatedTotal", cost_estimate.get("estimated_total"))
    else:
        total = getattr(cost_estimate, "estimated_total", None)
    return float(total or 0.0)
