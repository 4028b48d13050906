"""The asyncio flavour, under the name `azure.quantum.aio` had: a thin face of `gpuqio.trio`.

    async with Workspace() as workspace:
        result = await workspace.solve(problem, ParallelTempering(seed=11))

The work runs in a background thread (`gpuqio.portal`), so one workspace may serve several event loops, one after
the other or at once. Cancelling a task that waits here cancels what it waits for; the task gets its
`asyncio.CancelledError` once that has stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

from gpuqio import trio as native
from gpuqio.backend import Statistics
from gpuqio.batch_result import BatchResult
from gpuqio.facade.documented import documented_by
from gpuqio.facade.job import BaseJob, JobDetails, JobStatus
from gpuqio.facade.session import Session
from gpuqio.facade.target import AnyProblem, AnySolver, Target
from gpuqio.facade.workspace import BaseWorkspace
from gpuqio.portal import Lease
from gpuqio.problem import Problem
from gpuqio.problem_forms import ContentType
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

    @classmethod
    async def from_input_data(
        cls,
        workspace: Workspace,
        name: str,
        target: str,
        input_data: bytes,
        content_type: ContentType = ContentType.json,
        blob_name: str = "inputData",
        encoding: str = "",
        job_id: str | None = None,
        container_name: str | None = None,
        provider_id: str | None = None,
        input_data_format: str | None = None,
        output_data_format: str | None = None,
        input_params: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        **kwargs: Any,
    ) -> Job:
        make = partial(
            native.Job.from_input_data,
            workspace._core,
            name,
            target,
            input_data,
            content_type,
            blob_name,
            encoding,
            job_id,
            container_name,
            provider_id,
            input_data_format,
            output_data_format,
            input_params,
            session_id,
            **kwargs,
        )
        return cls(workspace, await workspace._run(make))

    @classmethod
    async def from_storage_uri(
        cls,
        workspace: Workspace,
        name: str,
        target: str,
        input_data_uri: str,
        provider_id: str | None = None,
        input_data_format: str | None = None,
        output_data_format: str | None = None,
        container_uri: str | None = None,
        job_id: str | None = None,
        input_params: Mapping[str, Any] | None = None,
        submit_job: bool = True,
        session_id: str | None = None,
        **kwargs: Any,
    ) -> Job:
        make = partial(
            native.Job.from_storage_uri,
            workspace._core,
            name,
            target,
            input_data_uri,
            provider_id,
            input_data_format,
            output_data_format,
            container_uri,
            job_id,
            input_params,
            submit_job,
            session_id,
            **kwargs,
        )
        return cls(workspace, await workspace._run(make))

    async def download_data(self, blob_uri: str) -> bytes:
        return await self.workspace._run(self._core.download_data, blob_uri)

    async def upload_attachment(
        self,
        name: str,
        data: bytes,
        container_uri: str | None = None,
        *,
        content_type: ContentType | str = ContentType.json,
        encoding: str = "",
    ) -> str:
        put = partial(
            self._core.upload_attachment, name, data, container_uri, content_type=content_type, encoding=encoding
        )
        return await self.workspace._run(put)

    async def download_attachment(self, name: str, container_uri: str | None = None) -> bytes:
        return await self.workspace._run(self._core.download_attachment, name, container_uri)


@documented_by(native.Workspace)
class Workspace(BaseWorkspace):
    def _open(self) -> None:
        self._core = self._in_flavour(native.Workspace)
        self._lease = Lease()

    async def _run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        return await run_through(self._lease, fn, *args)

    async def submit(self, problem: AnyProblem, solver: AnySolver) -> Job:
        return Job(self, await self._run(self._core.submit, problem, solver))

    async def solve(self, problem: AnyProblem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
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
    ) -> Target[Any] | list[Target[Any]]:
        return self._targets(await self._run(self._core._available), name, provider_id)

    async def _refresh(self, target: Target[Any]) -> None:
        self._look_up(target, await self._run(self._core._available))

    async def get_quotas(self) -> list[dict[str, Any]]:
        return await self._run(self._core.get_quotas)

    async def statistics(self) -> Statistics:
        return await self._run(self._core.statistics)

    async def get_container_uri(
        self,
        job_id: str | None = None,
        container_name: str | None = None,
        container_name_format: str = "job-{job_id}",
    ) -> str:
        return await self._run(self._core.get_container_uri, job_id, container_name, container_name_format)

    async def _upload(
        self, problem: Problem, container_name: str, blob_name: str | None, container_uri: str | None
    ) -> str:
        return await self._run(self._core._upload, problem, container_name, blob_name, container_uri)

    async def _download(self, uri: str, name: str | None) -> Problem:
        return await self._run(self._core._download, uri, name)

    async def open_session(self, session: Session, **kwargs: object) -> Session:
        return await self._run(self._core.open_session, session)

    async def _open_in_place_of(self, session: Session, before: Session | None) -> Session:
        return await self._run(self._core._open_in_place_of, session, before)

    async def close_session(self, session: Session) -> Session:
        return await self._run(self._core.close_session, session)

    async def refresh_session(self, session: Session) -> Session:
        return await self._run(self._core.refresh_session, session)

    async def get_session(self, session_id: str) -> Session:
        return self._of(await self._run(self._core.get_session, session_id))

    async def list_sessions(self) -> list[Session]:
        return [self._of(core) for core in await self._run(self._core.list_sessions)]

    async def list_session_jobs(self, session_id: str) -> list[Job]:
        return [Job(self, core) for core in await self._run(self._core.list_session_jobs, session_id)]

    async def list_top_level_items(self) -> list[Job | Session]:
        items = await self._run(self._core.list_top_level_items)
        return [self._of(item) if isinstance(item, Session) else Job(self, item) for item in items]

    def _of(self, core: Session) -> Session:
        return Session(self, core.details)

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
