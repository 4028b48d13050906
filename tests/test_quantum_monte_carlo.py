"""Quantum Monte Carlo: the same bits on every engine, the averages of a quantum system, and the service's schema."""

from __future__ import annotations

import itertools
from functools import cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio import Workspace
from gpuqio.engines import kernels, reference
from gpuqio.engines.native import Ensemble, advance, instruction_sets, library
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import GroupType
from gpuqio.optimization import QuantumMonteCarlo as OfWorkspace
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import QuantumMonteCarlo, parse
from gpuqio.solvers.quantum_monte_carlo import Trotter, _tanh
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range
from gpuqio.terms import Term
from tests.emulated import Job
from tests.strategies import grouped_problems, problems
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import run

QMC = "microsoft.qmc.cpu"
BUILDS = instruction_sets()
SLICES = [2, 3, 5, 16, 17, 31, 32, 33, 64, 70]

Floats = npt.NDArray[np.float64]


def stage_of(slices: int, paths: int, sweeps: int = 4, seed: int = 1, beta: float = 2.0, field: float = 1.0) -> Stage:
    """The field falls to 0. Strong: the chance that neighbours are joined is middling at first."""
    move = Trotter(slices, field * slices / 4, 0.0)
    return Stage(move.chains(paths), sweeps, np.full(sweeps, beta / slices), False, seed, move=move)


def spins(n: int, seed: int, share: float = 1.0) -> Problem:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.integers(-3, 4, (n, n)) * (random.random((n, n)) < share), 1)
    return Problem.from_arrays(matrix, random.integers(-1, 2, n), problem_type=ProblemType.ising)


def klocal(n: int, seed: int, kind: ProblemType) -> Problem:
    random = np.random.default_rng(seed)
    problem = Problem("k-local", problem_type=kind)
    for _ in range(2 * n):
        members = random.choice(n, int(random.integers(1, 5)), replace=False)
        problem.add_term(c=int(random.integers(-3, 4)), indices=members.tolist())
    return problem


def ship(unit: float) -> Problem:
    """One squared sum of twelve spins."""
    problem = Problem("ship", problem_type=ProblemType.ising)
    linear = [Term(c=unit * w, indices=[i]) for i, w in enumerate([2, 5, 9, 21, 35, 5, 3, 10, 11, 23, 13, 8])]
    problem.add_terms(linear, term_type=GroupType.squared_linear_combination)
    return problem


def assert_same(expected: reference.Outcome, chains: Ensemble) -> None:
    np.testing.assert_array_equal(chains.bits(), expected.bits)
    np.testing.assert_array_equal(chains.best_bits(), expected.best_bits)
    np.testing.assert_array_equal(chains.energies, expected.energies)
    np.testing.assert_array_equal(chains.best_energies, expected.best_energies)
    assert (chains.flips, chains.sweeps) == (expected.flips, expected.sweeps)
    assert chains.lowest == expected.best_energies.min()


# --- the same on every engine -------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    problem=st.one_of(problems(max_variables=6), grouped_problems(max_variables=5)),
    slices=st.sampled_from(SLICES),
    paths=st.integers(1, 5),
    cuts=st.lists(st.integers(1, 3), max_size=3),
    data=st.data(),
)
def test_native_equals_reference(
    problem: Problem, slices: int, paths: int, cuts: list[int], data: st.DataObject
) -> None:
    layout = pack(problem, windows=False)
    if layout.num_variables == 0:
        return
    beta, field = data.draw(st.floats(0, 3)), data.draw(st.floats(0, 3))
    stage = stage_of(slices, paths, data.draw(st.integers(1, 5)), data.draw(st.integers(0, 2**63 - 1)), beta, field)
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        chains = Ensemble(layout, stage, start, lib=library(build))
        for sweeps in [*cuts, stage.sweeps]:
            advance([chains], [sweeps])
        assert_same(expected, chains)


@pytest.mark.parametrize("slices", [2, 32, 64, 128, 1024])
def test_long_paths_and_a_goal_stop_where_the_reference_does(slices: int) -> None:
    layout = pack(spins(5, slices), windows=False)
    stage = stage_of(slices, 2)
    whole = reference.run(layout, stage)
    assert whole.flips > 0
    for goal in (None, int(whole.best_energies.min())):
        chains = Ensemble(layout, stage, goal=goal)
        advance([chains], [1])
        advance([chains], [1000])
        assert_same(reference.run(layout, stage, goal=goal), chains)


def test_sums_of_rises_may_take_more_than_64_bits() -> None:
    layout, stage = pack(ship(1 / 3)), stage_of(64, 1, beta=0.01, field=0.1)
    rises = reference.outcome.rise(layout, np.ones((1, 12), np.int64), 4)
    assert 64 * abs(int(rises[0])) > 2**63
    initial = np.ones(12, np.uint8)
    expected = reference.run(layout, stage, initial.astype(np.int64))
    assert expected.flips > 0
    chains = Ensemble(layout, stage, initial)
    advance([chains], [stage.sweeps])
    assert_same(expected, chains)


@pytest.mark.parametrize("slices", SLICES)
def test_paths_lie_within_whole_words_or_begin_with_one(slices: int) -> None:
    move = Trotter(slices, 1.0, 0.0)
    for count in range(1, 40):
        paths = move.paths(move.chains(count))
        assert len(paths) == count
        assert len(set(np.concatenate(paths).tolist())) == count * slices
        assert paths[-1][-1] == move.chains(count) - 1
        words = [len(set((path // 32).tolist())) for path in paths]
        assert set(words) == {-(-slices // 32)}
    _, _, used, first = move.options
    assert [lane for lane in range(32) if first >> lane & 1] == [p[0] for p in move.paths(min(32, used)) if p[0] < 32]


LAYOUTS = {
    "path_neighbour": (pack(spins(9, 1), windows=False), stage_of(32, 5)),
    "path_neighbour short": (pack(spins(6, 2), windows=False), stage_of(5, 17)),
    "path_neighbour long": (pack(spins(6, 3), windows=False), stage_of(70, 5)),
    "path_parity": (pack(klocal(9, 4, ProblemType.ising)), stage_of(3, 40)),
    "path_product": (pack(klocal(9, 5, ProblemType.pubo)), stage_of(64, 2)),
    "path_grouped": (pack(ship(0.75)), stage_of(33, 2)),
}


def emulate(mode: str, layout: Layout, stage: Stage, initial: npt.NDArray[np.uint8] | None, **how: Any) -> None:
    """Run a stage on the emulator, in two slices, and compare all it leaves with the CPU engine's."""
    job = Job(layout, stage, initial)
    (found,) = run(mode, [job], [1, stage.sweeps], **how)
    assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("order", ["forward", "random"])
def test_each_entry_walks_the_cpus_path(name: str, order: str) -> None:
    layout, stage = LAYOUTS[name]
    assert kernels.move_launch(layout, stage.move).name == name.split()[0]
    initial = np.arange(layout.num_variables).astype(np.uint8) % np.uint8(2) if order == "random" else None
    emulate("fast", layout, stage, initial, order=order, seed=3)


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["race", "asan", "ubsan"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_each_entry_is_clean(name: str, mode: str) -> None:
    how: dict[str, Any] = {"order": "random", "seed": 5, "preempt": 50} if mode == "race" else {}
    emulate(mode, *LAYOUTS[name], None, **how)


# --- physics ------------------------------------------------------------------------------------------------------

BETA, FIELD = 2.0, 1.1


@cache
def quartet() -> tuple[Layout, Floats, Floats]:
    """Four spins in longitudinal fields: the layout, and for each of the 16 states its energy and spins (16, 4)."""
    random = np.random.default_rng(1)
    terms = [Term(c=float(random.normal()), indices=list(pair)) for pair in itertools.combinations(range(4), 2)]
    terms += [Term(c=h, indices=[i]) for i, h in enumerate([0.3, -0.2, 0.1, 0.4])]
    problem = Problem("quartet", terms, problem_type=ProblemType.ising)
    layout = pack(problem, windows=False)
    values = 1 - 2 * ((np.arange(16)[:, None] >> np.arange(4)) & 1)
    return layout, problem.evaluate_states(layout.problem.variables, values.astype(np.int8)), values.astype(np.float64)


def sliced(slices: int) -> tuple[Floats, Floats]:
    """The chances of a slice's states, (16,), and each spin's mean product with that of the next slice, (4,), of all
    paths of so many slices: exact, with the transfer matrix exp(-beta E / M) x a factor of cosh or sinh a spin."""
    _, energies, values = quartet()
    a = FIELD * BETA / slices
    step = reduce(np.kron, [np.array([[np.cosh(a), np.sinh(a)], [np.sinh(a), np.cosh(a)]])] * 4)
    transfer = np.exp(-BETA / slices * energies)[:, None] * step
    transfer /= transfer.max()
    others = np.linalg.matrix_power(transfer, slices - 1)
    z = np.trace(transfer @ others)
    products = [np.trace(np.diag(s) @ transfer @ np.diag(s) @ others) / z for s in values.T]
    return np.diag(transfer @ others) / z, np.array(products)


def quantum() -> Floats:
    """The chances of the 16 states at 1 / BETA in the field, by exact diagonalisation."""
    _, energies, _ = quartet()
    hamiltonian = np.diag(energies)
    for spin, state in itertools.product(range(4), range(16)):
        hamiltonian[state, state ^ (1 << spin)] -= FIELD
    levels, vectors = np.linalg.eigh(hamiltonian)
    weights = np.exp(-BETA * (levels - levels.min()))
    return np.asarray(vectors**2 @ weights / weights.sum())


@cache
def sampled(slices: int, paths: int) -> npt.NDArray[np.int64]:
    """(paths, slices) numbers of the states after 60 sweeps at constant field: each path is a sample of its own."""
    layout, _, _ = quartet()
    move = Trotter(slices, FIELD, FIELD)
    stage = Stage(move.chains(paths), 60, np.full(60, BETA / slices), False, 5, move=move)
    chains = Ensemble(layout, stage)
    advance([chains], [60])
    return (chains.bits().astype(np.int64) @ (1 << np.arange(4)))[np.array(move.paths(stage.chains))]


def assert_mean(samples: Floats, exact: float) -> None:
    """Within four standard errors."""
    assert abs(samples.mean() - exact) < 4 * samples.std() / np.sqrt(len(samples))


PATHS = {2: 4000, 5: 3000, 16: 2000, 32: 1500, 40: 1000}


@pytest.mark.parametrize("slices", PATHS)
def test_averages_are_those_of_all_paths_of_so_many_slices(slices: int) -> None:
    """Diagonal energy and squared magnetisation, at any number of slices without Trotter error."""
    _, energies, values = quartet()
    chances, _ = sliced(slices)
    states = sampled(slices, PATHS[slices])
    for observable in (energies, values.mean(axis=1) ** 2):
        assert_mean(observable[states].mean(axis=1), float(chances @ observable))


@pytest.mark.parametrize("slices", PATHS)
def test_imaginary_time_is_a_ring(slices: int) -> None:
    """The last slice and the first agree as often as any neighbours; an open chain's would agree less."""
    _, _, values = quartet()
    _, products = sliced(slices)
    path = values[sampled(slices, PATHS[slices])]  # (paths, slices, spins)
    for spin in range(4):
        for before, after in ((0, 1), (slices - 1, 0)):
            assert_mean(path[:, before, spin] * path[:, after, spin], float(products[spin]))


def test_many_slices_have_the_averages_of_the_quantum_system() -> None:
    """128 slices: the Trotter error, known from the exact sums, is less than a tenth of the standard error."""
    _, energies, values = quartet()
    states = sampled(128, 300)
    for observable in (energies, values.mean(axis=1) ** 2):
        exact, samples = float(quantum() @ observable), observable[states].mean(axis=1)
        assert abs(float(sliced(128)[0] @ observable) - exact) < 0.1 * samples.std() / np.sqrt(len(samples))
        assert_mean(samples, exact)


def test_without_a_field_a_path_is_one_classical_chain() -> None:
    """Slices that begin alike stay alike, and a ferromagnetic ring has its exact energy, within four standard errors:
    clusters that cost nothing must not flip always (see tests/test_physics.py)."""
    n, t = 32, np.tanh(1.0)
    ring = [Term(c=-1.0, indices=[i, (i + 1) % n]) for i in range(n)]
    layout, move = pack(Problem("ring", ring, problem_type=ProblemType.ising)), Trotter(2, 0.0, 0.0)
    stage = Stage(2000, 150, np.full(150, 1 / 2), False, 8, move=move)
    chains = Ensemble(layout, stage, np.random.default_rng(1).integers(0, 2, n).astype(np.uint8))
    advance([chains], [150])
    np.testing.assert_array_equal(chains.bits()[::2], chains.bits()[1::2])
    assert_mean(chains.energies[::2] * layout.fixed.unit / n, -(t + t ** (n - 1)) / (1 + t**n))


def test_the_chance_of_a_bond_is_exact_and_machine_independent() -> None:
    x = np.concatenate((np.linspace(0, 12, 5001), [1e-9, 1e300, np.inf]))
    assert np.abs(_tanh(x) - np.tanh(x)).max() < 2.0**-27
    assert (np.diff(_tanh(np.sort(x))) >= 0).all()
    layout, stage = pack(spins(3, 1)), stage_of(4, 1, sweeps=3, beta=2.0, field=2.0)
    np.testing.assert_array_equal(stage.move.table(layout, stage), np.rint(2**24 * (1 - np.tanh([1.0, 0.5, 0.0]))))


# --- the service's schema -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"trotter_number": 1}, "trotter_number"),
        ({"trotter_number": 1025}, "trotter_number"),
        ({"trotter_number": 8.0}, "trotter_number"),
        ({"restarts": 0}, "restarts"),
        ({"restarts": 1000, "trotter_number": 1024}, "restarts"),
        ({"sweeps": 0}, "sweeps"),
        ({"beta_start": -1}, "beta_start"),
        ({"beta_start": 0}, "beta_start"),
        ({"beta_start": "1"}, "beta_start"),
        ({"beta_stop": 0}, "beta_stop"),
        ({"beta_start": 2, "beta_stop": 1}, "beta_stop"),
        ({"transverse_field_start": -1}, "transverse_field_start"),
        ({"transverse_field_stop": float("nan")}, "transverse_field_stop"),
        ({"transverse_field_low": -1}, "transverse_field_low"),
        ({"transverse_field_low": 5, "transverse_field_high": 5}, "transverse_field_high"),
        ({"transverse_field_high": 0}, "transverse_field_high"),
        ({"seed": -1}, "seed"),
    ],
)
def test_refusals_name_the_parameter(params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named) as caught:
        parse(QMC, params)
    assert caught.value.code == "AZQ107"


def first_stage(**params: Any) -> Stage:
    return parse(QMC, params).plan(pack(spins(8, 1), windows=False), 1).first()


def test_what_is_left_open_follows_from_the_problem() -> None:
    layout = pack(spins(12, 4), windows=False)
    hottest, coldest = temperature_range(layout)
    plan = parse(QMC, {}).plan(layout, 7)
    assert plan.parameters(plan.first()) == {
        "beta_start": 1 / coldest,
        "beta_stop": 1 / coldest,
        "restarts": 1,
        "seed": 7,
        "sweeps": 10_000,
        "transverse_field_start": hottest,
        "transverse_field_stop": 0.0,
        "trotter_number": 32,
    }
    assert first_stage(sweeps=3, beta_start=8, trotter_number=4).betas.tolist() == [2, 2, 2]
    assert first_stage(sweeps=3, beta_start=0, beta_stop=8, trotter_number=4).betas.tolist() == [0, 1, 2]
    assert first_stage(sweeps=1, beta_stop=8, trotter_number=4).betas.tolist() == [2]
    assert first_stage(transverse_field_stop=1e6).move == Trotter(32, 1e6, 1e6)


def test_the_field_goes_from_start_to_stop_and_from_high_to_low() -> None:
    assert first_stage(transverse_field_start=1, transverse_field_stop=3).move == Trotter(32, 1, 3)
    assert first_stage(transverse_field_low=1, transverse_field_high=3).move == Trotter(32, 3, 1)


@pytest.mark.parametrize(
    "params",
    [
        {"sweeps": 30, "seed": 3},
        {"step_limit": 30, "transverse_field_high": 4, "transverse_field_low": 0.5, "beta_start": 0.5, "beta_stop": 2},
        {"sweeps": 30, "transverse_field_low": 0.5, "trotter_number": 5, "restarts": 7, "seed": 1},
    ],
)
def test_the_echo_repeats_the_result_under_the_names_that_were_given(params: dict[str, Any]) -> None:
    problem = spins(14, 6)
    with Workspace() as workspace:

        def solve(given: dict[str, Any]) -> Any:
            solver = OfWorkspace(workspace)
            for name, value in given.items():
                solver.set_one_param(name, value)
            return solver.optimize(problem)

        found = solve(params)
        again = solve(found["parameters"])
    assert params.keys() <= found["parameters"].keys()
    assert again["parameters"] == found["parameters"]
    assert again["solutions"] == found["solutions"]
    assert again.report.flips == found.report.flips > 0


def test_a_constructor_takes_its_result_s_parameters() -> None:
    with Workspace() as workspace:
        found = OfWorkspace(workspace, sweeps=20, restarts=3, seed=4).optimize(spins(14, 6))
        again = OfWorkspace(workspace, **found["parameters"])
        assert again.specification() == QuantumMonteCarlo(**found["parameters"])
        assert again.optimize(spins(14, 6))["solutions"] == found["solutions"]
