"""The records of all jobs: live ones, and ended ones as long as there is room."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio

from gpuqio.backend import JobError, JobRecord, Request, Status
from gpuqio.batch_result import DenseResults
from gpuqio.errors import InvalidParameter, JobNotFound
from gpuqio.scheduler.turns import Job

if TYPE_CHECKING:
    from gpuqio.engines.base import Run
    from gpuqio.result import Result

__all__ = ["Entry", "Ledger"]

KEPT_JOBS = 100_000
KEPT_BYTES = 2**30


@dataclass(eq=False, slots=True)
class Entry:
    """All that is known of a job."""

    request: Request
    job: Job
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: datetime | None = None
    ended: datetime | None = None
    run: Run | None = None
    results: Sequence[Result] | None = None
    error: JobError | None = None
    admitted: trio.Event = field(default_factory=trio.Event)  # also set when it ends before that
    done: trio.Event = field(default_factory=trio.Event)

    @classmethod
    def of(cls, request: Request) -> Entry:
        timeout = request.work.solver.timeout
        job = Job(
            request.job_id,
            request.owner,
            request.priority,
            deadline=math.inf if request.deadline is None else request.deadline,
            # It is meant for one problem, and those of one piece of work share a worker.
            timeout=math.inf if timeout is None else timeout * len(request.work.problems),
            threads=request.threads,
        )
        return cls(request, job)

    def record(self) -> JobRecord:
        request, status = self.request, self.job.state.status
        return JobRecord(
            id=request.job_id,
            name=request.name,
            target=request.target,
            params=request.params,
            status=status,
            created=self.created,
            began=self.began,
            ended=self.ended,
            cancelled=self.ended if status is Status.Cancelled else None,
            error=self.error,
            results=self.results,
            request=request,
            envelope=request.envelope,
        )

    @property
    def nbytes(self) -> int:
        """What its results take, nearly: the arrays, and 1 KiB a result for the objects around them."""
        if isinstance(self.results, DenseResults):
            return self.results.nbytes
        return sum(1024 + r.variables.nbytes + r.states.nbytes + r.costs.nbytes for r in self.results or ())


class Ledger:
    """Entries by id, in the order in which they came.

    Of the ended ones it keeps the last `kept_jobs`, and no more than `kept_bytes` of results; it forgets the oldest
    first, and always keeps the last one.
    """

    def __init__(self, kept_jobs: int = KEPT_JOBS, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept_jobs = kept_jobs
        self.kept_bytes = kept_bytes
        self._entries: dict[str, Entry] = {}
        self._ended: deque[tuple[str, int]] = deque()
        self._bytes = 0

    def __getitem__(self, job_id: str) -> Entry:
        try:
            return self._entries[job_id]
        except KeyError:
            raise JobNotFound(
                f"No job has the id {job_id!r}. Either it was never submitted here, or it ended so long ago that its "
                f"record has made room for others."
            ) from None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def check_new(self, job_id: str) -> None:
        """Raise `InvalidParameter` if the id is taken."""
        if job_id in self._entries:
            raise InvalidParameter(
                f"A job with the id {job_id!r} has been submitted already; give each job an id of its own.",
                field="job_id",
                value=job_id,
            )

    def add(self, entry: Entry) -> None:
        self._entries[entry.request.job_id] = entry

    def withdraw(self, entry: Entry) -> None:
        """Forget a job that was never admitted."""
        del self._entries[entry.request.job_id]

    def end(self, entry: Entry) -> None:
        """A job has come to a final state: complete its record, wake those who wait, make room."""
        entry.ended = datetime.now(UTC)
        entry.run = None
        entry.request = dataclasses.replace(entry.request, work=dataclasses.replace(entry.request.work, problems=()))
        entry.admitted.set()
        entry.done.set()
        self._ended.append((entry.request.job_id, entry.nbytes))
        self._bytes += self._ended[-1][1]
        while len(self._ended) > self.kept_jobs or (self._bytes > self.kept_bytes and len(self._ended) > 1):
            job_id, nbytes = self._ended.popleft()
            self._bytes -= nbytes
            del self._entries[job_id]
