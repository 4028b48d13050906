"""Storage in a folder of this machine: that of the local workspace, and what lies behind the server's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

import trio

from gpuqio.backend import Blob
from gpuqio.blob_files import BlobFiles, Properties
from gpuqio.errors import BlobNotFound

__all__ = ["FolderStorage"]


class FolderStorage:
    """Implements `gpuqio.backend.Storage`: blobs are files of a folder, and stay when the process ends.

    A blob's URI is ``{base_uri}/{container}/{blob}``. A blob appears whole or not at all.

    Args:
        root: the folder; made when something is put there.
        base_uri: what its URIs begin with.
    """

    def __init__(self, root: Path, base_uri: str = "local:/") -> None:
        self.files = BlobFiles(Path(root))
        self.base_uri = base_uri

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.files.root}>"

    async def container(self, name: str) -> str:
        """The URI of a container; it is made if it is not there. Raises `InputError` for a name Azure refuses."""
        await trio.to_thread.run_sync(self.files.make_container, name)
        return f"{self.base_uri}/{name}"

    async def upload(self, container_uri: str, name: str, blob: Blob) -> str:
        """Put a new blob, and return its URI. Raises `BlobExists`, `BlobNotFound` (no such container)."""
        container, _ = self._names(container_uri)
        await trio.to_thread.run_sync(self._upload, container, name, blob)
        return self._uri(container, name)

    async def stage(self, container_uri: str, name: str, block_id: str, data: bytes) -> None:
        """Put a block of a blob, to be seen once it is committed."""
        container, _ = self._names(container_uri)
        await trio.to_thread.run_sync(self._stage, container, name, block_id, data)

    async def commit(self, container_uri: str, name: str, block_ids: Sequence[str], blob: Blob) -> str:
        """Make a blob of blocks, in this order; `blob.data` is not looked at. A blob of that name is replaced."""
        container, _ = self._names(container_uri)
        await trio.to_thread.run_sync(partial(self.files.commit, container, block_ids, _properties(name, blob)))
        return self._uri(container, name)

    async def download(self, uri: str) -> Blob:
        """A blob by its URI. Raises `BlobNotFound`."""
        return await trio.to_thread.run_sync(self._download, *self._names(uri))

    def _upload(self, container: str, name: str, blob: Blob) -> None:
        with self.files.writing(_properties(name, blob)) as (file, put):
            file.write(blob.data)
            put(container)

    def _stage(self, container: str, name: str, block_id: str, data: bytes) -> None:
        with self.files.staging(container, name, block_id) as (file, put):
            file.write(data)
            put()

    def _download(self, container: str, name: str) -> Blob:
        with self.files.reading(container, name) as (file, about):
            return Blob(file.read(), about.content_type, about.content_encoding, about.metadata)

    def _names(self, uri: str) -> tuple[str, str]:
        """Container and blob of a URI, whatever signature it has; the blob is "" in that of a container."""
        bare = uri.partition("?")[0]
        if not bare.startswith(f"{self.base_uri}/"):
            raise BlobNotFound(f"{bare!r} does not lie in this storage, whose URIs begin with {self.base_uri!r}.")
        container, _, name = bare.removeprefix(f"{self.base_uri}/").partition("/")
        return container, unquote(name)

    def _uri(self, container: str, name: str) -> str:
        return f"{self.base_uri}/{container}/{quote(name)}"


def _properties(name: str, blob: Blob) -> Properties:
    return Properties(
        name=name,
        content_type=blob.content_type,
        content_encoding=blob.content_encoding,
        metadata=dict(blob.metadata),
    )
