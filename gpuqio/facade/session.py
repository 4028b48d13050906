"""Sessions as the SDK shows them: jobs that belong together. QIO never needed one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Any, Self, cast

from gpuqio.backend import SessionRecord, SessionStatus
from gpuqio.errors import InputError

__all__ = ["ItemType", "Session", "SessionDetails", "SessionHost", "SessionJobFailurePolicy", "SessionStatus"]


class ItemType(str, Enum):
    """What an item of a workspace is."""

    __module__ = "gpuqio"

    JOB = "Job"
    SESSION = "Session"


class SessionJobFailurePolicy(str, Enum):
    """What becomes of a session when one of its jobs fails: it takes no more, or goes on."""

    __module__ = "gpuqio"

    ABORT = "Abort"
    CONTINUE = "Continue"


@dataclass(frozen=True, kw_only=True)
class SessionDetails:
    """What is known of a session, under the SDK's names. A snapshot: `Session.refresh` gets a new one."""

    __module__ = "gpuqio"

    id: str
    name: str
    provider_id: str
    target: str
    item_type: str = ItemType.SESSION.value
    job_failure_policy: str = SessionJobFailurePolicy.ABORT.value
    status: str | None = None
    creation_time: datetime | None = None
    begin_execution_time: datetime | None = None
    end_execution_time: datetime | None = None
    cost_estimate: object = None
    error_data: object = None

    @classmethod
    def of(cls, record: SessionRecord) -> SessionDetails:
        """The details that a record has."""
        return cls(
            id=record.id,
            name=record.name,
            provider_id=record.provider_id,
            target=record.target,
            job_failure_policy=record.job_failure_policy,
            status=record.status.value,
            creation_time=record.created,
            end_execution_time=record.ended,
            cost_estimate=record.cost_estimate,
        )


class Session:
    """Jobs that belong together: all that a target submits while its session is open.

    ``with target.open_session(name="first tries"):`` opens one and closes it at the end; under asyncio and trio it is
    ``async with await target.open_session(...)``.

    Args:
        workspace: its flavour decides whether methods block or are awaited.
        details: of a session that there is; then nothing else is given.
        target: a target, or its id.
        provider_id: default: what stands before the first full stop of the target's id.
        id: default: a new one.
        name: default: ``session-`` and the id.
        job_failure_policy: "Abort", the default, or "Continue".

    Raises:
        InputError: (a ValueError) for details and something else, or neither details nor a target.
    """

    __module__ = "gpuqio"

    def __init__(
        self,
        workspace: Any,
        details: SessionDetails | None = None,
        target: Any = None,
        provider_id: str | None = None,
        id: str | None = None,
        name: str | None = None,
        job_failure_policy: str | SessionJobFailurePolicy | None = None,
    ) -> None:
        given = (target if isinstance(target, str) else None, provider_id, id, name, job_failure_policy)
        if details is not None and any(value is not None for value in given):
            raise InputError(
                "If `details` is passed, you should not pass `target`, `provider_id`, `id`, `name` or "
                "`job_failure_policy`.",
                field="details",
            )
        if details is None and target is None:
            raise InputError(
                "If `session_details` is not passed, you should at least pass the `target`.", field="target"
            )
        self.workspace = workspace
        self._target = None if isinstance(target, str) else target
        if details is None:
            id = str(uuid.uuid1()) if id is None else id
            where = target if isinstance(target, str) else target.name
            named = re.match(r"(\w+)\.", where)
            details = SessionDetails(
                id=id,
                name=f"session-{id}" if name is None else name,
                provider_id=(named[1] if named else "") if provider_id is None else provider_id,
                target=where,
                job_failure_policy=SessionJobFailurePolicy(job_failure_policy or "Abort").value,
            )
        self._details = details

    @property
    def details(self) -> SessionDetails:
        """What was known of the session when it was opened or last refreshed."""
        return self._details

    @property
    def target(self) -> Any:
        """The target that it was opened on, where that is known here; else None."""
        return self._target

    @property
    def id(self) -> str:
        """The session's id, a UUID in text."""
        return self.details.id

    @property
    def item_type(self) -> str:
        """``"Session"``."""
        return self.details.item_type

    def open(self) -> Any:
        """Make the session in its workspace, and return it."""
        return self.workspace.open_session(self)

    def close(self) -> Any:
        """Let no more jobs in, and return the session; one that has ended is refreshed."""
        return self.workspace.close_session(self)

    def refresh(self) -> Any:
        """Get new `details`, and return the session."""
        return self.workspace.refresh_session(self)

    def list_jobs(self) -> Any:
        """Its jobs."""
        return self.workspace.list_session_jobs(session_id=self.id)

    def is_in_terminal_state(self) -> bool:
        """Whether it had ended when last looked at."""
        return self.details.status is not None and SessionStatus(self.details.status).is_final

    def _learn(self, record: SessionRecord) -> Self:
        self._details = SessionDetails.of(record)
        return self

    def _record(self) -> SessionRecord:
        details = self.details
        return SessionRecord(details.id, details.name, details.provider_id, details.target, details.job_failure_policy)

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.details.name!r} on {self.details.target}: {self.details.status or 'new'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class SessionHost:
    """What can have a session open, so that all jobs it submits belong to it: a target."""

    __module__ = "gpuqio"

    _latest_session: Session | None = None

    @property
    def latest_session(self) -> Session | None:
        """The session opened last."""
        return self._latest_session

    @latest_session.setter
    def latest_session(self, session: Session | None) -> None:
        self._latest_session = session

    def get_latest_session_id(self) -> str | None:
        """The id of the session that jobs submitted now belong to; None where none is open."""
        session = self._latest_session
        is_open = session is not None and session.details.status is not None and not session.is_in_terminal_state()
        return session.id if session is not None and is_open else None

    def open_session(
        self,
        details: SessionDetails | None = None,
        id: str | None = None,
        name: str | None = None,
        job_failure_policy: str | SessionJobFailurePolicy | None = None,
        **kwargs: object,
    ) -> Any:
        """Open a session for the jobs to come, closing the one before, if any.

        Args:
            details, id, name, job_failure_policy: as for `Session`. Other keyword arguments are ignored.

        Returns:
            The Session, to be awaited where the workspace is async.
        """
        target = cast(Any, self)
        given: Mapping[str, Any] = {"id": id, "name": name, "job_failure_policy": job_failure_policy}
        if details is None:
            given = {**given, "provider_id": target.provider_id}
        session = Session(target.workspace, details, target, **given)
        before, self.latest_session = self.latest_session, session
        return target.workspace._open_in_place_of(session, before)
