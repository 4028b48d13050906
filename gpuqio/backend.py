"""What solves requests: the seam between the facades, which users see, and the places where work is done.

A backend takes a `Request`, hands back a `JobRecord`, and keeps the record until it is asked about again.
Local, remote and distributed backends look the same from here.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Protocol
from uuid import uuid1

from gpuqio.errors import InvalidParameter

if TYPE_CHECKING:
    from gpuqio.engines.base import Work
    from gpuqio.result import Result

__all__ = ["Backend", "JobError", "JobRecord", "Request", "Statistics", "Status"]


class Status(str, Enum):
    """A job's status, in the service's words. The last three are final.

    As in the SDK, the names are in capitals, and the words themselves name the members too.
    """

    WAITING = Waiting = "Waiting"
    EXECUTING = Executing = "Executing"
    SUCCEEDED = Succeeded = "Succeeded"
    FAILED = Failed = "Failed"
    CANCELLED = Cancelled = "Cancelled"

    @property
    def is_final(self) -> bool:
        """True when the job has ended and its record will not change any more."""
        return self not in (Status.Waiting, Status.Executing)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: the service's class of error, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Request:
    """A job to be done. Checks itself; raises `InvalidParameter`.

    Attributes:
        work: the problems and their solver.
        name: shown in lists.
        params: the solver's parameters as they came, for the record.
        target: the service's target id, such as ``microsoft.paralleltempering.cpu``.
        priority: larger runs sooner, without exception; equals share.
        owner: who asks. Owners of equal priority get equal shares of the machine, whatever they queue.
        threads: at most so many of the owner's slices run at once; the owner's latest request decides.
            None for no bound but the machine's.
        deadline: a point on trio's clock (``trio.current_time() + seconds``) after which the job fails
            if it still waits. A job that has begun is not concerned. None for no deadline.
        job_id: unique in its backend.
    """

    work: Work
    name: str = "Optimization problem"
    params: Mapping[str, object] = field(default_factory=dict)
    target: str = ""
    priority: int = 0
    owner: Hashable = None
    threads: int | None = None
    deadline: float | None = None
    job_id: str = field(default_factory=lambda: str(uuid1()))

    def __post_init__(self) -> None:
        if not _is_whole(self.priority):
            raise _refused("priority", self.priority, "a whole number; larger runs sooner")
        if self.threads is not None and not (_is_whole(self.threads) and self.threads >= 1):
            raise _refused("threads", self.threads, "a whole number of 1 or more, or None for no bound")
        if self.deadline is not None and math.isnan(self.deadline):
            raise _refused("deadline", self.deadline, "a point on trio's clock, or None for no deadline")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refused(name: str, value: object, wanted: str) -> InvalidParameter:
    return InvalidParameter(f"{name} must be {wanted}; found {name}={value!r}.", field=name, value=value)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What is known of a job at one moment; ask the backend again for a later one.

    Attributes:
        created, began, ended, cancelled: points in time (UTC), None for what has not happened.
        error: set when `status` is Failed.
        results: one a problem, when Succeeded; the best so far when Cancelled, if the job had begun; else None.
        request: what was asked for. Once the job has ended, `request.work.problems` is empty: records are kept
            long, problems are large.
    """

    id: str
    name: str
    target: str
    params: Mapping[str, object]
    status: Status
    created: datetime
    began: datetime | None
    ended: datetime | None
    cancelled: datetime | None
    error: JobError | None
    results: Sequence[Result] | None
    request: Request


@dataclass(frozen=True, slots=True)
class Statistics:
    """How busy a backend is.

    Attributes:
        workers: slices that can run at once.
        busy: slices running now.
        waiting: jobs admitted to the queue and not begun; never more than `max_waiting`.
        max_waiting: the queue's bound.
        submitting: calls of `submit` that wait for room in the queue.
        executing: jobs begun and not ended.
        succeeded, failed, cancelled: jobs ended so, since the backend was made.
    """

    workers: int
    busy: int
    waiting: int
    max_waiting: int
    submitting: int
    executing: int
    succeeded: int
    failed: int
    cancelled: int


class Backend(Protocol):
    """A place that solves requests. All methods are called from one trio run.

    Unknown ids raise `JobNotFound`; a backend that has stopped raises `BackendUnavailable`.
    """

    async def submit(self, request: Request) -> JobRecord:
        """Put a job in the queue, waiting for room if it is full; first come, first served."""

    def submit_nowait(self, request: Request) -> JobRecord:
        """Put a job in the queue, or raise `QueueFull`."""

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job has ended. Cancelling the wait leaves the job alone."""

    async def cancel(self, job_id: str) -> JobRecord:
        """Ask the job to stop and wait until it has; at most about one slice. An ended job stays as it is."""

    async def solve(self, request: Request) -> JobRecord:
        """Submit and wait. Cancelling the call cancels the job, and waits for that."""

    def get(self, job_id: str) -> JobRecord:
        """The job as it is now."""

    def list(self) -> list[JobRecord]:
        """All jobs known, oldest first."""

    def statistics(self) -> Statistics:
        """How busy the backend is now."""
