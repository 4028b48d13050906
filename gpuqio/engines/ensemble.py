"""All chains of one problem, wherever they live: the struct a kernel is given, its arrays, and what is read off it.

The structs repeat cuda/layouts.cuh field by field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.engines.levels import levels
from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.stage import Stage

__all__ = ["NOTHING_FOUND", "NO_GOAL", "Descriptor", "EnsembleBase", "first_words", "inputs", "state"]

Bits = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

_P = ctypes.c_void_p
NO_GOAL = -(2**62)
NOTHING_FOUND = 2**62


class ProblemDescriptor(ctypes.Structure):
    """gq::Problem."""

    _fields_ = (
        ("strategy", ctypes.c_int32),
        ("n", ctypes.c_int32),
        ("num_members", ctypes.c_int32),
        *((name, _P) for name in ("base", "weights", "ends", "members")),
        ("zero_energy", ctypes.c_int64),
        ("parity", ctypes.c_int32),
        ("groups", ctypes.c_int32),
        *((name, _P) for name in ("wide_base", "wide_weights", "group_offsets", "group", "slope", "factor")),
        *((name, _P) for name in ("zero_sums", "sums")),
        ("bits", ctypes.c_int32),
        ("unit", ctypes.c_int32),
    )


class Descriptor(ctypes.Structure):
    """gq::Ensemble."""

    _fields_ = (
        ("problem", ProblemDescriptor),
        ("seed_low", ctypes.c_uint32),
        ("seed_high", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("first_chain", "chains", "rungs", "sweep", "sweeps")),
        *((name, ctypes.c_int32) for name in ("weight_bytes", "planes", "move")),
        ("option", ctypes.c_int32 * 4),
        ("goal", ctypes.c_int64),
        *((name, _P) for name in ("temperature", "gap", "table", "levels")),
        *((name, _P) for name in ("chain_temperature", "chain_at", "energy", "best_energy")),
        *((name, _P) for name in ("gains", "spins", "best_spins", "swaps", "memory", "log")),
        *((name, ctypes.c_int64) for name in ("flips", "reached", "lowest")),
    )

    def point(self, addresses: Mapping[str, int]) -> None:
        """Set its pointers, each named as its field is."""
        for name, address in addresses.items():
            setattr(self if hasattr(self, name) else self.problem, name, address)


def inputs(layout: Layout, stage: Stage) -> dict[str, npt.NDArray[Any]]:
    """What the kernels are given, by the field that points to it; temperatures they may write, nothing else."""
    given = {
        "base": layout.base,
        "weights": layout.weights,
        "ends": layout.ends,
        "members": layout.members,
        "temperature": stage.temperatures(layout),
        "gap": stage.gaps(layout),
        "table": stage.move.table(layout, stage),
    }
    if layout.slices is not None:
        given["levels"] = levels(layout.slices, stage.temperatures(layout))
    if layout.groups is not None:
        given |= {field.name: getattr(layout.groups, field.name) for field in fields(layout.groups)}
    return given


def state(layout: Layout, stage: Stage) -> dict[str, tuple[type[np.generic], int]]:
    """Type and length of what the kernels write, by the field that points to it; all zero at first."""
    n, chains, words = layout.num_variables, stage.chains, -(-layout.num_variables // 32)
    warps = -(-chains // 32)
    dense = layout.strategy is Strategy.WINDOW
    spins = chains * words if dense else warps * n
    if layout.strategy is Strategy.BITSLICED:
        spins = -(-warps // 32) * 32 * n  # a warp of a GPU walks 32 words at a time
    return {
        "sums": (np.int32, 32 * warps * len(layout.fixed.groups)),
        "gains": (np.int32, chains * words * 32 if dense else 0),
        "spins": (np.uint32, spins),
        "energy": (np.int64, 32 * warps),
        "chain_temperature": (np.float32, 32 * warps),
        "chain_at": (np.int32, chains),
        "best_spins": (np.uint32, spins),
        "best_energy": (np.int64, 32 * warps),
        "swaps": (np.int64, max(stage.rungs - 1, 0)),
        "memory": (np.int32, stage.move.memory(layout, stage)),
        "log": (np.int64, stage.move.log(stage)),
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
            ProblemDescriptor(
                layout.strategy.value,
                layout.num_variables,
                len(layout.members),
                zero_energy=layout.zero_energy,
                parity=layout.problem.is_ising,
                groups=len(layout.fixed.groups),
                bits=layout.slices.bits if layout.slices else 0,
                unit=layout.slices.unit if layout.slices else 0,
            ),
            seed_low=stage.seed & 0xFFFFFFFF,
            seed_high=stage.seed >> 32,
            chains=stage.chains,
            rungs=stage.rungs,
            sweeps=stage.sweeps,
            weight_bytes=weight_bytes,
            move=stage.move.kind,
            option=stage.move.options,
            planes=layout.planes,
            goal=NO_GOAL if goal is None else max(goal, NO_GOAL),
            lowest=NOTHING_FOUND,
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
        return int(self._descriptor.goal) > NO_GOAL

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
        if self.layout.strategy is Strategy.BITSLICED:
            words = words.reshape(-1, n, 8).transpose(0, 2, 1)
        lanes = _from_words(words.reshape(-1, n, 1))  # (warps, n, 32)
        return np.ascontiguousarray(lanes.transpose(0, 2, 1)).reshape(-1, n)[:chains]


def first_words(layout: Layout, stage: Stage, bits: Bits) -> Words:
    """First states, (n,) for every chain or (chains, n), laid out as the spins."""
    n, chains = layout.num_variables, stage.chains
    if layout.strategy is Strategy.WINDOW:
        return _to_words(np.broadcast_to(bits, (chains, n))).reshape(-1)
    lanes = np.zeros((-(-chains // 32) * 32, n), np.uint8)
    lanes[:chains] = bits
    of_warps = _to_words(lanes.reshape(-1, 32, n).transpose(0, 2, 1)).reshape(-1, n)
    if layout.strategy is Strategy.BITSLICED:
        rows = np.pad(of_warps, [(0, -len(of_warps) % 8), (0, 0)]).reshape(-1, 8, n)
        return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(-1)
    return of_warps.reshape(-1)


def _to_words(bits: Bits) -> Words:
    """(..., k) bits as (..., k / 32) words, rounded up; the first bit lowest."""
    room = [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % 32)]
    return np.ascontiguousarray(np.packbits(np.pad(bits, room), axis=-1, bitorder="little")).view("<u4")


def _from_words(words: Words) -> Bits:
    return np.unpackbits(words.astype("<u4").view(np.uint8), axis=-1, bitorder="little")
