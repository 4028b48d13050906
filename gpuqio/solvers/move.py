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

__all__ = ["METROPOLIS", "Kind", "Move"]


class Kind(IntEnum):
    """The moves there are; the values are those of cuda/layouts.cuh."""

    METROPOLIS = 0
    POPULATION = 1
    WALK = 2
    PATH = 3
    TABU = 4
    BIFURCATION = 5
    CLUSTER = 6


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

    def statistics(self, layout: Layout, stage: Stage, log: npt.NDArray[np.int64], sweeps: int) -> Mapping[str, object]:
        """What the log of a stage says after so many of its sweeps, for the user (`Report.statistics`)."""
        return {}


METROPOLIS = Move()
