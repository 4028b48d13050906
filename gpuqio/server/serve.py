"""Runs the server: opens what it keeps, listens, and stops without losing anything."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.trio
import trio
from hypercorn.config import Config

from gpuqio.blob_files import BlobFiles
from gpuqio.engines.choice import choose, engine_name
from gpuqio.errors import InvalidParameter
from gpuqio.remote.addresses import is_loopback
from gpuqio.scheduler.ledger import Ledger
from gpuqio.scheduler.local import LocalBackend
from gpuqio.server.app import make_app
from gpuqio.server.guard import Guard, Throttle
from gpuqio.server.items import SCHEMA
from gpuqio.server.limits import Limits
from gpuqio.server.retention import forget_old
from gpuqio.server.runner import Runner
from gpuqio.server.service import Service
from gpuqio.server.store import Store

__all__ = ["Address", "open_service", "serve"]

READ_TIMEOUT = 300  # seconds without a byte from a client; hypercorn counts those of an answer, too
KEEP_ALIVE = 75  # seconds until an idle connection is closed; clients look after their jobs every 30
DRAIN_TIMEOUT = 30  # seconds for requests to end when the server stops

# Of ended jobs in the scheduler's memory: their results are on disk.
REMEMBERED_JOBS, REMEMBERED_BYTES = 1000, 2**26


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server listens, and how. Checks itself.

    Attributes:
        host, port: port 0 for one that is free.
        tls_cert, tls_key: files of a certificate and its key, for HTTPS.

    Raises:
        InvalidParameter: others than this machine could reach it without a key or in clear text, unless it is told
            to be `insecure`.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def check(self, keys: tuple[str, ...], *, insecure: bool) -> None:
        """Raise `InvalidParameter` where this is not safe."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidParameter("--tls-cert and --tls-key go together.", field="tls_cert")
        if insecure or is_loopback(self.host):
            return
        missing = [what for what, given in (("an API key", keys), ("TLS", self.tls_cert)) if not given]
        if missing:
            raise InvalidParameter(
                f"Other machines can reach {self.host}, so this needs {' and '.join(missing)}. Give --key-file, "
                f"--tls-cert and --tls-key, or --insecure if something else protects it.",
                field="host",
                value=self.host,
            )


async def serve(
    root: Path,
    address: Address,
    limits: Limits,
    keys: tuple[str, ...],
    engine: str | None,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT. Requests that are being answered then are; jobs go on at the next start.

    Args:
        root, limits, keys, engine: as of `open_service`.
        address: where to listen.
        announce: told, in a line, when clients can come.

    Raises:
        InvalidParameter: it can't listen there, or another server uses the folder.
    """
    stop = trio.Event()
    local_only = not keys and is_loopback(address.host)
    async with (
        open_service(root, limits, keys, engine, local_only=local_only) as service,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_heed_signals, stop)
        app: Any = make_app(service)  # hypercorn's types and Starlette's are not the same words for it
        try:
            listening = await nursery.start(
                partial(hypercorn.trio.serve, app, _config(address), shutdown_trigger=stop.wait, mode="asgi")
            )
        except* OSError as errors:
            reason = errors.exceptions[0]
            raise InvalidParameter(f"This can't listen at {address.host}:{address.port}: {reason}.") from reason
        announce(f"gpuqio serves {', '.join(listening)} on {service.device}")
        await stop.wait()


async def _heed_signals(stop: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stop.set()
            return


def _config(address: Address) -> Config:
    config = Config()
    host = f"[{address.host}]" if ":" in address.host else address.host
    config.bind = [f"{host}:{address.port}"]
    config.certfile = None if address.tls_cert is None else str(address.tls_cert)
    config.keyfile = None if address.tls_key is None else str(address.tls_key)
    config.read_timeout = READ_TIMEOUT
    config.keep_alive_timeout = KEEP_ALIVE
    config.graceful_timeout = DRAIN_TIMEOUT
    config.include_server_header = False
    config.loglevel = "WARNING"
    return config


@asynccontextmanager
async def open_service(
    root: Path,
    limits: Limits,
    keys: tuple[str, ...] = (),
    engine: str | None = None,
    *,
    local_only: bool = False,
) -> AsyncIterator[Service]:
    """A server without its sockets, which works off its jobs for the length of the block.

    Args:
        root: the folder of all it keeps; made if it is not there.
        limits: what may be asked of it.
        keys: of the API; none to let everyone in.
        engine: what computes; see `gpuqio.engines.choice.engine_name`.
        local_only: refuse calls to other names than this machine's own.

    Raises:
        InvalidParameter: another server uses the folder.
        EngineUnavailable: this machine lacks what the engine needs.
    """
    choice = choose(engine_name(engine))
    with _locked(root):
        store = Store(root / "jobs.sqlite", SCHEMA)
        ledger = Ledger(REMEMBERED_JOBS, REMEMBERED_BYTES)
        backend = LocalBackend(*choice.engines, workers=choice.workers, ledger=ledger)
        for account in (root / "blobs").glob("*"):
            BlobFiles(account).clear_scratch()
        runner = Runner(store, lambda account: BlobFiles(root / "blobs" / account), backend, limits)
        service = Service(
            root=root,
            key=_signing_key(root / "sas.key"),
            limits=limits,
            guard=Guard(keys, Throttle(limits.rate), local_only),
            store=store,
            backend=backend,
            runner=runner,
            engine=choice.engines[0].name,
            device=", ".join(engine.device for engine in choice.engines),
        )
        async with trio.open_nursery() as ground:
            await ground.start(store.run)
            async with trio.open_nursery() as nursery:
                await nursery.start(backend.run)
                await nursery.start(runner.run)
                nursery.start_soon(forget_old, service)
                yield service
                nursery.cancel_scope.cancel()
            ground.cancel_scope.cancel()


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the folder against other servers; it is made if it is not there."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidParameter(f"Another server uses {root}.", field="data", value=str(root)) from None
        yield


def _signing_key(path: Path) -> bytes:
    """The key that signs for blobs, made at the first start; whoever has it can read and write all of them."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with open(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()
