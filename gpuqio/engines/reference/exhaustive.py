"""Every configuration, each once: chain c holds the last variables at the bits of c, the others are a Gray code."""

from __future__ import annotations

import numpy as np

from gpuqio.engines.reference.outcome import Outcome, energies, flip, rise
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Exhaustive"]


class Exhaustive:
    """The move of exhaustive search: 2^block states a sweep, the best asked at each, equals listed where asked for."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout = layout
        self._fixed, self._block, self._listed, _ = stage.move.options
        self._free = layout.num_variables - self._fixed
        self._chains = np.arange(stage.chains)

    def sweep(self, out: Outcome) -> None:
        for step in range(out.sweeps << self._block, (out.sweeps + 1) << self._block):
            if step == 0:
                out.bits[:, : self._free] = 0
                out.bits[:, self._free :] = (self._chains[:, None] >> np.arange(self._fixed)) & 1
                out.energies[:] = energies(self._layout, out.bits)
            else:
                changed = (step & -step).bit_length() - 1
                rises = rise(self._layout, out.bits, changed)
                flip(out, changed, np.ones(len(out.bits), np.bool_), rises)
            self._keep_best(out, step ^ (step >> 1))

    def after(self, out: Outcome) -> None:
        """Nothing."""

    def _keep_best(self, out: Outcome, state: int) -> None:
        lower, as_low = out.energies < out.best_energies, out.energies <= out.best_energies
        out.best_energies[lower] = out.energies[lower]
        out.best_bits[lower] = out.bits[lower]
        if not self._listed:
            return
        counts = out.log[: len(self._chains)]
        lists = out.log[len(self._chains) :].reshape(-1, self._listed)
        counts[lower] = 0
        for chain in self._chains[as_low & (counts < self._listed)]:
            lists[chain, counts[chain]] = state
        counts[as_low] += 1
