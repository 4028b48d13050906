"""Sees a job through in one place or both, until nothing of it runs any more."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import trio

from gpuqio.backend import Backend, JobError, JobRecord, Request, Status
from gpuqio.dispatch.account import Account, price
from gpuqio.dispatch.decision import Breaker, Place
from gpuqio.dispatch.job import DispatchedJob, elsewhere, unended
from gpuqio.errors import BackendUnavailable, BlobNotFound, JobNotFound, RemoteError

__all__ = ["LOST", "Runner"]

LOST = (BackendUnavailable, BlobNotFound, JobNotFound, RemoteError)
"""What says that a place can't do a job that another may."""

OWN_FAULT = "InvalidInputData"
"""The class of error of a job that would fail in any place."""

CLEANUP_SECONDS = 10.0  # for cancelling a job at a place that may be dead


class Runner:
    """The two places, and how jobs fare there.

    Whatever ends a job early, be it a success elsewhere, a cancellation, or the end of the trio run, does so by a
    cancel scope; each place's work is cancelled and waited for on the way out.

    Args:
        falls_back: a job that is lost at the remote place is done locally.
        account: counts remote work; a job is on it when it comes here.

    Attributes:
        breaker: how the remote place fares.
        failure: what it said when it last failed.
        returned: jobs that were lost there and done locally.
    """

    def __init__(self, local: Backend, remote: Backend, falls_back: bool, account: Account) -> None:
        self._local, self._remote, self._falls_back, self._account = local, remote, falls_back, account
        self.breaker = Breaker()
        self.failure = ""
        self.returned = 0

    def fitted(self, backend: Backend, request: Request) -> Request:
        """The request as a place is to get it."""
        at_home = backend is (self._local if self._falls_back else self._remote)
        return request if at_home or not request.work.problems else elsewhere(request)

    def seen(self, job: DispatchedJob) -> JobRecord:
        """The job as it was last heard of. It has not ended before all of it has, wherever it runs."""
        if job.ended.is_set():
            return job.record if job.home is None else job.home.get(job.request.job_id)
        return next((unended(record) for _, record in self.records(job.request.job_id)), job.record)

    def records(self, job_id: str, *places: Backend) -> Iterator[tuple[Backend, JobRecord]]:
        """The records that the places (both, the local one first) have of a job."""
        for place in places or (self._local, self._remote):
            with suppress(JobNotFound):
                yield place, place.get(job_id)

    async def see_through(self, job: DispatchedJob, place: Place) -> None:
        """A job's task. No error may leave it, for that would take the whole trio run down."""
        try:
            with job.scope:
                await (self._race(job) if place is Place.BOTH else self._send(job))
        except Exception as error:
            job.refusal = error
        finally:
            self._settle(job)

    async def _send(self, job: DispatchedJob) -> None:
        if await self._at_remote(job) is None and self._falls_back:
            self.returned += 1
            await self._attempt(self._local, job)

    async def _race(self, job: DispatchedJob) -> None:
        errors: list[Exception] = []

        async def enter(run: Callable[[DispatchedJob], Awaitable[JobRecord | None]]) -> None:
            try:
                record = await run(job)
            except Exception as error:  # the other may still win
                errors.append(error)
            else:
                if record is not None and record.status is Status.Succeeded:
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter, self._at_local)
            nursery.start_soon(enter, self._at_remote)
        if errors:
            raise errors[0]

    async def _at_local(self, job: DispatchedJob) -> JobRecord:
        return await self._attempt(self._local, job)

    async def _at_remote(self, job: DispatchedJob) -> JobRecord | None:
        """How it ended there; None if it was lost, or failed by no fault of its own."""
        job_id = job.request.job_id
        try:
            record = await self._attempt(self._remote, job)
        except LOST as error:
            self._failed(f"{type(error).__name__}: {error}")
            if not self._falls_back:
                raise
            # Should it run there all the same, nobody wants it. To say so may take long, which nobody waits for.
            trio.lowlevel.spawn_system_task(self._clear, self._remote, job_id)
            return None
        finally:
            costs = [price(record.envelope.cost_estimate) for _, record in self.records(job_id, self._remote)]
            self._account.close(job_id, trio.current_time(), sum(costs))
        if record.error is not None and record.error.code != OWN_FAULT:
            self._failed(f"{record.error.code}: {record.error.message}")
            return None
        self.breaker = Breaker()
        return record

    def _failed(self, failure: str) -> None:
        self.breaker, self.failure = self.breaker.failed(trio.current_time()), failure

    async def _attempt(self, backend: Backend, job: DispatchedJob) -> JobRecord:
        """Submit and wait; cancelled, cancel the job there, and wait for that. Half a submission undoes itself."""
        await backend.submit(self.fitted(backend, job.request))
        job.admitted.set()
        try:
            return await backend.wait(job.request.job_id)
        except trio.Cancelled:
            await self._clear(backend, job.request.job_id)
            raise

    async def _clear(self, backend: Backend, job_id: str) -> None:
        """Cancel a job where it may be, come what may, and wait until it has stopped."""
        seconds = CLEANUP_SECONDS if backend is self._remote else math.inf
        with trio.move_on_after(seconds, shield=True), suppress(Exception):
            await backend.cancel(job_id)

    def _settle(self, job: DispatchedJob) -> None:
        """Nothing of the job runs any more: find the record that is its own."""
        ended = [(place, record) for place, record in self.records(job.request.job_id) if record.status.is_final]
        if ended:  # of equals the local one
            job.home, _ = max(ended, key=lambda e: (e[1].status is Status.Succeeded, e[1].results is not None))
            job.refusal = None
        elif job.admitted.is_set() and not self._falls_back:
            job.home = self._remote  # which has been lost sight of; who asks again will hear
            job.refusal = None
        elif job.refusal is not None:
            job.end(Status.Failed, JobError("InternalError", f"{type(job.refusal).__name__}: {job.refusal}"))
        else:
            job.end(Status.Cancelled)
        job.release()
        job.admitted.set()
        job.ended.set()
