"""Canonical problems, fixed point, layouts: pure functions of what the problem means, not of how it is spelt."""

from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio.errors import InvalidProblem, InvalidTerm
from gpuqio.pack import Layout, Strategy, canonical, pack
from gpuqio.pack.fixed_point import GAIN_BITS, fixed_point
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers.explain import explain
from gpuqio.terms import Term
from tests.strategies import problems


def ising(*terms: tuple[float, list[int]]) -> Problem:
    return Problem("p", [Term(c=c, indices=i) for c, i in terms], problem_type=ProblemType.ising)


def pubo(*terms: tuple[float, list[int]]) -> Problem:
    return Problem("p", [Term(c=c, indices=i) for c, i in terms], problem_type=ProblemType.pubo)


def assert_same_layout(a: Layout, b: Layout) -> None:
    assert a.strategy is b.strategy
    assert a.zero_energy == b.zero_energy
    assert a.problem.constant == b.problem.constant
    for name in ("base", "weights", "ends", "members"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@given(problem=problems(), random=st.randoms(use_true_random=False))
def test_the_order_of_terms_and_ids_does_not_matter(problem: Problem, random: Random) -> None:
    terms = [t for t in problem.terms if isinstance(t, Term)]
    shuffled = []
    for term in random.sample(terms, len(terms)):
        ids = list(term.ids)
        random.shuffle(ids)
        shuffled.append(Term(c=term.c, indices=ids))
    assert_same_layout(pack(problem), pack(Problem("q", shuffled, problem_type=problem.problem_type)))


@given(problem=problems(max_variables=6))
def test_the_canonical_problem_costs_the_same(problem: Problem) -> None:
    form = canonical(problem)
    values = (-1, 1) if form.is_ising else (0, 1)
    for state in itertools.islice(itertools.product(values, repeat=form.num_variables), 16):
        total = Fraction(form.constant)
        for rows, coefficients in zip(form.members, form.coefficients, strict=True):
            for row, c in zip(rows.tolist(), coefficients.tolist(), strict=True):
                total += Fraction(c) * int(np.prod([state[i] for i in row]))
        exact = problem.evaluate(dict(zip(form.variables.tolist(), state, strict=True)))
        scale = sum(float(np.abs(c).sum()) for c in form.coefficients) + abs(form.constant)
        assert abs(float(total) - exact) <= 1e-12 * scale


def test_like_terms_merge_and_zeros_go_but_their_variables_stay() -> None:
    form = canonical(ising((2, [5, 9]), (3, [9, 5]), (1, [7]), (-1, [7]), (4, []), (0.5, [])))
    assert form.variables.tolist() == [5, 7, 9]
    assert form.degrees == (2,)
    assert form.members[0].tolist() == [[0, 2]]
    assert form.coefficients[0].tolist() == [5.0]
    assert form.constant == 4.5


def test_repeated_bits_are_one_and_repeated_spins_are_refused() -> None:
    form = canonical(pubo((3, [1, 1]), (2, [1]), (7, [1, 2, 1])))
    assert form.degrees == (1, 2)
    assert form.coefficients[0].tolist() == [5.0]
    with pytest.raises(InvalidTerm, match="Duplicated ids detected in term!"):
        canonical(ising((3, [1, 1])))


def test_empty_problems_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="no terms"):
        canonical(Problem("empty"))


def test_coefficients_that_overflow_when_added_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="common factor"):
        canonical(ising((1.7e308, [0, 1]), (1.7e308, [1, 2])))


@pytest.mark.parametrize(
    ("values", "exponent"), [((3.0, -8.0), 0), ((4.0, -8.0), -2), ((0.5, 3.25), 2), ((2.0**-30, 2.0**-31), 31)]
)
def test_binary_fractions_are_exact_in_the_largest_unit(values: tuple[float, float], exponent: int) -> None:
    fixed = fixed_point(canonical(ising((values[0], [0, 1]), (values[1], [1, 2]))))
    assert fixed.is_exact
    assert fixed.exponent == exponent
    assert [float(c) * fixed.unit for c in fixed.coefficients[0]] == list(values)


@given(problem=problems())
def test_gains_stay_below_their_bound(problem: Problem) -> None:
    form = canonical(problem)
    fixed = fixed_point(form)
    gains = np.zeros(form.num_variables)
    for rows, steps in zip(form.members, fixed.coefficients, strict=True):
        np.add.at(gains, rows, (2 if form.is_ising else 1) * np.abs(steps)[:, None])
    assert gains.max(initial=0) < 2 ** (GAIN_BITS + 1)
    for steps, c in zip(fixed.coefficients, form.coefficients, strict=True):
        assert (np.abs(steps * fixed.unit - c) <= (0.0 if fixed.is_exact else fixed.unit / 2)).all()


def test_real_coefficients_keep_27_bits() -> None:
    random = np.random.default_rng(0)
    layout = pack(Problem.from_arrays(np.triu(random.normal(size=(50, 50)), 1), problem_type=ProblemType.ising))
    assert not layout.fixed.is_exact
    assert layout.fixed.unit < 2e-6


def test_extreme_coefficients_neither_overflow_nor_divide_by_zero() -> None:
    layout = pack(ising((1e300, [0, 1]), (1e-300, [1, 2]), (3e299, [0])))
    assert int(np.abs(layout.base).max()) < 2**28
    assert pack(ising((1e-300, [0, 1]), (3e-300, [1, 2]))).base.any()
    assert pack(ising((1.6e308, [0, 1]), (1e307, [0]))).fixed.unit == 2.0**998  # gains up to 3.4e308


def test_strategies_are_chosen_by_degree_and_density() -> None:
    full = np.triu(np.ones((64, 64)), 1)
    assert pack(Problem.from_arrays(full, problem_type=ProblemType.ising)).strategy is Strategy.WINDOW
    assert pack(ising((1, [0, 1]), (1, [1, 2]))).strategy is Strategy.LANE_NEIGHBOUR
    assert pack(ising((1, [0, 1, 2]))).strategy is Strategy.LANE_PARITY
    assert pack(pubo((1, [0, 1, 2]))).strategy is Strategy.LANE_PRODUCT


def test_a_term_of_forty_variables_is_one_entry_each() -> None:
    layout = pack(pubo((-5, list(range(40))), *((1, [i]) for i in range(40))))
    assert len(layout.weights) == 40
    assert len(layout.members) == 40 * 39


def test_a_term_too_long_for_the_table_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="table") as caught:
        pack(pubo((1, list(range(50_000)))))
    assert caught.value.code == "AZQ001"


def test_packing_takes_little_more_memory_than_what_is_packed() -> None:
    random = np.random.default_rng(0)
    problem = pubo(*((1, random.choice(100, 40, replace=False).tolist()) for _ in range(200)))
    tracemalloc.start()
    layout = pack(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert layout.members.nbytes == 200 * 40 * 39 * 4
    assert peak < 2 * layout.members.nbytes


def test_memory_follows_the_terms_not_the_ids() -> None:
    problem = ising(*((1.0, [i * 10**15, (i + 1) * 10**15]) for i in range(100)))
    tracemalloc.start()
    pack(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_explain_says_what_and_why() -> None:
    said = explain(ising((0.1, [0, 1]), (0.3, [1, 2])))
    assert said.strategy is Strategy.LANE_NEIGHBOUR
    assert "neighbours a variable" in said.reason
    assert (said.num_variables, said.num_terms, said.locality) == (3, 2, 2)
    assert 0 < said.resolution < 1e-7
    assert said.hottest > said.coldest > 0
