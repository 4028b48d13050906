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

__all__ = ["AUTO", "GPUS", "Choice", "choose", "engine_name"]

AUTO, CPU, GPUS = "auto", "cpu", "cuda"

_GPU = re.compile(r"cuda:(\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choice:
    """Engines of one kind, ready for use.

    Attributes:
        name: ``cpu``, ``cuda`` for several GPUs, or ``cuda:`` and a number.
        engines: one a device.
        workers: how many threads each keeps busy; None for one a CPU.
        reason: why these, in a sentence.
    """

    name: str
    engines: tuple[Engine[Any], ...]
    workers: int | None
    reason: str


def engine_name(name: str | None) -> str:
    """The name in full: ``auto``, ``cpu``, ``cuda`` for all GPUs or ``cuda:<number>`` for one.

    None stands for what the environment variable ``GPUQIO_ENGINE`` says, and that unset for ``auto``.

    Raises:
        InvalidParameter: there is no engine of that name.
    """
    field = "engine"
    if name is None:
        name = os.environ.get("GPUQIO_ENGINE") or AUTO
        field = "GPUQIO_ENGINE"
    if name in (AUTO, CPU, GPUS):
        return name
    if isinstance(name, str) and (gpu := _GPU.fullmatch(name)):
        return f"cuda:{int(gpu[1])}"
    raise InvalidParameter(
        f"{field} must be 'auto', 'cpu', 'cuda' for all GPUs, or 'cuda:1' for the second; found {field}={name!r}.",
        field=field,
        value=name,
    )


def choose(name: str) -> Choice:
    """The engines of that name, as `engine_name` gives it. What was asked for by name is that, or an error.

    Of several GPUs, those that can't be used are left out, as long as there is one that can.

    Raises:
        EngineUnavailable: this machine lacks what it needs; ``auto`` only if it can't even run the CPU's.
    """
    if name == CPU:
        return _cpu("The CPU was asked for.")
    if gpu := _GPU.fullmatch(name):
        return Choice(name, (cuda.CudaEngine(int(gpu[1])),), cuda.STREAMS, "This GPU was asked for.")
    if name == GPUS:
        return _gpus("All GPUs were asked for.")
    try:
        return _gpus("A GPU can be used.")
    except EngineUnavailable as error:
        return _cpu(f"No GPU can be used. {error}")


def _cpu(reason: str) -> Choice:
    return Choice(CPU, (cpu.CpuEngine(),), None, reason)


def _gpus(reason: str) -> Choice:
    """All that can be used. A machine's only one has but one name, and with it one backend."""
    engines, faults = [], []
    count = cuda.device_count()
    for number in range(count):
        try:
            engines.append(cuda.CudaEngine(number))
        except EngineUnavailable as error:
            faults.append(error)
    if not engines:
        raise faults[0]
    name = "cuda:0" if count == 1 else GPUS
    return Choice(name, tuple(engines), cuda.STREAMS, " ".join([reason, *map(str, faults)]))
