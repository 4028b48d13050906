"""A stage: one uninterrupted stretch of Monte Carlo, as every engine understands it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout
from gpuqio.solvers.move import METROPOLIS, Move

__all__ = ["Stage", "integer_gaps", "integer_temperatures"]

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

HOTTEST = 2.0**90
"""Integer temperature that stands for beta = 0: there every rise below 2^62 passes, with -log u at least 2^-24."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What a problem's chains do until the next decision.

    Attributes:
        chains: replicas in all.
        sweeps: sweeps of each chain.
        betas: inverse temperatures in the problem's own cost units, float64, ascending.
            Annealing: (sweeps,), one a sweep for all chains. Exchange: (rungs,), one a rung of each ladder;
            chains is then a multiple of rungs.
        exchange: whether the betas are rungs between which chains change places after each sweep.
        seed: 64-bit seed of all its random words.
        continues: go on with the last stage's chains, which had the same betas and seed, up to `sweeps`.
        move: what a sweep is, and what follows it.
        initial: (chains, n) first bits of each chain; None for the problem's own first states, or random ones.
        sampled: the result is the states that stand at the coldest rung when it ends, not the best ones; with those of
            stages that it continues.
    """

    chains: int
    sweeps: int
    betas: npt.NDArray[np.float64]
    exchange: bool
    seed: int
    continues: bool = False
    move: Move = METROPOLIS
    initial: npt.NDArray[np.uint8] | None = None
    sampled: bool = False

    @property
    def rungs(self) -> int:
        """Rungs of a ladder; 0 when annealing."""
        return len(self.betas) if self.exchange else 0

    def temperatures(self, layout: Layout) -> Float32s:
        """1/beta in integer energy units, float32, as the kernels take it."""
        return integer_temperatures(self.betas, layout.fixed.unit)

    def gaps(self, layout: Layout) -> Float32s:
        """Differences of neighbouring betas times the energy unit, float32; empty when annealing."""
        return integer_gaps(self.betas, layout.fixed.unit) if self.exchange else np.zeros(0, np.float32)


def integer_temperatures(betas: Floats, unit: float | Floats) -> Float32s:
    """1/beta in integer energy units, of any shape."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.minimum(1.0 / (betas * unit), HOTTEST).astype(np.float32)


def integer_gaps(betas: Floats, unit: float | Floats) -> Float32s:
    """(..., rungs - 1) differences of neighbouring betas times the energy unit."""
    with np.errstate(over="ignore"):
        return np.clip(np.diff(betas) * unit, 0, 2.0**60).astype(np.float32)
