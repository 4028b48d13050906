"""Isoenergetic cluster moves: pairs of replicas at one temperature exchange a connected part in which they differ.

Zhu, Ochoa, Katzgraber, "Efficient cluster algorithm for spin glasses in any space dimension", Phys. Rev. Lett. 115,
077201 (2015). They help where such parts are neither single variables nor everything: on sparse problems, at low
temperatures. cuda/moves/cluster.cuh says how the moves are made, and why they keep the Boltzmann distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gpuqio.pack import Layout
from gpuqio.pack.canonical import Canonical
from gpuqio.solvers.move import Kind, Move
from gpuqio.solvers.stage import Stage

__all__ = ["ClusterMove", "clustered", "spanning_share"]


@dataclass(frozen=True, slots=True)
class ClusterMove(Move):
    """Metropolis, clusters between ladders, exchange.

    Attributes:
        layers: at how many of the coldest temperatures clusters are exchanged, at least 1.
        ladders: of the stage, at least 2.
        invertible: whether the inverse of a state has the same energy.
    """

    kind: ClassVar[Kind] = Kind.CLUSTER

    layers: int
    ladders: int
    invertible: bool

    @property
    def options(self) -> tuple[int, int, int, int]:
        return self.layers, self.ladders, int(self.invertible), 0

    def memory(self, layout: Layout, stage: Stage) -> int:
        n, pairs = layout.num_variables, self.ladders // 2 * self.layers
        return -(-pairs // 32) * (4 * n + 64) + -(-stage.chains // 32) * (n + 32)


def clustered(layout: Layout, ladder: Stage, layers: int) -> Stage:
    """The same ladders, at least two, with clusters between them at the coldest `layers` temperatures, at least one."""
    even = layout.problem.is_ising and all(degree % 2 == 0 for degree in layout.problem.degrees)
    move = ClusterMove(layers, ladder.chains // ladder.rungs, even)
    return replace(ladder, move=move)


def spanning_share(problem: Canonical) -> float:
    """Which share of the variables must differ for most of these to hang together; 1.0 where they never do.

    As on a random graph: 1 over the number of further neighbours, on average, of a variable that is reached through a
    term (Cohen, Erez, ben-Avraham, Havlin, PRL 85, 4626 (2000)). On lattices it is a little more.
    """
    n = problem.num_variables
    incidences = [np.bincount(rows.ravel(), minlength=n) for rows in problem.members]
    others = [degree - 1 for degree in problem.degrees]
    neighbours = sum((many * more for many, more in zip(incidences, others, strict=True)), np.zeros(n))
    further = sum(
        float((many * more * (neighbours - more)).sum()) for many, more in zip(incidences, others, strict=True)
    )
    reached = float(neighbours.sum())
    return min(1.0, reached / further) if further > 0 else 1.0
