"""What all handlers share: the store, the runner, the blobs, and the key that signs for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from gpuqio.backend import Backend
from gpuqio.blob_files import BlobFiles
from gpuqio.remote.secrets import Unpickled
from gpuqio.server.guard import Guard
from gpuqio.server.limits import Limits
from gpuqio.server.names import Addresses
from gpuqio.server.runner import Runner
from gpuqio.server.store import Store

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service(Unpickled):
    """A server without its sockets.

    Attributes:
        root: the folder of all it keeps.
        key: signs access to blobs.
        limits: what may be asked of it.
        guard: who may ask.
        store: jobs and sessions.
        backend: does the work.
        runner: brings it the jobs.
        engine, device: what computes.
    """

    root: Path
    key: bytes = field(repr=False)
    limits: Limits
    guard: Guard
    store: Store
    backend: Backend
    runner: Runner
    engine: str
    device: str

    def files(self, account: str) -> BlobFiles:
        """The blobs of a workspace."""
        return BlobFiles(self.root / "blobs" / account)

    def addresses(self, request: Request, account: str) -> Addresses:
        """Where the client of a request can reach them: at the address by which it called."""
        return Addresses(f"{request.url.scheme}://{request.url.netloc}", account, self.key)
