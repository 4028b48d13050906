"""A move: what the chains of a stage do in a sweep, and after it.

A move is a value that says what its kernels are given; the kernels are in cuda/moves. Each solver's file has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout

if TYPE_CHECKING:
    from gpuqio.solvers.stage import Stage

__all__ = ["METROPOLIS", "Bits", "Int64s", "Kind", "Move"]

Bits = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]


class Kind(IntEnum):
    """The moves there are; the values are those of cuda/layouts.cuh."""

    METROPOLIS = 0
    POPULATION = 1
    WALK = 2
    PATH = 3
    TABU = 4
    BIFURCATION = 5
    CLUSTER = 6
    EXHAUSTIVE = 7
    ADAPTIVE = 8


@dataclass(frozen=True, slots=True)
class Move:
    """One Metropolis attempt a variable; other moves say what they have besides.

    Attributes:
        kind: which kernels.
        options: four integers, as the kernel's header says.
    """

    kind: ClassVar[Kind] = Kind.METROPOLIS

    @property
    def options(self) -> tuple[int, int, int, int]:
        return 0, 0, 0, 0

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """Numbers that the kernel reads, in an order of its own."""
        return np.zeros(0, np.float32)

    def memory(self, layout: Layout, stage: Stage) -> int:
        """How many int32 the kernel keeps between sweeps, besides the chains' states."""
        return 0

    def log(self, stage: Stage) -> int:
        """How many int64 the kernel writes for the plan to read when the stage has ended (`Trial.log`)."""
        return 0

    def solutions(self, bits: Bits, energies: Int64s, log: Int64s, wanted: int) -> Bits:
        """The states that the stage has found, (k, n), best first.

        Args:
            bits: (chains, n) best states.
            energies: (chains,) theirs.
            log: as the kernel left it.
            wanted: how many distinct ones, at most.
        """
        chosen: dict[bytes, int] = {}
        for chain in np.argsort(energies, kind="stable").tolist():
            chosen.setdefault(bits[chain].tobytes(), chain)
            if len(chosen) == wanted:
                break
        return bits[list(chosen.values())]

    def statistics(
        self, layout: Layout, stage: Stage, energies: Int64s, log: Int64s, sweeps: int
    ) -> Mapping[str, object]:
        """What a stage has found besides, for the user (`Report.statistics`).

        Args:
            energies: (chains,) of the best states.
            log: as the kernel left it.
            sweeps: how many have been done.
        """
        return {}


METROPOLIS = Move()
