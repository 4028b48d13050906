"""What `Problem` says that a configuration costs."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.errors import InvalidProblem, UnknownVariable
from gpuqio.problem import Problem
from gpuqio.terms import Term
from tests.strategies import configurations, grouped_problems, problems

SPINS = (-1, 1)
NAN = float("nan")


def exact_cost(problem: Problem, configuration: dict[int, int]) -> float:
    """The cost in rational arithmetic, rounded once."""

    def value(term: Term) -> Fraction:
        return Fraction(term.c) * math.prod(configuration[i] for i in term.ids)

    total = sum(map(value, problem.terms), Fraction(0))
    for slc in problem.terms_slc:
        total += Fraction(slc.c) * sum(map(value, slc.terms), Fraction(0)) ** 2
    return float(total)


@given(st.data())
@settings(max_examples=40)
def test_costs_are_correctly_rounded(data: st.DataObject) -> None:
    problem = data.draw(problems())
    configuration = data.draw(configurations(problem))
    cost = exact_cost(problem, configuration)
    assert problem.evaluate(configuration) == cost
    assert problem.evaluate({str(i): value for i, value in configuration.items()}) == cost
    order = np.array(data.draw(st.permutations(problem.variables.tolist())), np.int64)
    states = np.array([[configuration[i] for i in order.tolist()]] * 3, np.int8)
    costs = problem.evaluate_states(order, states)
    assert costs.dtype == np.float64
    assert costs.tolist() == [cost] * 3


@given(st.data())
@settings(max_examples=25)
def test_costs_of_grouped_problems(data: st.DataObject) -> None:
    problem = data.draw(grouped_problems())
    configuration = data.draw(configurations(problem))
    cost = exact_cost(problem, configuration)
    assert problem.evaluate(configuration) == pytest.approx(cost, rel=1e-12, abs=1e-9)
    states = np.array([[configuration[i] for i in problem.variables.tolist()]], np.int8)
    assert problem.evaluate_states(problem.variables, states)[0] == pytest.approx(cost, rel=1e-12, abs=1e-9)


def test_costs_do_not_depend_on_the_order_of_terms_or_states() -> None:
    rng = np.random.default_rng(1)
    scales = 10.0 ** rng.uniform(-30, 30, 4000)
    terms = list(zip(rng.normal(size=4000) * scales, rng.integers(0, 50, (4000, 2)), strict=True))
    terms = [(c, ids) for c, ids in terms if ids[0] != ids[1]]
    states = rng.choice(np.array(SPINS, np.int8), (64, 50))
    costs = []
    for _ in range(3):
        order = rng.permutation(len(terms))
        problem = Problem("", [Term(c=terms[t][0], indices=terms[t][1]) for t in order])
        costs.append(problem.evaluate_states(np.arange(50), states))
        single = problem.evaluate_states(np.arange(50), states[5:6])
        assert single[0] == costs[-1][5]
    assert np.array_equal(costs[0], costs[1])
    assert np.array_equal(costs[0], costs[2])


def test_many_terms_are_evaluated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    problem = Problem.from_arrays(rng.normal(size=(30, 30)), rng.normal(size=30), c=0.25)
    states = rng.choice(np.array(SPINS, np.int8), (7, 30))
    whole = problem.evaluate_states(problem.variables, states)
    monkeypatch.setattr("gpuqio.evaluation._ENTRIES", 100)
    assert np.array_equal(problem.evaluate_states(problem.variables, states), whole)
    assert problem.evaluate(dict(enumerate(states[0].tolist()))) == whole[0]


def test_a_configuration_may_have_more_variables_but_not_fewer() -> None:
    problem = Problem("", [Term(c=2, indices=[5, 900])])
    assert problem.evaluate({5: 1, 900: -1, 7: 1}) == -2
    states = np.array([[1, 1, -1]], np.int8)
    assert problem.evaluate_states(np.array([900, 7, 5]), states).tolist() == [-2]
    with pytest.raises(UnknownVariable, match="Variable 900 is in the problem, but not") as caught:
        problem.evaluate({5: 1})
    assert isinstance(caught.value, KeyError)
    for variables in ([], [5], [5, 901], [6, 900]):
        with pytest.raises(UnknownVariable):
            problem.evaluate_states(np.array(variables, np.int64), np.ones((1, len(variables)), np.int8))


@pytest.mark.parametrize("value", [None, "1", NAN, True, 10**400, [1]])
def test_a_configuration_has_numbers(value: Any) -> None:
    with pytest.raises(InvalidProblem, match=r"configuration\[0\] must be a finite int or float") as caught:
        Problem("", [Term(c=2, indices=[0])]).evaluate({"0": value})
    assert caught.value.field == "configuration[0]"


def test_configurations_that_make_no_sense() -> None:
    problem = Problem("", [Term(c=2, indices=[0])])
    for bad in ({"x": 1}, {1.0: 1}, {None: 1}, {True: 1}):
        with pytest.raises(InvalidProblem, match="must have variables as keys"):
            problem.evaluate(bad)
    with pytest.raises(InvalidProblem, match="must be a dict"):
        problem.evaluate([1])  # type: ignore[arg-type]
    with pytest.raises(InvalidProblem, match="one column for each of the 1 variables"):
        problem.evaluate_states(np.array([0]), np.ones((1, 2), np.int8))
    with pytest.raises(InvalidProblem, match="states must hold"):
        problem.evaluate_states(np.array([0]), np.full((1, 1), 3, np.int8))
