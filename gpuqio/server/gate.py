"""The first that a request meets: is it let in, is its body read, and how is a refusal written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import MutableMapping
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gpuqio.remote.protocol import ErrorBody, ErrorDetail
from gpuqio.server.guard import Guard
from gpuqio.server.names import ACCOUNT
from gpuqio.server.refusal import Refusal

__all__ = ["Gate", "refuse"]

OPEN = ("/", "/healthz", "/openapi.json")
"""What needs no key. Blobs need a signature instead."""

DRAINED = 2**23
"""Bytes of a refused body that are read all the same: over TLS, a client that still sends sees no answer."""


class Gate:
    """Wraps the application.

    Attributes:
        answered: how many requests, by status.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.answered: Counter[int] = Counter()
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def reply(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.answered[message["status"]] += 1
                if message["status"] >= 400:
                    await body.drain()
            await send(message)

        path = scope["path"]
        client = scope.get("client") or ("",)
        try:
            needs_key = path not in OPEN and not is_blob(path)
            self._guard.admit(str(client[0]), Headers(scope=scope), needs_key=needs_key)
        except Refusal as refusal:
            await refuse(Request(scope), refusal)(scope, body.receive, reply)
            return
        await self._app(scope, body.receive, reply)


class _Body:
    """Knows whether a request's body has been read to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._ended = True
        return message

    async def drain(self) -> None:
        """Read what is left, up to a bound, and forget it."""
        size = 0
        while not self._ended and size < DRAINED:
            size += len((await self.receive()).get("body", b""))


def is_blob(path: str) -> bool:
    """Whether a path is below a storage account."""
    return ACCOUNT.fullmatch(path.split("/", 2)[1]) is not None if path.startswith("/") else False


def refuse(request: Request, refusal: Refusal) -> Response:
    """The answer to a refused request: in JSON, and for blobs in XML, as the services write it."""
    headers = {"x-ms-error-code": refusal.code}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if is_blob(request.url.path):
        text = f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
        content = b'<?xml version="1.0" encoding="utf-8"?>' + text.encode()
        return Response(content, refusal.status, headers, media_type="application/xml")
    content = msgspec.json.encode(ErrorBody(error=ErrorDetail(code=refusal.code, message=refusal.message)))
    return Response(content, refusal.status, headers, media_type="application/json")
