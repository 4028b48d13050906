"""Simulated bifurcation: the engines walk the reference's path, particles obey the paper's equations, loops end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import instances
from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.bifurcation import Bifurcation as Sweeper
from gpuqio.engines.reference.outcome import energies, first_outcome
from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.optimization import Term
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import StopReason
from gpuqio.solvers import SimulatedBifurcation, parse
from gpuqio.solvers.base import Trial
from gpuqio.solvers.simulated_bifurcation import (
    BALLISTIC,
    DISCRETE,
    HEAT,
    RUNS,
    TUNED,
    Bifurcation,
    default_strengths,
)
from gpuqio.solvers.stage import Stage
from gpuqio.target import SimulatedBifurcationMachine
from tests.emulated import Job
from tests.strategies import problems
from tests.test_cuda_engine import KINDS, agree, solve
from tests.test_cuda_engine import cupy as cupy
from tests.test_cuda_engine import engine as engine
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import klocal, run
from tests.test_grouped import grouped
from tests.test_solvers import run_plan
from tests.test_trajectory import BUILDS, assert_same, run_native

SBM = "toshiba.sbm.ising"
ALGORITHMS = [DISCRETE, BALLISTIC]


def stage_of(
    algo: str, runs: int, steps: int, seed: int, dt: float = 1.0, strength: float = 0.2, heated: bool = False
) -> Stage:
    return Stage(runs, steps, np.zeros(0), False, seed, move=Bifurcation(algo, dt, strength, heated))


def quadratic(n: int, seed: int, share: float = 1.0, kind: ProblemType = ProblemType.ising) -> Layout:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.integers(-2, 3, (n, n)) * (random.random((n, n)) < share), 1)
    return pack(Problem.from_arrays(matrix, random.integers(-3, 4, n), problem_type=kind), windows=False)


CASES: dict[str, tuple[Layout, Stage]] = {
    f"{name}-{algo}": (layout, stage_of(algo, runs, 30, seed, dt, strength, name.startswith("heated")))
    for algo in ALGORITHMS
    for name, layout, runs, seed, dt, strength in [
        ("neighbour", quadratic(75, 1, 0.1), 40, 11, 1.0, 0.2),
        ("dense", quadratic(33, 2, kind=ProblemType.pubo), 70, 12, 0.7, 0.05),
        ("parity", klocal(20, 3, ProblemType.ising), 35, 13, 1.0, 0.1),
        ("product", klocal(21, 4, ProblemType.pubo), 33, 14, 0.9, 0.3),
        ("heated", quadratic(75, 1, 0.1), 40, 11, 1.0, 0.2),
        ("heated-product", klocal(21, 4, ProblemType.pubo), 33, 14, 0.9, 0.3),
    ]
}


@settings(max_examples=60)
@given(data=st.data())
def test_native_equals_reference(data: st.DataObject) -> None:
    layout = pack(data.draw(problems()), windows=False)
    n, runs = layout.num_variables, data.draw(st.integers(1, 40))
    if n == 0:
        return
    stage = stage_of(
        data.draw(st.sampled_from(ALGORITHMS)),
        runs,
        data.draw(st.integers(1, 12)),
        data.draw(st.integers(0, 2**64 - 1)),
        data.draw(st.sampled_from([0.001, 0.3, 1.0])),
        data.draw(st.sampled_from([1e-300, 0.01, 1.0, 1e300])),
        data.draw(st.booleans()),
    )
    shape = data.draw(st.sampled_from([None, (n,), (runs, n)]))
    start = (
        None if shape is None else np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 2, shape, np.uint8)
    )
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    slices = data.draw(st.lists(st.integers(1, 5), max_size=3))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.parametrize("name", CASES)
def test_sizes_beyond_a_word(name: str) -> None:
    layout, stage = CASES[name]
    expected = reference.run(layout, stage)
    assert expected.flips > 0
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, [7], build))


@pytest.mark.emulator
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", ["forward", "random"])
def test_emulated_cuda_equals_the_cpu(name: str, order: str) -> None:
    layout, stage = CASES[name]
    first = np.random.default_rng(1).integers(0, 2, (stage.chains, layout.num_variables), np.uint8)
    for initial in (None, first):
        job = Job(layout, stage, initial)
        (found,) = run("fast", [job], [3, 100], order=order, seed=3)
        assert found.sweep == stage.sweeps
        assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["race", "asan", "ubsan"])
def test_the_kernels_are_clean_under_the_checkers(name: str, mode: str) -> None:
    layout, stage = CASES[name]
    job = Job(layout, replace(stage, sweeps=6))
    how: dict[str, Any] = {"order": "random", "seed": 5, "preempt": 50} if mode == "race" else {}
    (found,) = run(mode, [job], [2, 6], **how)
    assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.parametrize("given", [{"steps": 7, "loops": 2}, {"steps": 5, "algo": "1.5", "heated": True}])
def test_the_cuda_engine_has_the_results_of_the_cpu(engine: Any, given: dict[str, Any]) -> None:
    assert agree(engine, *KINDS, target=SBM, seed=6, **given)


def problem_of(*terms: tuple[float, list[int]], kind: ProblemType = ProblemType.ising) -> Problem:
    return Problem("p", [Term(c=c, indices=ids) for c, ids in terms], problem_type=kind)


def ended(problem: Problem, algo: str, runs: int = 64, steps: int = 200, strength: float = 0.5) -> Ensemble:
    """What `runs` runs have come to, from random places."""
    chains = Ensemble(pack(problem, windows=False), stage_of(algo, runs, steps, 5, 0.5, strength))
    advance([chains], [steps])
    return chains


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize(("c", "same"), [(-1.0, True), (1.0, False)])
def test_the_spins_of_one_bond_end_as_it_says(algo: str, c: float, same: bool) -> None:
    bits = ended(problem_of((c, [0, 1])), algo).bits()
    assert ((bits[:, 0] == bits[:, 1]) == same).all()
    assert 0 < bits[:, 0].sum() < len(bits)  # and to either side


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize("field", [-2.0, 1.0])
def test_a_spin_alone_follows_its_field(algo: str, field: float) -> None:
    assert (ended(problem_of((field, [0])), algo).bits() == (field > 0)).all()
    pubo = problem_of((field, [0]), kind=ProblemType.pubo)
    assert (ended(pubo, algo).bits() == (field < 0)).all()


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize("kind", [ProblemType.ising, ProblemType.pubo])
def test_a_term_of_three_ends_at_its_lowest(algo: str, kind: ProblemType) -> None:
    """Every run of a random start comes to -1: s s s = 1, or x x x = 1 where it is paid for."""
    problem = problem_of((-1.0, [0, 1, 2]), kind=kind)
    chains = ended(problem, algo, steps=400)
    assert (chains.energies == energies(chains.layout, chains.bits().astype(np.int64))).all()
    assert (chains.energies * chains.layout.fixed.unit == -1).mean() > (0.9 if kind is ProblemType.ising else 0.4)


def test_without_forces_a_particle_swings_as_its_spring_says() -> None:
    """Two spins without a coupling worth the name, dt 0.02, 400 steps of 2^30, so that the pressure stays at 0: a
    quarter of the period is pi/2, so x changes sign every pi / 0.02 = 157 steps, in 400 steps two or three times."""
    layout = pack(problem_of((1.0, [0, 1])), windows=False)
    chains = Ensemble(layout, stage_of(BALLISTIC, 64, 2**30, 3, 0.02, 1e-300))
    seen = []
    for _ in range(400):
        advance([chains], [1])
        seen.append(chains.bits())
    bits = np.array(seen)
    crossings = (bits[1:] != bits[:-1]).reshape(399, -1)
    assert set(crossings.sum(axis=0).tolist()) == {2, 3}
    gaps = np.concatenate([np.diff(np.flatnonzero(column)) for column in crossings.T])
    assert gaps.min() >= 156
    assert gaps.max() <= 158


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_heat_lets_a_free_particle_swing_ever_wider(algo: str) -> None:
    """x'' = gamma x' - x: after a period, 2 pi / sqrt(1 - gamma^2 / 4), all is exp(gamma pi / that root) times what it
    was. Steps of time dt err by a share of order dt."""
    dt, gamma = 0.01, HEAT[algo]
    root = np.sqrt(1 - gamma**2 / 4)
    layout = pack(problem_of((1.0, [0, 1])), windows=False)
    stage = stage_of(algo, 32, 2**30, 3, dt, 1e-300, heated=True)
    sweeper, out = Sweeper(layout, stage), first_outcome(layout, stage, None)
    sweeper._place(out)
    began = np.stack([sweeper._positions, sweeper._momenta])
    for _ in range(round(2 * np.pi / root / dt)):
        sweeper.sweep(out)
        out.sweeps += 1
    ended = np.stack([sweeper._positions, sweeper._momenta])
    assert abs(ended[0]).max() < 1  # no wall has been met
    grown = (ended * began).sum(axis=0) / (began * began).sum(axis=0)
    np.testing.assert_allclose(grown, np.exp(gamma * np.pi / root), rtol=2 * dt)


@pytest.mark.parametrize(
    "make",
    [partial(instances.planted_xorsat, 32), partial(instances.number_partitioning, 24, 8)],
    ids=["xorsat", "partition"],
)
def test_heat_finds_planted_optima_where_ballistic_runs_are_caught(make: Callable[[int], instances.Instance]) -> None:
    """Of 8 x 160 runs of 1000 steps, by 4 sigma of equal numbers: 10 and 85, 434 and 625."""
    made = [make(seed) for seed in range(1, 9)]
    found = {heated: sum(successes(instance, heated) for instance in made) for heated in (False, True)}
    assert found[True] - found[False] > 4 * np.sqrt(found[True] + found[False])


def successes(made: instances.Instance, heated: bool) -> int:
    """How many of 160 ballistic runs come by the planted optimum."""
    layout = pack(made.problem(), windows=False)
    stage = stage_of(BALLISTIC, 160, 1000, 7, 1.0, default_strengths(layout, [1.0])[0], heated)
    chains = Ensemble(layout, stage)
    advance([chains], [1000])
    assert made.optimum is not None
    return int((chains.best_energies * layout.fixed.unit == made.optimum).sum())


@pytest.mark.parametrize("heated", [False, True])
@pytest.mark.parametrize("algo", ALGORITHMS)
def test_the_reference_solves_the_equations_of_the_papers(algo: str, heated: bool) -> None:
    """Goto et al. (2021), in float64: couplings J = -c and fields h = -c, ten steps. Heat (Kanao and Goto, 2022) comes
    after the walls."""
    n, runs, dt, strength = 12, 8, 0.5, 0.1
    random = np.random.default_rng(4)
    c, field = np.triu(random.integers(-3, 4, (n, n)), 1), random.integers(-3, 4, n)
    layout = pack(Problem.from_arrays(c, field, problem_type=ProblemType.ising), windows=False)
    stage = stage_of(algo, runs, 10, 9, dt, strength, heated)
    sweeper = Sweeper(layout, stage)
    out = first_outcome(layout, replace(stage, sweeps=10), None)
    for step in range(10):
        if step == 0:
            sweeper._place(out)
            x, y = sweeper._positions.astype(float), sweeper._momenta.astype(float)
            np.testing.assert_array_equal(x < 0, out.bits == 1)
            assert 0 < abs(x).max() <= 0.1
            assert 0.05 < abs(y).max() <= 0.1
        sweeper.sweep(out)
        out.sweeps += 1
        from_where, before = np.where(x < 0, -1, 1) if algo == DISCRETE else x, y.copy()
        y += (-(1 - step / 10) * x + strength * -(from_where @ (c + c.T) + field)) * dt
        x += y * dt
        y[abs(x) > 1] = 0
        y += HEAT[algo] * dt * before if heated else 0
        x = x.clip(-1, 1)
        np.testing.assert_allclose(sweeper._positions, x, atol=1e-5)
        np.testing.assert_allclose(sweeper._momenta, y, atol=1e-5)
    assert (abs(x) == 1).any()


@pytest.mark.parametrize(
    "made", [instances.planted_tiles(12, 1), instances.planted_xorsat(32, 1)], ids=lambda m: m.name
)
def test_planted_optima_are_found(made: instances.Instance) -> None:
    (result,) = solve(CpuEngine(), made.problem(), target=SBM, seed=3, timeout=3600, loops=20)
    assert result.cost == made.optimum


def test_loops_have_seeds_of_their_own_and_each_can_be_repeated() -> None:
    layout = quadratic(30, 8)
    stages = run_plan(SimulatedBifurcation(steps=20, loops=3).plan(layout, 77), layout)
    assert [stage.seed for stage, _ in stages] == [77, 77 + 2**40, 77 + 2**41]
    assert len({chains.best_bits().tobytes() for _, chains in stages}) == 3
    plan = SimulatedBifurcation(steps=20, loops=3).plan(layout, 77)
    for stage, chains in stages:
        (again,) = run_plan(parse(SBM, plan.parameters(stage)).plan(layout, stage.seed), layout)
        np.testing.assert_array_equal(again[1].best_bits(), chains.best_bits())


def test_auto_tries_all_in_rounds_until_one_gains_nothing() -> None:
    layout = quadratic(60, 9)
    plan = SimulatedBifurcation(steps=12, auto=True, loops=1).plan(layout, 1)
    stages = run_plan(plan, layout)
    lowest = [chains.lowest for _, chains in stages]
    rounds = np.minimum.accumulate(np.array(lowest).reshape(-1, len(TUNED)).min(axis=1))
    assert plan.converged
    assert len(rounds) > 1
    assert (np.diff(rounds)[:-1] < 0).all()
    assert rounds[-1] == rounds[-2]
    tried = [(stage.move.algo, stage.move.dt) for stage, _ in stages if isinstance(stage.move, Bifurcation)]
    assert tried == list(TUNED) * len(rounds)


def test_results_are_in_toshiba_s_shape() -> None:
    problem = problem_of((1.0, [0, 1]), (0.5, [1, 2]), (0.25, [0]))
    with Workspace() as workspace:
        plain = SimulatedBifurcationMachine(workspace, loops=10, seed=2).optimize(problem)
        several = SimulatedBifurcationMachine(workspace, steps=9, loops=3, maxout=2, seed=2).submit(problem)
        auto = SimulatedBifurcationMachine(workspace, steps=50, auto=True, seed=2).optimize(problem)
        reached = SimulatedBifurcationMachine(workspace, loops=0, target=-1.75, seed=2).optimize(problem)
        result = several.get_results()
    assert (several.details.provider_id, several.details.output_data_format) == ("toshiba", "microsoft.qio-results.v2")
    assert several.details.input_params == {"loops": 3, "maxout": 2, "seed": 2, "steps": 9}
    assert plain["input_params"] == {"loops": 10, "seed": 2}
    assert plain["solutions"][0]["cost"] == -1.75
    assert plain["solutions"][0]["configuration"] == {"0": -1, "1": 1, "2": -1}
    done = plain["solutions"][0]["parameters"]
    assert (done["runs"], done["message"]) == (1600, "finished")
    assert len(result["solutions"]) == 2
    assert result["solutions"][1]["parameters"]["runs"] == 480
    assert reached["solutions"][0]["parameters"]["message"] == "reached"
    assert reached["input_params"] == {"loops": 0, "seed": 2, "target": -1.75}
    done = auto["solutions"][0]["parameters"]
    assert (done["algo"], done["dt"]) in TUNED
    assert "heated" not in done
    assert done["runs"] == 2 * len(TUNED) * RUNS  # the second round gained nothing
    assert auto.report.stop_reason is StopReason.CONVERGED


def test_heat_is_given_and_echoed() -> None:
    """`auto` leaves it as it is given."""
    problem = problem_of((1.0, [0, 1]), (0.5, [1, 2]))
    with Workspace() as workspace:
        job = SimulatedBifurcationMachine(workspace, steps=9, auto=True, heated=True, seed=2).submit(problem)
        job.get_results()
    assert job.details.input_params == {"auto": True, "heated": True, "seed": 2, "steps": 9}
    layout = quadratic(30, 8)
    plan = SimulatedBifurcation(steps=20, heated=True, auto=True).plan(layout, 77)
    stages = run_plan(plan, layout)
    for stage, chains in stages[: len(TUNED)]:
        assert plan.parameters(stage)["heated"] is True
        (again,) = run_plan(parse(SBM, plan.parameters(stage)).plan(layout, stage.seed), layout)
        np.testing.assert_array_equal(again[1].best_bits(), chains.best_bits())
    cold = run_plan(SimulatedBifurcation(steps=20, heated=False, loops=1).plan(layout, 77), layout)
    assert (cold[0][1].bits() != stages[0][1].bits()).any()


def test_a_problem_of_constants_needs_no_runs() -> None:
    with Workspace() as workspace:
        result = SimulatedBifurcationMachine(workspace, steps=0, auto=True).optimize(problem_of((2.0, [])))
    assert result["solutions"][0]["cost"] == 2
    assert result["solutions"][0]["parameters"]["runs"] == 0


def test_loops_without_number_do_not_end_by_themselves() -> None:
    layout = quadratic(5, 1)
    plan = SimulatedBifurcation(loops=0, steps=1).plan(layout, 3)
    chains = Ensemble(layout, plan.first())
    trial = Trial(chains.stage, chains.lowest, 0, chains.swaps, chains.log)
    stages = [plan.after(trial) for _ in range(1000)]
    assert len({stage.seed for stage in stages if stage is not None}) == 1000


def test_squared_sums_are_refused() -> None:
    problem = grouped((1, [(2, 0), (3, 1)]))
    with Workspace() as workspace, pytest.raises(InvalidProblem, match="PopulationAnnealing"):
        SimulatedBifurcationMachine(workspace).submit(problem)
    with pytest.raises(InvalidProblem, match="takes no squared sums"):
        SimulatedBifurcation().plan(pack(problem), 1)


def test_defaults_and_what_is_echoed() -> None:
    """SK-like: the force's root mean square is sqrt(sum c^2) of a row."""
    layout = quadratic(150, 1)
    solver = parse(SBM, {"seed": 2})
    plan = solver.plan(layout, 2)
    stage = plan.first()
    assert (stage.chains, stage.sweeps, solver.timeout) == (160, 1500, 10.0)
    assert isinstance(stage.move, Bifurcation)
    rows = [np.zeros(150), np.zeros(150)]
    for members, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        for column in members.T:
            np.add.at(rows[0], column, (steps * layout.fixed.unit) ** 2)
    assert pytest.approx(0.5 / np.sqrt(rows[0].mean()), rel=1e-5) == stage.move.C
    assert plan.parameters(stage) == {
        "C": stage.move.C,
        "algo": "2.0",
        "dt": 1.0,
        "loops": 1,
        "seed": 2,
        "steps": 1500,
    }
    given = {"C": 0.5, "algo": "1.5", "auto": False, "dt": 0.25, "loops": 2, "maxout": 1000, "seed": 4, "steps": 0}
    given |= {"target": -3.5, "timeout": 0.5}
    solver = parse(SBM, given)
    assert solver.parameters() == given
    assert (solver.number_of_solutions, solver.cost_limit, solver.timeout) == (1000, -3.5, 0.5)
    assert SimulatedBifurcation(number_of_solutions=5) == parse(SBM, {"number_of_solutions": 5})


@pytest.mark.parametrize(("dt", "strength"), [(1.0, 0.75 * 3 / 99), (0.5, 0.5 / np.sqrt(99))])
def test_forces_are_weaker_where_a_time_step_would_be_too_long_for_them(dt: float, strength: float) -> None:
    """All of 100 spins against all: where they move together the spring is 99 C, and swings grow from 4 / dt^2 - 1."""
    layout = pack(Problem.from_arrays(np.triu(np.ones((100, 100)), 1), problem_type=ProblemType.ising), windows=False)
    plan = SimulatedBifurcation(dt=dt, steps=200).plan(layout, 1)
    move = plan.first().move
    assert isinstance(move, Bifurcation)
    assert pytest.approx(strength, rel=1e-4) == move.C
    ((_, chains),) = run_plan(plan, layout)
    assert chains.lowest * layout.fixed.unit == -50


@pytest.mark.parametrize("kind", ["no forces", "huge", "tiny"])
def test_any_coefficients_are_taken(kind: str) -> None:
    scale = {"no forces": 0.0, "huge": 1e300, "tiny": 1e-300}[kind]
    problem = problem_of((scale, [0, 1]), (-scale, [1]))
    (result,) = solve(CpuEngine(), problem, target=SBM, seed=1, steps=100)
    assert result.cost == -2 * scale


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 10**8 + 1}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"loops": 10**7 + 1}, "loops"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 3601}, "timeout"),
        ({"timeout": "10"}, "timeout"),
        ({"target": "low"}, "target"),
        ({"maxout": 0}, "maxout"),
        ({"maxout": 1001}, "maxout"),
        ({"dt": 0}, "dt"),
        ({"dt": 1.01}, "dt"),
        ({"C": -1}, "C"),
        ({"C": float("inf")}, "C"),
        ({"algo": "1.0"}, "algo"),
        ({"algo": 2.0}, "algo"),
        ({"auto": 1}, "auto"),
        ({"auto": "true"}, "auto"),
        ({"heated": 1}, "heated"),
        ({"seed": -1}, "seed"),
    ],
)
def test_refusals_name_the_parameter_and_its_value(params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(SBM, params)
    assert caught.value.field == named
    assert caught.value.code == "AZQ107"
    assert str(params[named]) in str(caught.value)
