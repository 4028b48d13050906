"""The forms in which a problem leaves memory and comes back: JSON, protobuf, files, blobs of a workspace."""

from __future__ import annotations

import gzip
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from enum import Enum
from os import PathLike
from typing import Any, Protocol, Self, TypeVar

from gpuqio import npz, qio_json, qio_protobuf
from gpuqio.archives import is_archive
from gpuqio.errors import InvalidProblem
from gpuqio.term_store import TermList

__all__ = ["ContentType", "ProblemForms", "Storing"]


class ContentType(str, Enum):
    """How a problem is written down. Grouped terms are there in JSON only."""

    json = "application/json"
    protobuf = "application/x-protobuf"


Put = TypeVar("Put", covariant=True)  # a URI, or a coroutine that returns one
Got = TypeVar("Got", covariant=True)  # a problem, or a coroutine that returns one


class Storing(Protocol[Put, Got]):
    """The part of a workspace that keeps problems."""

    def _upload(self, problem: Any, container_name: str, blob_name: str | None, container_uri: str | None) -> Put: ...

    def _download(self, uri: str, name: str | None) -> Got: ...


class ProblemForms(ABC):
    """What `Problem` inherits: everything that writes and reads one."""

    name: str
    content_type: ContentType | None
    # The URI, its place (whose workspace, container, blob), and what was uploaded.
    _uploaded: tuple[str, tuple[object, str, str | None], qio_json.Document] | None = None

    @abstractmethod
    def _document(self) -> qio_json.Document:
        """What there is to write."""

    @classmethod
    @abstractmethod
    def _of(cls, document: qio_json.Document, name: str | None, content_type: ContentType = ContentType.json) -> Self:
        """A problem of what was read."""

    @property
    @abstractmethod
    def is_grouped(self) -> bool: ...

    @property
    def written_as(self) -> ContentType:
        """What `to_blob` writes: `content_type`, but JSON where there are grouped terms."""
        protobuf = self.content_type is ContentType.protobuf and not self.is_grouped
        return ContentType.protobuf if protobuf else ContentType.json

    def serialize(self) -> str | list[bytes]:
        """The problem as JSON, or as `to_proto` has it, according to `written_as`."""
        return self.to_proto() if self.written_as is ContentType.protobuf else self.to_json()

    def to_json(self) -> str:
        """The problem as ``microsoft.qio.v2`` JSON."""
        return qio_json.encode(self._document()).decode()

    def to_proto(self) -> list[bytes]:
        """The problem as protobuf messages of at most 1,000 terms; `InvalidProblem` for a grouped one."""
        return qio_protobuf.encode(self._document())

    def compress_protobuf(self, proto_messages: Sequence[bytes]) -> bytes:
        """Protobuf messages as the gzipped tar archive that the service takes."""
        return qio_protobuf.archive(proto_messages)

    def to_blob(self) -> bytes:
        """The JSON, gzipped, or the archive of protobuf messages: the same problem gives the same bytes."""
        if self.written_as is ContentType.protobuf:
            return self.compress_protobuf(self.to_proto())
        return gzip.compress(qio_json.encode(self._document()), compresslevel=6, mtime=0)

    @classmethod
    def deserialize(
        cls,
        input_problem: str | bytes | Sequence[bytes],
        name: str | None = None,
        content_type: ContentType | None = None,
    ) -> Self:
        """The problem written as JSON, plain or gzipped, as protobuf messages, or as an archive of these.

        Which it is shows in the data; what `content_type` says does not count.
        """
        if isinstance(input_problem, (str, bytes, bytearray, memoryview)):
            data = input_problem if isinstance(input_problem, str) else qio_json.inflate(bytes(input_problem))
            if isinstance(data, str) or not is_archive(data):
                return cls.from_json(data, name)
            return cls._of(qio_protobuf.decode_archive(data), name, ContentType.protobuf)
        return cls.from_proto(input_problem, name)

    @classmethod
    def from_proto(cls, input_problem: Sequence[bytes], name: str | None = None) -> Self:
        """The problem written as protobuf messages; `name` wins over the name in them. Raises `InvalidProblem`."""
        if not isinstance(input_problem, Iterable):
            raise InvalidProblem(
                f"A problem is a str or bytes of JSON, or a list of protobuf messages; found "
                f"{reprlib.repr(input_problem)}.",
                value=input_problem,
                code="AZQ103",
            )
        return cls._of(qio_protobuf.decode(input_problem), name, ContentType.protobuf)

    @classmethod
    def from_json(cls, input_problem: str | bytes, name: str | None = None) -> Self:
        """The problem written as ``microsoft.qio.v2`` JSON, plain or gzipped; `name` wins over the name in it.

        Raises:
            InvalidProblem: a ValueError (as is the SDK's JSONDecodeError) that names the field and the value.
        """
        return cls._of(qio_json.decode(input_problem), name)

    def is_valid_npz(
        self,
        files: Sequence[str],
        indices_column_names: Sequence[str] = npz.INDICES,
        c_column_name: str = npz.COEFFICIENTS,
    ) -> bool:
        """True if these are the arrays of an npz file of terms: one for each place in a term, and the coefficients."""
        return npz.is_valid(files, indices_column_names, c_column_name)

    def terms_from_npz(
        self,
        file_path: str | PathLike[str],
        indices_column_names: Sequence[str] = npz.INDICES,
        c_column_name: str = npz.COEFFICIENTS,
    ) -> TermList:
        """The terms in an npz file, as a list to assign or add to `terms`. The problem itself is not changed.

        Args:
            file_path: an npz file of integer arrays (m,), the first, second ... variable of each term, and one of
                coefficients (m,).

        Raises:
            InvalidFile: no such file, other arrays, wrong types or lengths.
        """
        return npz.read_terms(file_path, indices_column_names, c_column_name)

    # In a workspace's storage

    def upload(
        self,
        workspace: Storing[Put, Any],
        container_name: str = "qio-problems",
        blob_name: str | None = "inputData",
        container_uri: str | None = None,
    ) -> Put:
        """Put the problem into the workspace's storage, to be solved many times without being sent again.

        Uploading it again to the same place, unchanged, does nothing. A blob is never overwritten: for a second
        problem in the container take another `blob_name`, or None.

        Args:
            workspace: its flavour decides whether this blocks or is awaited.
            container_name: made if it is not there.
            blob_name: None for a new one of the problem's name.
            container_uri: of a container, signed; it wins over `container_name`.

        Returns:
            The blob's URI, without a signature: submit it, or give it to an `OnlineProblem`.

        Raises:
            BlobExists: (a FileExistsError) something else is there by that name.
        """
        return workspace._upload(self, container_name, blob_name, container_uri)

    def download(self, workspace: Storing[Any, Got]) -> Got:
        """The problem as it lies in the workspace's storage. Raises `InvalidProblem` where it was not uploaded."""
        if self._uploaded is None:
            raise InvalidProblem("Problem may not be downloaded before it is uploaded.", field="uploaded_blob_uri")
        return workspace._download(self._uploaded[0], self.name)

    @property
    def uploaded_blob_uri(self) -> str | None:
        """Where `upload` put it; None where it was not uploaded, or has been changed since."""
        if self._uploaded is None or not _same(self._uploaded[2], self._document()):
            return None
        return self._uploaded[0]

    def _uploaded_to(self, owner: object, *place: str | None) -> str | None:
        """Where it lies in this workspace, at this place or any."""
        if self._uploaded is None or self._uploaded[1][0] is not owner or place not in ((), self._uploaded[1][1:]):
            return None
        return self.uploaded_blob_uri

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_uploaded"}  # of this process


def _same(one: qio_json.Document, other: qio_json.Document) -> bool:
    """Whether they are of one problem that was not changed meanwhile, without a look at each term."""
    return one.terms is other.terms and (one.name, one.type, one.terms_slc, one.init_config) == (
        other.name,
        other.type,
        other.terms_slc,
        other.init_config,
    )
