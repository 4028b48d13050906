"""What would be done with a problem, and why: the automatic choices, asked without solving."""

from __future__ import annotations

from dataclasses import dataclass

from gpuqio.pack import Strategy, apart, canonical, pack, reduced
from gpuqio.pack.layout import choose
from gpuqio.problem import Problem
from gpuqio.solvers.base import Solver
from gpuqio.solvers.clusters import spanning_share
from gpuqio.solvers.temperatures import temperature_range

__all__ = ["Explanation", "explain"]

LEAST_SHARE = 0.1
"""Spin glasses on random graphs of 8 neighbours (0.14) exchanged a part of what differed in most attempts at their
colder temperatures; of 12 neighbours (0.09) in one of eight, and then few variables."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The choices for one problem.

    Attributes:
        strategy: how its sweeps are done.
        reason: why, in a sentence.
        num_variables, num_terms, locality: of the canonical problem: like terms merged, zero coefficients dropped.
        resolution: the step to which coefficients are rounded inside; 0.0 where they are represented exactly.
        hottest, coldest: the default temperature range, in the problem's cost units.
        spanning_share: which share of the variables must differ between two states for most of these to hang together
            through terms, estimated.
        removable: variables that need no search; a parameter-free one solves the problem without them.
        components: parts that no term connects, of what is then left; it solves them apart.
        cluster_moves: whether the cluster moves of `ParallelTempering` and `PticmSolver` can help, in a sentence.
    """

    strategy: Strategy
    reason: str
    num_variables: int
    num_terms: int
    locality: int
    resolution: float
    hottest: float
    coldest: float
    spanning_share: float
    removable: int
    components: int
    cluster_moves: str


def explain(problem: Problem, solver: Solver | None = None) -> Explanation:
    """The choices that `solver` makes for `problem`; None: those of most solvers.

    Raises:
        InvalidProblem: it can't be solved.
    """
    windows, groups, bits = True, True, False
    if solver is not None:
        windows, groups, bits = solver.walks_windows, solver.walks_groups, solver.walks_bits
    layout = pack(problem, windows, groups, bits)
    hottest, coldest = temperature_range(layout)
    share = spanning_share(layout.problem)
    reduction = reduced(canonical(problem))
    return Explanation(
        strategy=layout.strategy,
        reason=choose(layout.problem, windows, bits)[1],
        num_variables=layout.num_variables,
        num_terms=layout.problem.num_terms,
        locality=layout.problem.degree,
        resolution=layout.fixed.resolution,
        hottest=hottest,
        coldest=coldest,
        spanning_share=share,
        removable=reduction.removed,
        components=len(apart(reduction.problem, reduction.labels)),
        cluster_moves=_cluster_moves(share),
    )


def _cluster_moves(share: float) -> str:
    if share < LEAST_SHARE:
        return (
            f"They cannot help: variables that differ hang together once they are {share:.1%} of all, so a cluster is "
            "single variables or everything that differs."
        )
    return (
        f"They can help where replicas differ in less than about {share:.0%} of the variables, beyond which these hang "
        "together: mostly at low temperatures, and where the best states have much in common."
    )
