"""Substochastic Monte Carlo: reweighting by energy, then random flips."""

from __future__ import annotations

import numpy as np

from gpuqio.engines.reference.outcome import Outcome, flip, rise
from gpuqio.engines.reference.population import resample
from gpuqio.engines.streams import Purpose, philox, reciprocal
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Walk"]


class Walk:
    """The move of substochastic Monte Carlo."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout, self._stage = layout, stage
        self._chances, self._betas = stage.move.table(layout, stage).reshape(2, stage.sweeps)

    def sweep(self, out: Outcome) -> None:
        chains, t, n = np.arange(self._stage.chains), out.sweeps, self._layout.num_variables
        if t == 0:
            out.log[: len(chains)] = chains
        out.log[len(chains) :] = resample(out, self._betas[t] * _reciprocal_range(out), self._stage.seed)
        for step in range(self._stage.move.options[0]):
            words = philox(step, t, chains, Purpose.STEP, self._stage.seed)
            going = (words[0] >> np.uint32(8)).astype(np.float32) < self._chances[t]
            variables = (words[1].astype(np.uint64) * np.uint64(n)) >> np.uint64(32)
            for v in np.unique(variables[going]).tolist():
                flip(out, v, going & (variables == v), rise(self._layout, out.bits, v))

    def after(self, out: Outcome) -> None:
        """Nothing follows the flips."""


def _reciprocal_range(out: Outcome) -> np.float32:
    """1 / (highest energy - lowest), 0 if they are equal."""
    x = np.float32(out.energies.max() - out.energies.min())
    return reciprocal(x) if x > 0 else np.float32(0)
