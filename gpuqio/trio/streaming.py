"""Problems that are uploaded while they are made, so that they never stand in memory as a whole."""

from __future__ import annotations

import sys
import threading
import uuid
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

import trio

from gpuqio.backend import Blob
from gpuqio.configurations import by_variable
from gpuqio.errors import InvalidProblem, InvalidTerm
from gpuqio.problem import Problem, ProblemType
from gpuqio.qio_json import Document, encode, encode_terms
from gpuqio.term_store import TermStore, pack_terms
from gpuqio.terms import Term

if TYPE_CHECKING:
    from gpuqio.trio.workspace import Workspace

__all__ = ["BaseStreamingProblem", "StreamingProblem"]

NOT_UPLOADED = "StreamingProblem may not be downloaded before it is uploaded."


class BaseStreamingProblem:
    """A problem that goes to the workspace's storage as its terms come, in gzipped JSON.

    Terms may be added from several threads. At most `upload_size_threshold` bytes and `upload_terms_threshold` terms
    are kept, and what is given in one call. Submitting the problem uploads the rest.

    Args:
        workspace: whose storage.
        name: None or "" becomes "Optimization Problem".
        terms: to begin with.
        init_config: start values, {variable: value}.
        problem_type: pubo or ising.
        metadata: texts to be kept beside the problem.

    Attributes:
        workspace, name, init_config, problem_type, metadata: as given.
        stats: "type"; "num_terms"; "max_coupling", "min_coupling" and "avg_coupling", of the number of variables in a
            term. They go into the blob's metadata.
        upload_size_threshold: compressed bytes in a block; what is uploaded at one time.
        upload_terms_threshold: terms that are written at one time.
        upload_to_url: set it before the first term to have the problem at that URL, in a container of the storage.
        uploaded_uri: None until it is uploaded.

    Raises:
        InvalidTerm: a term that has no meaning, or is a grouped one; also a RuntimeError.
        InvalidProblem: an init_config that is none.
    """

    def __init__(
        self,
        workspace: Any,
        name: str = "Optimization Problem",
        terms: Iterable[Term] | None = None,
        init_config: Mapping[Any, int] | None = None,
        problem_type: ProblemType = ProblemType.ising,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.workspace = workspace
        self.name = name or "Optimization Problem"
        self.init_config = None if init_config is None else by_variable(init_config, "init_config")
        self.problem_type = problem_type
        self.metadata = dict(metadata or {})
        self.stats: dict[str, Any] = {
            "type": problem_type.name,
            "max_coupling": 0,
            "avg_coupling": 0,
            "min_coupling": sys.maxsize,
            "num_terms": 0,
        }
        self.upload_size_threshold = 10e6
        self.upload_terms_threshold = 1000
        self.upload_to_url: str | None = None
        self.uploaded_uri: str | None = None
        self._id = str(uuid.uuid1())
        self._lock = threading.Lock()  # over all that follows
        self._terms: list[Term] = []
        self._tail = b""  # of the JSON, once its head has been written
        self._couplings = 0
        self._gzip = zlib.compressobj(wbits=31)
        self._pieces: list[bytes] = []
        self._full: deque[tuple[str, bytes]] = deque()  # blocks by their ids, to be staged
        self._block_ids: list[str] = []
        self._closed = False
        self._staging = trio.Lock()
        for part in self._parts(terms or ()):
            self._take(part)

    @property
    def id(self) -> str:
        """A UUID in text; container and blob are called so, unless there is an `upload_to_url`."""
        return self._id

    @property
    def uploaded_blob_uri(self) -> str | None:
        """`uploaded_uri`, by the name that it has in other problems."""
        return self.uploaded_uri

    def __repr__(self) -> str:
        state = self.uploaded_uri or "not yet uploaded"
        return f"<StreamingProblem {self.name!r}: {self.stats['num_terms']} terms, {state}>"

    # Without waiting: from terms to blocks.

    def _parts(self, terms: Iterable[Term]) -> Iterator[list[Term]]:
        """The terms, as many at a time as are to be kept."""
        left = iter(terms)
        while part := list(islice(left, max(1, int(self.upload_terms_threshold)))):
            yield part

    def _take(self, terms: list[Term]) -> bool:
        """Add terms, mostly one, so without arrays; returns whether there are blocks to be staged."""
        degrees = [self._degree(term) for term in terms]
        with self._lock:
            if self._closed:
                raise InvalidProblem("Cannot add terms after problem has been uploaded.", field="terms")
            stats = self.stats
            if terms:
                stats["num_terms"] += len(terms)
                self._couplings += sum(degrees)
                stats["avg_coupling"] = self._couplings / stats["num_terms"]
                stats["max_coupling"] = max(stats["max_coupling"], *degrees)
                stats["min_coupling"] = min(stats["min_coupling"], *degrees)
            self._terms += terms
            if len(self._terms) >= self.upload_terms_threshold:
                self._write()
            return bool(self._full)

    def _degree(self, term: Term) -> int:
        """How many variables a term has. Raises `InvalidTerm` where it can't be in this problem."""
        if not isinstance(term, Term):
            raise InvalidTerm(
                f"Unsupported statistics in streamingproblem for TermBase subclass {type(term)}.", field="terms"
            )
        ids = term._ids
        if self.problem_type.spins and len(set(ids)) < len(ids):
            TermStore(True).append(term)  # says what is wrong with it
        return len(ids)

    def _end(self) -> None:
        with self._lock:
            if not self._closed:
                self._write()
                self._pieces += [self._gzip.compress(self._tail), self._gzip.flush()]
                self._cut()
                self._closed = True

    def _write(self) -> None:
        text = encode_terms(pack_terms(self._terms))
        if not self._tail:
            text = self._head() + text
        elif text:
            text = b"," + text
        self._pieces.append(self._gzip.compress(text))
        self._terms = []
        if sum(map(len, self._pieces)) >= self.upload_size_threshold:
            self._cut()

    def _head(self) -> bytes:
        start = by_variable(self.init_config, "init_config") if self.init_config else None
        text = encode(Document(self.name, self.problem_type.name, pack_terms([]), [], start))
        head, terms, self._tail = text.partition(b'"terms":[')  # with bare quotes it stands nowhere else
        return head + terms

    def _cut(self) -> None:
        block_id = f"{len(self._block_ids):08d}"
        self._block_ids.append(block_id)
        self._full.append((block_id, b"".join(self._pieces)))
        self._pieces = []

    # Under trio: from blocks to a blob.

    @property
    def _native(self) -> Workspace:
        native: Workspace = getattr(self.workspace, "_core", self.workspace)
        return native

    async def _place(self) -> tuple[str, str]:
        """The URI of the container, and the blob's name."""
        container, name = self.id, self.id
        if self.upload_to_url:
            container, name = map(unquote, self.upload_to_url.partition("?")[0].split("/")[-2:])
        return await self._native._reach().storage.container(container), name

    async def _stage(self) -> None:
        """Upload the blocks that are full. Interrupted, it leaves them for the next time."""
        async with self._staging:
            if self._full:
                container, name = await self._place()
            while self._full:
                await self._native._reach().storage.stage(container, name, *self._full[0])
                self._full.popleft()

    async def _finish(self) -> str:
        """Upload what is left, and let it be seen; once."""
        self._end()
        await self._stage()
        async with self._staging:
            if self.uploaded_uri is None:
                container, name = await self._place()
                about = {key: str(value) for key, value in {**self.stats, **self.metadata}.items()}
                blob = Blob(b"", "application/json", "gzip", about)
                storage = self._native._reach().storage
                self.uploaded_uri = await storage.commit(container, name, self._block_ids, blob)
        return self.uploaded_uri

    async def _fetch(self) -> Problem:
        if self.uploaded_uri is None:
            raise InvalidProblem(NOT_UPLOADED, field="uploaded_uri")
        return await self._native._download(self.uploaded_uri, self.name)


class StreamingProblem(BaseStreamingProblem):
    __doc__ = BaseStreamingProblem.__doc__
    __module__ = "gpuqio.trio"

    @classmethod
    async def create(
        cls,
        workspace: Workspace,
        name: str = "Optimization Problem",
        terms: Iterable[Term] | None = None,
        init_config: Mapping[Any, int] | None = None,
        problem_type: ProblemType = ProblemType.ising,
        metadata: Mapping[str, str] | None = None,
    ) -> Self:
        """A new problem, of which as much of `terms` is uploaded as goes beyond what is kept."""
        problem = cls(workspace, name, None, init_config, problem_type, metadata)
        await problem.add_terms(terms or ())
        return problem

    async def add_term(self, c: float, indices: Iterable[int]) -> None:
        """Add ``c * product of the variables``."""
        await self.add_terms([Term(c=c, indices=indices)])

    async def add_terms(self, terms: Iterable[Term], c: float = 1) -> None:
        """Add terms, uploading each block that is full. `c` is the SDK's, and of no effect: terms are not grouped."""
        for part in self._parts(terms):
            if self._take(part):
                await self._stage()
        await trio.lowlevel.checkpoint()

    async def upload(
        self, workspace: object = None, container_name: str = "qio-problems", blob_name: str | None = None
    ) -> str:
        """Upload what is left; no term can be added any more. Asked again, it only says where the problem lies.

        Args:
            workspace, container_name, blob_name: the SDK's, and of no effect: the place was settled by the first term.

        Returns:
            The blob's URI, without a signature.
        """
        return await self._finish()

    async def download(self) -> Problem:
        """The problem as it was uploaded. Raises `InvalidProblem` before."""
        return await self._fetch()
