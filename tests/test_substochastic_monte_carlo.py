"""Substochastic Monte Carlo: one path on every engine, what its flips and its resampling do, the service's schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.outcome import Outcome
from gpuqio.engines.reference.walk import _reciprocal_range
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import RangeSchedule, Term
from gpuqio.optimization import SubstochasticMonteCarlo as OfWorkspace
from gpuqio.pack import Layout, Strategy
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import SubstochasticMonteCarlo, parse
from gpuqio.solvers.schedules import Range
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.substochastic_monte_carlo import Walking
from tests.strategies import grouped_problems, packed, problems
from tests.test_acceptance import CASES
from tests.test_trajectory import BUILDS, assert_same, run_native

SSMC = "microsoft.substochasticmontecarlo.cpu"
SSMC_FREE = "microsoft.substochasticmontecarlo-parameterfree.cpu"


def stage_of(walkers: int, sweeps: int, steps: int, alpha: Range, beta: Range, seed: int) -> Stage:
    return Stage(walkers, sweeps, beta.values(sweeps), False, seed, move=Walking(steps, alpha))


def glass(n: int, dense: bool = True) -> Layout:
    matrix = np.triu(np.random.default_rng(n).normal(size=(n, n)), 1)
    return packed(Problem.from_arrays(matrix, problem_type=ProblemType.ising), dense)


@settings(max_examples=60)
@given(problem=problems() | grouped_problems(), slices=st.lists(st.integers(1, 3), max_size=3), data=st.data())
def test_native_equals_reference(problem: Problem, slices: list[int], data: st.DataObject) -> None:
    layout = packed(problem, dense=data.draw(st.booleans()))
    if layout.num_variables == 0:
        return
    alpha = Range("linear", data.draw(st.floats(0.5, 1)), data.draw(st.floats(0, 0.5)))
    beta = Range("linear", data.draw(st.floats(0, 2)), data.draw(st.floats(2, 30)))
    walkers, seed = data.draw(st.integers(1, 70)), data.draw(st.integers(0, 2**63 - 1))
    stage = stage_of(walkers, data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4)), alpha, beta, seed)
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.parametrize("n", [31, 32, 75, 128])
def test_a_dense_problem_is_walked_as_by_its_entries(n: int) -> None:
    stage = stage_of(75, 90, 2, Range("linear", 1, 0.2), Range("linear", 0, 5), n)
    dense, sparse = Ensemble(glass(n), stage), Ensemble(glass(n, dense=False), stage)
    assert (dense.layout.strategy, sparse.layout.strategy) == (Strategy.WINDOW, Strategy.LANE_NEIGHBOUR)
    advance([dense, sparse], [90, 90])
    np.testing.assert_array_equal(dense.bits(), sparse.bits())
    np.testing.assert_array_equal(dense.best_bits(), sparse.best_bits())
    np.testing.assert_array_equal(dense.energies, sparse.energies)
    np.testing.assert_array_equal(dense.log, sparse.log)
    assert (dense.flips, dense.reached) == (sparse.flips, sparse.reached)


@pytest.mark.parametrize("spread", [1, 2, 3, 7, 12345, 2**31 - 1, 3 * 2**40 + 5])
def test_newton_finds_the_reciprocal_of_every_range(spread: int) -> None:
    values, empty = np.array([-5, spread - 5], np.int64), np.zeros(0, np.int64)
    out = Outcome(empty, values, empty, values, empty, empty)
    assert float(_reciprocal_range(out)) * spread == pytest.approx(1, rel=3e-7)


@pytest.mark.parametrize("dense", [True, False])
def test_flips_come_as_often_as_alpha_says_and_to_all_variables_alike(dense: bool) -> None:
    """20,000 walkers, 4 attempts of chance 0.8 / 4: flips, and the flips of each variable, within 4.5 sigma."""
    layout = glass(10, dense)
    stage = stage_of(20_000, 1, 4, Range("linear", 0.8, 0.8), Range("linear", 0, 0), 3)
    chains = Ensemble(layout, stage, np.zeros(10, np.uint8))
    advance([chains], [1])
    assert abs(chains.flips - 16_000) < 4.5 * np.sqrt(80_000 * 0.2 * 0.8)
    odd = (1 - (1 - 2 * 0.02) ** 4) / 2  # of 4 attempts that take a variable with chance 0.02, an odd number does
    assert (np.abs(chains.bits().mean(axis=0) - odd) < 4.5 * np.sqrt(odd / 20_000)).all()


def test_a_population_without_flips_is_weighted_by_its_energies() -> None:
    """One reweighting: each walker's descendants are its expectation to within one."""
    layout = glass(12)
    still = Range("linear", 0, 0)
    before = Ensemble(layout, stage_of(500, 1, 1, still, Range("linear", 0, 0), 4))
    energies = before.energies.astype(float)
    chains = Ensemble(layout, stage_of(500, 1, 1, still, Range("linear", 5, 5), 4))
    advance([chains], [1])
    weights = np.exp(5 * (energies.max() - energies) / np.ptp(energies))
    descendants = np.bincount(chains.log[:500], minlength=500)
    assert descendants.sum() == 500
    assert (np.abs(descendants - 500 * weights / weights.sum()) < 1 + 1e-4).all()
    np.testing.assert_array_equal(chains.energies, before.energies[chains.log[:500]])
    assert chains.flips == 0


def test_the_population_stays_on_target_and_ends_in_the_ground_state() -> None:
    layout = glass(12)
    stage = stage_of(200, 600, 1, Range("linear", 1, 0), Range("linear", 0, 5), 6)
    chains = Ensemble(layout, stage)
    advance([chains], [600])
    bits = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    ground = reference.outcome.energies(layout, bits).min()
    assert len(chains.energies) == 200
    assert chains.lowest == ground
    assert (chains.energies == ground).mean() > 0.5
    found = stage.move.statistics(layout, stage, chains.best_energies, chains.log, 600)
    assert found == {"families": 1, "rho_t": 200.0}


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"target_population": 0}, "target_population"),
        ({"step_limit": 0}, "sweeps"),
        ({"steps_per_walker": 0}, "steps_per_walker"),
        ({"alpha": {"type": "linear", "initial": 0, "final": 1}}, "alpha"),
        ({"alpha": {"type": "linear", "initial": 2, "final": 1}}, "alpha"),
        ({"alpha": {"type": "linear", "initial": 1, "final": -1}}, "alpha"),
        ({"alpha": {"type": "geometric", "initial": 1, "final": 0}}, "alpha"),
        ({"alpha": 0.5}, "alpha"),
        ({"beta": {"type": "linear", "initial": 2, "final": 1}}, "beta"),
        ({"beta": [1, 2]}, "beta"),
    ],
)
def test_refusals_name_the_parameter(params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named) as caught:
        parse(SSMC, params)
    assert caught.value.field == named


def test_the_service_s_echo_is_read_back_and_repeats_the_run() -> None:
    layout = glass(8)
    plan = parse(SSMC, {"step_limit": 50, "seed": 4}).plan(layout, 4)
    echo = plan.parameters(plan.first())
    assert echo == {
        "alpha": {"type": "linear", "initial": 1.0, "final": 0.0},
        "beta": {"type": "linear", "initial": 0.0, "final": 5.0},
        "seed": 4,
        "step_limit": 50,
        "steps_per_walker": 1,
        "target_population": 72,
    }
    again = parse(SSMC, echo).plan(layout, 4)
    assert again.parameters(again.first()) == echo
    assert again.first().move == plan.first().move
    np.testing.assert_array_equal(again.first().betas, plan.first().betas)
    assert SubstochasticMonteCarlo(steps_per_walker=2).plan(layout, 1).first().sweeps == 10_000


def test_a_timeout_makes_it_parameter_free() -> None:
    with Workspace() as workspace:
        solver = OfWorkspace(workspace, step_limit=10, timeout=7, seed=1)
        assert solver.name == SSMC_FREE
        assert solver.specification() == SubstochasticMonteCarlo(timeout=7, seed=1, spelling={"sweeps": "step_limit"})
        assert OfWorkspace(workspace, seed=1).specification() == SubstochasticMonteCarlo(sweeps=10_000, seed=1)


def test_a_search_s_parameters_repeat_its_result_when_given_to_the_constructor() -> None:
    random = np.random.default_rng(8)
    problem = Problem.from_arrays(np.triu(random.normal(size=(9, 9)), 1), problem_type=ProblemType.ising)
    with Workspace() as workspace:
        found = OfWorkspace(workspace, timeout=100, seed=3).optimize(problem)
        again = OfWorkspace(workspace, **found["parameters"]).optimize(problem)
    assert again["parameters"] == found["parameters"]
    assert again["solutions"] == found["solutions"]


def test_statistics_reach_the_user() -> None:
    terms = [Term(c=1, indices=[i, i + 1]) for i in range(9)]
    with Workspace() as workspace:
        solver = OfWorkspace(workspace, step_limit=100, alpha=RangeSchedule("geometric", 1, 0.1), seed=1)
        result = solver.optimize(Problem("chain", terms, problem_type=ProblemType.ising))
    assert result.cost == -9
    assert result.report.statistics.keys() == {"families", "rho_t"}


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "best"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_optimum_is_found_from_ten_of_ten_seeds(problem: Problem, best: float) -> None:
    with Workspace() as workspace:
        for seed in range(10):
            assert OfWorkspace(workspace, seed=seed).optimize(problem).cost == best
            assert OfWorkspace(workspace, seed=seed, timeout=100).optimize(problem).cost == best
