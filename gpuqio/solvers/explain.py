"""What would be done with a problem, and why: the automatic choices, asked without solving."""

from __future__ import annotations

from dataclasses import dataclass

from gpuqio.pack import Strategy, pack
from gpuqio.pack.layout import choose
from gpuqio.problem import Problem
from gpuqio.solvers.temperatures import temperature_range

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The choices for one problem.

    Attributes:
        strategy: how its sweeps are done.
        reason: why, in a sentence.
        num_variables, num_terms, locality: of the canonical problem: like terms merged, zero coefficients dropped.
        resolution: the step to which coefficients are rounded inside; 0.0 where they are represented exactly.
        hottest, coldest: the default temperature range, in the problem's cost units.
    """

    strategy: Strategy
    reason: str
    num_variables: int
    num_terms: int
    locality: int
    resolution: float
    hottest: float
    coldest: float


def explain(problem: Problem) -> Explanation:
    """The choices that any solver makes for `problem`. Raises `InvalidProblem` where it can't be solved."""
    layout = pack(problem)
    hottest, coldest = temperature_range(layout)
    return Explanation(
        strategy=layout.strategy,
        reason=choose(layout.problem)[1],
        num_variables=layout.num_variables,
        num_terms=layout.problem.num_terms,
        locality=layout.problem.degree,
        resolution=layout.fixed.resolution,
        hottest=hottest,
        coldest=coldest,
    )
