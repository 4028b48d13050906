"""The native flavour: Workspace and Job for programs that run under trio.

    async with Workspace() as workspace:
        result = await workspace.solve(problem, ParallelTempering(seed=11))

Everything runs in the caller's own trio run: cancel scopes, timeouts and mock clocks reach the work. The blocking
flavour (`gpuqio`) and the asyncio one (`gpuqio.aio`) are thin faces of these classes.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from numbers import Real
from types import TracebackType
from typing import Any, Self

import trio

from gpuqio.backend import Backend, JobRecord, Request, Statistics
from gpuqio.batch_result import BatchResult
from gpuqio.errors import InvalidParameter, WaitTimeout
from gpuqio.facade.job import BaseJob, JobDetails, JobStatus
from gpuqio.facade.target import AnySolver, Solver, Target
from gpuqio.facade.workspace import BaseWorkspace, Chunk, results_of
from gpuqio.problem import Problem
from gpuqio.result import Result

__all__ = ["Job", "JobStatus", "Workspace"]


class Job(BaseJob):
    """A job: what is to be solved, and what is known of it.

    `solver.submit(problem)` makes and submits one.
    """

    def __init__(self, workspace: Workspace, request: Request | None, record: JobRecord | None = None) -> None:
        self.workspace = workspace
        self._request = request
        self._record = record
        self._details = JobDetails.of(request, record)

    @property
    def details(self) -> JobDetails:
        return self._details

    def _learn(self, record: JobRecord) -> None:
        self._record = record
        self._details = JobDetails.of(self._request, record)

    async def submit(self) -> None:
        """Queue the job, waiting for room if the queue is full."""
        self._learn(await self.workspace._reach().submit(self._to_submit()))

    def _to_submit(self) -> Request:
        if self._request is None:
            raise InvalidParameter(
                f"The job {self.id!r} was found in its workspace, and has been submitted already.",
                field="job",
                value=self.id,
            )
        return self._request

    async def refresh(self) -> None:
        """Get new `details`. Raises `JobNotFound` for a job that the workspace does not know."""
        self._learn(await self.workspace._reach().fetch(self.id))

    async def cancel(self) -> None:
        """Stop the job, and return when it has stopped: within a slice. A job that has ended stays as it is."""
        self._learn(await self.workspace._reach().cancel(self.id))

    async def wait_until_completed(
        self, max_poll_wait_secs: float = 30, timeout_secs: float | None = None, print_progress: bool = False
    ) -> None:
        """Wait until the job has ended, however it ends. It is told at once; nothing is polled.

        Args:
            max_poll_wait_secs: seconds between signs of progress.
            timeout_secs: seconds to wait, at most; None waits without limit.
            print_progress: write a dot to stderr every `max_poll_wait_secs`.

        Raises:
            WaitTimeout: (a TimeoutError) when the time is up. The job goes on.
        """
        if self._record is not None:
            await self.refresh()  # it may have ended meanwhile, and then no time is too short
        with _at_most(timeout_secs) as scope:
            while not self.has_completed():
                with _at_most(max_poll_wait_secs if print_progress else None, "max_poll_wait_secs"):
                    self._learn(await self.workspace._reach().wait(self.id))
                    break
                sys.stderr.write(".")
                sys.stderr.flush()
        if scope.cancelled_caught:
            raise _too_late(timeout_secs)

    async def get_results(self, timeout_secs: float | None = 300) -> Result:
        """Wait for the job and return its result.

        Args:
            timeout_secs: seconds to wait, at most; None waits without limit.

        Raises:
            JobFailed: (a RuntimeError) when the job failed or was cancelled.
            WaitTimeout: (a TimeoutError) when the time is up. The job goes on.
        """
        if self._record is None or not self.has_completed():
            await self.wait_until_completed(timeout_secs=timeout_secs)
        assert self._record is not None
        if self._record.results is None and self._record.status is JobStatus.Succeeded:  # heard of, not yet read
            self._learn(await self.workspace._reach().wait(self.id))
        return results_of(self._record)[0]


class Workspace(BaseWorkspace):
    __doc__ = BaseWorkspace.__doc__

    async def submit(self, problem: Problem, solver: AnySolver) -> Job:
        """Queue `problem` for `solver` and return the Job; waits only for room, where the queue is full.

        Args:
            problem: what to solve; a copy is taken, so it may be changed afterwards.
            solver: a solver of any workspace, or a workspace-free one of `gpuqio.solvers`.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
        """
        return await self.submit_job(Job(self, self._request(problem, solver)))

    async def solve(self, problem: Problem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
        """Solve `problem` and return its result. Interrupted, it cancels the job and waits until it has stopped.

        Args:
            problem, solver: as for `submit`.
            timeout_secs: seconds to wait, at most; None waits without limit.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
            JobFailed: the job failed, or was cancelled by someone else.
            WaitTimeout: the time was up; the job has been cancelled.
        """
        request = self._request(problem, solver)
        with _at_most(timeout_secs):
            return results_of(await self._reach().solve(request))[0]
        raise _too_late(timeout_secs)

    async def solve_many(self, problems: Iterable[Problem], solver: AnySolver) -> BatchResult:
        """Solve many problems, and return their results in the same order.

        The batch goes to the engine in chunks, a few at a time, so memory follows the chunks in work and not the
        batch. Interrupted, or at the first failure, it cancels what remains and waits until that has stopped.

        Args:
            problems: a `ProblemBatch`, or any problems in a row; not to be changed until they are solved.
            solver: as for `submit`.

        Raises:
            InvalidProblem, InvalidParameter, JobFailed: nothing of the batch runs any more.
        """
        backend = self._reach()
        in_work = 2 * backend.statistics().workers
        waiting: deque[JobRecord] = deque()
        results: list[Sequence[Result]] = []
        try:
            for chunk in self._chunks(problems, solver, at_least=in_work):
                if len(waiting) == in_work:
                    results.append(results_of(await backend.wait(waiting[0].id)))
                    waiting.popleft()
                waiting.append(await backend.submit(chunk))
            while waiting:
                results.append(results_of(await backend.wait(waiting[0].id)))
                waiting.popleft()
        except BaseException:
            await _cancel_all(backend, waiting)
            raise
        return BatchResult(*results)

    async def submit_job(self, job: Job) -> Job:
        """Queue `job`, waiting for room if the queue is full, and return it as a new Job."""
        request = job._to_submit()
        return Job(self, request, await self._reach().submit(request))

    async def cancel_job(self, job: Job) -> Job:
        """Stop `job`, and return it, as a new Job, when it has stopped. A job that has ended stays as it is."""
        return Job(self, job._request, await self._reach().cancel(job.id))

    async def get_job(self, job_id: str) -> Job:
        """The job of that id, as it is now. Raises `JobNotFound`."""
        record = await self._reach().fetch(job_id)
        return Job(self, record.request, record)

    async def list_jobs(
        self,
        name_match: str | None = None,
        status: JobStatus | None = None,
        created_after: date | datetime | None = None,
    ) -> list[Job]:
        """Jobs that pass every filter given, oldest first; `Job.matches_filter` explains the filters."""
        records = await self._reach().fetch_all()
        jobs = [Job(self, record.request, record) for record in records if not isinstance(record.request, Chunk)]
        return [job for job in jobs if job.matches_filter(name_match, status, created_after)]

    async def get_targets(
        self, name: str | None = None, provider_id: str | None = None, **kwargs: object
    ) -> Solver[Any] | list[Solver[Any]]:
        """The solvers to be had here, those of a name or provider only if given (capitals do not matter).

        Returns:
            The solver itself where exactly one matches, else a list. Other keyword arguments are ignored.
        """
        await trio.lowlevel.checkpoint()
        return self._targets(name, provider_id)

    async def _refresh(self, target: Target[Any]) -> None:
        await trio.lowlevel.checkpoint()
        self._look_up(target)

    async def get_quotas(self) -> list[dict[str, Any]]:
        """The limits on use, a dict each by the service's names; none on this machine, so an empty list."""
        return await self._reach().quotas()

    async def statistics(self) -> Statistics:
        """How busy the backend is: workers, jobs waiting and executing, and how jobs have ended."""
        await trio.lowlevel.checkpoint()
        return self._reach().statistics()

    async def close(self) -> None:
        """Cancel this workspace's jobs that still run, and wait until they have stopped. It may be used again."""
        if self._reached:
            backend = self._reach()
            mine = [record for record in backend.list() if record.request and record.request.owner is self._owner]
            await _cancel_all(backend, [record for record in mine if not record.status.is_final])
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _cancel_all(backend: Backend, records: Iterable[JobRecord]) -> None:
    """Cancel jobs, come what may, and wait until they have stopped: all at once, or others would begin meanwhile."""
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            for record in records:
                nursery.start_soon(backend.cancel, record.id)


def _at_most(seconds: float | None, name: str = "timeout_secs") -> trio.CancelScope:
    if seconds is None:
        return trio.CancelScope()
    if not isinstance(seconds, Real) or not seconds >= 0:
        raise InvalidParameter(
            f"{name} must be a number of seconds, 0 or more, or None for no limit; found {name}={seconds!r}.",
            field=name,
            value=seconds,
        )
    return trio.move_on_after(seconds)


def _too_late(seconds: float | None) -> WaitTimeout:
    return WaitTimeout(f"The wait time has exceeded {seconds} seconds.")
