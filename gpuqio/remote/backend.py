"""A workspace of a service as a backend: each problem is a job there, told and asked about over HTTP.

Nothing runs by itself: everything happens in the tasks of who calls, so what they cancel is cancelled.
"""

from __future__ import annotations

import builtins
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec
import trio

from gpuqio.backend import Availability, Blob, JobRecord, Request, Sessions, Statistics, Status, Storage
from gpuqio.errors import BackendUnavailable, BlobExists, BlobNotFound, GpuqioError
from gpuqio.problem import Problem
from gpuqio.remote.client import Client
from gpuqio.remote.heard import Heard
from gpuqio.remote.jobs import combined, message_of, parts_of, record_of
from gpuqio.remote.protocol import JobMessage
from gpuqio.remote.results import decode_result
from gpuqio.remote.sessions import RemoteSessions
from gpuqio.remote.transport import CONNECTIONS, MOST_PATIENCE
from gpuqio.result import Result

__all__ = ["RemoteBackend"]

FIRST_POLL, MOST_POLL, POLL_GROWTH = 0.2, 30.0, 1.5
GRACE = 10.0
"""Seconds for cancelling what a cancelled call leaves behind."""

LARGE = 50_000
"""Coefficients of a problem, or bytes of a result, from which on a thread reads or writes them."""

INPUT = "inputData"
QIO_RESULTS = "microsoft.qio-results"

T = TypeVar("T")


@dataclass(slots=True)
class _Batch:
    """A request of several problems: its parts, and what was last heard of each."""

    request: Request
    parts: list[Request]
    records: list[JobRecord]


class RemoteBackend:
    """Implements `gpuqio.backend.Backend` on a service that speaks Azure Quantum's protocol.

    A request of several problems is one job here, and one for each problem there. A request's deadline and threads
    mean nothing there; a priority above 0 is sent as "High".

    Args:
        client: the workspace.
        storage: where problems and results lie.
        seed: of the jitter in polling.
    """

    def __init__(self, client: Client, storage: Storage, seed: int | None = None) -> None:
        self.client = client
        self._storage = storage
        self._sessions = RemoteSessions(client)
        self._heard = Heard()
        self._batches: dict[str, _Batch] = {}
        self._submitting = 0
        self._random = random.Random(seed)

    def __repr__(self) -> str:
        return f"<RemoteBackend {self.client.workspace.name} at {self.client.endpoint.url}>"

    @property
    def storage(self) -> Storage:
        """Where the problems and results of its jobs lie."""
        return self._storage

    @property
    def sessions(self) -> Sessions:
        """The service's."""
        return self._sessions

    # Submit, wait, cancel

    async def submit(self, request: Request) -> JobRecord:
        """Upload the problem and put a job. Cancelling the call, or its failure, cancels what has been put."""
        self._heard.check_new(request.job_id)
        parts = parts_of(request)
        put: builtins.list[str] = []
        self._submitting += 1
        try:
            records = await _gather(partial(self._put, part, put) for part in parts)
            await trio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            await self._abandon(put)
            raise
        finally:
            self._submitting -= 1
        if len(parts) == 1:
            return self._heard.note(records[0])
        self._batches[request.job_id] = _Batch(request, parts, records)
        return self._heard.note(combined(request, records))

    def submit_nowait(self, request: Request) -> JobRecord:
        """Raises `BackendUnavailable`: a remote job takes a few round trips to submit."""
        raise BackendUnavailable("A remote workspace takes jobs by `submit` only, which has to wait for its answers.")

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job has ended: asks every 0.2 s, then less and less often. Cancelling it leaves the job."""
        batch = self._batches.get(job_id)
        if batch is None:
            return self._heard.note(await self._wait(job_id, self._request(job_id)))
        await _gather(partial(self._wait_part, batch, place) for place in range(len(batch.parts)))
        return self._noted(batch)

    async def cancel(self, job_id: str) -> JobRecord:
        """Ask the job to stop and wait until it has. An ended job stays as it is."""
        record = self._heard.get(job_id)
        if record is not None and record.status.is_final:
            await trio.lowlevel.checkpoint()
            return record
        batch = self._batches.get(job_id)
        await _gather(partial(self.client.cancel_job, part) for part in self._ids(batch, job_id))
        return await self.wait(job_id)

    async def solve(self, request: Request) -> JobRecord:
        """Submit and wait. Cancelling the call, or its failure, cancels the job, and waits for that up to 10 s."""
        record = await self.submit(request)
        try:
            return await self.wait(record.id)
        except BaseException:
            await self._abandon(self._ids(self._batches.get(record.id), record.id))
            raise

    # Ask

    def get(self, job_id: str) -> JobRecord:
        """The job as it was last heard of."""
        return self._heard[job_id]

    def list(self) -> builtins.list[JobRecord]:
        """All jobs heard of, oldest first."""
        return self._heard.all()

    async def fetch(self, job_id: str) -> JobRecord:
        """The job as it is now, with its results if it has succeeded, whoever submitted it."""
        record = self._heard.get(job_id)
        if record is not None and record.status.is_final and (record.results or record.status is not Status.Succeeded):
            await trio.lowlevel.checkpoint()
            return record
        batch = self._batches.get(job_id)
        if batch is None:
            return self._heard.note((await self._look(job_id, self._request(job_id)))[0])
        await _gather(partial(self._look_part, batch, place) for place in range(len(batch.parts)))
        return self._noted(batch)

    async def fetch_all(self) -> builtins.list[JobRecord]:
        """All jobs there are, whoever submitted them, oldest first; without results, unless those are known here."""
        records = []
        for message in await self.client.jobs():
            known = self._heard.get(message.id or "")
            if known is None or not known.status.is_final:
                known = record_of(message, message.id or "", self._request(message.id or ""))
            records.append(known)
        return sorted(records, key=lambda record: record.created)

    async def targets(self) -> builtins.list[Availability]:
        """What solvers there are, and how busy each is."""
        return [
            Availability(target.id, provider.id, target.current_availability or "", target.average_queue_time or 0.0)
            for provider in await self.client.provider_status()
            for target in provider.targets
        ]

    async def quotas(self) -> builtins.list[dict[str, Any]]:
        """The limits on use, by the service's names."""
        return [msgspec.structs.asdict(quota) for quota in await self.client.quotas()]

    def statistics(self) -> Statistics:
        """What is known here; what others do with the workspace is not. Its workers are the connections."""
        found = [record.status for record in self._heard.all()]
        return Statistics(
            workers=CONNECTIONS,
            busy=min(CONNECTIONS, found.count(Status.Executing)),
            waiting=found.count(Status.Waiting),
            max_waiting=max(1, found.count(Status.Waiting)),
            submitting=self._submitting,
            executing=found.count(Status.Executing),
            succeeded=found.count(Status.Succeeded),
            failed=found.count(Status.Failed),
            cancelled=found.count(Status.Cancelled),
        )

    # One job of the service

    async def _put(self, request: Request, put: builtins.list[str]) -> JobRecord:
        """Upload and put one problem; `put` has its id from when the service may know it."""
        envelope = request.envelope
        container = envelope.container_uri or await self._storage.container(f"job-{request.job_id}")
        uri = envelope.input_data_uri
        if uri is None:
            problem = request.work.problems[0]
            blob = Blob(await _written(problem), problem.written_as.value, "gzip")
            uri = await self._upload(container, blob)
        put.append(request.job_id)
        message = await self.client.put_job(message_of(request, container, uri))
        return record_of(message, request.job_id, request)

    async def _upload(self, container: str, blob: Blob) -> str:
        try:
            return await self._storage.upload(container, INPUT, blob)
        except BlobExists:
            # The container is this job's alone; something on the way may have sent the request twice.
            path, mark, signature = container.partition("?")
            uri = f"{path}/{INPUT}{mark}{signature}"
            if (await self._storage.download(uri)).data != blob.data:
                raise
            return f"{path}/{INPUT}"

    async def _look(self, job_id: str, request: Request | None) -> tuple[JobRecord, float]:
        """A job as it is now, and for how many seconds the service asks to be left alone."""
        message, pause = await self.client.get_job(job_id)
        record = record_of(message, job_id, request)
        if record.status in (Status.Succeeded, Status.Cancelled):
            record = record_of(message, job_id, request, await self._results(message, record))
        return record, pause

    async def _results(self, message: JobMessage, record: JobRecord) -> Sequence[Result] | None:
        """None of a job that is no optimization, or was cancelled before it had found anything."""
        readable = record.envelope.output_data_format.startswith(QIO_RESULTS)
        if message.output_data_uri is None or not readable:
            return None
        if record.status is Status.Cancelled and record.began is None:
            return None
        try:
            data = (await self._storage.download(message.output_data_uri)).data
        except BlobNotFound:
            if record.status is Status.Cancelled:
                return None
            raise
        read = partial(decode_result, data, message.metadata)
        return [await trio.to_thread.run_sync(read) if len(data) > LARGE else read()]

    async def _wait(self, job_id: str, request: Request | None) -> JobRecord:
        interval = FIRST_POLL
        while True:
            record, pause = await self._look(job_id, request)
            if record.status.is_final:
                return record
            await trio.sleep(max(min(pause, MOST_PATIENCE), interval * self._random.uniform(0.8, 1.0)))
            interval = min(interval * POLL_GROWTH, MOST_POLL)

    async def _look_part(self, batch: _Batch, place: int) -> None:
        if not batch.records[place].status.is_final:
            batch.records[place] = (await self._look(batch.parts[place].job_id, batch.parts[place]))[0]

    async def _wait_part(self, batch: _Batch, place: int) -> None:
        if not batch.records[place].status.is_final:
            batch.records[place] = await self._wait(batch.parts[place].job_id, batch.parts[place])

    def _noted(self, batch: _Batch) -> JobRecord:
        record = combined(batch.request, batch.records)
        if record.status.is_final:
            self._batches.pop(record.id, None)
        return self._heard.note(record)

    def _request(self, job_id: str) -> Request | None:
        record = self._heard.get(job_id)
        return None if record is None else record.request

    def _ids(self, batch: _Batch | None, job_id: str) -> builtins.list[str]:
        """The service's ids of a job's parts that may still run."""
        if batch is None:
            return [job_id]
        known = zip(batch.parts, batch.records, strict=True)
        return [part.job_id for part, record in known if not record.status.is_final]

    async def _abandon(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs that nobody waits for any more, and see that they stop; come what may, and not for long."""

        async def stop(job_id: str) -> None:
            with suppress(GpuqioError):
                await self.client.cancel_job(job_id)
                await self._wait(job_id, None)

        with trio.move_on_after(GRACE, shield=True):
            await _gather(partial(stop, job_id) for job_id in job_ids)


async def _written(problem: Problem) -> bytes:
    size = len(problem.term_arrays().coefficients) if problem.matrices is None else problem.matrices.J.size
    return await trio.to_thread.run_sync(problem.to_blob) if size > LARGE else problem.to_blob()


async def _gather(calls: Iterable[Callable[[], Awaitable[T]]]) -> builtins.list[T]:
    """What all calls return, in order. The first that fails cancels the others, and its error is raised as it is."""
    results: dict[int, T] = {}
    errors: builtins.list[Exception] = []

    async def run(place: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[place] = await call()
        except Exception as error:
            errors.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for place, call in enumerate(calls):
            nursery.start_soon(run, place, call)
    if errors:
        raise errors[0]
    return [results[place] for place in sorted(results)]
