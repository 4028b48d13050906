"""The CPU engine: batches, stopping, results; the same answer however the work is cut."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine, CpuRun
from gpuqio.errors import InvalidProblem
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import Result, StopReason
from gpuqio.solvers import parse
from gpuqio.terms import Term
from tests.strategies import problems

PT, SA = "microsoft.paralleltempering.cpu", "microsoft.simulatedannealing.cpu"
ENGINE = CpuEngine()
GO = threading.Event()


def solve(*batch: Problem, target: str = PT, seconds: float = 10.0, **params: Any) -> Sequence[Result]:
    run = ENGINE.start(Work(batch, parse(target, params)))
    while not run.finished:
        ENGINE.advance([run], seconds, GO)
    return ENGINE.outcome(run, None)


def spins(*terms: tuple[float, list[int]]) -> Problem:
    return Problem("p", [Term(c=c, indices=i) for c, i in terms], problem_type=ProblemType.ising)


def same(a: Result, b: Result) -> bool:
    return (
        np.array_equal(a.states, b.states)
        and np.array_equal(a.costs, b.costs)
        and a.parameters == b.parameters
        and (a.report.sweeps, a.report.flips, a.report.exchanges)
        == (b.report.sweeps, b.report.flips, b.report.exchanges)
    )


@settings(max_examples=25)
@given(
    batch=st.lists(problems(), min_size=1, max_size=5),
    target=st.sampled_from([PT, SA]),
    seed=st.integers(0, 2**32 - 1),
    random=st.randoms(use_true_random=False),
)
def test_batch_position_and_slice_length_do_not_matter(
    batch: list[Problem], target: str, seed: int, random: Any
) -> None:
    params: dict[str, Any] = {"sweeps": 12, "seed": seed}
    alone = [solve(p, target=target, **params)[0] for p in batch]
    order = random.sample(range(len(batch)), len(batch))
    together = solve(*(batch[i] for i in order), target=target, seconds=1e-6, **params)
    assert all(same(alone[i], together[place]) for place, i in enumerate(order))


@settings(max_examples=25)
@given(problem=problems(), random=st.randoms(use_true_random=False))
def test_the_order_of_the_terms_does_not_matter(problem: Problem, random: Any) -> None:
    shuffled = Problem("q", random.sample(list(problem.terms), len(problem.terms)), problem_type=problem.problem_type)
    assert same(solve(problem, sweeps=20, seed=1)[0], solve(shuffled, sweeps=20, seed=1)[0])


@settings(max_examples=40)
@given(problem=problems(max_variables=6))
def test_small_problems_are_solved_to_the_optimum(problem: Problem) -> None:
    variables = problem.variables
    bits = ((np.arange(2 ** len(variables))[:, None] >> np.arange(len(variables))) & 1).astype(np.int8)
    states = 1 - 2 * bits if problem.problem_type.spins else bits
    best = problem.evaluate_states(variables, states).min()
    scale = np.abs(problem.term_arrays().coefficients).sum()
    (result,) = solve(problem, sweeps=200, seed=3)
    assert result.cost == pytest.approx(best, abs=1e-6 * scale)


def test_costs_are_those_of_the_configurations() -> None:
    random = np.random.default_rng(1)
    problem = Problem.from_arrays(np.triu(random.normal(size=(40, 40))), problem_type=ProblemType.pubo)
    (result,) = solve(problem, sweeps=4, seed=1, number_of_solutions=10)
    assert len(result.solutions) == 10
    assert len({tuple(s) for s in result.states.tolist()}) == 10
    assert result.costs.tolist() == sorted(result.costs.tolist())
    assert result.costs.tolist() == [problem.evaluate(s.configuration) for s in result.solutions]
    assert result.report.resolution > 0


def test_fewer_solutions_than_asked_for_where_there_are_no_more() -> None:
    (result,) = solve(spins((1, [0])), sweeps=50, seed=1, number_of_solutions=10)
    assert 1 <= len(result.solutions) <= 2
    assert result["configuration"] == {"0": -1}


def test_constants_alone_have_a_cost_and_no_configuration() -> None:
    (result,) = solve(spins((3, []), (-0.5, [])), sweeps=5, seed=9)
    assert dict(result) == {"version": "1.0", "cost": 2.5, "parameters": {"seed": 9, "sweeps": 5}}


@pytest.mark.parametrize(
    ("problem", "best"),
    [
        (spins((-3, [7])), -3.0),
        (spins((1, [0]), (1, [10**18])), -2.0),
        (spins((0, [0, 1]), (0, [2])), 0.0),
        (spins((1e300, [0, 1]), (1e-300, [2])), -1e300),
        (spins((1e-300, [0, 1]), (2e-300, [1])), -3e-300),
        (spins((1, [3, 1]), (1, [1, 3]), (2, [1])), -4.0),
        (Problem("k40", [Term(c=-1, indices=list(range(40)))], problem_type=ProblemType.ising), -1.0),
    ],
    ids=["one", "apart", "zero", "huge", "tiny", "duplicates", "k40"],
)
@pytest.mark.parametrize("target", [PT, SA])
def test_odd_problems_end_with_their_optimum(problem: Problem, best: float, target: str) -> None:
    (result,) = solve(problem, target=target, sweeps=300, seed=2)
    assert result.cost == best
    assert sorted(map(int, result["configuration"])) == problem.variables.tolist()


def test_an_empty_problem_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="no terms"):
        ENGINE.start(Work((Problem("empty"),), parse(PT, {"sweeps": 1})))


def test_a_start_is_honoured() -> None:
    """At beta 10^6 nothing climbs: from the higher of two minima the higher comes back."""
    problem = spins((-1, [0, 1]), (0.1, [0]))
    problem.init_config = {0: 1, 1: 1}
    (result,) = solve(problem, target=SA, sweeps=20, restarts=4, beta_start=1e6, beta_stop=2e6, seed=1)
    assert result["configuration"] == {"0": 1, "1": 1}
    assert result.cost == problem.evaluate({0: 1, 1: 1})


def test_a_bit_start_is_honoured() -> None:
    problem = Problem("p", [Term(c=2, indices=[0]), Term(c=-3, indices=[0, 1])], problem_type=ProblemType.pubo)
    problem.init_config = {0: 0, 1: 0}
    (result,) = solve(problem, target=SA, sweeps=2, restarts=1, beta_start=1e9, beta_stop=2e9, seed=1)
    assert result.cost in (0.0, -1.0)
    problem.init_config = {0: 1, 1: 1}
    (result,) = solve(problem, target=SA, sweeps=2, restarts=1, beta_start=1e9, beta_stop=2e9, seed=1)
    assert result.cost == -1.0


def test_a_cost_limit_ends_the_run_when_it_is_reached() -> None:
    random = np.random.default_rng(2)
    problem = Problem.from_arrays(np.triu(random.integers(-5, 6, (30, 30)), 1), problem_type=ProblemType.ising)
    (full,) = solve(problem, sweeps=2000, seed=1)
    (limited,) = solve(problem, sweeps=2000, seed=1, cost_limit=full.cost + 10)
    assert full.cost <= limited.cost <= full.cost + 10
    assert limited.report.stop_reason is StopReason.COST_LIMIT
    assert limited.report.sweeps < full.report.sweeps
    assert full.report.stop_reason is StopReason.COMPLETED


@pytest.mark.parametrize("target", [PT, SA, PT.replace(".cpu", "-parameterfree.cpu")])
def test_a_cost_limit_that_the_first_states_reach_ends_the_run_at_once(target: str) -> None:
    limited, alone = spins((1, [0, 1]), (2, [1, 2])), spins((1, [0, 1]), (3, [1]))
    first, second = solve(limited, alone, target=target, seed=1, cost_limit=1e300, reduce=False)
    for result in (first, second):
        assert result.report.stop_reason is StopReason.COST_LIMIT
        assert result.report.sweeps == 0


def test_a_run_cut_short_has_the_best_so_far_and_says_how_to_repeat_it() -> None:
    random = np.random.default_rng(3)
    problem = Problem.from_arrays(np.triu(random.normal(size=(50, 50)), 1), problem_type=ProblemType.ising)
    run: CpuRun = ENGINE.start(Work((problem,), parse(PT, {"sweeps": 2**31 - 1, "seed": 5})))
    ENGINE.advance([run], 0.01, GO)
    assert not run.finished
    assert run.predicted_seconds > 1
    (cut,) = ENGINE.outcome(run, StopReason.TIMEOUT)
    assert cut.report.stop_reason is StopReason.TIMEOUT
    (again,) = solve(problem, sweeps=cut.report.sweeps, seed=5)
    assert np.array_equal(again.states, cut.states)
    assert again.report.flips == cut.report.flips


def test_a_stop_flag_ends_a_slice() -> None:
    stop = threading.Event()
    stop.set()
    run = ENGINE.start(Work((spins((1, [0, 1])),), parse(PT, {"sweeps": 10, "seed": 5})))
    ENGINE.advance([run], 3600.0, stop)
    assert not run.finished


def test_a_search_says_that_it_converged_and_its_parameters_repeat_the_result() -> None:
    random = np.random.default_rng(4)
    problem = Problem.from_arrays(np.triu(random.normal(size=(25, 25)), 1), problem_type=ProblemType.ising)
    for target in (PT, SA):
        (found,) = solve(problem, target=target.replace(".cpu", "-parameterfree.cpu"), seed=8, timeout=100)
        assert found.report.stop_reason is StopReason.CONVERGED
        (again,) = solve(problem, target=target, **found["parameters"])
        assert np.array_equal(again.states, found.states)
        assert again.cost == found.cost


def test_without_a_seed_a_fresh_one_is_echoed() -> None:
    problem = spins((1, [0, 1]), (0.5, [1]))
    seeds = {solve(problem, sweeps=2)[0]["parameters"]["seed"] for _ in range(4)}
    assert len(seeds) > 1
