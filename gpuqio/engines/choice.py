"""Which engine computes: as asked for, or the best this machine has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuqio.engines import cpu, cuda  # both up front: a fork during a late import would leave the child hanging
from gpuqio.errors import EngineUnavailable, InvalidParameter

if TYPE_CHECKING:
    from gpuqio.engines.base import Engine

__all__ = ["AUTO", "FIRST_GPU", "Choice", "choose", "engine_name"]

AUTO, CPU, FIRST_GPU = "auto", "cpu", "cuda:0"

_GPU = re.compile(r"cuda(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, ready for use.

    Attributes:
        name: ``cpu``, or ``cuda:`` and a number.
        engine: the engine itself.
        workers: how many threads it keeps busy; None for one a CPU.
        reason: why this one, in a sentence.
    """

    name: str
    engine: Engine[Any]
    workers: int | None
    reason: str


def engine_name(name: str | None) -> str:
    """The name in full: ``auto``, ``cpu`` or ``cuda:<number>``; ``cuda`` is the first GPU.

    None stands for what the environment variable ``GPUQIO_ENGINE`` says, and that unset for ``auto``.

    Raises:
        InvalidParameter: there is no engine of that name.
    """
    field = "engine"
    if name is None:
        name = os.environ.get("GPUQIO_ENGINE") or AUTO
        field = "GPUQIO_ENGINE"
    if name in (AUTO, CPU):
        return name
    if isinstance(name, str) and (gpu := _GPU.fullmatch(name)):
        return f"cuda:{int(gpu[1] or 0)}"
    raise InvalidParameter(
        f"{field} must be 'auto', 'cpu', 'cuda', or 'cuda:1' for the second GPU; found {field}={name!r}.",
        field=field,
        value=name,
    )


def choose(name: str) -> Choice:
    """The engine of that name, as `engine_name` gives it. What was asked for by name is that, or an error.

    Raises:
        EngineUnavailable: this machine lacks what it needs; ``auto`` only if it can't even run the CPU's.
    """
    if name == CPU:
        return _cpu("The CPU was asked for.")
    if name != AUTO:
        return _cuda(name, "This GPU was asked for.")
    try:
        return _cuda(FIRST_GPU, "It is the first GPU, and can be used.")
    except EngineUnavailable as error:
        return _cpu(f"No GPU can be used. {error}")


def _cpu(reason: str) -> Choice:
    return Choice(CPU, cpu.CpuEngine(), None, reason)


def _cuda(name: str, reason: str) -> Choice:
    engine = cuda.CudaEngine(int(name.removeprefix("cuda:")))
    return Choice(name, engine, engine.workers, reason)
