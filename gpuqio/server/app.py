"""The application: which path is answered by whom."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpuqio.server import blobs, status
from gpuqio.server.call import endpoint
from gpuqio.server.calls import CALLS, PREFIXES, WORKSPACE
from gpuqio.server.gate import Gate, refuse
from gpuqio.server.names import ACCOUNT
from gpuqio.server.openapi import document
from gpuqio.server.refusal import Refusal
from gpuqio.server.service import Service

__all__ = ["make_app"]


class _Part(Convertor[str]):
    """A part of a path."""

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Id(_Part):
    regex = "[^/:]+"  # it ends where a verb begins: ``jobs/{id}:cancel`` is no job


class _Account(_Part):
    regex = ACCOUNT.pattern


register_url_convertor("id", _Id())
register_url_convertor("account", _Account())


def make_app(service: Service) -> Gate:
    """All that the server answers, behind its gate."""
    app = Starlette(
        routes=list(_routes()),
        exception_handlers={Refusal: _on_refusal, HTTPException: _on_http_exception},
    )
    app.state.service = service
    app.state.gate = gate = Gate(app, service.guard)
    return gate


def _routes() -> Iterator[BaseRoute]:
    yield Route("/healthz", status.health, methods=["GET"])
    yield Route("/metrics", status.metrics, methods=["GET"])
    yield Route("/status.json", status.status, methods=["GET"])
    yield Route("/openapi.json", document, methods=["GET"])
    for path in dict.fromkeys(call.path for call in CALLS):
        handlers = {call.method: call.handler for call in CALLS if call.path == path}
        for prefix in PREFIXES:
            pattern = re.sub(r"\{(job|session)\}", r"{\1:id}", f"{prefix}{WORKSPACE}{path}")
            yield Route(pattern, endpoint(handlers), methods=list(handlers))
    yield Route("/{account:account}/{container}", blobs.container, methods=["GET", "PUT"])
    yield Route("/{account:account}/{container}/{blob:path}", blobs.blob, methods=["GET", "PUT"])


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refuse(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "BadRequest")
    response = refuse(request, Refusal(error.status_code, code, f"{error.detail}."))
    response.headers.update(error.headers or {})
    return response
