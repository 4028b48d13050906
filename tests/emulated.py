"""The GPU entries on the emulator: descriptors and arrays in emulated device memory, launches as the engine's."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.engines import kernels
from gpuqio.engines.ensemble import Descriptor, EnsembleBase, inputs, state, to_words
from gpuqio.pack import Layout
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage
from tests.emulator import Memory, RawModule

__all__ = ["Job", "advance", "start"]

MOST_SHARED = 99 * 1024


class Job(EnsembleBase):
    """One problem's chains in emulated memory."""

    def __init__(
        self, layout: Layout, stage: Stage, initial: npt.NDArray[np.uint8] | None = None, goal: int | None = None
    ) -> None:
        self.weights = layout.weights.astype(kernels.narrowest(layout))
        super().__init__(layout, stage, goal, self.weights.itemsize)
        self.initial, self.goal = initial, goal
        self.arrays: dict[str, npt.NDArray[Any]] = {}

    def place(self, memory: Memory) -> bytes:
        """The descriptor, its arrays placed in `memory`."""
        host = inputs(self.layout, self.stage) | {"weights": self.weights}
        host |= {name: np.zeros(count, kind) for name, (kind, count) in state(self.layout, self.stage).items()}
        self.arrays = {name: memory.place(array) for name, array in host.items()}
        self._descriptor.point({name: memory.address_of(array) for name, array in self.arrays.items()})
        if self.initial is not None:
            self.arrays["initial"] = memory.place(to_words(self.initial))
        return bytes(self._descriptor)

    def bits(self, name: str) -> npt.NDArray[np.uint8]:
        """(chains, n) states from ``spins`` or ``best_spins``."""
        return self._unpack(self.arrays[name])


def start(module: RawModule, memory: Memory, jobs: Sequence[Job], **how: Any) -> npt.NDArray[np.uint8]:
    """Place all jobs, make their first states, and return the table of descriptors, (jobs, bytes)."""
    size = ctypes.sizeof(Descriptor)
    rows = b"".join(job.place(memory) for job in jobs)
    table = memory.place(np.frombuffer(rows, np.uint8).reshape(len(jobs), size))
    for name in sorted({kernels.start_name(job.layout) for job in jobs}):
        slots = [i for i, job in enumerate(jobs) if kernels.start_name(job.layout) == name]
        given = [jobs[i].arrays.get("initial") for i in slots]
        initial = np.array([0 if g is None else memory.address_of(g) for g in given], np.uintp)
        _launch(module, name, kernels.THREADS, 0, memory, table, slots, initial, (), how)
    return table


def advance(
    module: RawModule,
    memory: Memory,
    jobs: Sequence[Job],
    table: npt.NDArray[np.uint8],
    sweeps: int,
    most_shared: int = MOST_SHARED,
    **how: Any,
) -> None:
    """Up to `sweeps` sweeps of every job, one launch a kind."""
    launches = [launch(job, most_shared) for job in jobs]
    for kind in sorted(set(launches), key=repr):
        slots = [i for i, other in enumerate(launches) if other == kind]
        counts = np.full(len(slots), sweeps, np.int32)
        size = np.int32(kind.shared_bytes)
        _launch(module, kind.name, kind.threads, kind.shared_bytes, memory, table, slots, counts, (size,), how)


def launch(job: Job, most_shared: int) -> kernels.Launch:
    """The kernel of a job's sweeps."""
    if job.stage.move.kind is not Kind.METROPOLIS:
        return kernels.move_launch(job.layout, job.stage.move)
    return kernels.advance_launch(job.layout, job.stage.chains, most_shared)


def descriptor(table: npt.NDArray[np.uint8], slot: int) -> Descriptor:
    """What the device says of a job."""
    return Descriptor.from_buffer_copy(table[slot].tobytes())


def _launch(
    module: RawModule,
    name: str,
    threads: int,
    shared: int,
    memory: Memory,
    table: npt.NDArray[np.uint8],
    slots: Sequence[int],
    each: npt.NDArray[Any],
    more: tuple[Any, ...],
    how: dict[str, Any],
) -> None:
    kernel = module.get_function(name)
    kernel.max_dynamic_shared_size_bytes = max(shared, kernel.max_dynamic_shared_size_bytes)
    args = (table, np.array(slots, np.int32), each, np.int32(len(slots)), np.zeros(1, np.uint32), *more)
    kernel((min(len(slots), 3),), (threads,), args, shared_mem=shared, memory=memory, **how)
