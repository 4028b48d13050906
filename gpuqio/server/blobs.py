"""The part of Azure Storage's blob service that its clients use for problems and results. Every call has a signature.

Uploads go to a file as they come, and downloads come from one, so no blob is ever in memory.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from os import SEEK_CUR
from typing import TYPE_CHECKING, Any, BinaryIO

import trio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gpuqio.blob_files import BlobFiles, Properties, check_blob_name, check_container_name
from gpuqio.errors import BlobExists, BlobNotFound, InputError
from gpuqio.remote.sas import check
from gpuqio.server.call import read_body
from gpuqio.server.refusal import Refusal

if TYPE_CHECKING:
    from gpuqio.server.service import Service

__all__ = ["blob", "container"]

PIECE = 2**20
BLOCK_ID = 88  # characters of base64
MOST_BLOCKS = 50_000  # of a blob
LIST_BYTES = 2**23  # of the list of them
METADATA = "x-ms-meta-"

# Possessive: given back one by one, spaces would be tried again by what follows, in time quadratic in their number.
_LIST = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml[^<>]*\?>)?\s*<BlockList>\s*+(.*)</BlockList>\s*", re.DOTALL)
_BLOCK = re.compile(rb"<(Latest|Committed|Uncommitted)>\s*([\w+/=-]{1,%d})\s*</\1>\s*" % BLOCK_ID)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request for a container, or for a blob in it.

    Attributes:
        name: of the blob, "" for the container.
    """

    service: Service
    request: Request
    account: str
    container: str
    name: str

    @property
    def files(self) -> BlobFiles:
        return self.service.files(self.account)

    @property
    def operation(self) -> tuple[str, str, str]:
        """Method, restype and comp."""
        query = self.request.query_params
        return self.request.method, query.get("restype", ""), query.get("comp", "")

    def needs(self, permissions: str) -> None:
        """403 if the signature does not give any of the permissions."""
        query = dict(self.request.query_params)
        now = datetime.now(UTC)
        code = check(query, self.account, self.service.key, self.container, self.name or None, permissions, now)
        if code is not None:
            raise Refusal(403, code, "The signature is missing or has expired, or it does not allow this.")


async def container(request: Request) -> Response:
    """A request for a container."""
    ask = _ask(request, "")
    match ask.operation:
        case "GET" | "HEAD", "container", "":
            ask.needs("rlcw")
            if not await _in_thread(ask.files.has_container, ask.container):
                raise Refusal(404, "ContainerNotFound", "The specified container does not exist.")
            return Response(headers=_always({"ETag": '"0x1"', "Last-Modified": _date(datetime.fromtimestamp(0, UTC))}))
        case "PUT", "container", "":
            ask.needs("cw")
            if not await _in_thread(ask.files.make_container, ask.container):
                raise Refusal(409, "ContainerAlreadyExists", "The specified container already exists.")
            return Response(status_code=201, headers=_always({"ETag": '"0x1"'}))
    raise Refusal(400, "UnsupportedOperation", "This server does not have this operation of containers.")


async def blob(request: Request) -> Response:
    """A request for a blob."""
    ask = _ask(request, request.path_params["blob"])
    try:
        match ask.operation:
            case "GET" | "HEAD", "", "":
                ask.needs("r")
                return await _get(ask)
            case "PUT", "", "":
                ask.needs("cw")
                return await _put(ask)
            case "PUT", "", "block":
                ask.needs("cwa")
                return await _put_block(ask)
            case "PUT", "", "blocklist":
                ask.needs("cw")
                return await _put_block_list(ask)
    except BlobExists as error:
        raise Refusal(409, "BlobAlreadyExists", "The specified blob already exists.") from error
    except BlobNotFound as error:
        if not await _in_thread(ask.files.has_container, ask.container):
            raise Refusal(404, "ContainerNotFound", "The specified container does not exist.") from error
        if request.method == "PUT":
            raise Refusal(400, "InvalidBlockList", "The specified block list is invalid.") from error
        raise Refusal(404, "BlobNotFound", "The specified blob does not exist.") from error
    raise Refusal(400, "UnsupportedOperation", "This server does not have this operation of blobs.")


def _ask(request: Request, name: str) -> _Ask:
    """Raises `Refusal`: 400, a name that the service refuses."""
    parts = request.path_params
    try:
        check_container_name(parts["container"])
        if name:
            check_blob_name(name)
    except InputError as error:
        raise Refusal(400, "InvalidResourceName", str(error)) from None
    return _Ask(request.app.state.service, request, parts["account"], parts["container"], name)


async def _put(ask: _Ask) -> Response:
    headers = ask.request.headers
    if headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        raise Refusal(400, "InvalidHeaderValue", "Blobs here are BlockBlobs.")
    with ask.files.writing(_properties(ask)) as (file, put):
        await _receive(ask, file)
        made = await _in_thread(put, ask.container, headers.get("if-none-match") != "*")
    return _created(made)


async def _put_block(ask: _Ask) -> Response:
    block_id = ask.request.query_params.get("blockid", "")
    if not 1 <= len(block_id) <= BLOCK_ID:
        raise Refusal(400, "InvalidQueryParameterValue", "A block's id has 1 to 64 bytes, in base64.")
    with ask.files.staging(ask.container, ask.name, block_id) as (file, put):
        await _receive(ask, file)
        await _in_thread(put)
    return Response(status_code=201, headers=_always())


async def _put_block_list(ask: _Ask) -> Response:
    blocks = _read_block_list(await read_body(ask.request, LIST_BYTES))
    replace = ask.request.headers.get("if-none-match") != "*"
    made = await _in_thread(ask.files.commit, ask.container, blocks, _properties(ask), replace)
    return _created(made)


def _read_block_list(text: bytes) -> list[str]:
    """The ids in a list of blocks. It is read as what it must be: XML of any kind can become much more than its text.

    Raises `Refusal`: 400, it is no such list.
    """
    found = _LIST.fullmatch(text)
    place, end = found.span(1) if found else (0, 0)
    blocks: list[str] = []
    while found and place < end and len(blocks) < MOST_BLOCKS:
        found = _BLOCK.match(text, place, end)
        if found:
            blocks.append(found[2].decode())
            place = found.end()
    if found is None or place < end:
        raise Refusal(400, "InvalidXmlDocument", "The list of blocks can't be read.")
    return blocks


async def _get(ask: _Ask) -> Response:
    """The blob, or a part of it; of HEAD, only what it would be."""
    headers = ask.request.headers
    with ExitStack() as stack:
        file, about = await _in_thread(stack.enter_context, ask.files.reading(ask.container, ask.name))
        described = _described(about)
        if ask.request.method == "HEAD":
            return Response(headers=described | {"Content-Length": str(about.size)})
        wanted = _range(headers.get("x-ms-range") or headers.get("range"), about.size)
        begin, end = wanted or (0, about.size)
        described["Content-Length"] = str(end - begin)
        if wanted:
            described["Content-Range"] = f"bytes {begin}-{end - 1}/{about.size}"
        await _in_thread(file.seek, begin, SEEK_CUR)
        return StreamingResponse(_pieces(stack.pop_all(), file, end - begin), 206 if wanted else 200, described)


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """First byte, and the one behind the last; None for all, where nothing that can be read is asked for.

    Raises:
        Refusal: 416, there are no such bytes.
    """
    found = _RANGE.fullmatch(text or "")
    if found is None:
        return None
    begin = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if begin >= end:
        raise Refusal(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    return begin, end


async def _pieces(stack: ExitStack, file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    with stack:
        while size and (piece := await _in_thread(file.read, min(PIECE, size))):
            size -= len(piece)
            yield piece


async def _receive(ask: _Ask, file: BinaryIO) -> None:
    """Write the request's body to a file. Raises `Refusal`: 413, it is too long."""
    bound = ask.service.limits.problem_bytes
    said = ask.request.headers.get("content-length", "")
    size = int(said) if said.isascii() and said.isdigit() else 0
    received = 0
    async with aclosing(ask.request.stream()) as stream:
        async for piece in stream:
            received += len(piece)
            if max(received, size) > bound:
                raise Refusal(413, "RequestBodyTooLarge", f"A blob or a block has at most {bound} bytes here.")
            await _in_thread(file.write, piece)


def _properties(ask: _Ask) -> Properties:
    headers = ask.request.headers
    return Properties(
        name=ask.name,
        content_type=headers.get("x-ms-blob-content-type") or "application/octet-stream",
        content_encoding=headers.get("x-ms-blob-content-encoding", ""),
        metadata={name.removeprefix(METADATA): value for name, value in headers.items() if name.startswith(METADATA)},
    )


def _described(about: Properties) -> dict[str, str]:
    headers = {
        "ETag": about.etag,
        "Last-Modified": _date(about.modified),
        "Content-Type": about.content_type,
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": "sandbox",  # what users upload is not ours to run
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "false",
        **{f"{METADATA}{name}": value for name, value in about.metadata.items()},
    }
    if about.content_encoding:
        headers["Content-Encoding"] = about.content_encoding
    return _always(headers)


def _created(made: Properties) -> Response:
    return Response(status_code=201, headers=_always({"ETag": made.etag, "Last-Modified": _date(made.modified)}))


def _always(headers: dict[str, str] | None = None) -> dict[str, str]:
    return {"x-ms-version": "2021-12-02", "x-ms-request-server-encrypted": "false", **(headers or {})}


def _date(time: datetime) -> str:
    return format_datetime(time, usegmt=True)


async def _in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    return await trio.to_thread.run_sync(partial(call, *arguments))
