"""The workspace under trio."""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

import trio

from gpuqio.backend import Availability, Backend, Blob, JobRecord, Request, Statistics
from gpuqio.batch_result import BatchResult
from gpuqio.errors import GpuqioError, WaitTimeout
from gpuqio.facade.job import JobStatus
from gpuqio.facade.requests import Chunk, as_it_is, results_of
from gpuqio.facade.session import Session, SessionDetails
from gpuqio.facade.target import AnyProblem, AnySolver, Target
from gpuqio.facade.workspace import BaseWorkspace
from gpuqio.problem import Problem
from gpuqio.result import Result
from gpuqio.trio.job import Job
from gpuqio.trio.streaming import BaseStreamingProblem
from gpuqio.trio.waiting import at_most, too_late

__all__ = ["Workspace"]

MOST_SECONDS_TO_CANCEL = 30.0  # remotely


class Workspace(BaseWorkspace):
    __doc__ = BaseWorkspace.__doc__
    __module__ = "gpuqio.trio"

    async def submit(self, problem: AnyProblem, solver: AnySolver) -> Job:
        """Queue `problem` for `solver` and return the Job; waits only for room, where the queue is full.

        Args:
            problem: a `Problem`, of which a copy is taken, so it may be changed afterwards; or one that lies in the
                storage: an `OnlineProblem`, or a URI; or a `StreamingProblem`, which is uploaded if it is not yet.
            solver: a solver of any workspace, or a workspace-free one of `gpuqio.solvers`.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
        """
        return await self.submit_job(Job(self, await self._asked(problem, solver)))

    async def solve(self, problem: AnyProblem, solver: AnySolver, timeout_secs: float | None = None) -> Result:
        """Solve `problem` and return its result. Interrupted, it cancels the job and waits until it has stopped.

        Args:
            problem, solver: as for `submit`.
            timeout_secs: seconds to wait, at most; None waits without limit.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
            JobFailed: the job failed, or was cancelled by someone else.
            WaitTimeout: the time was up; the job has been cancelled.
        """
        with at_most(timeout_secs):
            return results_of(await self._reach().solve(await self._asked(problem, solver)))[0]
        raise too_late(timeout_secs)

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
        waiting: deque[JobRecord] = deque()
        results: list[Sequence[Result]] = []
        try:
            for chunk in self._chunks(problems, solver, at_least=backend.statistics().in_work):
                while len(waiting) >= backend.statistics().in_work:
                    results.append(results_of(await backend.wait(waiting[0].id)))
                    waiting.popleft()
                waiting.append(await backend.submit(chunk))
            while waiting:
                results.append(results_of(await backend.wait(waiting[0].id)))
                waiting.popleft()
        except BaseException:
            await _cancel_all(backend, waiting, self._patience)
            raise
        return BatchResult(*results)

    async def _asked(self, problem: AnyProblem, solver: AnySolver) -> Request:
        if isinstance(problem, BaseStreamingProblem):
            return self._request_at(await problem._finish(), problem.name, solver)
        return self._request(problem, solver)

    async def _upload(
        self, problem: Problem, container_name: str, blob_name: str | None, container_uri: str | None
    ) -> str:
        where = container_uri.partition("?")[0] if container_uri else container_name
        if (uri := problem._uploaded_to(self._owner, where, blob_name)) is not None:
            await trio.lowlevel.checkpoint()
            return uri
        sent, document = as_it_is(problem), problem._document()
        storage = self._reach().storage
        container = container_uri or await storage.container(container_name)
        blob = Blob(await trio.to_thread.run_sync(sent.to_blob), sent.written_as.value, "gzip")
        name = f"{problem.name}-{uuid.uuid1()}" if blob_name is None else blob_name
        uri = await storage.upload(container, name, blob)
        problem._uploaded = uri, (self._owner, where, blob_name), document
        return uri

    async def _download(self, uri: str, name: str | None) -> Problem:
        blob = await self._reach().storage.download(uri)
        return await trio.to_thread.run_sync(Problem.deserialize, blob.data, name)

    async def get_container_uri(
        self,
        job_id: str | None = None,
        container_name: str | None = None,
        container_name_format: str = "job-{job_id}",
    ) -> str:
        """The URI of a container of the workspace's storage, signed where it needs to be. It is made if need be.

        Args:
            job_id: of the job whose container it is.
            container_name: wins over `job_id`; neither stands for the workspace's own.
            container_name_format: what a job's container is called.
        """
        if container_name is None:
            container_name = (
                f"{self.name or 'local'}-data" if job_id is None else container_name_format.format(job_id=job_id)
            )
        return await self._reach().storage.container(container_name)

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
    ) -> Target[Any] | list[Target[Any]]:
        """The targets to be had here, those of a name or provider only if given (capitals do not matter).

        Returns:
            The target itself where exactly one matches, else a list; each a solver, but for a target of a remote
            workspace that is none. They say whether they can be used, and how long their queues are. Other keyword
            arguments are ignored.
        """
        return self._targets(await self._available(), name, provider_id)

    async def _available(self) -> list[Availability]:
        return await self._reach().targets()

    async def _refresh(self, target: Target[Any]) -> None:
        self._look_up(target, await self._available())

    async def get_quotas(self) -> list[dict[str, Any]]:
        """The limits on use, a dict each by the service's names; none on this machine, so an empty list."""
        return await self._reach().quotas()

    async def statistics(self) -> Statistics:
        """How busy the backend is: workers, jobs waiting and executing, and how jobs have ended."""
        await trio.lowlevel.checkpoint()
        return self._reach().statistics()

    # Sessions

    async def open_session(self, session: Session, **kwargs: object) -> Session:
        """Make a session, so that jobs can belong to it, and return it. Keyword arguments are ignored."""
        return session._learn(await self._reach().sessions.open(session._record()))

    async def _open_in_place_of(self, session: Session, before: Session | None) -> Session:
        if before is not None and before.details.status is not None:  # else it could not be opened
            await self.close_session(before)
        return await self.open_session(session)

    async def close_session(self, session: Session) -> Session:
        """Let no more jobs into a session, and return it; one that has ended is refreshed."""
        if session.is_in_terminal_state():
            return await self.refresh_session(session)
        return session._learn(await self._reach().sessions.close(session.id))

    async def refresh_session(self, session: Session) -> Session:
        """Get new details of a session, and return it."""
        return session._learn(await self._reach().sessions.fetch(session.id))

    async def get_session(self, session_id: str) -> Session:
        """The session of that id, as it is now. Raises `SessionNotFound`."""
        return Session(self, SessionDetails.of(await self._reach().sessions.fetch(session_id)))

    async def list_sessions(self) -> list[Session]:
        """All sessions, oldest first."""
        return [Session(self, SessionDetails.of(record)) for record in await self._reach().sessions.fetch_all()]

    async def list_session_jobs(self, session_id: str) -> list[Job]:
        """The jobs that belong to a session, oldest first."""
        return [job for job in await self.list_jobs() if job.details.session_id == session_id]

    async def list_top_level_items(self) -> list[Job | Session]:
        """All sessions, and the jobs that belong to none."""
        jobs = await self.list_jobs()
        return [*await self.list_sessions(), *(job for job in jobs if job.details.session_id is None)]

    async def close(self) -> None:
        """Cancel this workspace's jobs that still run, and wait until they have stopped. It may be used again.

        A remote workspace is given 30 seconds; a job that could not be cancelled there raises why.
        """
        if self._reached:
            backend = self._reach()
            mine = [record for record in backend.list() if record.request and record.request.owner is self._owner]
            left = [record for record in mine if not record.status.is_final]
            if errors := await _cancel_all(backend, left, self._patience):
                raise errors[0]
        await trio.lowlevel.checkpoint()

    @property
    def _patience(self) -> float:
        """Seconds for cancelling what is left: here it takes a slice, and elsewhere it may take for ever."""
        return math.inf if self._is_local else MOST_SECONDS_TO_CANCEL

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _cancel_all(backend: Backend, records: Iterable[JobRecord], seconds: float) -> list[GpuqioError]:
    """Cancel jobs, come what may, and wait until they have stopped: all at once, or others would begin meanwhile.

    Returns:
        Why, for those that could not be cancelled.
    """
    errors: list[GpuqioError] = []

    async def cancel(job_id: str) -> None:
        try:
            await backend.cancel(job_id)
        except GpuqioError as error:
            errors.append(error)

    with trio.move_on_after(seconds, shield=True) as scope:
        async with trio.open_nursery() as nursery:
            for record in records:
                nursery.start_soon(cancel, record.id)
    if scope.cancelled_caught:
        errors.append(WaitTimeout(f"Cancelling took more than {seconds} seconds; jobs may still run."))
    return errors
