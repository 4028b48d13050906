"""Population annealing: one path on every engine, exact averages, free energies, and the service's schema."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble, advance, library
from gpuqio.engines.reference.outcome import energies
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import PopulationAnnealing as OfWorkspace
from gpuqio.optimization import RangeSchedule, Term
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import PopulationAnnealing, parse
from gpuqio.solvers.population_annealing import Reweighting
from gpuqio.solvers.resampling import MOST_CHAINS
from gpuqio.solvers.schedules import Range
from gpuqio.solvers.stage import Stage
from tests.strategies import grouped_problems, problems
from tests.test_acceptance import CASES
from tests.test_cuda_kernels import grouped
from tests.test_trajectory import BUILDS, assert_same, run_native

PA, PA_FREE = "microsoft.populationannealing.cpu", "microsoft.populationannealing-parameterfree.cpu"


def stage_of(population: int, betas: npt.ArrayLike, seed: int) -> Stage:
    values = np.array(betas, np.float64)
    return Stage(population, len(values), values, False, seed, move=Reweighting())


def glass(n: int, seed: int) -> Problem:
    random = np.random.default_rng(seed)
    terms = [Term(c=float(random.normal()), indices=list(p)) for p in itertools.combinations(range(n), 2)]
    fields = [Term(c=float(random.normal()) / 2, indices=[i]) for i in range(n)]
    return Problem("glass", [*terms, *fields, Term(c=2.5, indices=[])], problem_type=ProblemType.ising)


def states(problem: Problem, layout: Layout) -> npt.NDArray[np.float64]:
    """(2^n,) costs; the row's number is its bits."""
    bits = ((np.arange(2**layout.num_variables)[:, None] >> np.arange(layout.num_variables)) & 1).astype(np.int8)
    return problem.evaluate_states(layout.problem.variables, 1 - 2 * bits if layout.problem.is_ising else bits)


@pytest.mark.parametrize("dense", [True, False])
@settings(max_examples=40)
@given(problem=problems() | grouped_problems(), slices=st.lists(st.integers(1, 3), max_size=3), data=st.data())
def test_native_equals_reference(dense: bool, problem: Problem, slices: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0 if dense else 1e9)
        layout = pack(problem)
    if layout.num_variables == 0:
        return
    betas = sorted(data.draw(st.lists(st.floats(0, 2), min_size=1, max_size=6)))
    stage = stage_of(data.draw(st.integers(1, 70)), betas, data.draw(st.integers(0, 2**63 - 1)))
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("n", [40, 70])
def test_sizes_beyond_a_word(n: int, windows: bool) -> None:
    layout = pack(glass(n, n), windows)
    stage = stage_of(45, np.linspace(0, 0.5, 5), 3)
    expected = reference.run(layout, stage)
    for build in BUILDS:
        chains = Ensemble(layout, stage, lib=library(build))
        advance([chains], [2])
        advance([chains], [9])
        np.testing.assert_array_equal(chains.bits(), expected.bits)
        np.testing.assert_array_equal(chains.log, expected.log)
    assert len(np.unique(expected.log[:45])) < 45


@pytest.mark.parametrize("build", BUILDS)
def test_copies_take_the_sums_of_squares_with_them(build: str) -> None:
    """A chain that went on with the sums of its predecessor would have wrong energies."""
    layout = grouped(22, 16, ProblemType.ising)
    stage = stage_of(45, np.linspace(0, 1e-13, 6), 3)
    chains = Ensemble(layout, stage, lib=library(build))
    advance([chains], [6])
    assert 1 < len(np.unique(chains.log[:45])) < 45
    np.testing.assert_array_equal(chains.energies, energies(layout, chains.bits().astype(np.int64)))


@pytest.mark.slow
@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("steps", [3, 8])
def test_populations_of_sixteen_have_boltzmann_weights_without_bias(steps: int, windows: bool) -> None:
    """The mean over runs of Z x (share of the population in a state) is exp(-beta cost) of it, exactly, however small
    the population (Machta 2010). 3000 runs; each of the 32 states, and Z, within 4.5 standard errors; states that
    50 members or fewer are expected in count as one, because rare ones have no standard error to speak of."""
    problem = glass(5, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0 if windows else 1e9)
        layout = pack(problem)
    costs = states(problem, layout)
    betas = np.linspace(0.05, 1.2, 8)[:steps]
    runs, members = 3000, 16
    ensembles = [Ensemble(layout, stage_of(members, betas, seed)) for seed in range(runs)]
    advance(ensembles, [steps] * runs)
    weighed = np.empty((runs, 32))
    for run, chains in enumerate(ensembles):
        found: Any = chains.stage.move.statistics(layout, chains.stage, chains.best_energies, chains.log, steps)
        share = np.bincount(chains.bits().astype(int) @ (1 << np.arange(5)), minlength=32) / members
        weighed[run] = np.exp(found["ln_z"][-1]) * share
    exact = np.exp(-betas[-1] * costs)
    common = exact / exact.sum() * runs * members > 50
    assert common.sum() >= 10
    weighed = np.column_stack((weighed[:, common], weighed[:, ~common].sum(axis=1)))
    exact = np.append(exact[common], exact[~common].sum())
    assert (np.abs(weighed.mean(axis=0) - exact) <= 4.5 * weighed.std(axis=0) / np.sqrt(runs)).all()
    z = weighed.sum(axis=1)
    assert abs(z.mean() - exact.sum()) < 4.5 * z.std() / np.sqrt(runs)


def test_a_large_population_has_the_free_energies_and_the_energies_of_equilibrium() -> None:
    """Within four standard errors, taken as sqrt(rho_t / population)."""
    problem = glass(10, 2)
    layout = pack(problem)
    costs = states(problem, layout)
    stage = stage_of(20_000, np.linspace(0, 1, 12), 5)
    chains = Ensemble(layout, stage)
    advance([chains], [12])
    found: Any = stage.move.statistics(layout, stage, chains.best_energies, chains.log, 12)
    error = np.sqrt(found["rho_t"] / 20_000)
    assert found["families"] > 1000
    assert found["rho_t"] < 20
    exact = [np.log(np.exp(-beta * (costs - costs.min())).sum()) - beta * costs.min() for beta in found["betas"]]
    assert found["betas"] == stage.betas.tolist()
    assert found["ln_z"][0] == pytest.approx(10 * np.log(2))
    assert (np.abs(np.array(found["ln_z"]) - exact) < 4 * error).all()
    weights = np.exp(-(costs - costs.min()))
    mean = (weights * costs).sum() / weights.sum()
    spread = np.sqrt((weights * (costs - mean) ** 2).sum() / weights.sum())
    measured = chains.energies.mean() * layout.fixed.unit + 2.5
    assert abs(measured - mean) < 4 * spread * error


def test_statistics_reach_the_user() -> None:
    problem = glass(8, 3)
    with Workspace() as workspace:
        schedule = RangeSchedule("linear", 0.5, 1.0)
        solver = OfWorkspace(workspace, population=50, sweeps=4, beta=schedule, seed=1, sweeps_per_replica=2)
        report = solver.optimize(problem).report
    assert report.sweeps == 8
    assert report.statistics.keys() == {"betas", "ln_z", "families", "rho_t"}
    assert report.statistics["betas"] == np.linspace(0.5, 1, 4).tolist()
    assert len(report.statistics["ln_z"]) == 4
    assert 1 <= report.statistics["families"] <= 50
    assert report.to_dict()["statistics"] == report.statistics


def test_a_run_that_made_no_sweep_has_no_statistics() -> None:
    with Workspace() as workspace:
        result = OfWorkspace(workspace, population=5, sweeps=4, cost_limit=1e9, seed=1).optimize(glass(8, 3))
    assert (result.report.sweeps, result.report.statistics) == (0, {})


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"alpha": 1}, "alpha"),
        ({"alpha": "2"}, "alpha"),
        ({"population": 0}, "population"),
        ({"population": MOST_CHAINS + 1}, "population"),
        ({"sweeps": 0}, "sweeps"),
        ({"sweeps": 2.5}, "sweeps"),
        ({"sweeps_per_replica": 0}, "sweeps_per_replica"),
        ({"sweeps_per_replica": 1001}, "sweeps_per_replica"),
        ({"constant_population": 1}, "constant_population"),
        ({"resampling_strategy": "linear"}, "resampling_strategy"),
        ({"beta": 3.0}, "beta"),
        ({"beta": {"type": "constant", "initial": 1, "final": 2}}, "beta"),
        ({"beta": {"type": "linear", "initial": 1}}, "beta"),
        ({"beta": {"type": "linear", "initial": 2, "final": 1}}, "beta"),
        ({"beta": {"type": "linear", "initial": -1, "final": 1}}, "beta"),
        ({"beta": {"type": "geometric", "initial": 0, "final": 1}}, "beta"),
        ({"beta_start": -0.5}, "beta_start"),
        ({"beta_stop": -0.5}, "beta_stop"),
        ({"beta_start": 2, "beta_stop": 1}, "beta_stop"),
        ({"beta_start": 0, "resampling_strategy": "geometric_schedule"}, "beta_start"),
    ],
)
def test_refusals_name_the_parameter(params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named) as caught:
        parse(PA, params)
    assert caught.value.field == named


def test_the_service_s_echo_is_read_back_and_repeats_the_run() -> None:
    layout = pack(glass(12, 4))
    plan = PopulationAnnealing(sweeps=30, seed=4).plan(layout, 4)
    stage = plan.first()
    echo = plan.parameters(stage)
    stop = echo["beta_stop"]
    assert echo == {
        "alpha": 2.0,
        "beta": {"type": "linear", "initial": 0.0, "final": stop},
        "beta_start": 0.0,
        "beta_stop": stop,
        "constant_population": True,
        "population": 72,
        "seed": 4,
        "sweeps": 30,
        "sweeps_per_replica": 1,
    }
    again = parse(PA, echo).plan(layout, 4)
    np.testing.assert_array_equal(again.first().betas, stage.betas)
    assert again.parameters(again.first()) == echo
    assert PopulationAnnealing(alpha=3.0).plan(layout, 1).first().sweeps == 10_000


def test_betas_follow_the_schedule() -> None:
    layout = pack(glass(12, 4))

    def betas(**params: Any) -> list[float]:
        values: list[float] = parse(PA, params).plan(layout, 1).first().betas.tolist()
        return values

    assert betas(sweeps=3, beta={"type": "linear", "initial": 0, "final": 1}) == [0, 0.5, 1]
    assert betas(sweeps=3, beta_start=1, beta_stop=4, resampling_strategy="geometric_schedule") == [1, 2, 4]
    assert betas(sweeps=2, sweeps_per_replica=2, beta_start=1, beta_stop=4) == [1, 1, 4, 4]
    assert betas(sweeps=2, beta_start=1e6) == [1e6, 1e6]
    assert betas(sweeps=1, beta_stop=3) == [3]
    geometric = betas(sweeps=50, resampling_strategy="geometric_schedule")
    assert geometric[0] > 0
    assert np.ptp(np.diff(np.log(geometric))) < 1e-4


def test_ranges_of_many_steps_never_turn_back() -> None:
    values = Range("geometric", 0.1, 0.1 + 1e-9).values(1000)
    assert (np.diff(values) >= 0).all()
    assert (values[0], values[-1]) == (0.1, 0.1 + 1e-9)
    assert (np.diff(Range("geometric", 1.0, 0.25).values(100_000)) <= 0).all()


def test_a_timeout_makes_it_parameter_free() -> None:
    with Workspace() as workspace:
        solver = OfWorkspace(workspace, sweeps=10, timeout=7, seed=1)
        assert solver.name == PA_FREE
        assert solver.specification() == PopulationAnnealing(timeout=7, seed=1)
        assert OfWorkspace(workspace, seed=1).specification() == PopulationAnnealing(sweeps=10_000, seed=1)


def test_a_search_s_parameters_repeat_its_result_when_given_to_the_constructor() -> None:
    random = np.random.default_rng(8)
    problem = Problem.from_arrays(np.triu(random.normal(size=(9, 9)), 1), problem_type=ProblemType.ising)
    with Workspace() as workspace:
        found = OfWorkspace(workspace, timeout=100, seed=3).optimize(problem)
        again = OfWorkspace(workspace, **found["parameters"]).optimize(problem)
    assert again["parameters"] == found["parameters"]
    assert again["solutions"] == found["solutions"]


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "best"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_optimum_is_found_from_ten_of_ten_seeds(problem: Problem, best: float) -> None:
    with Workspace() as workspace:
        for seed in range(10):
            assert OfWorkspace(workspace, seed=seed).optimize(problem).cost == best
            assert OfWorkspace(workspace, seed=seed, timeout=100).optimize(problem).cost == best
