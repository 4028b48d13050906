"""A call to the data plane: who asks, in which version, and how an answer is written."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gpuqio.blob_files import BlobFiles
from gpuqio.remote.protocol import API_VERSIONS, ApiVersion, WorkspaceName, decode
from gpuqio.server.names import Addresses, account_of
from gpuqio.server.refusal import Refusal

if TYPE_CHECKING:
    from gpuqio.server.service import Service

__all__ = ["Call", "answer", "read_body", "told"]

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?", re.ASCII)

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler needs.

    Attributes:
        service: what answers.
        request: as it came.
        version: of the protocol, which the client chose.
        account: of the workspace in the path.
        addresses: of its blobs, as this client can reach them.
    """

    service: Service
    request: Request
    version: ApiVersion
    account: str
    addresses: Addresses

    @classmethod
    def of(cls, request: Request) -> Call:
        """Raises `Refusal`: 400, no such version."""
        service: Service = request.app.state.service
        parts = request.path_params
        account = account_of(WorkspaceName(parts["subscription"], parts["group"], parts["workspace"]))
        return cls(service, request, _version(request), account, service.addresses(request, account))

    @property
    def files(self) -> BlobFiles:
        """The workspace's blobs."""
        return self.service.files(self.account)

    async def body(self, kind: type[M]) -> M:
        """The body as a message. Raises `Refusal`: 400 or 413."""
        data = await read_body(self.request, self.service.limits.message_bytes)
        try:
            return decode(data, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, "InvalidRequestBody", f"The body can't be read: {error}.") from None


def _version(request: Request) -> ApiVersion:
    """That of the date which the query names, a preview or not; of one in between, that before it."""
    if request.url.path.startswith("/v1.0/"):
        return API_VERSIONS["v1.0"]
    name = request.query_params.get("api-version", "")
    if not _DATED.fullmatch(name):
        known = ", ".join(name for name in API_VERSIONS if name != "v1.0")
        raise Refusal(400, "UnsupportedApiVersion", f"The query must have an api-version, such as one of {known}.")
    before = [version for date, version in sorted(API_VERSIONS.items()) if date[:10] <= name[:10]]
    return before[-1] if before else API_VERSIONS["2022-09-12-preview"]


async def read_body(request: Request, bound: int) -> bytes:
    """The whole body. Raises `Refusal`: 413, it is longer than `bound`."""
    pieces, size = [], 0
    async with aclosing(request.stream()) as stream:
        async for piece in stream:
            size += len(piece)
            if size > bound:
                raise Refusal(413, "RequestBodyTooLarge", f"The body must have at most {bound} bytes.")
            pieces.append(piece)
    return b"".join(pieces)


def told(message: msgspec.Struct) -> dict[str, Any]:
    """All fields of a message under the protocol's names, with null for what is not known."""
    return {field.encode_name: getattr(message, field.name) for field in msgspec.structs.fields(message)}


def answer(content: Any, status: int = 200) -> Response:
    """A response in JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


Handler = Callable[[Call], Awaitable[Response]]


def endpoint(handlers: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
    """The handlers of a path, by method, for Starlette."""

    async def handle(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](Call.of(request))

    return handle
