"""The GPU entries on the emulator: descriptors and arrays in emulated device memory, launches as the engine's."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.engines import kernels
from gpuqio.engines.native import _Ensemble, _from_words, _Problem, _to_words
from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.stage import Stage
from tests.emulator import Memory, RawModule

__all__ = ["Job", "advance", "start"]

MOST_SHARED = 99 * 1024

_POINTERS = (
    "temperature",
    "gap",
    "chain_temperature",
    "chain_at",
    "energy",
    "best_energy",
    "gains",
    "spins",
    "best_spins",
    "swaps",
)


@dataclass
class Job:
    """One problem's chains in emulated memory."""

    layout: Layout
    stage: Stage
    initial: npt.NDArray[np.uint8] | None = None
    goal: int = -(2**62)
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    struct: Any = None

    def place(self, memory: Memory) -> _Ensemble:
        """The descriptor, its arrays placed in `memory`."""
        layout, stage = self.layout, self.stage
        n, chains, words = layout.num_variables, stage.chains, -(-layout.num_variables // 32)
        warps, dense = -(-chains // 32), layout.strategy is Strategy.WINDOW
        state = np.zeros(chains * words if dense else warps * n, np.uint32)
        host = {
            "base": layout.base,
            "weights": layout.weights.astype(kernels.narrowest(layout)),
            "offsets": layout.offsets,
            "members": layout.members,
            "member_offsets": layout.member_offsets,
            "temperature": stage.temperatures(layout),
            "gap": stage.gaps(layout),
            "chain_temperature": np.zeros(32 * warps, np.float32),
            "chain_at": np.zeros(chains, np.int32),
            "energy": np.zeros(32 * warps, np.int64),
            "best_energy": np.zeros(32 * warps, np.int64),
            "gains": np.zeros(chains * words * 32 if dense else 0, np.int32),
            "spins": state,
            "best_spins": state.copy(),
            "swaps": np.zeros(max(stage.rungs - 1, 0), np.int64),
        }
        if self.initial is not None:
            host["initial"] = _to_words(self.initial[None])[0]
        self.arrays = {name: memory.place(array) for name, array in host.items()}
        address = {name: memory.address_of(array) for name, array in self.arrays.items()}
        problem = _Problem(
            layout.strategy.value,
            n,
            *(address[name] for name in ("base", "weights", "offsets", "members", "member_offsets")),
            layout.zero_energy,
        )
        return _Ensemble(
            problem,
            seed_low=stage.seed & 0xFFFFFFFF,
            seed_high=stage.seed >> 32,
            chains=chains,
            rungs=stage.rungs,
            sweeps=stage.sweeps,
            weight_bytes=host["weights"].itemsize,
            goal=self.goal,
            lowest=2**62,
            **{name: address[name] for name in _POINTERS},
        )

    def bits(self, name: str) -> npt.NDArray[np.uint8]:
        """(chains, n) states from ``spins`` or ``best_spins``."""
        n, chains, words = self.layout.num_variables, self.stage.chains, self.arrays[name]
        if self.layout.strategy is Strategy.WINDOW:
            return _from_words(words.reshape(chains, -1))[:, :n]
        lanes = _from_words(words.reshape(-1, n, 1))
        return np.ascontiguousarray(lanes.transpose(0, 2, 1)).reshape(-1, n)[:chains]


def start(module: RawModule, memory: Memory, jobs: Sequence[Job], **how: Any) -> npt.NDArray[np.uint8]:
    """Place all jobs, make their first states, and return the table of descriptors, (jobs, bytes)."""
    size = ctypes.sizeof(_Ensemble)
    rows = b"".join(bytes(job.place(memory)) for job in jobs)
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
    launches = [kernels.advance_launch(job.layout, job.stage.chains, most_shared) for job in jobs]
    for launch in sorted(set(launches), key=repr):
        slots = [i for i, other in enumerate(launches) if other == launch]
        counts = np.full(len(slots), sweeps, np.int32)
        size = np.int32(launch.shared_bytes)
        _launch(module, launch.name, launch.threads, launch.shared_bytes, memory, table, slots, counts, (size,), how)


def descriptor(table: npt.NDArray[np.uint8], slot: int) -> _Ensemble:
    """What the device says of a job."""
    return _Ensemble.from_buffer_copy(table[slot].tobytes())


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
