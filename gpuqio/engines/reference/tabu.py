"""Tabu search: one move a sweep."""

from __future__ import annotations

import numpy as np

from gpuqio.engines.reference.outcome import Outcome, flip, rise
from gpuqio.engines.streams import Purpose, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Tabu"]


class Tabu:
    """Every chain flips its best variable that is not tabu, or whose flip gives a new best of the chain. It stays
    where there is none. Equals are ranked by a product with the golden ratio, exclusive or the move's random word."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout, self._stage = layout, stage
        self._tenure, self._most_extra, _, _ = stage.move.options
        self._free_at = np.zeros((stage.chains, layout.num_variables), np.int64)  # the move at which it is free again

    def sweep(self, out: Outcome) -> None:
        n, chains, move = self._layout.num_variables, np.arange(self._stage.chains), out.sweeps
        words = philox(0, move, chains, Purpose.TABU, self._stage.seed)
        rises = np.stack([rise(self._layout, out.bits, v) for v in range(n)], axis=1)
        ranks = (words[0][:, None] ^ (np.arange(n) * 0x9E3779B9).astype(np.uint32)).view(np.int32)
        allowed = (self._free_at <= move) | ((out.energies[:, None] + rises) < out.best_energies[:, None])
        extra = (words[1].astype(np.uint64) * np.uint64(self._most_extra + 1)) >> np.uint64(32)
        for c in chains[allowed.any(axis=1)]:
            v = min(np.flatnonzero(allowed[c]).tolist(), key=lambda v: (rises[c, v], ranks[c, v]))
            flip(out, v, chains == c, rises[:, v])
            self._free_at[c, v] = move + 1 + self._tenure + int(extra[c])

    def after(self, out: Outcome) -> None:
        """Nothing: the walkers are independent."""
