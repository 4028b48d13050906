"""The backend of this machine: a scheduler whose workers are threads, and those that each trio run shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import trio

from gpuqio.engines.choice import AUTO, GPUS, choose, engine_name
from gpuqio.errors import InvalidParameter
from gpuqio.scheduler.ledger import Ledger
from gpuqio.scheduler.loop import Scheduler
from gpuqio.scheduler.workers import Workers

if TYPE_CHECKING:
    from gpuqio.engines.base import Engine

__all__ = ["LocalBackend", "local_backend", "worker_count"]

MAX_WORKERS = 1024

_backends: trio.lowlevel.RunVar[dict[str, LocalBackend]] = trio.lowlevel.RunVar("gpuqio.local_backends")


def worker_count() -> int:
    """How many worker threads to use: ``GPUQIO_THREADS`` (1 to 1024), else one for each CPU this process may use.

    Raises:
        InvalidParameter: ``GPUQIO_THREADS`` is something else.
    """
    text = os.environ.get("GPUQIO_THREADS", "")
    if not text:
        return len(usable_cpus()) or os.cpu_count() or 1
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_WORKERS):
        raise InvalidParameter(
            f"GPUQIO_THREADS must be a whole number from 1 to {MAX_WORKERS}; found GPUQIO_THREADS={text!r}. "
            f"Unset it to use every CPU this process may use.",
            field="GPUQIO_THREADS",
            value=text,
        )
    return int(text)


def usable_cpus() -> tuple[int, ...]:
    """The CPUs that this process may use, by number; none where the system doesn't say."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


class LocalBackend(Scheduler):
    """A scheduler that calls its engines in threads of its own, one a worker.

    For most uses `local_backend` is simpler; make your own to have a queue or an engine apart, and start its `run`
    in a nursery.

    Args:
        engines: do the work.
        workers: most slices of an engine at once. Default: `worker_count()`.
        max_waiting: most jobs in the queue.
        ledger: keeps the records.
    """

    def __init__(
        self,
        *engines: Engine[Any],
        workers: int | None = None,
        max_waiting: int = 10_000,
        ledger: Ledger | None = None,
    ) -> None:
        workers, cpus = (worker_count(), usable_cpus()) if workers is None else (workers, ())
        self._threads = Workers(cpus if len(cpus) == workers * len(engines) else ())
        super().__init__(engines, self._threads.execute, workers, max_waiting=max_waiting, ledger=ledger)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As a scheduler's; the threads end with it."""
        try:
            await super().run(task_status=task_status)
        finally:
            self._threads.close()


def local_backend(engine: str | None = None) -> LocalBackend:
    """The local backend of the current trio run on this engine; made when first asked for.

    It runs as a system task until the trio run ends. Should it ever break, its jobs fail with the reason, and
    later ones are refused with it.

    Args:
        engine: see `gpuqio.engines.choice.engine_name`.

    Raises:
        EngineUnavailable: this machine lacks what the engine needs.
        InvalidParameter: there is no engine of that name, or see `worker_count`.
        RuntimeError: called from outside a trio run.
    """
    name = engine_name(engine)
    try:
        backends = _backends.get()
    except LookupError:
        backends = {}
        _backends.set(backends)
    if name == AUTO and GPUS in backends:
        name = GPUS
    if name not in backends:
        choice = choose(name)
        if choice.name not in backends:
            backend = LocalBackend(*choice.engines, workers=choice.workers)
            trio.lowlevel.spawn_system_task(_run_apart, backend, name=f"gpuqio local backend on {choice.name}")
            backends[choice.name] = backend
        backends[name] = backends[choice.name]
    return backends[name]


async def _run_apart(backend: LocalBackend) -> None:
    """An error that left a system task would take the whole trio run down. The jobs have been told of it already."""
    try:
        await backend.run()
    except trio.Cancelled:
        raise
    except BaseException:
        return
