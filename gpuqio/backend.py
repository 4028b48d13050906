"""What solves requests: the seam between the facades, which users see, and the places where work is done.

A backend takes a `Request`, hands back a `JobRecord`, and keeps the record until it is asked about again.
Local, remote and distributed backends look the same from here.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid1

from gpuqio.errors import InvalidParameter

if TYPE_CHECKING:
    from gpuqio.engines.base import Work
    from gpuqio.result import Result

__all__ = [
    "Availability",
    "Backend",
    "Blob",
    "Envelope",
    "JobError",
    "JobRecord",
    "Request",
    "SessionRecord",
    "SessionStatus",
    "Sessions",
    "Statistics",
    "Status",
    "Storage",
    "provider_of",
]


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
class Envelope:
    """What the service writes on a job besides its work; a remote backend sends it, others keep it for the record.

    Attributes:
        provider_id, input_data_format, output_data_format: as the service calls them; "" for what follows from the
            target.
        container_uri, input_data_uri, output_data_uri: where the job's blobs lie; None where it has none. A request
            with `input_data_uri` and without problems is for the problem that lies there.
        session_id: the session it belongs to.
        metadata, tags, cost_estimate, quantum_computing_data: as the service has them.
    """

    provider_id: str = ""
    input_data_format: str = ""
    output_data_format: str = ""
    container_uri: str | None = field(default=None, repr=False)  # may be signed, and then is a key
    input_data_uri: str | None = field(default=None, repr=False)
    output_data_uri: str | None = field(default=None, repr=False)
    session_id: str | None = None
    metadata: Mapping[str, str] | None = None
    tags: Sequence[str] = ()
    cost_estimate: Any = None
    quantum_computing_data: Any = None


def provider_of(target: str) -> str:
    """Whose a target is: what stands before the first full stop of its id, and Microsoft where that says nothing."""
    prefix = target.partition(".")[0]
    return "Microsoft" if prefix in ("", "microsoft") else prefix


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
        envelope: what the service writes on it.
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
    envelope: Envelope = Envelope()

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
        request: what was asked for; None for a job of a remote workspace that was not submitted from here. Once the
            job has ended, `request.work.problems` is empty: records are kept long, problems are large.
        envelope: what the service writes on it.
        lowest_cost: the lowest cost found so far, to within the rounding of coefficients; None where that is not
            known, as for several problems, or once the job has ended.
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
    request: Request | None
    envelope: Envelope = Envelope()
    lowest_cost: float | None = None


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
        predicted_wait: seconds until a job submitted now would begin. An estimate, from how long recent jobs took; 0.0
            where a worker is free and nobody waits, and where nothing is known.
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
    predicted_wait: float = 0.0

    @property
    def in_work(self) -> int:
        """How many jobs one who has many should have submitted ahead, so that no worker stands idle."""
        return 2 * self.workers


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a target can be used now, by its id, and how many seconds a job waits for it on average."""

    target: str
    provider_id: str
    current_availability: str
    average_queue_time: float


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's bytes, as they were put there, and what was said about them."""

    data: bytes
    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Storage(Protocol):
    """Where problems and results lie as blobs, each in a container; both have URIs.

    A URI with a signature is a key to what it names: it is never logged, and `uri.partition("?")[0]` is its name.
    A blob that is not there raises `BlobNotFound`.
    """

    async def container(self, name: str) -> str:
        """The URI of a container, signed where it needs to be. It is made if it is not there."""

    async def upload(self, container_uri: str, name: str, blob: Blob) -> str:
        """Put a new blob, and return its URI without a signature; raises `BlobExists`."""

    async def stage(self, container_uri: str, name: str, block_id: str, data: bytes) -> None:
        """Put a block of a blob, to be seen once it is committed."""

    async def commit(self, container_uri: str, name: str, block_ids: Sequence[str], blob: Blob) -> str:
        """Make a blob of blocks, in this order, with all of `blob` but its data; returns its URI without a signature.

        A blob of that name is replaced.
        """

    async def download(self, uri: str) -> Blob:
        """A blob by its URI, signed or not."""


class SessionStatus(str, Enum):
    """A session's status, in the service's words and the SDK's names. The last four are final."""

    WAITING = "Waiting"
    EXECUTING = "Executing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    FAILURE_S_ = "Failure(s)"
    TIMED_OUT = "TimedOut"

    @property
    def is_final(self) -> bool:
        """True when the session takes no more jobs."""
        return self not in (SessionStatus.WAITING, SessionStatus.EXECUTING)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What is known of a session, jobs that belong together, at one moment.

    Attributes:
        job_failure_policy: "Abort", where a job that fails ends the session, or "Continue".
        created, ended: points in time (UTC), None for what has not happened.
    """

    id: str
    name: str
    provider_id: str
    target: str
    job_failure_policy: str = "Abort"
    status: SessionStatus = SessionStatus.WAITING
    created: datetime | None = None
    ended: datetime | None = None
    cost_estimate: Any = None


class Sessions(Protocol):
    """The sessions of a backend. A job says which it belongs to (`Envelope.session_id`).

    Unknown ids raise `SessionNotFound`.
    """

    async def open(self, session: SessionRecord) -> SessionRecord:
        """Make a session under an id of its own, and let jobs in."""

    async def close(self, session_id: str) -> SessionRecord:
        """Let no more jobs in. A session that has ended stays as it is."""

    async def fetch(self, session_id: str) -> SessionRecord:
        """The session as it is now."""

    async def fetch_all(self) -> list[SessionRecord]:
        """All sessions there are, oldest first."""


class Backend(Protocol):
    """A place that solves requests. All methods are called from one trio run.

    Unknown ids raise `JobNotFound`; a backend that has stopped raises `BackendUnavailable`.
    """

    @property
    def storage(self) -> Storage:
        """Where the problems and results of its jobs lie."""

    @property
    def sessions(self) -> Sessions:
        """Its sessions."""

    async def submit(self, request: Request) -> JobRecord:
        """Put a job in the queue, waiting for room if it is full; first come, first served.

        Cancelling the call, or its failure, leaves no job that runs.
        """

    def submit_nowait(self, request: Request) -> JobRecord:
        """Put a job in the queue, or raise `QueueFull`."""

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job has ended. Cancelling the wait leaves the job alone."""

    async def cancel(self, job_id: str) -> JobRecord:
        """Ask the job to stop and wait until it has; at most about one slice. An ended job stays as it is."""

    async def solve(self, request: Request) -> JobRecord:
        """Submit and wait. Cancelling the call cancels the job, and waits for that."""

    def get(self, job_id: str) -> JobRecord:
        """The job as it was last heard of."""

    def list(self) -> list[JobRecord]:
        """All jobs heard of, oldest first."""

    async def fetch(self, job_id: str) -> JobRecord:
        """The job as it is now, whoever submitted it."""

    async def fetch_all(self) -> builtins.list[JobRecord]:
        """All jobs there are, whoever submitted them, oldest first."""

    async def targets(self) -> builtins.list[Availability]:
        """What solvers there are, and how busy each is."""

    async def quotas(self) -> builtins.list[dict[str, Any]]:
        """The limits on use, each by the service's names: dimension, scope, provider_id, utilization, holds, ..."""

    def statistics(self) -> Statistics:
        """How busy the backend is now."""
