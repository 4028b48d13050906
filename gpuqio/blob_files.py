"""Blobs as files of a folder: one file a blob, which appears whole or not at all, even if the machine stops.

A blob's file is named by a digest of its name, so no name leads out of the folder, and begins with a short header.
All calls block; `gpuqio.storage` and the server call them from threads.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from gpuqio.errors import BlobExists, BlobNotFound, InputError

__all__ = [
    "BLOB_LENGTHS",
    "BLOB_NAME",
    "CONTAINER_LENGTHS",
    "CONTAINER_NAME",
    "UPWARD",
    "BlobFiles",
    "Properties",
    "check_blob_name",
    "check_container_name",
]

CONTAINER_NAME, CONTAINER_LENGTHS = r"[a-z0-9](-?[a-z0-9])+", (3, 63)
BLOB_NAME, BLOB_LENGTHS = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\\]+", (1, 1024)
UPWARD = r"(^|/)\.\.?(/|$)"
"""Names that are taken: what matches all of them, and their lengths; and what no blob's name has anywhere."""

_SURROGATE = "[\ud800-\udfff]"  # which has no bytes

MAX_HEADER = 2**20

_LENGTH = struct.Struct("<I")
_PIECE = 2**20  # bytes copied at one time


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a blob besides its bytes.

    Attributes:
        name: the blob's.
        content_type, content_encoding, metadata: as they were given with it.
        etag: another one for each time that it was written, in quotes.
        modified: when that was (UTC).
        size: of the data, in bytes.
        blocks: digest of the ids of the blocks that it was made of; "" if it was put at once.
    """

    name: str
    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    etag: str = ""
    modified: datetime = datetime.min.replace(tzinfo=UTC)
    size: int = 0
    blocks: str = ""


def check_container_name(name: str) -> str:
    """`name`, if Azure takes it: 3 to 63 of a-z, 0-9 and single hyphens inside. Raises `InputError`."""
    if not _fits(name, CONTAINER_NAME, CONTAINER_LENGTHS):
        raise InputError(
            f"A container's name has 3 to 63 lower-case letters, digits and single hyphens inside; found {name!r}.",
            field="container",
            value=name,
        )
    return name


def check_blob_name(name: str) -> str:
    """`name`, if Azure takes it: 1 to 1024 characters, none a control or a backslash, and no part ``.`` or ``..``.

    Raises:
        InputError: it does not.
    """
    if not _fits(name, BLOB_NAME, BLOB_LENGTHS) or re.search(f"{UPWARD}|{_SURROGATE}", name):
        raise InputError(
            f"A blob's name has 1 to 1024 characters, no controls or backslashes, and no part '.' or '..'; found "
            f"{name!r}.",
            field="blob",
            value=name,
        )
    return name


def _fits(name: str, pattern: str, lengths: tuple[int, int]) -> bool:
    return lengths[0] <= len(name) <= lengths[1] and re.fullmatch(pattern, name) is not None


@dataclass(frozen=True, slots=True)
class BlobFiles:
    """The blobs below a folder, which is made when something is put there."""

    root: Path

    # Containers

    def make_container(self, container: str) -> bool:
        """Make a container; False if it was there."""
        folder = self._folder(container)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            return False
        _sync(folder.parent)
        return True

    def has_container(self, container: str) -> bool:
        """Whether it is there."""
        return self._folder(container).is_dir()

    def remove_container(self, container: str) -> None:
        """Remove a container, if it is there, with all that is in it."""
        shutil.rmtree(self._folder(container), ignore_errors=True)

    def containers_before(self, time: datetime) -> list[str]:
        """Those in which nothing was put since a time."""
        folders = [folder for folder in self.root.glob("[a-z0-9]*") if folder.is_dir()]
        return [folder.name for folder in folders if folder.stat().st_mtime < time.timestamp()]

    # Blobs

    @contextmanager
    def writing(self, properties: Properties) -> Iterator[tuple[BinaryIO, Callable[..., Properties]]]:
        """A file for the data of a new blob, and a call that puts it into a container.

        That call, ``put(container, replace=False)``, raises `BlobExists` or `BlobNotFound` (there is no such
        container). What is not put is gone when the block ends.
        """
        check_blob_name(properties.name)
        made = msgspec.structs.replace(properties, etag=f'"0x{secrets.token_hex(8).upper()}"', modified=_now())
        header = msgspec.json.encode(made)
        if len(header) > MAX_HEADER:
            raise InputError("A blob's metadata may take a mebibyte, no more.", field="metadata")
        with self._scratch() as (path, file):
            file.write(_LENGTH.pack(len(header)))
            file.write(header)

            def put(container: str, replace: bool = False) -> Properties:
                folder = self._existing(container)
                final = folder / _digest(made.name)
                file.flush()
                os.fsync(file.fileno())
                if replace:
                    path.replace(final)
                else:
                    try:
                        final.hardlink_to(path)
                    except FileExistsError:
                        raise _exists(container, made.name) from None
                _sync(folder)
                return msgspec.structs.replace(made, size=file.tell() - _LENGTH.size - len(header))

            yield file, put

    @contextmanager
    def reading(self, container: str, name: str) -> Iterator[tuple[BinaryIO, Properties]]:
        """A blob's file, standing at its data, and its properties. Raises `BlobNotFound`."""
        try:
            file = (self._folder(container) / _digest(name)).open("rb")
        except FileNotFoundError:
            raise BlobNotFound(f"There is no blob {name!r} in {container!r}.") from None
        with file:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            properties = msgspec.json.decode(file.read(length), type=Properties)
            size = os.fstat(file.fileno()).st_size - _LENGTH.size - length
            yield file, msgspec.structs.replace(properties, size=size)

    def properties(self, container: str, name: str) -> Properties:
        """What is known of a blob. Raises `BlobNotFound`."""
        with self.reading(container, name) as (_, properties):
            return properties

    # Blocks

    @contextmanager
    def staging(self, container: str, name: str, block_id: str) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
        """A file for a block of a blob, and a call that puts it where `commit` finds it."""
        check_blob_name(name)
        with self._scratch() as (path, file):

            def put() -> None:
                here = self._existing(container)
                folder = self._blocks(here, name)
                folder.mkdir(exist_ok=True)
                file.flush()
                path.replace(folder / _digest(block_id))
                os.utime(here)  # something was put into it, see `containers_before`

            yield file, put

    def commit(
        self, container: str, block_ids: Sequence[str], properties: Properties, replace: bool = True
    ) -> Properties:
        """Make a blob of blocks in this order. What is repeated, since its answer was lost, is answered again.

        Args:
            replace: put it in the place of any blob of its name.

        Raises:
            BlobExists: there is a blob of its name, which is not to be replaced.
            BlobNotFound: there is no such container, or no such block.
        """
        folder = self._blocks(self._existing(container), properties.name)
        if not replace and (self._folder(container) / _digest(properties.name)).exists():
            raise _exists(container, properties.name)
        wanted = msgspec.structs.replace(properties, blocks=_digest("\n".join(block_ids)))
        with self.writing(wanted) as (file, put):
            for block_id in block_ids:
                try:
                    with (folder / _digest(block_id)).open("rb") as block:
                        shutil.copyfileobj(block, file, _PIECE)
                except FileNotFoundError:
                    if (made := self._committed(container, wanted)) is None:
                        raise BlobNotFound(f"There is no block {block_id!r} of {wanted.name!r}.") from None
                    return made
            made = put(container, replace)
        shutil.rmtree(folder, ignore_errors=True)
        return made

    def _committed(self, container: str, wanted: Properties) -> Properties | None:
        """The blob that is there, if an earlier commit made it of the same blocks, with the same properties."""
        try:
            there = self.properties(container, wanted.name)
        except BlobNotFound:
            return None
        same = msgspec.structs.replace(wanted, etag=there.etag, modified=there.modified, size=there.size)
        return there if there == same else None

    # Where they are

    def _folder(self, container: str) -> Path:
        return self.root / check_container_name(container)

    def _existing(self, container: str) -> Path:
        folder = self._folder(container)
        if not folder.is_dir():
            raise BlobNotFound(f"There is no container {container!r}.")
        return folder

    @staticmethod
    def _blocks(folder: Path, name: str) -> Path:
        return folder / f"{_digest(name)}.blocks"

    @contextmanager
    def _scratch(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file beside the containers; it is removed at the end, unless it has been moved."""
        scratch = self.root / ".new"
        scratch.mkdir(parents=True, exist_ok=True)
        path = scratch / secrets.token_hex(16)
        with path.open("xb") as file:
            try:
                yield path, file
            finally:
                with suppress(FileNotFoundError):
                    path.unlink()

    def clear_scratch(self) -> None:
        """Remove what an earlier process had begun to write. Only while no other one writes."""
        shutil.rmtree(self.root / ".new", ignore_errors=True)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _exists(container: str, name: str) -> BlobExists:
    return BlobExists(f"There is a blob {name!r} in {container!r} already.")


def _now() -> datetime:
    return datetime.now(UTC)


def _sync(folder: Path) -> None:
    """Have the folder's entries on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
