"""The application: which path is answered by whom."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpuqio.server import blobs, status
from gpuqio.server.call import endpoint
from gpuqio.server.calls import CALLS, PREFIXES, WORKSPACE
from gpuqio.server.gate import Gate, refuse
from gpuqio.server.openapi import document
from gpuqio.server.refusal import Refusal
from gpuqio.server.service import Service

__all__ = ["make_app"]


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
    for prefix in PREFIXES:
        for call in CALLS:
            yield Route(f"{prefix}{WORKSPACE}{call.path}", endpoint(call.handler), methods=[call.method])
    yield Route("/{account}/{container}", blobs.container, methods=["GET", "PUT"])
    yield Route("/{account}/{container}/{blob:path}", blobs.blob, methods=["GET", "PUT"])


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refuse(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "NotFound", 405: "MethodNotAllowed"}.get(error.status_code, "BadRequest")
    response = refuse(request, Refusal(error.status_code, code, f"{error.detail}."))
    response.headers.update(error.headers or {})
    return response
