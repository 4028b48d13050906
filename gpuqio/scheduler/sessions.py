"""Sessions of this machine: kept in memory, as long as the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import trio

from gpuqio.backend import JobRecord, SessionRecord, SessionStatus, Status
from gpuqio.errors import InvalidParameter, SessionNotFound

__all__ = ["SessionBook"]


class SessionBook:
    """Implements `gpuqio.backend.Sessions`. How a session fares follows from its jobs.

    Args:
        jobs: gives all jobs known.
    """

    def __init__(self, jobs: Callable[[], Iterable[JobRecord]]) -> None:
        self._jobs = jobs
        self._sessions: dict[str, SessionRecord] = {}

    async def open(self, session: SessionRecord) -> SessionRecord:
        """Make a session. Raises `InvalidParameter` if the id is taken."""
        await trio.lowlevel.checkpoint()
        if session.id in self._sessions:
            raise InvalidParameter(
                f"A session with the id {session.id!r} has been opened already; give each an id of its own.",
                field="session_id",
                value=session.id,
            )
        opened = replace(session, status=SessionStatus.WAITING, created=datetime.now(UTC), ended=None)
        self._sessions[session.id] = opened
        return opened

    async def close(self, session_id: str) -> SessionRecord:
        """Let no more jobs in."""
        await trio.lowlevel.checkpoint()
        session = self._now(session_id)
        if not session.status.is_final:
            failed = any(job.status is Status.Failed for job in self._of(session_id))
            ended = SessionStatus.FAILURE_S_ if failed else SessionStatus.SUCCEEDED
            session = replace(session, status=ended, ended=datetime.now(UTC))
        self._sessions[session_id] = session
        return session

    async def fetch(self, session_id: str) -> SessionRecord:
        """The session as it is now."""
        await trio.lowlevel.checkpoint()
        return self._now(session_id)

    async def fetch_all(self) -> list[SessionRecord]:
        """All sessions, oldest first."""
        await trio.lowlevel.checkpoint()
        return list(map(self._now, self._sessions))

    def admit(self, session_id: str) -> None:
        """Raise `InvalidParameter` where the session takes no more jobs. One of another place is for that to refuse."""
        if session_id not in self._sessions:
            return
        session = self._now(session_id)
        if session.status.is_final:
            raise InvalidParameter(
                f"The session {session.name!r} takes no more jobs: its status is {session.status.value}.",
                field="session_id",
                value=session_id,
            )

    def _now(self, session_id: str) -> SessionRecord:
        if session_id not in self._sessions:
            raise SessionNotFound(f"No session has the id {session_id!r}.")
        session = self._sessions[session_id]
        if session.status.is_final:
            return session
        jobs = self._of(session_id)
        failed = [job for job in jobs if job.status is Status.Failed]
        if failed and session.job_failure_policy == "Abort":
            ended = min(job.ended for job in failed if job.ended is not None)
            self._sessions[session_id] = replace(session, status=SessionStatus.FAILED, ended=ended)
            return self._sessions[session_id]
        return replace(session, status=SessionStatus.EXECUTING) if jobs else session

    def _of(self, session_id: str) -> list[JobRecord]:
        return [job for job in self._jobs() if job.envelope.session_id == session_id]
