"""1QBit's PTICM: runs and restarts, samples, temperatures, and text on the wire."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from gpuqio import Workspace
from gpuqio.engines.native import Ensemble, advance
from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem
from gpuqio.solvers import Pticm, parse
from gpuqio.solvers.base import Trial
from gpuqio.solvers.clusters import ClusterMove
from gpuqio.solvers.stage import Stage
from gpuqio.target.oneqbit import PticmSolver
from tests.test_physics import LEAST_P, bond_ring, chi_square_p, energies_of, ising

ID = "1qbit.pticm"


def ring(n: int = 12) -> Layout:
    return pack(bond_ring(n, 2), windows=False)


def stages(solver: Pticm, layout: Layout, reached: list[int]) -> list[tuple[int, int, bool]]:
    """(sweeps, seed, continues) of all stages of a plan whose trials last improved after so many sweeps."""
    plan = solver.plan(layout, 7)
    stage: Stage | None = plan.first()
    seen = []
    for last in [*reached, *[0] * 1000]:
        if stage is None:
            break
        seen.append((stage.sweeps, stage.seed, stage.continues))
        stage = plan.after(Trial(stage, 0, last, np.zeros(0, np.int64), np.zeros(0, np.int64)))
    assert stage is None
    return seen


def test_defaults_are_ten_runs_of_two_ladders_of_30_with_clusters_at_15() -> None:
    plan = Pticm().plan(ring(), 7)
    stage = plan.first()
    assert (stage.chains, stage.rungs, stage.sweeps, stage.move) == (60, 30, 100, ClusterMove(15, 2, True))
    assert stages(Pticm(), ring(), []) == [(100, 7 + run, False) for run in range(10)]


def test_a_run_that_stagnates_gives_way_to_the_next() -> None:
    solver = Pticm(num_sweeps_per_run=100, max_total_sweeps=200, frac_sweeps_stagnation=0.3)
    assert stages(solver, ring(), [20, 20, 0, 30, 60, 90]) == [
        (30, 7, False),
        (50, 7, True),
        (30, 8, False),
        (30, 9, False),
        (60, 9, True),
        (90, 9, True),
        (100, 9, True),
        (20, 10, False),
    ]


def test_the_share_of_layers_and_the_replicas_say_whether_clusters_are_made() -> None:
    layout = ring()
    assert Pticm(num_temps=7, frac_icm_thermal_layers=1.0).plan(layout, 1).first().move == ClusterMove(7, 2, True)
    assert Pticm(num_temps=7, num_replicas=5).plan(layout, 1).first().move == ClusterMove(4, 5, True)
    for none in (Pticm(frac_icm_thermal_layers=0.0), Pticm(num_replicas=1)):
        assert not isinstance(none.plan(layout, 1).first().move, ClusterMove)


def test_temperatures_are_multiples_of_the_median_coefficient_unless_said_otherwise() -> None:
    layout = pack(ising([(3.0, (0, 1)), (-4.0, (1, 2)), (100.0, (2,))]), windows=False)
    hand: dict[str, Any] = {"auto_set_temperatures": False, "num_temps": 3}

    def temperatures(**given: Any) -> list[float]:
        betas: list[float] = Pticm(**given).plan(layout, 1).first().betas.tolist()
        return [1 / beta for beta in betas]

    assert temperatures(**hand) == pytest.approx([8.0, 4 * 0.4**0.5, 0.8], rel=1e-5)
    hand |= {"scaling_type": "NO_SCALING", "high_temp": 9, "low_temp": 1}
    assert temperatures(**hand) == pytest.approx([9, 3, 1], rel=1e-5)
    assert temperatures(auto_set_temperatures=False, manual_temperatures=[1, 3, 2]) == pytest.approx([12, 8, 4])
    assert temperatures(manual_temperatures=[1, 3, 2], high_temp=5) == temperatures(num_temps=30)


def test_an_empty_problem_and_extreme_scales_have_temperatures_too() -> None:
    for problem in (ising([(0.0, (0, 1))]), ising([(1e300, (0, 1))])):
        layout = pack(problem, windows=False)
        betas = Pticm(auto_set_temperatures=False, high_temp=1e300, low_temp=1e-300).plan(layout, 1).first().betas
        assert np.isfinite(betas).all()


def test_the_best_of_all_runs_is_the_result_and_its_parameters_repeat_it() -> None:
    problem = bond_ring(30, 3)
    with Workspace() as workspace:
        first = PticmSolver(workspace, num_temps=4, num_sweeps_per_run=3, seed=5).optimize(problem)
        assert first.report.sweeps == 30
        again = PticmSolver(workspace)
        for name, value in first.parameters.items():
            again.set_one_param(name, value)
        second = again.optimize(problem)
    assert second.cost == first.cost
    np.testing.assert_array_equal(second.states, first.states)
    assert (first.parameters["seed"], first.parameters["max_total_sweeps"]) == (5, 30)
    assert set(first.parameters) == {*Pticm.own, "seed"} - {"manual_temperatures"}


def test_samples_are_the_states_at_the_coldest_temperature_in_turn() -> None:
    problem = bond_ring(12, 2)
    solver = Pticm(goal="SAMPLE", num_replicas=3, num_temps=4, num_sweeps_per_run=5, max_samples_per_layer=4, seed=9)
    with Workspace() as workspace:
        result = workspace.solve(problem, solver)
    layout = ring()
    stage = solver.plan(layout, 9).first()
    chains = Ensemble(layout, Stage(12, 20, stage.betas, True, 9, move=stage.move))
    rows = []
    for _ in range(4):
        advance([chains], [5])
        rows.append(1 - 2 * chains.bits()[chains.chain_at[3::4]].astype(np.int8))
    expected = np.concatenate(rows)
    assert result.states.shape == (12, 12)
    assert sorted(map(bytes, result.states)) == sorted(map(bytes, expected))
    assert (np.diff(result.costs) >= 0).all()
    assert len(result["solutions"]) == 12


def test_samples_have_the_boltzmann_distribution() -> None:
    """4000 replicas, of which each gives one sample after 60 sweeps: independent, chi-square. Temperature 1.25."""
    problem = ising([(0.7, (0,)), *((float(c), (i, i + 1)) for i, c in enumerate([1, -1, 2, 1, -2, 1]))])
    solver = Pticm(
        goal="SAMPLE",
        num_replicas=4000,
        num_sweeps_per_run=60,
        max_samples_per_layer=1,
        seed=3,
        auto_set_temperatures=False,
        manual_temperatures=(1.25, 2.0, 4.0),
        scaling_type="NO_SCALING",
    )
    with Workspace() as workspace:
        states = workspace.solve(problem, solver).states
    costs = energies_of(problem, pack(problem))
    weights = np.exp(-(costs - costs.min()) / 1.25)
    numbers = ((1 - states) // 2).astype(np.int64) @ (1 << np.arange(states.shape[1]))
    assert chi_square_p(np.bincount(numbers, minlength=len(costs)), weights / weights.sum()) > LEAST_P


def test_text_is_read() -> None:
    given = {
        "auto_set_temperatures": "False",
        "frac_icm_thermal_layers": "0.25",
        "goal": "SAMPLE",
        "manual_temperatures": "[1, 2.5]",
        "num_replicas": "4",
        "seed": "6",
        "var_fixing_type": "NO_FIXING",
    }
    solver = parse(ID, {**given, "perform_icm": "True"})
    assert isinstance(solver, Pticm)
    assert (solver.auto_set_temperatures, solver.manual_temperatures, solver.seed) == (False, [1, 2.5], 6)
    assert {name: str(value) for name, value in solver.parameters().items()} == given


def test_perform_icm_is_deprecated_as_in_the_sdk() -> None:
    with Workspace() as workspace:
        with pytest.warns(
            DeprecationWarning, match="The perform_icm parameter has been deprecated and will be ignored."
        ):
            solver = PticmSolver(workspace, perform_icm=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            PticmSolver(workspace)
    assert solver.params == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auto_set_temperatures", "1"),
        ("elite_threshold", "1.5"),
        ("frac_icm_thermal_layers", "-0.1"),
        ("frac_sweeps_fixing", "two"),
        ("frac_sweeps_idle", "True"),
        ("frac_sweeps_stagnation", "1e999"),
        ("goal", "MAXIMIZE"),
        ("high_temp", "0"),
        ("high_temp", "0.1"),
        ("low_temp", "-1"),
        ("low_temp", "2"),
        ("max_samples_per_layer", "0"),
        ("max_total_sweeps", "0"),
        ("manual_temperatures", "[1]"),
        ("manual_temperatures", "[1, 0]"),
        ("manual_temperatures", "7"),
        ("num_elite_temps", "0"),
        ("num_replicas", "0"),
        ("num_sweeps_per_run", "2.5"),
        ("num_temps", "1"),
        ("scaling_type", "MEAN"),
        ("seed", "-1"),
        ("var_fixing_type", "SPVAR"),
    ],
)
def test_refusals_name_the_parameter_and_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(ID, {name: value})
    assert caught.value.field in (name, "low_temp")
    assert caught.value.code == "AZQ107"
    assert value.replace("1e999", "inf") in str(caught.value)


def test_manual_temperatures_and_their_number_must_agree() -> None:
    with pytest.raises(
        InvalidParameter, match="num_temps must be the length of manual_temperatures, 2; found num_temps=3"
    ):
        Pticm(manual_temperatures=(1.0, 2.0), num_temps=3)


def test_a_problem_of_constants_has_its_cost() -> None:
    problem = Problem("constant", [ising([(2.0, ())]).terms[0]], problem_type=bond_ring(3, 1).problem_type)
    with Workspace() as workspace:
        assert PticmSolver(workspace, seed=1).optimize(problem).cost == 2.0
