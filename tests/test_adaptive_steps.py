"""Population annealing whose steps are chosen on the way: one path on every engine, the steps' sizes, free energies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.population import resample
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import PopulationAnnealing as OfWorkspace
from gpuqio.optimization import Term
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import parse
from gpuqio.solvers.adaptive_steps import AdaptiveReweighting, Pace
from gpuqio.solvers.stage import Stage
from tests.strategies import grouped_problems, problems
from tests.test_cuda_kernels import grouped
from tests.test_population_annealing import PA, glass, states
from tests.test_resampling import population
from tests.test_trajectory import BUILDS, assert_same, run_native

CONSTANTS = {Pace.CULLING: 0.1, Pace.VARIANCE: 0.5, Pace.FRICTION: 0.7}
PARAMETERS = {
    "constant_culling": "culling_fraction",
    "energy_variance": "initial_culling_fraction",
    "friction_tensor": "friction_tensor_constant",
}

Floats = npt.NDArray[np.float64]


def stage_of(
    members: int, pace: Pace, start: float, stop: float, steps: int, each: int = 1, seed: int = 5, constant: float = 0
) -> Stage:
    betas = np.full(steps * each, stop)
    betas[:each] = start
    move = AdaptiveReweighting(pace, constant or CONSTANTS[pace], each)
    return Stage(members, steps * each, betas, False, seed, move=move)


def found_in(layout: Layout, chains: Ensemble) -> Any:
    stage = chains.stage
    return stage.move.statistics(layout, stage, chains.best_energies, chains.log, chains.sweeps)


def assert_reference(
    layout: Layout, stage: Stage, slices: list[int], start: npt.NDArray[np.uint8] | None = None
) -> None:
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.parametrize("dense", [True, False])
@settings(max_examples=25)
@given(problem=problems() | grouped_problems(), slices=st.lists(st.integers(1, 3), max_size=3), data=st.data())
def test_native_equals_reference(dense: bool, problem: Problem, slices: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0 if dense else 1e9)
        layout = pack(problem)
    if layout.num_variables == 0:
        return
    start, stop = sorted(data.draw(st.tuples(st.just(0.0) | st.floats(0, 2), st.floats(0, 2))))
    pace, each = data.draw(st.sampled_from(Pace)), data.draw(st.integers(1, 3))
    constant = data.draw(st.floats(1e-6, 1))
    seed = data.draw(st.integers(0, 2**63 - 1))
    stage = stage_of(
        data.draw(st.integers(1, 70)), pace, start, stop, data.draw(st.integers(1, 4)), each, seed, constant
    )
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    assert_reference(layout, stage, slices, None if first is None else np.array(first, np.uint8))


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("n", [40, 70])
@pytest.mark.parametrize("pace", Pace)
def test_sizes_beyond_a_word(pace: Pace, n: int, windows: bool) -> None:
    assert_reference(pack(glass(n, n), windows), stage_of(45, pace, 0.05, 0.5, 4), [2])


@pytest.mark.parametrize("kind", [ProblemType.ising, ProblemType.pubo])
@pytest.mark.parametrize("pace", Pace)
def test_energies_of_fifty_bits(pace: Pace, kind: ProblemType) -> None:
    layout = grouped(22, 16, kind)
    stage = stage_of(45, pace, 0, 1e-12, 8)
    assert_reference(layout, stage, [3])
    chains = Ensemble(layout, stage)
    advance([chains], [8])
    betas = np.array(found_in(layout, chains)["betas"])
    assert len(betas) > 3
    assert len(np.unique(chains.log[:45])) < 45


def course_of(pace: Pace, members: int, each: int, steps: int) -> list[tuple[float, Floats, Floats, np.float32]]:
    """For each step that was chosen and did not end at the last beta: its growth in the units of the energies, the
    energies before the sweeps that it was chosen after, and after them; and the growth as it was made."""
    layout = pack(glass(30, 6))
    stage = stage_of(members, pace, 0.05, 3.0, steps, each)
    chains, found = Ensemble(layout, stage), []
    records = chains.log[members:].reshape(-1, 3)
    advance([chains], [each])
    beta = np.float32(0)
    before = chains.energies.astype(np.float64)  # of the first step not known
    for step in range(1, steps):
        after = chains.energies.copy()
        advance([chains], [each])
        last, beta = (int_float(records[step - k, 2]) for k in (1, 0))
        if beta == stage.move.table(layout, stage)[1]:
            break
        if step > 1:
            found.append((float(beta) - float(last), before, after.astype(np.float64), beta - last))
        out = population(after, step * each)
        resample(out, beta - last, stage.seed)
        before = out.energies.astype(np.float64)
    assert len(found) >= 5
    return found


def int_float(bits: np.int64) -> np.float32:
    return np.int32(bits).view(np.float32)


def test_the_culled_fraction_is_the_one_asked_for() -> None:
    """Expected: within 1/2000 of it, the 12 bits of the step. Drawn: within four standard deviations of independent
    members, sqrt(0.1 x 0.9 / 2000)."""
    for growth, _, energies, made in course_of(Pace.CULLING, 2000, 1, 25):
        weights = np.exp(-growth * (energies - energies.min()))
        expected = np.maximum(0, 1 - weights / weights.mean()).mean()
        assert expected == pytest.approx(0.1, rel=5e-4)
        out = population(energies.astype(np.int64))
        resample(out, made, 1)
        culled = 1 - len(np.unique(out.log)) / 2000
        assert abs(culled - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 2000)


def test_a_step_by_the_variance_is_a_share_of_the_standard_deviation() -> None:
    for growth, _, energies, _ in course_of(Pace.VARIANCE, 300, 1, 25):
        assert growth == pytest.approx(0.5 / energies.std(), rel=2e-5)


@pytest.mark.parametrize("each", [1, 3])
def test_a_step_by_friction_is_one_of_thermodynamic_length(each: int) -> None:
    members, least, most = 300, 300**-0.5, 1 - 1 / 300
    seen = []
    for growth, before, after, _ in course_of(Pace.FRICTION, members, each, 25):
        sigma = before.std() * after.std()
        covariance = ((before - before.mean()) * (after - after.mean())).mean()
        correlation = min(max(abs(covariance) / sigma, least), most)
        tau = each / -np.log(correlation)
        assert growth == pytest.approx(0.7 / np.sqrt(sigma * tau), rel=2e-5)
        seen.append(correlation)
    assert sum(least < correlation < most for correlation in seen) >= 3


def klocal() -> Problem:
    random = np.random.default_rng(4)
    members = [random.choice(10, int(random.integers(1, 5)), replace=False).tolist() for _ in range(30)]
    terms = [Term(c=float(random.normal()), indices=row) for row in members]
    return Problem("k-local", terms, problem_type=ProblemType.pubo)


def squares() -> Problem:
    problem = Problem("grouped", [Term(c=0.5, indices=[0, 3])], problem_type=ProblemType.ising)
    for first in (0, 2, 4):
        terms = [Term(c=float(1 + k % 3), indices=[first + k]) for k in range(6)]
        problem.add_slc_term([*terms, Term(c=-1.0, indices=[])], c=0.1)
    return problem


@pytest.mark.parametrize("make", [lambda: glass(10, 2), klocal, squares], ids=["glass", "k-local", "grouped"])
@pytest.mark.parametrize("pace", Pace)
def test_free_energies_are_those_of_all_states(pace: Pace, make: Any) -> None:
    """Within four standard errors, taken as sqrt(rho_t / population)."""
    problem = make()
    layout = pack(problem)
    costs = states(problem, layout)
    stage = stage_of(8000, pace, 0, 1.0, 40)
    chains = Ensemble(layout, stage)
    advance([chains], [40])
    found = found_in(layout, chains)
    betas = np.array(found["betas"])
    assert (betas[0], betas[-1]) == (0, 1)
    assert len(betas) >= 4
    assert (np.diff(betas) > 0).all()
    exact = [np.log(np.exp(-beta * (costs - costs.min())).sum()) - beta * costs.min() for beta in betas]
    assert found["rho_t"] < 30
    assert (np.abs(np.array(found["ln_z"]) - exact) < 4 * np.sqrt(found["rho_t"] / 8000)).all()


@pytest.mark.parametrize("strategy", PARAMETERS)
def test_beta_ends_at_its_last_value_or_before(strategy: str) -> None:
    problem = glass(12, 4)
    with Workspace() as workspace:

        def betas(**params: Any) -> list[float]:
            solver = OfWorkspace(workspace, population=50, seed=2, resampling_strategy=strategy, **params)
            found: list[float] = solver.optimize(problem).report.statistics["betas"]
            return found

        whole = betas(sweeps=80, beta_start=0.1, beta_stop=0.7)
        assert (whole[0], whole[-1]) == (0.1, 0.7)
        assert betas(sweeps=3, beta_start=0.1, beta_stop=0.7) == whole[:3]
        assert betas(sweeps=80, beta={"type": "geometric", "initial": 0.1, "final": 0.7}) == whole
        assert betas(sweeps=1, beta_start=0.1, beta_stop=0.7) == [0.1]
        assert betas(sweeps=5, beta_start=0.4, beta_stop=0.4) == [0.4]
        assert betas(sweeps=5)[0] == 0
        assert 0.7 < betas(sweeps=200)[-1] < 10


@pytest.mark.parametrize("strategy", PARAMETERS)
def test_the_echo_repeats_the_run(strategy: str) -> None:
    problem = glass(14, 4)
    with Workspace() as workspace:
        given: dict[str, Any] = {
            "resampling_strategy": strategy,
            "sweeps": 30,
            "sweeps_per_replica": 2,
            "population": 40,
            "seed": 9,
        }
        found = OfWorkspace(workspace, **given).optimize(problem)
        assert "beta" not in found["parameters"]
        assert found["parameters"][PARAMETERS[strategy]] == {"c": 0.1, "e": 0.5, "f": 1.0}[strategy[0]]
        again = OfWorkspace(workspace, **found["parameters"]).optimize(problem)
    assert again["parameters"] == found["parameters"]
    assert again["solutions"] == found["solutions"]
    assert again.report.statistics == found.report.statistics
    assert found.report.sweeps == 60


@pytest.mark.parametrize("pace", Pace)
def test_a_population_of_equal_energies_goes_to_the_last_beta_at_once(pace: Pace) -> None:
    """One member; and many that start alike and at beta 0 make the same flips."""
    layout = pack(glass(9, 3))
    for members, first in ((1, None), (64, np.zeros(9, np.uint8))):
        chains = Ensemble(layout, stage_of(members, pace, 0, 0.8, 6), first)
        advance([chains], [2])
        assert found_in(layout, chains)["betas"] == [0, 0.8]
        advance([chains], [9])
        assert found_in(layout, chains)["betas"] == [0, 0.8]


def test_energies_that_were_equal_before_the_sweeps_count_as_uncorrelated() -> None:
    layout = pack(glass(30, 3))
    stage = stage_of(64, Pace.FRICTION, 0.05, 0.8, 2)
    chains = Ensemble(layout, stage, np.zeros(30, np.uint8))
    advance([chains], [1])
    spread = chains.energies.std() * layout.fixed.unit
    advance([chains], [1])
    first, second = found_in(layout, chains)["betas"]
    assert second - first == pytest.approx(0.7 * np.sqrt(np.log(64) / 2) / spread, rel=2e-5)


def test_the_statistics_of_a_run_cut_short_are_those_of_its_steps() -> None:
    layout = pack(glass(12, 3))
    chains = Ensemble(layout, stage_of(64, Pace.CULLING, 0.05, 0.8, 9, each=4))
    assert found_in(layout, chains) == {}
    seen = []
    for _ in range(9):
        advance([chains], [1])
        seen.append(len(found_in(layout, chains)["betas"]))
    assert seen == [1, 1, 1, 1, 2, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"friction_tensor_constant": 0}, "friction_tensor_constant"),
        ({"friction_tensor_constant": "1"}, "friction_tensor_constant"),
        ({"friction_tensor_constant": float("inf")}, "friction_tensor_constant"),
        ({"initial_culling_fraction": 0}, "initial_culling_fraction"),
        ({"initial_culling_fraction": 1.01}, "initial_culling_fraction"),
        ({"culling_fraction": -0.1}, "culling_fraction"),
        ({"culling_fraction": 1.5}, "culling_fraction"),
        ({"culling_fraction": True}, "culling_fraction"),
        ({"resampling_strategy": "culling"}, "resampling_strategy"),
        ({"resampling_strategy": "constant_culling", "beta_start": 2, "beta_stop": 1}, "beta_stop"),
    ],
)
def test_refusals_name_the_parameter(params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named) as caught:
        parse(PA, params)
    assert (caught.value.field, caught.value.code) == (named, "AZQ107")


def test_a_constant_counts_for_its_own_strategy_alone() -> None:
    layout = pack(glass(12, 4))
    given = {"sweeps": 9, "culling_fraction": 0.3, "friction_tensor_constant": 2}
    plan = parse(PA, given).plan(layout, 1)
    assert plan.first().move.kind.name == "POPULATION"
    assert plan.parameters(plan.first())["culling_fraction"] == 0.3
    move = parse(PA, {**given, "resampling_strategy": "friction_tensor"}).plan(layout, 1).first().move
    assert move == AdaptiveReweighting(Pace.FRICTION, 2.0, 1)
    assert AdaptiveReweighting(Pace.CULLING, 1.0, 1).options[2] == 2**31 - 1
