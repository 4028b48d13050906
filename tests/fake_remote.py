"""A remote place in memory: a backend behind a slow line that can break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import trio

from gpuqio.backend import Envelope, JobRecord, Request, Statistics, Status
from gpuqio.errors import RemoteError
from gpuqio.scheduler.loop import Scheduler


class FakeRemote:
    """Attributes:
    inner: does the work.
    latency: seconds of a call; a submission has its effect after six tenths of them, a cancellation after four.
    dead: the line is broken: every call raises.
    calls: by name and id, as text.
    cost: that each job is said to have had.
    """

    storage: Any = "the remote storage"

    def __init__(self, inner: Scheduler, latency: float = 0.1) -> None:
        self.inner, self.latency = inner, latency
        self.dead = False
        self.calls: list[str] = []
        self.requests: list[Request] = []
        self.refuses: Exception | None = None
        self.cost: Any = None

    async def _pass(self, part: float = 0.5) -> None:
        await trio.sleep(self.latency * part)
        if self.dead:
            raise RemoteError("The remote place gave no answer.")

    async def submit(self, request: Request) -> JobRecord:
        self.calls.append(f"submit {request.job_id}")
        self.requests.append(request)
        await self._pass(0.6)
        if self.refuses is not None:
            raise self.refuses
        self.inner.submit_nowait(replace(request, envelope=Envelope()))  # blobs are not its own
        try:
            await self._pass(0.4)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self._pass(0.4)
                await self.inner.cancel(request.job_id)
            raise
        return self.get(request.job_id)

    async def wait(self, job_id: str) -> JobRecord:
        while not self.get(job_id).status.is_final:
            await self._pass()
            with trio.move_on_after(0.05):
                await self.inner.wait(job_id)
        await self._pass()
        return self.get(job_id)

    async def cancel(self, job_id: str) -> JobRecord:
        self.calls.append(f"cancel {job_id}")
        await self._pass(0.4)
        await self.inner.cancel(job_id)
        await self._pass(0.6)
        return self.get(job_id)

    def get(self, job_id: str) -> JobRecord:
        record = self.inner.get(job_id)
        cost = self.cost if record.status.is_final else None
        return replace(record, envelope=replace(record.envelope, cost_estimate=cost))

    def list(self) -> Sequence[JobRecord]:
        return [self.get(record.id) for record in self.inner.list()]

    async def fetch(self, job_id: str) -> JobRecord:
        await self._pass()
        return self.get(job_id)

    async def fetch_all(self) -> Sequence[JobRecord]:
        await self._pass()
        return self.list()

    async def targets(self) -> Sequence[Any]:
        await self._pass()
        return ["remote target"]

    async def quotas(self) -> Sequence[dict[str, Any]]:
        await self._pass()
        return [{"dimension": "remote"}]

    def statistics(self) -> Statistics:
        return self.inner.statistics()

    @property
    def running(self) -> Sequence[str]:
        """The ids of jobs that have not ended there."""
        return [record.id for record in self.inner.list() if not record.status.is_final]

    def status(self, job_id: str) -> Status:
        return self.inner.get(job_id).status


class FakeLocal:
    """A scheduler with what a local backend has besides."""

    storage: Any = "the local storage"

    def __init__(self, inner: Scheduler) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def fetch(self, job_id: str) -> JobRecord:
        await trio.lowlevel.checkpoint()
        return self._inner.get(job_id)

    async def fetch_all(self) -> Sequence[JobRecord]:
        await trio.lowlevel.checkpoint()
        return self._inner.list()

    async def targets(self) -> Sequence[Any]:
        await trio.lowlevel.checkpoint()
        return ["local target"]

    async def quotas(self) -> Sequence[dict[str, Any]]:
        await trio.lowlevel.checkpoint()
        return [{"dimension": "local"}]
