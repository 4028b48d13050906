"""All chains of one problem, wherever they live: the struct a kernel is given, its arrays, and what is read off it.

The structs repeat cuda/layouts.cuh field by field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.stage import Stage

__all__ = ["Descriptor", "EnsembleBase", "inputs", "state", "to_words"]

Bits = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

_P = ctypes.c_void_p
_NO_GOAL = -(2**62)
_NOTHING_FOUND = 2**62


class ProblemDescriptor(ctypes.Structure):
    """gq::Problem."""

    _fields_ = (
        ("strategy", ctypes.c_int32),
        ("n", ctypes.c_int32),
        *((name, _P) for name in ("base", "weights", "offsets", "members", "member_offsets")),
        ("zero_energy", ctypes.c_int64),
    )


class Descriptor(ctypes.Structure):
    """gq::Ensemble."""

    _fields_ = (
        ("problem", ProblemDescriptor),
        ("seed_low", ctypes.c_uint32),
        ("seed_high", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("first_chain", "chains", "rungs", "sweep", "sweeps")),
        *((name, ctypes.c_int32) for name in ("weight_bytes", "planes")),
        ("goal", ctypes.c_int64),
        *((name, _P) for name in ("temperature", "gap", "chain_temperature", "chain_at", "energy", "best_energy")),
        *((name, _P) for name in ("gains", "spins", "best_spins", "swaps")),
        *((name, ctypes.c_int64) for name in ("flips", "reached", "lowest")),
    )

    def point(self, addresses: Mapping[str, int]) -> None:
        """Set its pointers, each named as its field is."""
        for name, address in addresses.items():
            setattr(self if hasattr(self, name) else self.problem, name, address)


def inputs(layout: Layout, stage: Stage) -> dict[str, npt.NDArray[Any]]:
    """What the kernels read and never write, by the field that points to it."""
    return {
        "base": layout.base,
        "weights": layout.weights,
        "offsets": layout.offsets,
        "members": layout.members,
        "member_offsets": layout.member_offsets,
        "temperature": stage.temperatures(layout),
        "gap": stage.gaps(layout),
    }


def state(layout: Layout, stage: Stage) -> dict[str, tuple[type[np.generic], int]]:
    """Type and length of what the kernels write, by the field that points to it; all zero at first."""
    n, chains, words = layout.num_variables, stage.chains, -(-layout.num_variables // 32)
    warps = -(-chains // 32)
    dense = layout.strategy is Strategy.WINDOW
    spins = chains * words if dense else warps * n
    return {
        "gains": (np.int32, chains * words * 32 if dense else 0),
        "spins": (np.uint32, spins),
        "energy": (np.int64, 32 * warps),
        "chain_temperature": (np.float32, 32 * warps),
        "chain_at": (np.int32, chains),
        "best_spins": (np.uint32, spins),
        "best_energy": (np.int64, 32 * warps),
        "swaps": (np.int64, max(stage.rungs - 1, 0)),
    }


class EnsembleBase:
    """All chains of one problem in one stage. Owned by one worker at a time.

    Args:
        layout: the packed problem, at least one variable.
        stage: what the chains are to do.
        goal: stop after the sweep that brings a best energy to this or below.
        weight_bytes: of one weight of a dense layout.
    """

    def __init__(self, layout: Layout, stage: Stage, goal: int | None, weight_bytes: int) -> None:
        self.layout, self.stage = layout, stage
        self._descriptor = Descriptor(
            ProblemDescriptor(layout.strategy.value, layout.num_variables, zero_energy=layout.zero_energy),
            seed_low=stage.seed & 0xFFFFFFFF,
            seed_high=stage.seed >> 32,
            chains=stage.chains,
            rungs=stage.rungs,
            sweeps=stage.sweeps,
            weight_bytes=weight_bytes,
            planes=layout.planes,
            goal=_NO_GOAL if goal is None else max(goal, _NO_GOAL),
            lowest=_NOTHING_FOUND,
        )

    def extend(self, stage: Stage) -> None:
        """Go on with the same chains up to the sweeps of `stage`, which differs in nothing else."""
        self.stage = stage
        self._descriptor.sweeps = stage.sweeps

    @property
    def sweeps(self) -> int:
        """Sweeps done."""
        return int(self._descriptor.sweep)

    @property
    def flips(self) -> int:
        """Accepted flips of all chains."""
        return int(self._descriptor.flips)

    @property
    def lowest(self) -> int:
        """The best energy any chain has visited, in integer units, without the constant."""
        return int(self._descriptor.lowest)

    @property
    def reached(self) -> int:
        """After how many sweeps `lowest` was visited."""
        return int(self._descriptor.reached)

    @property
    def has_goal(self) -> bool:
        return int(self._descriptor.goal) > _NO_GOAL

    @property
    def reached_goal(self) -> bool:
        return self.lowest <= int(self._descriptor.goal)

    @property
    def finished(self) -> bool:
        return self.sweeps >= self.stage.sweeps or self.reached_goal

    def _unpack(self, words: Words) -> Bits:
        """(chains, n) bits of an array of spins."""
        n, chains = self.layout.num_variables, self.stage.chains
        if self.layout.strategy is Strategy.WINDOW:
            return _from_words(words.reshape(chains, -1))[:, :n]
        lanes = _from_words(words.reshape(-1, n, 1))  # (warps, n, 32)
        return np.ascontiguousarray(lanes.transpose(0, 2, 1)).reshape(-1, n)[:chains]


def to_words(bits: Bits) -> Words:
    """(n,) bits as words of 32, the first bit lowest."""
    padded = np.zeros(-(-len(bits) // 32) * 32, np.uint8)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view("<u4")


def _from_words(words: Words) -> Bits:
    return np.unpackbits(words.astype("<u4").view(np.uint8), axis=-1, bitorder="little")
