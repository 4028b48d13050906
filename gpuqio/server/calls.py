"""The data plane as a table: every call that a workspace answers. Routes and the description are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpuqio.remote.protocol import (
    JobMessage,
    Page,
    ProviderStatus,
    Quota,
    SasRequest,
    SasResponse,
    SessionMessage,
)
from gpuqio.server import jobs, lists, sessions, workspace
from gpuqio.server.call import Handler

__all__ = ["CALLS", "PREFIXES", "WORKSPACE", "Operation"]

WORKSPACE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Quantum/workspaces/{workspace}"

PREFIXES = ("", "/v1.0")
"""Of the workspace's path. With the second, which the oldest clients use, there is no api-version in the query."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A call.

    Attributes:
        method, path: below the workspace; what stands in braces is a parameter.
        handler: answers it; its docstring's first line says what it is for.
        answer: type of the answer's body, None for none.
        body: type of the request's, None for none.
        status: of the answer.
        refusals: statuses of other answers, besides those that any call may have (400, 401, 429).
        is_list: whether it takes filter, orderby, skip and top.
    """

    method: str
    path: str
    handler: Handler
    answer: Any
    body: Any = None
    status: int = 200
    refusals: tuple[int, ...] = ()
    is_list: bool = False


CALLS = (
    Operation("GET", "/jobs", lists.list_jobs, Page[JobMessage], is_list=True),
    Operation("POST", "/jobs/{job}:cancel", jobs.cancel, JobMessage, refusals=(404,)),
    Operation("PUT", "/jobs/{job}", jobs.put, JobMessage, JobMessage, refusals=(403, 409, 413)),
    Operation("GET", "/jobs/{job}", jobs.get, JobMessage, refusals=(404,)),
    Operation("PATCH", "/jobs/{job}", jobs.change, JobMessage, jobs.Change | jobs.Patch, refusals=(404, 413)),
    Operation("DELETE", "/jobs/{job}", jobs.delete, None, status=204, refusals=(404,)),
    Operation("GET", "/sessions", lists.list_sessions, Page[SessionMessage], is_list=True),
    Operation("POST", "/sessions/{session}:close", sessions.close, SessionMessage, refusals=(404,)),
    Operation("PUT", "/sessions/{session}", sessions.put, SessionMessage, SessionMessage, status=201, refusals=(413,)),
    Operation("GET", "/sessions/{session}", sessions.get, SessionMessage, refusals=(404,)),
    Operation(
        *("GET", "/sessions/{session}/jobs", lists.list_session_jobs, Page[JobMessage]), refusals=(404,), is_list=True
    ),
    Operation("GET", "/topLevelItems", lists.list_top_level, Page[JobMessage], is_list=True),
    Operation("POST", "/storage/sasUri", workspace.sas_uri, SasResponse, SasRequest, refusals=(413,)),
    Operation("GET", "/providerStatus", workspace.provider_status, Page[ProviderStatus]),
    Operation("GET", "/quotas", workspace.quotas, Page[Quota]),
    Operation("GET", "/quotaUsages", workspace.quota_usages, Page[Quota]),
)
