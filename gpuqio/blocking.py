"""The blocking flavour, which `gpuqio` exports, as `azure.quantum` is blocking: a thin face of `gpuqio.trio`.

The work runs in a background thread (`gpuqio.portal`), so these classes also serve where an asyncio loop is
running already, as in a notebook; there, `gpuqio.aio` is the polite way, since it leaves the loop free.
"""

from __future__ import annotations

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


@documented_by(native.Workspace)
class Workspace(BaseWorkspace):
    __module__ = "gpuqio"

    def _open(self) -> None:
        self._core = self._in_flavour(native.Workspace)
        self._lease = Lease()

    def _run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        return self._lease.portal().run(fn, *args)

    def submit(self, problem: Problem, solver: AnySolver) -> Job:
        return Job(self, self._run(self._core.submit, problem, solver))

    def solve(self, problem: Problem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
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
    ) -> Solver[Any] | list[Solver[Any]]:
        return self._targets(name, provider_id)

    def _refresh(self, target: Target[Any]) -> None:
        self._look_up(target)

    def get_quotas(self) -> list[dict[str, Any]]:
        return self._run(self._core.get_quotas)

    def statistics(self) -> Statistics:
        return self._run(self._core.statistics)

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
