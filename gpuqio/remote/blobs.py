"""Blobs over HTTP: the calls of Azure Storage that a URI with a signature opens."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import httpx

from gpuqio.backend import Blob
from gpuqio.errors import AuthenticationFailed, BlobExists, BlobNotFound, RemoteError
from gpuqio.remote.account import API_VERSION, StorageAccount
from gpuqio.remote.client import Client, refusal
from gpuqio.remote.secrets import bare
from gpuqio.remote.transport import Answer, Transport, read_number

__all__ = ["AccountKeys", "Keys", "LinkedKeys", "RemoteStorage"]

MOST_AT_ONCE = 2**26
"""Bytes of a blob that is put in one go; a larger one goes in blocks of `BLOCK`."""

BLOCK = 2**23
RANGE = 2**23
"""Bytes asked for at a time."""

MOST_BYTES = 2**32
"""Of a blob that is downloaded, as it is stored."""


class Keys(Protocol):
    """Where the URIs with signatures come from, and which are followed."""

    async def container(self, transport: Transport, name: str) -> str:
        """The URI of a container, which is made if it is not there."""

    async def blob(self, container: str, name: str) -> str:
        """The URI of a blob, to read it."""

    def allowed(self, uri: str) -> str:
        """`uri`, if it may be followed. Raises `RemoteError`."""


class LinkedKeys:
    """The storage that is linked to a workspace: the service signs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def container(self, transport: Transport, name: str) -> str:
        uri = await self._client.sas_uri(name)
        if not self._client.version.container_is_made:
            await _make(transport, f"{uri}&restype=container", {})
        return uri

    async def blob(self, container: str, name: str) -> str:
        return await self._client.sas_uri(container, name)

    def allowed(self, uri: str) -> str:
        return self._client.endpoint.blob(uri)


class AccountKeys:
    """A storage account of one's own."""

    def __init__(self, account: StorageAccount) -> None:
        self._account = account

    async def container(self, transport: Transport, name: str) -> str:
        await _make(transport, *self._account.making(name))
        return self._account.uri(name)

    async def blob(self, container: str, name: str) -> str:
        return self._account.uri(container, name)

    def allowed(self, uri: str) -> str:
        return self._account.endpoint.own(uri)


class RemoteStorage:
    """Implements `gpuqio.backend.Storage` over HTTP.

    Args:
        transport: sends the requests.
        keys: opens containers and blobs.
    """

    def __init__(self, transport: Transport, keys: Keys) -> None:
        self._transport = transport
        self._keys = keys

    async def container(self, name: str) -> str:
        """The URI of a container, signed. It is made if it is not there."""
        return await self._keys.container(self._transport, name)

    async def upload(self, container_uri: str, name: str, blob: Blob) -> str:
        """Put a new blob, and return its URI without a signature; raises `BlobExists`."""
        once = {"If-None-Match": "*"}
        if len(blob.data) > MOST_AT_ONCE:
            places = range(0, len(blob.data), BLOCK)
            ids = [f"{place:016x}" for place in places]
            for place, block_id in zip(places, ids, strict=True):
                await self.stage(container_uri, name, block_id, memoryview(blob.data)[place : place + BLOCK])
            content, headers, query = _block_list(ids), _described(blob), "comp=blocklist"
        else:
            content, query = blob.data, ""
            headers = {"x-ms-blob-type": "BlockBlob", **_described(blob)}
        uri = _in(container_uri, name, query)
        answer = await self._send("PUT", uri, {**headers, **once}, content)
        if answer.status == 409 or answer.status == 412:
            # Of several tries the first may have got through, and its answer been lost.
            if answer.tries == 1 or (await self.download(_in(container_uri, name))).data != blob.data:
                raise BlobExists(f"There is a blob at {bare(uri)!r} already; choose another name.")
        else:
            _check(answer, "PUT", uri)
        return bare(uri)

    async def stage(self, container_uri: str, name: str, block_id: str, data: bytes | memoryview) -> None:
        """Put a block of a blob, to be seen once it is committed; all its ids have the same length."""
        uri = _in(container_uri, name, f"comp=block&blockid={quote(_block(block_id), safe='')}")
        _check(await self._send("PUT", uri, {}, data), "PUT", uri)

    async def commit(self, container_uri: str, name: str, block_ids: Sequence[str], blob: Blob) -> str:
        """Make a blob of blocks, in this order, with all of `blob` but its data; returns its URI without a signature.

        A blob of that name is replaced.
        """
        uri = _in(container_uri, name, "comp=blocklist")
        _check(await self._send("PUT", uri, _described(blob), _block_list(block_ids)), "PUT", uri)
        return bare(uri)

    async def download(self, uri: str) -> Blob:
        """A blob by its URI, signed or not, as it is stored. It comes in ranges, all of one state of the blob.

        Raises:
            BlobNotFound: nothing lies there.
            RemoteError: it is too large, changed meanwhile, or lies with somebody else.
        """
        if "sig" not in parse_qs(urlsplit(uri).query):
            uri = await self._keys.blob(*_named(self._keys.allowed(uri)))
        answer = await self._range(uri, 0)
        if answer.status == 416:  # of an empty blob there is no first byte
            answer = await self._send("GET", uri, {})
        _check(answer, "GET", uri)
        body, total = bytearray(answer.body), _total(answer)
        if total > MOST_BYTES:
            raise RemoteError(f"The blob at {bare(uri)!r} has {total} bytes, more than {MOST_BYTES}.")
        tag = answer.headers.get("etag")
        while len(body) < total:
            part = await self._range(uri, len(body), tag)
            _check(part, "GET", uri)
            if part.status != 206 or not part.body or part.headers.get("etag") != tag:
                raise RemoteError(f"The blob at {bare(uri)!r} is not sent in ranges of one state.", status=part.status)
            body += part.body
        return _blob(bytes(body), answer.headers)

    async def _range(self, uri: str, start: int, tag: str | None = None) -> Answer:
        headers = {"x-ms-range": f"bytes={start}-{start + RANGE - 1}", **({"If-Match": tag} if tag else {})}
        return await self._send("GET", uri, headers)

    async def _send(
        self, method: str, uri: str, headers: Mapping[str, str], content: bytes | memoryview = b""
    ) -> Answer:
        self._keys.allowed(uri)
        return await self._transport.send(
            method,
            uri,
            headers={"x-ms-version": API_VERSION, **headers},
            content=content,
        )


async def _make(transport: Transport, uri: str, headers: Mapping[str, str]) -> None:
    answer = await transport.send("PUT", uri, headers={"x-ms-version": API_VERSION, **headers})
    if answer.status != 409:  # it is there already
        _check(answer, "PUT", uri)


def _check(answer: Answer, method: str, uri: str) -> None:
    """Raise for what is not a success. The body of such an answer may quote the request, and is not repeated."""
    if 200 <= answer.status < 300:
        return
    error = refusal(replace(answer, body=b""), method, uri)
    if answer.status == 404:
        raise BlobNotFound(f"Nothing lies at {bare(uri)!r}.")
    if isinstance(error, AuthenticationFailed):
        raise AuthenticationFailed(
            f"{error} The URI's signature does not open it, or its time is up.",
            status=error.status,
            code=error.code,
        )
    raise error


def _in(container_uri: str, name: str, query: str = "") -> str:
    """The URI of a blob in a container, with the container's signature."""
    path, _, signature = container_uri.partition("?")
    queries = "&".join(part for part in (query, signature) if part)
    return f"{path.rstrip('/')}/{quote(name)}{'?' if queries else ''}{queries}"


def _named(uri: str) -> tuple[str, str]:
    """Container and blob that a URI names: of Azure's hosts below the root, elsewhere below the account's name."""
    parts = urlsplit(uri)
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    container, *blob = path if ".core." in (parts.hostname or "") else path[1:] or [""]
    if not blob:
        raise BlobNotFound(f"{bare(uri)!r} is not the URI of a blob in a container.")
    return container, "/".join(blob)


def _described(blob: Blob) -> dict[str, str]:
    return {
        "x-ms-blob-content-type": blob.content_type,
        **({"x-ms-blob-content-encoding": blob.content_encoding} if blob.content_encoding else {}),
        **{f"x-ms-meta-{name}": value for name, value in blob.metadata.items()},
    }


def _blob(data: bytes, headers: httpx.Headers) -> Blob:
    about = {name.removeprefix("x-ms-meta-"): value for name, value in headers.items() if name.startswith("x-ms-meta-")}
    kind = headers.get("content-type", "application/octet-stream")
    return Blob(data, kind, headers.get("content-encoding", ""), about)


def _total(answer: Answer) -> int:
    """The bytes of the whole blob, by an answer to the request for its first range."""
    total = read_number(answer.headers.get("content-range", "").rpartition("/")[2])
    return total if answer.status == 206 and total is not None else len(answer.body)


def _block(block_id: str) -> str:
    return base64.b64encode(block_id.encode()).decode()


def _block_list(ids: Sequence[str]) -> bytes:
    blocks = "".join(f"<Latest>{escape(_block(block_id))}</Latest>" for block_id in ids)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode()
