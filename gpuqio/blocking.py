"""The blocking flavour, which `gpuqio` exports, as `azure.quantum` is blocking: a thin face of `gpuqio.trio`.

The work runs in a background thread (`gpuqio.portal`), so these classes also serve where an asyncio loop is
running already, as in a notebook; there, `gpuqio.aio` is the polite way, since it leaves the loop free.
"""

from __future__ import annotations

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
from gpuqio.terms import Term
from gpuqio.trio.streaming import BaseStreamingProblem

__all__ = ["Job", "JobStatus", "StreamingProblem", "Workspace"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@documented_by(native.Job)
class Job(BaseJob):
    __module__ = "gpuqio"

    def __init__(self, workspace: Workspace, core: native.Job) -> None:
        self.workspace = workspace
        self._core = core

    @property
    def details(self) -> JobDetails:
        return self._core.details

    def submit(self) -> None:
        self.workspace._run(self._core.submit)

    def refresh(self) -> None:
        self.workspace._run(self._core.refresh)

    def cancel(self) -> None:
        self.workspace._run(self._core.cancel)

    def wait_until_completed(
        self, max_poll_wait_secs: float = 30, timeout_secs: float | None = None, print_progress: bool = False
    ) -> None:
        self.workspace._run(self._core.wait_until_completed, max_poll_wait_secs, timeout_secs, print_progress)

    def get_results(self, timeout_secs: float | None = 300) -> Result:
        return self.workspace._run(self._core.get_results, timeout_secs)

    @classmethod
    def from_input_data(
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
        return cls(workspace, workspace._run(make))

    @classmethod
    def from_storage_uri(
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
        return cls(workspace, workspace._run(make))

    def download_data(self, blob_uri: str) -> bytes:
        return self.workspace._run(self._core.download_data, blob_uri)

    def upload_attachment(
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
        return self.workspace._run(put)

    def download_attachment(self, name: str, container_uri: str | None = None) -> bytes:
        return self.workspace._run(self._core.download_attachment, name, container_uri)


@documented_by(native.Workspace)
class Workspace(BaseWorkspace):
    __module__ = "gpuqio"

    def _open(self) -> None:
        self._core = self._in_flavour(native.Workspace)
        self._lease = Lease()

    def _run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        return self._lease.portal().run(fn, *args)

    def submit(self, problem: AnyProblem, solver: AnySolver) -> Job:
        return Job(self, self._run(self._core.submit, problem, solver))

    def solve(self, problem: AnyProblem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
        return self._run(self._core.solve, problem, solver, timeout_secs)

    def solve_many(self, problems: Iterable[Problem], solver: AnySolver) -> BatchResult:
        return self._run(self._core.solve_many, problems, solver)

    def submit_job(self, job: Job) -> Job:
        return Job(self, self._run(self._core.submit_job, job._core))

    def cancel_job(self, job: Job) -> Job:
        return Job(self, self._run(self._core.cancel_job, job._core))

    def get_job(self, job_id: str) -> Job:
        return Job(self, self._run(self._core.get_job, job_id))

    def list_jobs(
        self,
        name_match: str | None = None,
        status: JobStatus | None = None,
        created_after: date | datetime | None = None,
    ) -> list[Job]:
        return [Job(self, core) for core in self._run(self._core.list_jobs, name_match, status, created_after)]

    def get_targets(
        self, name: str | None = None, provider_id: str | None = None, **kwargs: object
    ) -> Target[Any] | list[Target[Any]]:
        return self._targets(self._run(self._core._available), name, provider_id)

    def _refresh(self, target: Target[Any]) -> None:
        self._look_up(target, self._run(self._core._available))

    def get_quotas(self) -> list[dict[str, Any]]:
        return self._run(self._core.get_quotas)

    def statistics(self) -> Statistics:
        return self._run(self._core.statistics)

    def get_container_uri(
        self,
        job_id: str | None = None,
        container_name: str | None = None,
        container_name_format: str = "job-{job_id}",
    ) -> str:
        return self._run(self._core.get_container_uri, job_id, container_name, container_name_format)

    def _upload(self, problem: Problem, container_name: str, blob_name: str | None, container_uri: str | None) -> str:
        return self._run(self._core._upload, problem, container_name, blob_name, container_uri)

    def _download(self, uri: str, name: str | None) -> Problem:
        return self._run(self._core._download, uri, name)

    def open_session(self, session: Session, **kwargs: object) -> Session:
        return self._run(self._core.open_session, session)

    def _open_in_place_of(self, session: Session, before: Session | None) -> Session:
        return self._run(self._core._open_in_place_of, session, before)

    def close_session(self, session: Session) -> Session:
        return self._run(self._core.close_session, session)

    def refresh_session(self, session: Session) -> Session:
        return self._run(self._core.refresh_session, session)

    def get_session(self, session_id: str) -> Session:
        return self._of(self._run(self._core.get_session, session_id))

    def list_sessions(self) -> list[Session]:
        return [self._of(core) for core in self._run(self._core.list_sessions)]

    def list_session_jobs(self, session_id: str) -> list[Job]:
        return [Job(self, core) for core in self._run(self._core.list_session_jobs, session_id)]

    def list_top_level_items(self) -> list[Job | Session]:
        items = self._run(self._core.list_top_level_items)
        return [self._of(item) if isinstance(item, Session) else Job(self, item) for item in items]

    def _of(self, core: Session) -> Session:
        return Session(self, core.details)

    def close(self) -> None:
        if self._lease.held:
            try:
                self._run(self._core.close)
            finally:
                self._lease.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@documented_by(native.StreamingProblem)
class StreamingProblem(BaseStreamingProblem):
    __module__ = "gpuqio.optimization"

    def add_term(self, c: float, indices: Iterable[int]) -> None:
        self.add_terms([Term(c=c, indices=indices)])

    def add_terms(self, terms: Iterable[Term], c: float = 1) -> None:
        for part in self._parts(terms):
            if self._take(part):
                self.workspace._run(self._stage)

    def upload(
        self, workspace: object = None, container_name: str = "qio-problems", blob_name: str | None = None
    ) -> str:
        uri: str = self.workspace._run(self._finish)
        return uri

    def download(self) -> Problem:
        problem: Problem = self.workspace._run(self._fetch)
        return problem
