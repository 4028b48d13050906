"""The asyncio flavour, under the name `azure.quantum.aio` had: a thin face of `gpuqio.trio`.

    async with Workspace() as workspace:
        result = await workspace.solve(problem, ParallelTempering(seed=11))

The work runs in a background thread (`gpuqio.portal`), so one workspace may serve several event loops, one after
the other or at once. Cancelling a task that waits here cancels what it waits for; the task gets its
`asyncio.CancelledError` once that has stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from gpuqio import trio as native
from gpuqio.backend import Statistics
from gpuqio.batch_result import BatchResult
from gpuqio.facade.documented import documented_by
from gpuqio.facade.job import BaseJob, JobDetails, JobStatus
from gpuqio.facade.target import AnySolver, Solver, Target
from gpuqio.facade.workspace import BaseWorkspace
from gpuqio.portal import Lease
from gpuqio.problem import Problem
from gpuqio.result import Result

__all__ = ["Job", "JobStatus", "Workspace"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def run_through(lease: Lease, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Run ``fn(*args)`` in the portal and wait for it without blocking the event loop.

    Cancelled, it cancels the call and waits until that has ended, however often it is cancelled meanwhile.
    """
    call = lease.portal().submit(fn, *args)
    ended = asyncio.wrap_future(call.future)
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        call.cancel()
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError:
                continue
        if not ended.cancelled():
            ended.exception()  # looked at, or asyncio would log it as lost
        raise
    except GeneratorExit:  # the loop dropped this coroutine, and nothing can be awaited any more
        call.cancel()
        raise


@documented_by(native.Job)
class Job(BaseJob):
    def __init__(self, workspace: Workspace, core: native.Job) -> None:
        self.workspace = workspace
        self._core = core

    @property
    def details(self) -> JobDetails:
        return self._core.details

    async def submit(self) -> None:
        await self.workspace._run(self._core.submit)

    async def refresh(self) -> None:
        await self.workspace._run(self._core.refresh)

    async def cancel(self) -> None:
        await self.workspace._run(self._core.cancel)

    async def wait_until_completed(
        self, max_poll_wait_secs: float = 30, timeout_secs: float | None = None, print_progress: bool = False
    ) -> None:
        await self.workspace._run(self._core.wait_until_completed, max_poll_wait_secs, timeout_secs, print_progress)

    async def get_results(self, timeout_secs: float | None = 300) -> Result:
        return await self.workspace._run(self._core.get_results, timeout_secs)


@documented_by(native.Workspace)
class Workspace(BaseWorkspace):
    def _open(self) -> None:
        self._core = self._in_flavour(native.Workspace)
        self._lease = Lease()

    async def _run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        return await run_through(self._lease, fn, *args)

    async def submit(self, problem: Problem, solver: AnySolver) -> Job:
        return Job(self, await self._run(self._core.submit, problem, solver))

    async def solve(self, problem: Problem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
        return await self._run(self._core.solve, problem, solver, timeout_secs)

    async def solve_many(self, problems: Iterable[Problem], solver: AnySolver) -> BatchResult:
        return await self._run(self._core.solve_many, problems, solver)

    async def submit_job(self, job: Job) -> Job:
        return Job(self, await self._run(self._core.submit_job, job._core))

    async def cancel_job(self, job: Job) -> Job:
        return Job(self, await self._run(self._core.cancel_job, job._core))

    async def get_job(self, job_id: str) -> Job:
        return Job(self, await self._run(self._core.get_job, job_id))

    async def list_jobs(
        self,
        name_match: str | None = None,
        status: JobStatus | None = None,
        created_after: date | datetime | None = None,
    ) -> list[Job]:
        return [Job(self, core) for core in await self._run(self._core.list_jobs, name_match, status, created_after)]

    async def get_targets(
        self, name: str | None = None, provider_id: str | None = None, **kwargs: object
    ) -> Solver[Any] | list[Solver[Any]]:
        return self._targets(name, provider_id)

    async def _refresh(self, target: Target[Any]) -> None:
        self._look_up(target)

    async def get_quotas(self) -> list[dict[str, Any]]:
        return await self._run(self._core.get_quotas)

    async def statistics(self) -> Statistics:
        return await self._run(self._core.statistics)

    async def close(self) -> None:
        if self._lease.held:
            try:
                await self._run(self._core.close)
            finally:
                self._lease.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
