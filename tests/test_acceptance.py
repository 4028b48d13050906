"""The acceptance problems with proven optima, through the drop-in interface, by every solver.

Term lists as the public samples and articles make them; optima proven by enumeration or constraint programming.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gpuqio import Workspace
from gpuqio.optimization import (
    Exhaustive,
    GroupType,
    ParallelTempering,
    PopulationAnnealing,
    Problem,
    ProblemType,
    QuantumMonteCarlo,
    SimulatedAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
    Term,
)
from gpuqio.target import PathRelinkingSolver, PticmSolver, TabuSearch

SHIP = [1, 5, 9, 21, 35, 5, 3, 5, 10, 11]
SHIP_SLC = [2, 5, 9, 21, 35, 5, 3, 5, 10, 11, 23, 13, 8, 7, 12, 19, 22, 54, 33]
GETTING_STARTED = [(-9, [0]), (-3, [1, 0]), (5, [2, 0]), (9, [2, 1]), (2, [3, 0]), (-4, [3, 1]), (4, [3, 2])]


def problem_of(terms: Sequence[tuple[float, list[int]]], kind: ProblemType = ProblemType.ising) -> Problem:
    return Problem("acceptance", [Term(c=c, indices=ids) for c, ids in terms], problem_type=kind)


def ship_loading() -> Problem:
    pairs = itertools.permutations(range(len(SHIP)), 2)
    return problem_of([(SHIP[i] * SHIP[j], [i, j]) for i, j in pairs])


def ship_loading_simplified() -> Problem:
    return problem_of([(SHIP[i] * SHIP[j], [i, j]) for i, j in itertools.combinations(range(len(SHIP)), 2)])


def ship_loading_expanded() -> Problem:
    pairs = itertools.combinations(range(len(SHIP_SLC)), 2)
    return problem_of([(2 * SHIP_SLC[i] * SHIP_SLC[j], [i, j]) for i, j in pairs])


def secret_santa() -> Problem:
    terms: list[tuple[float, list[int]]] = []
    for i, j in [(0, 1), (2, 3), (4, 5), (2, 4), (0, 5), (1, 3)]:  # (x_i + x_j - 1)^2, written out
        terms += [(1, [i, i]), (1, [j, j]), (2, [i, j]), (-2, [i]), (-2, [j]), (1, [])]
    return problem_of(terms, ProblemType.pubo)


def docs_ising() -> Problem:
    return problem_of([(-9, [0]), (-3, [1, 0]), (5, [2, 0])])


def docs_batch() -> Iterator[tuple[str, Problem, float]]:
    for n, best in enumerate([-17.0, -16.0, -15.0, -14.0, -15.0, -16.0, -17.0, -18.0, -19.0, -20.0]):
        yield f"docs-batch-{n}", problem_of([(n - 9, [0]), (n - 3, [1, 0]), (n + 5, [2, 0])]), best


CASES = [
    ("ship-loading", ship_loading(), -2052.0),
    ("ship-loading-simplified", ship_loading_simplified(), -1026.0),
    ("ship-loading-slc-expanded", ship_loading_expanded(), -7860.0),
    ("secret-santa", secret_santa(), 0.0),
    ("getting-started", problem_of(GETTING_STARTED), -32.0),
    ("getting-started-toshiba", problem_of(GETTING_STARTED, ProblemType.pubo), -14.0),
    ("upstream-unit-test", problem_of(GETTING_STARTED[1:], ProblemType.pubo), -5.0),
    ("docs-ising", docs_ising(), -17.0),
    *docs_batch(),
]


MICROSOFT = [
    ParallelTempering,
    SimulatedAnnealing,
    PopulationAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
    QuantumMonteCarlo,
]
SOLVERS = [*MICROSOFT, TabuSearch, PathRelinkingSolver, PticmSolver, Exhaustive]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("problem", "best"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_optimum_is_found(problem: Problem, best: float, solver: Any) -> None:
    with Workspace() as workspace:
        result = solver(workspace, seed=1).optimize(problem)
    found = result["solutions"][0]
    configuration = {variable: int(value) for variable, value in found["configuration"].items()}
    assert found["cost"] == best
    assert problem.evaluate(configuration) == best
    assert list(configuration) == [str(v) for v in problem.variables.tolist()]


@pytest.mark.validate
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("problem", "best"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_ten_of_ten_seeds_find_it(problem: Problem, best: float, solver: Any) -> None:
    with Workspace() as workspace:
        assert [solver(workspace, seed=seed).optimize(problem).cost for seed in range(10)] == [best] * 10


def test_where_the_optimum_is_unique_it_is_that_configuration() -> None:
    with Workspace() as workspace:
        ising = ParallelTempering(workspace, seed=1).optimize(problem_of(GETTING_STARTED))
        pubo = ParallelTempering(workspace, seed=1).optimize(problem_of(GETTING_STARTED, ProblemType.pubo))
    assert ising["configuration"] == {"0": 1, "1": 1, "2": -1, "3": 1}
    assert pubo["configuration"] == {"0": 1, "1": 1, "2": 0, "3": 1}


def ship_loading_grouped() -> Problem:
    problem = Problem("ship-loading-slc", problem_type=ProblemType.ising)
    linear = [Term(c=w, indices=[i]) for i, w in enumerate(SHIP_SLC)]
    problem.add_terms(linear, term_type=GroupType.squared_linear_combination)
    return problem


def upstream_unit_test_grouped() -> Problem:
    """The unit test's terms and (2 x0 + 3 x1 + 4 x2)^2: the lowest of all 16 costs is 0."""
    problem = problem_of(GETTING_STARTED[1:], ProblemType.pubo)
    problem.add_slc_term([(2, 0), (3, 1), (4, 2)])
    return problem


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("solver", [*MICROSOFT, Exhaustive])
@pytest.mark.parametrize(("make", "best"), [(ship_loading_grouped, 1.0), (upstream_unit_test_grouped, 0.0)])
def test_grouped_optima_are_found_whatever_the_seed(make: Any, best: float, solver: Any, seed: int) -> None:
    problem = make()
    with Workspace() as workspace:
        result = solver(workspace, seed=seed).optimize(problem)
    assert result["cost"] == best
    assert problem.evaluate(result["configuration"]) == best


def test_the_grouped_ship_costs_what_the_expanded_one_does() -> None:
    """The squared sum is the expanded cost plus the sum of the squares, 7861: 1 at the optimum."""
    with Workspace() as workspace:
        result = ParallelTempering(workspace, seed=1).optimize(ship_loading_expanded())
    assert ship_loading_grouped().evaluate(result["configuration"]) == 1.0
