"""Metropolis sweeps on ladders, with isoenergetic cluster moves between them before each exchange."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gpuqio.engines.reference.metropolis import Metropolis
from gpuqio.engines.reference.outcome import Outcome, energies, keep_best
from gpuqio.engines.streams import Purpose, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Cluster"]

Flags = npt.NDArray[np.bool_]


class Cluster(Metropolis):
    """Parallel tempering with isoenergetic clusters. The best states are asked before and after the clusters."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        super().__init__(layout, stage)
        self._layers, self._ladders, self._invertible, _ = stage.move.options

    def sweep(self, out: Outcome) -> None:
        super().sweep(out)
        keep_best(out)
        for number, (a, b) in enumerate(self._pairs(out.sweeps)):
            word = int(philox(0, out.sweeps, number, Purpose.CLUSTER, self._stage.seed)[0])
            cluster = self._cluster(out.bits[a] != out.bits[b], word)
            for chain in (a, b):
                out.bits[chain, cluster] ^= 1
            out.flips += 2 * int(cluster.sum())
        out.energies[:] = energies(self._layout, out.bits)

    def _pairs(self, sweep: int) -> Iterator[tuple[int, int]]:
        """Chains of the coldest `layers` rungs: ladder 2i + sweep mod 2 with the next one, the last with the first."""
        rungs = self._stage.rungs
        for i in range(self._ladders // 2):
            first = (2 * i + (sweep & 1)) % self._ladders
            second = (first + 1) % self._ladders
            for rung in range(rungs - self._layers, rungs):
                yield self.chain_at[first * rungs + rung], self.chain_at[second * rungs + rung]

    def _cluster(self, differing: Flags, word: int) -> Flags:
        """(n,) flags of the cluster around the differing variable that `word` takes; none where it has all of them."""
        if self._invertible and 2 * differing.sum() > len(differing):
            differing = ~differing
        sites = np.flatnonzero(differing)
        cluster = np.zeros(len(differing), bool)
        if not len(sites):
            return cluster
        cluster[sites[word * len(sites) >> 32]] = True
        size = 0
        while size < cluster.sum():
            size = int(cluster.sum())
            for rows in self._layout.problem.members:
                touched = cluster[rows].any(axis=1)
                cluster[rows[touched]] |= differing[rows[touched]]
        return cluster if size < len(sites) else np.zeros_like(cluster)
