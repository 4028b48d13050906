"""Path-integral Monte Carlo: clusters along imaginary time, one variable after another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.engines.reference.outcome import Outcome, flip, rise
from gpuqio.engines.streams import TIE_BITS, Purpose, neg_log_uniform, philox
from gpuqio.pack import Layout
from gpuqio.solvers.quantum_monte_carlo import Trotter
from gpuqio.solvers.stage import Stage

__all__ = ["Path"]


class Path:
    """The move of quantum Monte Carlo."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert isinstance(stage.move, Trotter)
        self._layout, self._stage = layout, stage
        self._temperatures = stage.temperatures(layout)
        self._chances = stage.move.table(layout, stage)
        self._paths = stage.move.paths(stage.chains)

    def sweep(self, out: Outcome) -> None:
        chains = np.arange(self._stage.chains)
        for v in range(self._layout.num_variables):
            words = philox(v >> 1, out.sweeps, chains, Purpose.BOND, self._stage.seed)[2 * (v & 1) :]
            bonds = (words[1] >> np.uint32(8)) < self._chances[out.sweeps]
            draws = neg_log_uniform(words[0]) * self._temperatures[out.sweeps]
            heads = (words[0] & TIE_BITS) != 0
            rises = rise(self._layout, out.bits, v)
            chosen = np.zeros(self._stage.chains, np.bool_)
            for path in self._paths:
                for cluster in _clusters(out.bits[path, v], bonds[path]):
                    members, first = path[cluster], path[cluster[0]]
                    total = sum(rises[members].tolist())  # maybe more than 64 bits
                    chosen[members] = heads[first] if total == 0 else _rounded(total) <= draws[first]
            flip(out, v, chosen, rises)

    def after(self, out: Outcome) -> None:
        """Nothing."""


def _rounded(total: int) -> np.float32:
    high, low = divmod(total, 2**32)
    return np.float32(high) * np.float32(2**32) + np.float32(low)


def _clusters(bits: npt.NDArray[np.int64], bonds: npt.NDArray[np.bool_]) -> list[list[int]]:
    """The slices of each cluster, the first one first: slice k is joined to the one before where they agree and
    bonds[k] is set; slice 0 to the last, unless that closes a ring."""
    joined = (bits == np.roll(bits, 1)) & bonds
    joined[0] &= not joined.all()
    order = np.roll(np.arange(len(bits)), -int(np.argmin(joined)))  # from a first slice once around
    clusters: list[list[int]] = []
    for k in order.tolist():
        if joined[k]:
            clusters[-1].append(k)
        else:
            clusters.append([k])
    return clusters
