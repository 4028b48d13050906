"""Sessions: names that jobs share. They change nothing in how jobs run."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import Response

from gpuqio.remote.protocol import SessionMessage
from gpuqio.server import items
from gpuqio.server.call import Call, answer, told
from gpuqio.server.items import Item
from gpuqio.server.refusal import Refusal

__all__ = ["close", "find", "get", "put", "show"]

OPEN, CLOSED = "Waiting", "Succeeded"

_ID = re.compile(r"[\w.-]{1,100}", re.ASCII)


async def put(call: Call) -> Response:
    """Open a session; one that is open stays as it is."""
    given = await call.body(SessionMessage)
    session = SessionMessage(
        id=_session_id(call),
        name=given.name,
        provider_id=given.provider_id.lower(),
        target=given.target,
        job_failure_policy=given.job_failure_policy,
        status=OPEN,
        creation_time=datetime.now(UTC),
    )
    item = Item(call.account, session)
    try:
        await call.service.store.do(lambda connection: items.insert(connection, item))
    except sqlite3.IntegrityError:
        item = await find(call)
    return answer(show(item), 201)


async def get(call: Call) -> Response:
    """Tell a session."""
    return answer(show(await find(call)))


async def close(call: Call) -> Response:
    """Close a session. Its jobs go on."""
    item = await find(call)
    if item.message.end_execution_time is None:
        message = msgspec.structs.replace(item.message, status=CLOSED, end_execution_time=datetime.now(UTC))
        item = replace(item, message=message)
        await call.service.store.do(lambda connection: items.update(connection, item))
    return answer(show(item))


async def find(call: Call) -> Item:
    """The session in the path. Raises `Refusal`: 404."""
    session_id = _session_id(call)
    item = await call.service.store.do(lambda connection: items.find(connection, call.account, "Session", session_id))
    if item is None:
        raise Refusal(404, "SessionNotFound", f"There is no session {session_id!r} in this workspace.")
    return item


def _session_id(call: Call) -> str:
    session_id = str(call.request.path_params["session"])
    if not _ID.fullmatch(session_id):
        raise Refusal(400, "InvalidSessionId", "A session's id has at most 100 letters, digits, hyphens and stops.")
    return session_id


def show(item: Item) -> dict[str, Any]:
    """A session as it is told."""
    return told(item.message)
