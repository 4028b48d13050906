"""Takes waiting jobs from the store to the scheduler, a few at a time, and their results back.

What is here in memory is a queue of names, and the jobs in work. A job is in the store as Waiting until its result is
on disk, so whatever happens to the process, the next one does it again.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count

import msgspec
import trio

from gpuqio.backend import Backend, JobError, JobRecord, Request, Status
from gpuqio.blob_files import BlobFiles
from gpuqio.engines.base import Work
from gpuqio.errors import JobNotFound
from gpuqio.remote.protocol import REPORT_KEY, ErrorData
from gpuqio.remote.results import encode_report
from gpuqio.result import Result
from gpuqio.scheduler.crossing import job_error
from gpuqio.server import items
from gpuqio.server.items import Item
from gpuqio.server.limits import Limits
from gpuqio.server.names import job_container
from gpuqio.server.store import Store
from gpuqio.server.work import read_work, write_result

__all__ = ["Runner"]

JOBS_A_WORKER = 8
READERS = 2  # problems that are read at once: each takes much more than its text
REMEMBERED = 20


@dataclass(eq=False, slots=True)
class _Ticket:
    """A job that waits or is in work."""

    item: Item
    running_id: str = ""  # the scheduler's, once it has it
    cancelled: bool = False
    ended: trio.Event = field(default_factory=trio.Event)


_Queue = dict[str, dict[int, _Ticket]]


class Runner:
    """Runs the jobs of a store; nothing moves unless `run` runs.

    Args:
        store: has the jobs.
        files: gives the blobs of an account.
        backend: does the work.
        limits: of the jobs.

    Attributes:
        ended: how many jobs have ended, by their status.
        recent: the last `REMEMBERED` of them, with the costs of those that succeeded; newest last.
    """

    def __init__(self, store: Store, files: Callable[[str], BlobFiles], backend: Backend, limits: Limits) -> None:
        self.ended = dict.fromkeys((Status.Succeeded, Status.Failed, Status.Cancelled), 0)
        self.recent: deque[tuple[Item, float | None]] = deque(maxlen=REMEMBERED)
        self._waits: deque[float] = deque(maxlen=REMEMBERED)
        self._store = store
        self._files = files
        self._backend = backend
        self._limits = limits
        # Those of high priority, and the others: by account, and the accounts take turns.
        self._queues: tuple[_Queue, _Queue] = ({}, {})
        self._working: dict[int, _Ticket] = {}
        # Account and id of each job that is on its way into the store, by what happens when it has come there, or not.
        self._accepting: dict[trio.Event, tuple[str, str | None]] = {}
        self._change = trio.Event()
        self._readers = trio.CapacityLimiter(READERS)
        self._writers = trio.CapacityLimiter(READERS)
        self._running = count()

    # What others ask.

    @property
    def queued(self) -> int:
        """Jobs that wait for their turn."""
        return sum(len(tickets) for queue in self._queues for tickets in queue.values())

    @property
    def unfinished(self) -> int:
        """Jobs that have not ended, with those that are being accepted."""
        return self.queued + len(self._working) + len(self._accepting)

    @property
    def average_wait(self) -> float:
        """Seconds between a job's acceptance and its beginning, of the last ones that ended; 0.0 before the first."""
        return sum(self._waits) / max(1, len(self._waits))

    @property
    def working(self) -> list[tuple[Item, float | None]]:
        """The jobs in work, as they are now, each with the lowest cost found so far, where that is known."""
        return [(self.now(ticket.item), self._lowest_cost(ticket)) for ticket in self._working.values()]

    def _lowest_cost(self, ticket: _Ticket) -> float | None:
        record = self._record(ticket)
        return None if record is None else record.lowest_cost

    def executing(self, account: str) -> list[int]:
        """The numbers of an account's jobs that execute now."""
        mine = (ticket.item for ticket in self._working.values() if ticket.item.account == account)
        return [item.number for item in mine if self.now(item).job.status == Status.Executing.value]

    def now(self, item: Item) -> Item:
        """An item of the store with what has happened to it since."""
        ticket = self._working.get(item.number)
        record = None if ticket is None else self._record(ticket)
        if ticket is None or record is None or record.began is None or item.job.status != Status.Waiting.value:
            return item  # the store may know of its end before we do
        return replace(
            item,
            message=msgspec.structs.replace(
                item.job,
                status=Status.Executing.value,
                begin_execution_time=record.began,
                is_cancelling=ticket.cancelled,
            ),
        )

    def _record(self, ticket: _Ticket) -> JobRecord | None:
        """What the scheduler knows of a job; nothing before it has it, and once it has forgotten it."""
        if not ticket.running_id:
            return None
        try:
            return self._backend.get(ticket.running_id)
        except JobNotFound:  # it has ended, and is about to be written down
            return None

    @contextmanager
    def accepting(self, item: Item) -> Iterator[None]:
        """Write a job to the store in this block, and `add` it. It counts as unfinished, and a cancel waits for it.

        Others see a job as soon as it is in the store, which may be before who put it there goes on.
        """
        accepted = trio.Event()
        self._accepting[accepted] = item.account, item.job.id
        try:
            yield
        finally:
            del self._accepting[accepted]
            accepted.set()
            self._change.set()

    def add(self, item: Item) -> None:
        """Put a job, which is in the store as Waiting, in the queue."""
        queue = self._queues[0 if item.job.priority == "High" else 1]
        queue.setdefault(item.account, {})[item.number] = _Ticket(items.brief(item))
        self._change.set()

    async def cancel(self, item: Item) -> None:
        """Stop a job, and return when the store says how it ended. One that has ended stays as it is."""
        for accepted, name in list(self._accepting.items()):
            if name == (item.account, item.job.id):
                await accepted.wait()
        queued = [queue[item.account].pop(item.number, None) for queue in self._queues if item.account in queue]
        if ticket := next(filter(None, queued), None):
            ticket.cancelled = True
            self._working[item.number] = ticket  # until the store has it
            with trio.CancelScope(shield=True):
                await self._end(ticket, Status.Cancelled)
        elif ticket := self._working.get(item.number):
            ticket.cancelled = True
            if ticket.running_id:
                await self._backend.cancel(ticket.running_id)
            await ticket.ended.wait()

    # What happens.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled. It has started when it knows the jobs that an earlier process left."""
        for item in await self._store.do(items.waiting):
            self.add(item)
        task_status.started()
        most = JOBS_A_WORKER * self._backend.statistics().workers
        async with trio.open_nursery() as nursery:
            while True:
                self._change = trio.Event()
                while len(self._working) < most and (ticket := self._next()) is not None:
                    self._working[ticket.item.number] = ticket
                    nursery.start_soon(self._work, ticket)
                await self._change.wait()

    def _next(self) -> _Ticket | None:
        """The oldest job of the account whose turn it is, of high priority if there is any."""
        for queue in self._queues:
            for account in list(queue):
                tickets = queue.pop(account)
                if tickets:
                    ticket = tickets.pop(next(iter(tickets)))
                    queue[account] = tickets  # behind the others
                    return ticket
        return None

    async def _work(self, ticket: _Ticket) -> None:
        """See a job through."""
        find = partial(items.find, account=ticket.item.account, item_type="Job", id=str(ticket.item.job.id))
        item = await self._store.do(find)
        if ticket.cancelled or item is None or item.number != ticket.item.number:
            await self._end(ticket, Status.Cancelled)
            return
        ticket.item = item
        files = self._files(item.account)
        try:
            work = await trio.to_thread.run_sync(
                partial(read_work, item, files, self._limits), limiter=self._readers, thread_name="gpuqio reader"
            )
            if ticket.cancelled:
                await self._end(ticket, Status.Cancelled)
                return
            ticket.running_id = f"{item.account}/{item.job.id}/{next(self._running)}"
            self._backend.submit_nowait(self._request(ticket, work))
            del work
            record = await self._backend.wait(ticket.running_id)
            if record.status is Status.Succeeded and record.results is not None:
                (result,) = record.results
                await trio.to_thread.run_sync(
                    partial(write_result, item, result, files, job_container(str(item.job.id))), limiter=self._writers
                )
                await self._end(ticket, record.status, record, result=result)
            else:
                await self._end(ticket, record.status, record, error=record.error)
        except Exception as error:
            await self._end(ticket, Status.Failed, error=job_error(error))

    def _request(self, ticket: _Ticket, work: Work) -> Request:
        job = ticket.item.job
        return Request(
            work,
            name=job.name,
            target=job.target,
            priority=int(job.priority == "High"),
            owner=ticket.item.account,
            job_id=ticket.running_id,
        )

    async def _end(
        self,
        ticket: _Ticket,
        status: Status,
        record: JobRecord | None = None,
        *,
        error: JobError | None = None,
        result: Result | None = None,
    ) -> None:
        """Write down how a job has ended, and let it be known."""
        now = datetime.now(UTC)

        def write(connection: sqlite3.Connection) -> Item | None:
            item = items.find(connection, ticket.item.account, "Job", str(ticket.item.job.id))
            if item is None or item.number != ticket.item.number:
                return None
            job = item.job  # it may have been renamed meanwhile
            report = {} if result is None else {REPORT_KEY: encode_report(result.report)}
            ended = replace(
                item,
                message=msgspec.structs.replace(
                    job,
                    status=status.value,
                    begin_execution_time=record.began if record else None,
                    end_execution_time=record.ended if record else now,
                    cancellation_time=now if status is Status.Cancelled else None,
                    error_data=ErrorData(code=error.code, message=error.message) if error else None,
                    metadata={**(job.metadata or {}), **report} or None,
                ),
            )
            items.update(connection, ended)
            return ended

        ended = await self._store.do(write)
        self._working.pop(ticket.item.number, None)
        self.ended[status] += 1
        if record is not None and record.began is not None and ticket.item.job.creation_time is not None:
            self._waits.append((record.began - ticket.item.job.creation_time).total_seconds())
        if ended is not None:
            self.recent.append((ended, None if result is None else result.cost))
        ticket.ended.set()
        self._change.set()
