"""Population annealing: reweighting from one temperature to the next, then a Metropolis sweep."""

from __future__ import annotations

import numpy as np

from gpuqio.engines.reference.metropolis import metropolis_sweep
from gpuqio.engines.reference.outcome import Ints, Outcome
from gpuqio.engines.streams import Purpose, boltzmann, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Population", "resample"]


class Population:
    """The move of population annealing."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout, self._stage = layout, stage
        self._temperatures, self._growth = stage.temperatures(layout), stage.move.table(layout, stage)

    def sweep(self, out: Outcome) -> None:
        chains, t = self._stage.chains, out.sweeps
        if t == 0:
            out.log[:chains] = np.arange(chains)
        if self._growth[t] > 0:
            record = chains + 2 * t
            out.log[record : record + 2] = resample(out, self._growth[t], self._stage.seed)
        metropolis_sweep(self._layout, self._stage, out, np.full(chains, self._temperatures[t]))

    def after(self, out: Outcome) -> None:
        """Nothing follows a sweep."""


def resample(out: Outcome, scale: np.float32, seed: int) -> tuple[int, int]:
    """Replace the population by copies in proportion to exp(-scale x energy); the sum of weights, the lowest energy.

    Point j lies at (j total + shift) / chains; a chain has as many descendants as points fall into its part of
    the cumulated weights. Those with any keep their places; the surplus fills the places of the others, both in
    ascending order. `out.log` begins with the founder of each chain.
    """
    chains, lowest = len(out.energies), int(out.energies.min())
    with np.errstate(over="ignore"):
        weights = boltzmann(scale * (out.energies - lowest).astype(np.float32))
    cumulated = np.cumsum(weights).tolist()
    total = cumulated[-1]
    shift = (total * int(philox(0, out.sweeps, 0, Purpose.RESAMPLE, seed)[0])) >> 32
    drawn = [-((shift - c * chains) // total) for c in cumulated]  # ceil((c chains - shift) / total)
    copies = np.diff([0, *(max(d, 0) for d in drawn)])
    leaving = np.flatnonzero(copies == 0)
    source: Ints = np.repeat(np.arange(chains), np.maximum(copies - 1, 0))
    for array in (out.bits, out.energies, out.log):
        array[leaving] = array[source]
    return total, lowest
