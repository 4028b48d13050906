"""A storage in memory, which notes what was staged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

import trio

from gpuqio.backend import Blob
from gpuqio.errors import BlobExists, BlobNotFound

SIGNATURE = "se=2099&sig=secret"


class FakeStorage:
    """Attributes:
    blobs: by URI without a signature.
    staged: the sizes of all blocks, in the order in which they came.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.staged: list[int] = []
        self._blocks: dict[tuple[str, str], bytes] = {}

    async def container(self, name: str) -> str:
        await trio.lowlevel.checkpoint()
        return f"memory:/{name}?{SIGNATURE}"

    async def upload(self, container_uri: str, name: str, blob: Blob) -> str:
        await trio.lowlevel.checkpoint()
        uri = _uri(container_uri, name)
        if uri in self.blobs:
            raise BlobExists(f"There is a blob at {uri} already.")
        self.blobs[uri] = blob
        return uri

    async def stage(self, container_uri: str, name: str, block_id: str, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.staged.append(len(data))
        self._blocks[_uri(container_uri, name), block_id] = data

    async def commit(self, container_uri: str, name: str, block_ids: Sequence[str], blob: Blob) -> str:
        await trio.lowlevel.checkpoint()
        uri = _uri(container_uri, name)
        self.blobs[uri] = replace(blob, data=b"".join(self._blocks.pop((uri, block)) for block in block_ids))
        return uri

    async def download(self, uri: str) -> Blob:
        await trio.lowlevel.checkpoint()
        name = uri.partition("?")[0]
        if name not in self.blobs:
            raise BlobNotFound(f"There is no blob at {name}.")
        return self.blobs[name]


def _uri(container_uri: str, name: str) -> str:
    return f"{container_uri.partition('?')[0]}/{quote(name)}"
