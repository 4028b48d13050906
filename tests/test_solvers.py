"""Solver values: the service's schema, ranges, defaults, echo; and the searches that choose parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gpuqio.engines.native import Ensemble, advance
from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import TARGETS, ParallelTempering, SimulatedAnnealing, parse
from gpuqio.solvers.base import Plan, Trial
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import barrier, geometric_ladder, respaced, temperature_range

PT, PT_FREE = "microsoft.paralleltempering.cpu", "microsoft.paralleltempering-parameterfree.cpu"
SA, SA_FREE = "microsoft.simulatedannealing.cpu", "microsoft.simulatedannealing-parameterfree.cpu"


def glass(n: int, seed: int = 0, scale: float = 1.0) -> Layout:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.normal(size=(n, n)), 1) * scale / np.sqrt(n)
    return pack(Problem.from_arrays(matrix, problem_type=ProblemType.ising))


@pytest.mark.parametrize(
    ("target", "params", "named"),
    [
        (PT, {"sweeps": 0}, "sweeps"),
        (PT, {"sweeps": 2.5}, "sweeps"),
        (PT, {"sweeps": True}, "sweeps"),
        (PT, {"sweeps": "10"}, "sweeps"),
        (PT, {"sweeps": 2**40}, "sweeps"),
        (PT, {"all_betas": []}, "all_betas"),
        (PT, {"all_betas": [1.0]}, "all_betas"),
        (PT, {"all_betas": [1.0, -0.1]}, "all_betas"),
        (PT, {"all_betas": [1.0, float("nan")]}, "all_betas"),
        (PT, {"all_betas": "abc"}, "all_betas"),
        (PT, {"all_betas": 3.0}, "all_betas"),
        (PT, {"all_betas": [0.1, 0.2], "replicas": 3}, "replicas"),
        (PT, {"replicas": 1}, "replicas"),
        (SA, {"sweeps": 1}, "sweeps"),
        (SA, {"restarts": 0}, "restarts"),
        (SA, {"beta_start": -1.0}, "beta_start"),
        (SA, {"beta_stop": float("inf")}, "beta_stop"),
        (SA, {"beta_start": 2.0, "beta_stop": 1.0}, "beta_stop"),
        (PT, {"all_betas": [1.0, 10**400]}, "all_betas"),
        (SA, {"beta_start": 10**400}, "beta_start"),
        (PT_FREE, {"timeout": -1}, "timeout"),
        (PT_FREE, {"timeout": 10**400}, "timeout"),
        (PT_FREE, {"seed": -1}, "seed"),
        (PT_FREE, {"seed": 2**63}, "seed"),
        (SA_FREE, {"number_of_solutions": 0}, "number_of_solutions"),
        (SA_FREE, {"number_of_solutions": 11}, "number_of_solutions"),
        (SA_FREE, {"cost_limit": "low"}, "cost_limit"),
        ("microsoft.tabu.cpu", {}, "target"),
    ],
)
def test_refusals_name_the_parameter_and_its_value(target: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(target, params)
    assert caught.value.field == named
    value = target if named == "target" else params[named]
    assert str(value) in str(caught.value) or repr(value) in str(caught.value)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_parses_to_a_solver_that_names_it(target: str) -> None:
    given: dict[str, object] = {} if "free" in target or "1qbit" in target else {"sweeps": 10}
    solver = parse(target, {**given, "seed": 3, "unheard_of": 1, "threads": 72})
    assert solver.target == target
    assert dict(solver.parameters()) == {**given, "seed": 3} | ({"timeout": 5.0} if "free" in target else {})


@pytest.mark.parametrize("target", [PT, SA])
def test_a_parameterised_target_is_never_parameter_free(target: str) -> None:
    assert dict(parse(target, {}).parameters()) == {"sweeps": 10_000}
    assert parse(target, {"restarts": 4}).target == target


def test_a_parameter_is_echoed_by_the_name_it_was_given() -> None:
    assert dict(parse(PT, {"step_limit": 9, "time_limit": 2}).parameters()) == {"step_limit": 9, "time_limit": 2}
    assert dict(parse(PT, {"sweeps": 9, "timeout": 2}).parameters()) == {"sweeps": 9, "timeout": 2}


def test_numpy_values_are_numbers() -> None:
    solver = parse(PT, {"sweeps": np.int64(5), "all_betas": np.array([0.1, 0.5]), "seed": np.uint32(7)})
    assert isinstance(solver, ParallelTempering)
    assert (solver.sweeps, solver.all_betas, solver.seed) == (5, (0.1, 0.5), 7)


def test_the_service_echoes_betas_as_segments_and_reads_them_back() -> None:
    solver = parse(PT, {"all_betas": [0.5, 0.1], "sweeps": 4, "seed": 1})
    echo = solver.plan(glass(8), 1).parameters(solver.plan(glass(8), 1).first())
    segments = {"segments": [{"type": "constant", "value": b} for b in (0.5, 0.1)], "type": "segments"}
    assert dict(echo) == {"all_betas": segments, "seed": 1, "sweeps": 4}
    assert parse(PT, echo).plan(glass(8), 1).first().betas.tolist() == [0.1, 0.5]


def test_defaults_are_fixed_numbers() -> None:
    annealing = SimulatedAnnealing(restarts=3).plan(glass(8), 1).first()
    assert (annealing.sweeps, annealing.chains, annealing.exchange) == (10_000, 3, False)
    assert SimulatedAnnealing(sweeps=5).plan(glass(8), 1).first().chains == 72
    tempering = ParallelTempering(sweeps=5).plan(glass(8), 1).first()
    assert (tempering.rungs, tempering.chains, tempering.exchange) == (32, 32, True)
    assert ParallelTempering(replicas=4).plan(glass(8), 1).first().sweeps == 10_000


def test_annealing_runs_linearly_in_beta_and_echoes_what_it_used() -> None:
    solver = SimulatedAnnealing(sweeps=5, beta_start=0.0, beta_stop=2.0, seed=4)
    plan = solver.plan(glass(8), 4)
    stage = plan.first()
    assert stage.betas.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert dict(plan.parameters(stage)) == {
        "beta_start": 0.0,
        "beta_stop": 2.0,
        "restarts": 72,
        "seed": 4,
        "sweeps": 5,
    }
    assert plan.after(Trial(stage, 0, 0, np.zeros(0, np.int64), np.zeros(0, np.int64))) is None
    assert not plan.converged


@pytest.mark.parametrize(
    "given", [{"beta_start": 1e3}, {"beta_start": 1e308}, {"beta_stop": 1e-3}, {"beta_stop": 5e-324}]
)
def test_one_end_of_the_betas_takes_the_other_along(given: dict[str, float]) -> None:
    layout = glass(10)
    plan = parse(SA, {**given, "sweeps": 5}).plan(layout, 4)
    echoed = plan.parameters(plan.first())
    assert given.items() <= echoed.items()
    start, stop = echoed["beta_start"], echoed["beta_stop"]
    assert isinstance(start, float)
    assert isinstance(stop, float)
    assert start < stop
    assert SimulatedAnnealing(beta_start=start, beta_stop=stop)


def test_betas_at_the_ends_of_float64_neither_overflow_nor_warn() -> None:
    layout = pack(Problem.from_arrays(np.eye(4, k=1) * 2.0**900, problem_type=ProblemType.ising))
    stage = Stage(chains=2, sweeps=1, betas=np.array([0.0, 1e308]), exchange=True, seed=0)
    assert np.isfinite(stage.gaps(layout)).all()
    assert stage.temperatures(layout).tolist() == [2.0**60, 0.0]


@pytest.mark.parametrize("exponent", [-1000, -980, 990, 1010])
def test_temperatures_follow_weights_to_the_ends_of_float64(exponent: int) -> None:
    scaled = np.ldexp(temperature_range(glass(40, scale=2.0**exponent)), -exponent)
    assert scaled == pytest.approx(temperature_range(glass(40)), rel=1e-5)


@pytest.mark.parametrize("weight", [1.7e308, 5e-324])
def test_the_largest_and_the_smallest_weights_have_finite_betas(weight: float) -> None:
    layout = pack(Problem.from_arrays([[0.0, weight], [0.0, 0.0]], problem_type=ProblemType.ising))
    hot, cold = temperature_range(layout)
    betas = geometric_ladder(hot, cold, 8)
    assert np.isfinite(betas).all()
    assert (np.diff(betas) > 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_temperatures_scale_with_the_weights(scale: float) -> None:
    hot, cold = temperature_range(glass(40))
    scaled = temperature_range(glass(40, scale=scale))
    assert scaled == pytest.approx((hot * scale, cold * scale), rel=1e-5)
    assert 1.0 < hot < 4.0  # 1.5 Tc of the SK model, for the largest of 40 fields
    assert cold < hot / 10


def test_the_coldest_temperature_freezes_the_smallest_step() -> None:
    ring = Problem.from_arrays(np.eye(30, k=1) * 7.0, problem_type=ProblemType.ising)
    _, cold = temperature_range(pack(ring))
    assert np.exp(-14.0 / cold) < 0.01


def test_the_coldest_temperature_freezes_weak_variables_among_strong_ones() -> None:
    weights = np.repeat([7e4, 7.0], [70, 30])
    hot, cold = temperature_range(pack(Problem.from_arrays(np.diag(weights[:-1], k=1), problem_type=ProblemType.ising)))
    assert np.exp(-14.0 / cold) < 0.01
    assert hot > 7e4


def test_problems_without_weights_have_a_range_too() -> None:
    flat = Problem.from_arrays(np.zeros((3, 3)), problem_type=ProblemType.pubo)
    hot, cold = temperature_range(pack(flat))
    assert hot > cold > 0


def test_respacing_shares_the_barrier_out() -> None:
    """Rejections that grow with the gap: twenty rounds bring all of them within a few percent of each other."""
    grid = np.linspace(-2, 3, 20_001)
    density = 0.05 + np.exp(-((grid - 1.0) ** 2) / 0.02)  # a peak as at a phase transition
    cumulative = np.cumsum(density) * (grid[1] - grid[0])
    betas = geometric_ladder(np.exp(2.0), np.exp(-3.0), 12)

    def rejections(ladder: Any) -> Any:
        return np.diff(np.interp(np.log(ladder), grid, cumulative))

    before = rejections(betas)
    for _ in range(20):
        betas = respaced(betas, rejections(betas), 12)
    after = rejections(betas)
    assert before.max() > 5 * after.max()
    assert after.max() < 1.3 * after.min()
    assert barrier(after) == pytest.approx(barrier(before))
    assert (np.diff(betas) > 0).all()


def test_ladders_have_no_digits_that_a_machine_s_libm_decides() -> None:
    betas = respaced(geometric_ladder(3.0, 0.1, 9), np.linspace(0.1, 0.9, 8), 12)
    mantissas = np.frexp(betas)[0] * 2**20
    assert (mantissas == np.rint(mantissas)).all()


def run_plan(plan: Plan, layout: Layout) -> list[tuple[Stage, Ensemble]]:
    """All stages of a plan, to its end."""
    stage: Stage | None = plan.first()
    done: list[tuple[Stage, Ensemble]] = []
    while stage is not None:
        if stage.continues:
            chains = done.pop()[1]
            chains.extend(stage)
        else:
            chains = Ensemble(layout, stage)
        advance([chains], [stage.sweeps])
        done.append((stage, chains))
        stage = plan.after(Trial(stage, chains.lowest, chains.reached, chains.swaps, chains.log))
    return done


@pytest.mark.parametrize("solver", [ParallelTempering(), SimulatedAnnealing()], ids=["PT", "SA"])
def test_a_search_ends_by_itself_and_its_parameters_repeat_it(solver: Any) -> None:
    layout = glass(30, seed=5)
    plan = solver.plan(layout, 77)
    stages = run_plan(plan, layout)
    assert plan.converged
    stage, chains = min(stages, key=lambda s: s[1].lowest)
    parameters: Mapping[str, object] = plan.parameters(stage)
    again = parse(solver.target.replace("-parameterfree", ""), parameters).plan(layout, 77).first()
    repeated = Ensemble(layout, again)
    advance([repeated], [again.sweeps])
    np.testing.assert_array_equal(repeated.best_bits(), chains.best_bits())
    assert repeated.lowest == chains.lowest


def test_a_ladder_search_spaces_its_rungs_evenly() -> None:
    layout = glass(60, seed=6)
    stage, chains = run_plan(ParallelTempering().plan(layout, 1), layout)[-1]
    rates = chains.swaps / (chains.sweeps / 2 * (stage.chains // stage.rungs))
    assert rates.min() > 0.2
    assert rates.max() - rates.min() < 0.4
