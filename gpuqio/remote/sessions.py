"""Sessions of a service: jobs that belong together."""

from __future__ import annotations

from gpuqio.backend import SessionRecord, SessionStatus
from gpuqio.errors import RemoteError, SessionNotFound
from gpuqio.remote.client import Client
from gpuqio.remote.protocol import SessionMessage

__all__ = ["RemoteSessions"]


class RemoteSessions:
    """Implements `gpuqio.backend.Sessions` on a service.

    Args:
        client: the workspace.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, session: SessionRecord) -> SessionRecord:
        """Make a session under an id of its own."""
        message = SessionMessage(
            name=session.name,
            provider_id=session.provider_id,
            target=session.target,
            id=session.id,
            job_failure_policy=session.job_failure_policy,
        )
        return _record(await self._client.open_session(message), session.id)

    async def close(self, session_id: str) -> SessionRecord:
        """Let no more jobs in."""
        try:
            return _record(await self._client.close_session(session_id), session_id)
        except RemoteError as error:
            raise _named(error, session_id) from None

    async def fetch(self, session_id: str) -> SessionRecord:
        """The session as it is now."""
        try:
            return _record(await self._client.get_session(session_id), session_id)
        except RemoteError as error:
            raise _named(error, session_id) from None

    async def fetch_all(self) -> list[SessionRecord]:
        """All sessions, in the service's order."""
        return [_record(message, message.id or "") for message in await self._client.sessions()]


def _record(message: SessionMessage, session_id: str) -> SessionRecord:
    return SessionRecord(
        session_id,
        message.name,
        message.provider_id,
        message.target,
        message.job_failure_policy,
        SessionStatus(message.status or "Waiting"),
        message.creation_time,
        message.end_execution_time,
        message.cost_estimate,
    )


def _named(error: RemoteError, session_id: str) -> Exception:
    return error if error.status != 404 else SessionNotFound(f"No session has the id {session_id!r}.")
