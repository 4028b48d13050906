"""Exact reductions: the same minimum, states that come back at their best, and what solvers do with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio import Workspace, explain
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import (
    Exhaustive,
    ParallelTempering,
    PopulationAnnealing,
    Problem,
    ProblemType,
    SimulatedAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
)
from gpuqio.pack import Canonical, canonical, reduced
from gpuqio.pack.fixed_point import fixed_point
from gpuqio.result import StopReason
from gpuqio.solvers.wire import parse
from tests import strategies

Bits = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def all_bits(count: int) -> Bits:
    rows = np.arange(1 << count)[:, None]
    return ((rows >> np.arange(count)) & 1).astype(np.uint8)


def costs(problem: Canonical, bits: Bits) -> Floats:
    """Term by term."""
    values = 1.0 - 2.0 * bits if problem.is_ising else bits.astype(np.float64)
    total = np.full(len(bits), problem.constant)
    for members, coefficients in zip(problem.members, problem.coefficients, strict=True):
        total += values[:, members].prod(axis=2) @ coefficients
    groups = problem.groups
    for group in range(len(groups)):
        inside = slice(groups.offsets[group], groups.offsets[group + 1])
        sums = values[:, groups.members[inside]] @ groups.weights[inside] + groups.constants[group]
        total += groups.coefficients[group] * sums**2
    return total


def graph(pairs: npt.ArrayLike, seed: int = 1, spins: bool = True, fields: bool = True, real: bool = False) -> Problem:
    """A problem on the edges (m, 2), with coefficients from -3 to 3 or normally distributed ones."""
    edges, random = np.asarray(pairs), np.random.default_rng(seed)
    size = int(edges.max()) + 1
    couplings: npt.NDArray[Any] = random.choice([-3, -2, -1, 1, 2, 3], len(edges))
    h: npt.NDArray[Any] = random.integers(-3, 4, size)
    if real:
        couplings, h = random.normal(size=len(edges)), random.normal(size=size)
    kind = ProblemType.ising if spins else ProblemType.pubo
    return Problem.from_arrays((edges[:, 0], edges[:, 1], couplings), h if fields else None, problem_type=kind)


def tree(size: int, seed: int = 1, **kind: bool) -> Problem:
    parents = np.random.default_rng(seed).random(size - 1) * np.arange(1, size)
    return graph(np.stack((parents.astype(np.int64), np.arange(1, size)), axis=1), seed, **kind)


def random_graph(size: int, degree: float, seed: int = 1, **kind: bool) -> Problem:
    random = np.random.default_rng(seed)
    pairs = random.integers(0, size, (int(size * degree / 2), 2))
    return graph(pairs[pairs[:, 0] != pairs[:, 1]], seed, **kind)


@pytest.mark.slow
@given(st.one_of(strategies.sparse_problems(10, 16), strategies.problems(8), strategies.grouped_problems(6)))
def test_what_is_left_has_the_same_minimum_and_its_states_come_back_at_their_best(problem: Problem) -> None:
    whole = canonical(problem)
    reduction = reduced(whole)
    left = all_bits(reduction.problem.num_variables)
    states = reduction.restored(left)
    of_left, of_whole, of_all = (
        costs(reduction.problem, left),
        costs(whole, states),
        costs(whole, all_bits(states.shape[1])),
    )
    scale = 1e-12 * (1 + np.abs(of_all).max())
    if reduction.is_exact and fixed_point(whole).is_exact:
        scale = 0.0
    assert (states[:, reduction.kept] == left).all()
    assert reduction.removed == whole.num_variables - reduction.problem.num_variables
    assert abs(of_left - of_whole).max() <= scale
    completions = all_bits(states.shape[1])
    best = np.full(len(left), np.inf)
    np.minimum.at(best, completions[:, reduction.kept].astype(np.int64) @ (1 << np.arange(left.shape[1])), of_all)
    assert (of_whole <= best + scale).all()
    assert abs(of_left.min() - of_all.min()) <= scale


@pytest.mark.slow
@given(strategies.sparse_problems(10, 14, integers=True))
def test_what_is_left_has_three_neighbours_or_more_and_stays_exact(problem: Problem) -> None:
    reduction = reduced(canonical(problem))
    left = reduction.problem
    pairs = left.members[-1] if 2 in left.degrees else np.zeros((0, 2), np.int64)
    degrees = np.bincount(pairs.ravel(), minlength=left.num_variables)
    assert (degrees >= 3).all()
    assert reduction.is_exact
    assert fixed_point(left).is_exact
    again = reduced(left)
    assert again.removed == 0
    assert again.problem is left


@pytest.mark.slow
@given(strategies.sparse_problems(9, 14), st.randoms(use_true_random=False))
def test_the_order_of_the_terms_is_of_no_matter(problem: Problem, random: Any) -> None:
    terms = list(problem.terms)
    random.shuffle(terms)
    one = reduced(canonical(problem))
    other = reduced(canonical(Problem("", terms, problem_type=problem.problem_type)))
    assert (one.kept == other.kept).all()
    assert one.problem.constant == other.problem.constant
    for mine, theirs in zip(one.problem.coefficients, other.problem.coefficients, strict=True):
        assert (mine == theirs).all()
    bits = all_bits(one.problem.num_variables)
    assert (one.restored(bits) == other.restored(bits)).all()


@pytest.mark.parametrize("spins", [True, False])
@pytest.mark.parametrize("real", [True, False])
def test_a_tree_vanishes_and_is_solved(spins: bool, real: bool) -> None:
    """Against the recursion over subtrees, written afresh."""
    problem = tree(400, spins=spins, real=real)
    whole = canonical(problem)
    low, high = (1.0, -1.0) if spins else (0.0, 1.0)
    best = np.zeros((400, 2))
    best[whole.members[0][:, 0]] = whole.coefficients[0][:, None] * (low, high)
    for (parent, child), weight in sorted(
        zip(whole.members[1].tolist(), whole.coefficients[1], strict=True), key=lambda e: -e[0][1]
    ):
        for place, value in enumerate((low, high)):
            best[parent, place] += min(best[child, 0] + weight * value * low, best[child, 1] + weight * value * high)
    with Workspace() as workspace:
        result = ParallelTempering(workspace, seed=1).optimize(problem)
    assert result.cost == pytest.approx(best[0].min() + whole.constant, abs=1e-9 if real else 0)
    assert result.proven_optimal
    assert result.report.removed == 400
    assert result.report.stop_reason is StopReason.PROVEN


def test_rings_and_ladders_vanish_and_rounds_of_paths_are_few() -> None:
    ring = np.stack((np.arange(1000), (np.arange(1000) + 1) % 1000), axis=1)
    path = reduced(canonical(graph(ring[:-1])))
    assert reduced(canonical(graph(ring))).problem.num_variables == path.problem.num_variables == 0
    assert len(path.rounds) <= 12
    sides = np.concatenate((ring[:99], ring[:99] + 100, np.stack((np.arange(100), np.arange(100) + 100), axis=1)))
    assert reduced(canonical(graph(sides))).removed == 200


def test_a_frustrated_ring_costs_one_bond() -> None:
    ring = [(i, (i + 1) % 31) for i in range(31)]
    problem = Problem.from_arrays(
        ([i for i, _ in ring], [j for _, j in ring], [1.0] * 31), problem_type=ProblemType.ising
    )
    reduction = reduced(canonical(problem))
    assert reduction.problem.num_variables == 0
    assert reduction.problem.constant == -29


def test_two_hubs_that_share_many_neighbours_vanish() -> None:
    hubs = [(0, 1), *((hub, leaf) for leaf in range(2, 2000) for hub in (0, 1))]
    assert reduced(canonical(graph(hubs))).problem.num_variables == 0


def test_coefficients_that_would_lose_their_last_digits_leave_the_problem_whole() -> None:
    """Without the last variable there would be halves, for which gains of 27 bits have no room."""
    pairs = [*((i, j) for j in range(4) for i in range(j)), (0, 4), (1, 4)]
    couplings = [13095435, -7921291, -9155071, 7186437, 4133475, -15148267, -13958129, -4122535]
    fields = [0, 0, 0, 0, -17490621]
    coordinates = [i for i, _ in pairs], [j for _, j in pairs]
    whole = canonical(Problem.from_arrays((*coordinates, couplings), fields, problem_type=ProblemType.ising))
    assert fixed_point(whole).is_exact
    assert reduced(whole).removed == 0
    small = canonical(
        Problem.from_arrays((*coordinates, [c >> 4 for c in couplings]), fields, problem_type=ProblemType.ising)
    )
    assert reduced(small).removed == 1


SOLVERS = [SimulatedAnnealing, ParallelTempering, Tabu, SubstochasticMonteCarlo]


@pytest.mark.slow
@pytest.mark.parametrize("make", SOLVERS)
def test_a_parameter_free_search_reduces_and_its_parameters_repeat_it(make: Any) -> None:
    problem = random_graph(60, 3)
    free: Mapping[str, Any] = {"timeout": 60} if make is SubstochasticMonteCarlo else {}
    with Workspace() as workspace:
        first = make(workspace, seed=3, **free).optimize(problem)
        again = make(workspace, seed=3, **free).optimize(problem)
        parameters = {k: v for k, v in first["parameters"].items() if k != "timeout"}
        repeated = make(workspace, **parameters).optimize(problem)
        off = make(workspace, seed=3, reduce=False, **free).optimize(problem)
    assert first.report.removed == explain(problem).removable > 20
    assert parameters["reduce"] is True
    assert off.report.removed == 0
    assert off["parameters"]["reduce"] is False
    assert off.cost == first.cost
    for other in (again, repeated):
        assert (other.states == first.states).all()
        assert other.cost == first.cost


@pytest.mark.parametrize("make", SOLVERS)
def test_a_solver_with_parameters_reduces_when_asked(make: Any) -> None:
    problem = random_graph(60, 3)
    named = "step_limit" if make is SubstochasticMonteCarlo else "sweeps"
    with Workspace() as workspace:
        plain = make(workspace, seed=3, **{named: 100}).optimize(problem)
        asked = make(workspace, seed=3, reduce=True, **{named: 100}).optimize(problem)
    assert plain.report.removed == 0
    assert "reduce" not in plain["parameters"]
    assert asked.report.removed > 20
    assert asked["parameters"]["reduce"] is True
    assert asked.cost == problem.evaluate(asked.configuration)
    assert len(asked.configuration) == len(problem.variables)


def test_several_solutions_and_samples_are_of_all_variables() -> None:
    problem = tree(12)
    with Workspace() as workspace:
        several = SimulatedAnnealing(workspace, seed=1, number_of_solutions=3).optimize(problem)
        population = PopulationAnnealing(workspace, seed=1, timeout=60).optimize(problem)
    assert len(several.solutions) == 3
    assert several.report.removed == population.report.removed == 0
    assert "ln_z" in population.report.statistics
    with pytest.raises(InvalidParameter, match="several solutions"):
        parse("microsoft.tabu.cpu", {"reduce": True, "number_of_solutions": 2})
    with pytest.raises(InvalidParameter, match="all_optima"):
        parse("gpuqio.exhaustive", {"reduce": True, "all_optima": True})
    with pytest.raises(InvalidParameter, match="True or False"):
        parse("microsoft.tabu.cpu", {"reduce": 1})


def test_exhaustive_search_of_what_is_left() -> None:
    """A complete graph of 8 spins, with a tree of 60 that hangs from it."""
    clique = [(i, j) for j in range(8) for i in range(j)]
    problem = graph(clique + [(int(v * 0.9), v) for v in range(8, 68)])
    with Workspace() as workspace:
        result = Exhaustive(workspace, reduce=True).optimize(problem)
        other = ParallelTempering(workspace, seed=1, reduce=False).optimize(problem)
    assert result.proven_optimal
    assert result.report.removed == 60
    assert result.cost == other.cost


def test_the_initial_configuration_and_the_cost_limit_are_those_of_the_whole() -> None:
    problem = random_graph(40, 4)
    with Workspace() as workspace:
        best = ParallelTempering(workspace, seed=1).optimize(problem)
        problem.init_config = best.configuration
        kept = SimulatedAnnealing(workspace, sweeps=2, beta_start=1e9, beta_stop=2e9, seed=2, reduce=True).optimize(
            problem
        )
        limited = SimulatedAnnealing(workspace, seed=2, cost_limit=best.cost).optimize(problem)
    assert best.report.removed > 0
    assert kept.cost == best.cost
    assert limited.cost == best.cost
    assert limited.report.stop_reason is StopReason.COST_LIMIT
    assert limited.report.sweeps == 0


def test_variables_in_no_term_leave_klocal_and_grouped_problems() -> None:
    problem = Problem("", problem_type=ProblemType.pubo)
    problem.add_term(2, [0, 1, 5])
    problem.add_term(-3, [5])
    problem.add_term(1, [3])
    problem.add_term(-1, [3])
    with Workspace() as workspace:
        result = SimulatedAnnealing(workspace, seed=1).optimize(problem)
    assert result.report.removed == 1
    assert result.cost == -3
    assert result.configuration["3"] == 0
