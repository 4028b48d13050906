"""Population annealing whose steps of beta are chosen from the population, after each step's sweeps.

Beta never passes its last value; once there it stays. A population of equal energies goes there in one step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout
from gpuqio.solvers.move import Int64s, Kind, Move
from gpuqio.solvers.resampling import families, float_table, free_energies, memory_words
from gpuqio.solvers.stage import Stage

__all__ = ["AdaptiveReweighting", "Pace"]


class Pace(IntEnum):
    """How far a step goes; the values are those of cuda/moves/adaptive.cuh.

    - CULLING: until a fraction of the population is expected to have no copy, the mean of max(0, 1 - N w_i / sum w)
      over members of weights w_i (Amey, Machta, Phys. Rev. E 97, 033301, 2018).
    - VARIANCE: a constant over the standard deviation of the energies, which is how far two betas may lie apart for
      their distributions of energies to overlap.
    - FRICTION: a constant over sqrt(sigma tau): equal steps of thermodynamic length (Sivak, Crooks, Phys. Rev. Lett.
      108, 190602, 2012). sigma is the variance of the energies, sqrt(before x after the step's sweeps), and tau their
      correlation time, sweeps / -ln |r|, r the correlation of a member's energy before the sweeps with that after.
      N members can't tell |r| below 1 / sqrt(N) or above 1 - 1 / N, which are taken instead.
    """

    CULLING = 0
    VARIANCE = 1
    FRICTION = 2


@dataclass(frozen=True, slots=True)
class AdaptiveReweighting(Move):
    """Before each step's sweeps the population is reweighted to a beta that its energies decide; at first from beta 0.

    Of a stage's betas the first `sweeps_per_step` are those of the first step; all others are the last one, which is
    never passed.

    Attributes:
        pace: how beta grows.
        constant: the fraction, or the constant of the pace.
        sweeps_per_step: sweeps of a step; the stage has a multiple of it.
    """

    kind: ClassVar[Kind] = Kind.ADAPTIVE
    pace: Pace
    constant: float
    sweeps_per_step: int

    @property
    def options(self) -> tuple[int, int, int, int]:
        fraction = min(int(self.constant * 2**31), 2**31 - 1) if self.pace is Pace.CULLING else 0
        return self.pace, self.sweeps_per_step, fraction, 0

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """(6,) first and last beta in the units of the integer energies, the constant, and of the population 1 / N and
        the least and most correlation that it can tell."""
        share = 1 / stage.chains
        rate = self.constant / math.sqrt(self.sweeps_per_step) if self.pace is Pace.FRICTION else self.constant
        with np.errstate(over="ignore"):
            ends = stage.betas[[0, -1]] * layout.fixed.unit
        return float_table(
            np.array([*np.minimum(ends, 2.0**60), min(rate, 2.0**60), share, math.sqrt(share), 1 - share])
        )

    def memory(self, layout: Layout, stage: Stage) -> int:
        before = 2 * stage.chains if self.pace is Pace.FRICTION else 0
        return memory_words(stage.chains) + 32 + before

    def log(self, stage: Stage) -> int:
        """The founder of each chain, and for each step the sum of weights, the lowest energy, and beta as a float32."""
        return stage.chains + 3 * (stage.sweeps // self.sweeps_per_step)

    def statistics(
        self, layout: Layout, stage: Stage, energies: Int64s, log: Int64s, sweeps: int
    ) -> Mapping[str, object]:
        """``betas``, ``ln_z``, and the families of `resampling.families`; see `PopulationAnnealing`."""
        if sweeps == 0:
            return {}
        steps = -(-sweeps // self.sweeps_per_step)
        total, lowest, bits = log[stage.chains :].reshape(-1, 3)[:steps].T
        found = bits.astype(np.int32).view(np.float32)
        first, last = self.table(layout, stage)[:2]
        betas = np.clip(found.astype(np.float64) / layout.fixed.unit, stage.betas[0], stage.betas[-1])
        betas[found == first], betas[found == last] = stage.betas[0], stage.betas[-1]  # as given, not as rounded
        return {**free_energies(layout, stage.chains, betas, total, lowest), **families(log[: stage.chains])}
