"""Lists of jobs and sessions, a page at a time, filtered and ordered as the client asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gpuqio.remote.protocol import JobMessage
from gpuqio.server import items, jobs, sessions
from gpuqio.server.call import Call, answer
from gpuqio.server.query import condition, order
from gpuqio.server.refusal import Refusal

__all__ = ["list_jobs", "list_session_jobs", "list_sessions", "list_top_level"]

PAGE = 100
MOST = 2**53


async def list_jobs(call: Call) -> Response:
    """All jobs, oldest first unless it is asked otherwise."""
    return await _listed(call, "item_type = 'Job'")


async def list_sessions(call: Call) -> Response:
    """All sessions."""
    return await _listed(call, "item_type = 'Session'")


async def list_session_jobs(call: Call) -> Response:
    """The jobs of a session."""
    session = await sessions.find(call)
    return await _listed(call, "item_type = 'Job' AND session_id = ?", [str(session.message.id)])


async def list_top_level(call: Call) -> Response:
    """All sessions, and the jobs that are in none."""
    return await _listed(call, "(item_type = 'Session' OR session_id IS NULL)")


async def _listed(call: Call, where: str, values: Sequence[str] = ()) -> Response:
    query = call.request.query_params
    columns = items.columns(call.service.runner.executing(call.account))
    where, bound = f"account = ? AND {where}", [call.account, *values]
    if "filter" in query:
        extra, more = condition(query["filter"], columns)
        where, bound = f"{where} AND {extra}", [*bound, *more]
    by = f"{order(query['orderby'], columns)}, number" if "orderby" in query else "number"
    skip, top = _whole(call, "skip", 0), _whole(call, "top", MOST)
    page = min(top, PAGE)
    found = await call.service.store.do(
        partial(items.list_items, where=where, values=bound, order=by, skip=skip, top=min(page + 1, MOST))
    )
    following = None
    if len(found) > page and top > page:
        rest = {**query, "skip": skip + page} | ({"top": top - page} if "top" in query else {})
        following = f"{call.addresses.base}{call.request.scope['path']}?{urlencode(rest)}"
    return answer({"value": [_show(call, item) for item in found[:page]], "nextLink": following})


def _show(call: Call, item: items.Item) -> dict[str, Any]:
    return jobs.show(call, item) if isinstance(item.message, JobMessage) else sessions.show(item)


def _whole(call: Call, name: str, default: int) -> int:
    text = call.request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refusal(400, "InvalidQuery", f"{name} must be a whole number, 0 or more.")
    return int(text)
