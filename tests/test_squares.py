"""Squared sums that were written out: recognised exactly or not at all, and solved to the last digit."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.instances import number_partitioning
from gpuqio import Workspace
from gpuqio.optimization import ParallelTempering, SimulatedAnnealing
from gpuqio.pack import Canonical, Strategy, canonical, pack
from gpuqio.pack.squares import as_square
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term

KINDS = [ProblemType.ising, ProblemType.pubo]


def written_out(weights: list[int], c: float, kind: ProblemType, linear: list[int] | None = None) -> Problem:
    """The pairs of c (Σ aᵢvᵢ)², and some linear terms; variables 2, 3, ..."""
    terms = [
        Term(c=2 * c * a * b, indices=[i + 2, j + 2])
        for (i, a), (j, b) in itertools.combinations(enumerate(weights), 2)
    ]
    terms += [Term(c=h, indices=[i + 2]) for i, h in enumerate(linear or [])]
    return Problem("square", terms, problem_type=kind)


def cost(problem: Canonical, state: tuple[int, ...]) -> Fraction:
    """Of a canonical problem, without rounding."""
    total, groups = Fraction(problem.constant), problem.groups
    for rows, coefficients in zip(problem.members, problem.coefficients, strict=True):
        for row, c in zip(rows.tolist(), coefficients.tolist(), strict=True):
            total += Fraction(c) * int(np.prod([state[v] for v in row]))
    for group in range(len(groups)):
        mine = slice(groups.offsets[group], groups.offsets[group + 1])
        members, weights = groups.members[mine].tolist(), groups.weights[mine].tolist()
        linear = sum((Fraction(w) * state[v] for v, w in zip(members, weights, strict=True)), Fraction(0))
        total += Fraction(float(groups.coefficients[group])) * (Fraction(float(groups.constants[group])) + linear) ** 2
    return total


@given(
    weights=st.lists(st.integers(-2000, 2000).filter(bool), min_size=3, max_size=6),
    c=st.sampled_from([1.0, -0.5, 3.0, 0.625, 2.0**-20, 7 * 2.0**20]),
    kind=st.sampled_from(KINDS),
    linear=st.lists(st.integers(-5, 5), max_size=3),
)
def test_the_square_costs_what_its_terms_did(
    weights: list[int], c: float, kind: ProblemType, linear: list[int]
) -> None:
    expanded = canonical(written_out(weights, c, kind, linear))
    square = as_square(expanded)
    assert square is not None
    assert len(square.groups) == 1
    for state in itertools.product((-1, 1) if kind.spins else (0, 1), repeat=len(weights)):
        assert cost(square, state) == cost(expanded, state)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_square_stays(kind: ProblemType) -> None:
    weights = [3, 5, 11, 2]
    terms = list(written_out(weights, 1.0, kind).terms)
    assert as_square(canonical(Problem("all", terms, problem_type=kind))) is not None
    others = {
        "a pair is missing": terms[1:],
        "a pair is off": [*terms, Term(c=2.0**-20, indices=[4, 5])],
        "three variables": [*terms, Term(c=1, indices=[2, 3, 4])],
        "two variables": [Term(c=4, indices=[0, 1])],
        "no variables": [Term(c=4, indices=[])],
        "digits beyond a float's": [*terms, Term(c=2.0**60, indices=[2, 3])],
    }
    for what, changed in others.items():
        assert as_square(canonical(Problem("p", changed, problem_type=kind))) is None, what


def test_linear_terms_that_would_lose_digits_keep_the_pairs() -> None:
    """1/3 less a square of 2^40 has more digits than a float."""
    terms = [*written_out([2**20, 3, 5], 1.0, ProblemType.pubo).terms, Term(c=1 / 3, indices=[2])]
    assert as_square(canonical(Problem("p", terms, problem_type=ProblemType.pubo))) is None


def test_only_where_terms_are_rounded_and_moves_walk_sums() -> None:
    small, large = number_partitioning(24, 6, 1).problem(), number_partitioning(24, 10, 1).problem()
    assert pack(small).strategy is not Strategy.LANE_GROUPED
    assert pack(small).fixed.is_exact
    assert pack(large).strategy is Strategy.LANE_GROUPED
    assert pack(large).fixed.is_exact
    assert pack(large, groups=False).strategy is not Strategy.LANE_GROUPED
    assert not pack(large, groups=False).fixed.is_exact


@pytest.mark.parametrize("solver", [ParallelTempering, SimulatedAnnealing])
@pytest.mark.parametrize("bits", [10, 16])
def test_numbers_are_halved_to_the_last_unit(solver: Any, bits: int) -> None:
    instance = number_partitioning(24, bits, 1)
    with Workspace() as workspace:
        results = [solver(workspace, seed=seed).optimize(instance.problem()) for seed in range(3)]
    assert [result.cost for result in results] == [instance.optimum] * 3
    assert {result.report.resolution for result in results} == {0.0}
