"""Tabu search: the engines walk the reference's path, every move is the best one allowed, tenures are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks import instances
from gpuqio.engines import reference
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.outcome import energies
from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import StopReason
from gpuqio.solvers import Tabu, TabuSearch, parse
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.tabu import TabuMove, tabu_stage
from tests.emulated import Job
from tests.strategies import grouped_problems, packed, problems
from tests.test_cuda_engine import KINDS, agree, solve
from tests.test_cuda_engine import cupy as cupy
from tests.test_cuda_engine import engine as engine
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import grouped, klocal, run
from tests.test_solvers import run_plan
from tests.test_trajectory import BUILDS, assert_same, run_native

TABU, FREE, SEARCH = "microsoft.tabu.cpu", "microsoft.tabu-parameterfree.cpu", "1qbit.tabu"


def quadratic(n: int, seed: int, share: float = 1.0, dense: bool = False) -> Layout:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.integers(-2, 3, (n, n)) * (random.random((n, n)) < share), 1)
    problem = Problem.from_arrays(matrix, random.integers(-3, 4, n), problem_type=ProblemType.ising)
    return packed(problem, dense)


CASES: dict[str, tuple[Layout, Stage]] = {
    "window": (quadratic(33, 2, dense=True), tabu_stage(TabuMove(4, 0), 70, 25, 12)),
    "windows filled": (quadratic(64, 7, dense=True), tabu_stage(TabuMove(20, 5), 130, 3, 17)),
    "neighbour": (quadratic(75, 1, 0.1), tabu_stage(TabuMove(9, 5), 40, 30, 11)),
    "all neighbours": (quadratic(33, 2), tabu_stage(TabuMove(4, 0), 70, 25, 12)),
    "parity": (klocal(20, 3, ProblemType.ising), tabu_stage(TabuMove(3, 2), 35, 30, 13)),
    "product": (klocal(20, 4, ProblemType.pubo), tabu_stage(TabuMove(5, 1), 33, 30, 14)),
    "grouped": (grouped(20, 5, ProblemType.ising), tabu_stage(TabuMove(4, 2), 40, 30, 15)),
    "grouped bits": (grouped(21, 6, ProblemType.pubo), tabu_stage(TabuMove(3, 1), 33, 30, 16)),
}


@settings(max_examples=60)
@given(data=st.data())
def test_native_equals_reference(data: st.DataObject) -> None:
    layout = packed(data.draw(problems() | grouped_problems()), dense=data.draw(st.booleans()))
    n, walkers = layout.num_variables, data.draw(st.integers(1, 40))
    if n == 0:
        return
    move = TabuMove(data.draw(st.integers(0, n + 1)), data.draw(st.integers(0, 3)))
    stage = tabu_stage(move, walkers, data.draw(st.integers(1, 12)), data.draw(st.integers(0, 2**64 - 1)))
    shape = data.draw(st.sampled_from([None, (n,), (walkers, n)]))
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
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, [7], build))


@pytest.mark.parametrize("kind", ["gaussian", "signs", "0 and 1"])
def test_a_dense_problem_is_walked_as_by_its_entries(kind: str) -> None:
    """With many equals, and with none; over every number of windows up to four, the last one full or not."""
    for n in (31, 32, 33, 64, 75, 96, 127):
        random = np.random.default_rng(n)
        matrix = {
            "gaussian": random.normal(size=(n, n)),
            "signs": random.choice([-1, 1], (n, n)),
            "0 and 1": random.integers(0, 2, (n, n)),
        }[kind]
        problem_type = ProblemType.pubo if kind == "0 and 1" else ProblemType.ising
        problem = Problem.from_arrays(np.triu(matrix, 1), random.integers(-5, 5, n), problem_type=problem_type)
        stage = tabu_stage(TabuMove(n // 4, 3), 45, 60, n)
        dense, sparse = (Ensemble(packed(problem, windows), stage) for windows in (True, False))
        assert (dense.layout.strategy, sparse.layout.strategy) == (Strategy.WINDOW, Strategy.LANE_NEIGHBOUR)
        advance([dense, sparse], [60, 60])
        np.testing.assert_array_equal(dense.bits(), sparse.bits())
        np.testing.assert_array_equal(dense.best_bits(), sparse.best_bits())
        np.testing.assert_array_equal(dense.energies, sparse.energies)
        assert (dense.flips, dense.reached) == (sparse.flips, sparse.reached)


@pytest.mark.parametrize("strategy", [Strategy.WINDOW, Strategy.LANE_NEIGHBOUR])
def test_each_chain_may_have_first_states_of_its_own(strategy: Strategy) -> None:
    """In every layout, for a stage of any move: the states before the first sweep are those given."""
    random = np.random.default_rng(5)
    problem = Problem.from_arrays(np.triu(random.integers(1, 4, (70, 70)), 1), problem_type=ProblemType.ising)
    layout = pack(problem, windows=strategy is Strategy.WINDOW)
    assert layout.strategy is strategy
    first = random.integers(0, 2, (37, 70), np.uint8)
    chains = Ensemble(layout, Stage(37, 2, np.array([1.0, 2.0]), False, 3), first)
    np.testing.assert_array_equal(chains.bits(), first)
    np.testing.assert_array_equal(chains.energies, energies(layout, first.astype(np.int64)))
    same = Ensemble(layout, chains.stage, first[0])
    np.testing.assert_array_equal(same.bits(), np.broadcast_to(first[0], first.shape))


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
@pytest.mark.parametrize(
    ("target", "given"), [(TABU, {"sweeps": 40, "restarts": 33}), (SEARCH, {"improvement_cutoff": 30})]
)
def test_the_cuda_engine_has_the_results_of_the_cpu(engine: Any, target: str, given: dict[str, Any]) -> None:
    assert agree(engine, *KINDS, target=target, seed=6, **given)


Moves = Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.uint8]]]


def moves(layout: Layout, stage: Stage) -> Moves:
    """Before each move: the walkers' bits and best energies; and the bits after it."""
    chains = Ensemble(layout, stage)
    for _ in range(stage.sweeps):
        before, best = chains.bits(), chains.best_energies.copy()
        advance([chains], [1])
        yield before, best, chains.bits()


@pytest.mark.parametrize("name", CASES)
def test_every_move_is_the_best_that_is_allowed_and_tenures_are_kept(name: str) -> None:
    """Against energies of all neighbours, computed afresh. Where a tenure is drawn, it is between its two ends."""
    layout, stage = CASES[name]
    assert isinstance(stage.move, TabuMove)
    n, shortest, longest = layout.num_variables, stage.move.tenure, stage.move.tenure + stage.move.most_extra
    flipped_at = np.full((stage.chains, n), -(10**6))
    aspired = 0
    for move, (before, best, after) in enumerate(moves(layout, stage)):
        changed = before != after
        for c in range(stage.chains):
            neighbours = np.repeat(before[c : c + 1], n, axis=0) ^ np.eye(n, dtype=np.uint8)
            reached = energies(layout, neighbours.astype(np.int64))
            age = move - flipped_at[c] - 1  # moves since then
            aspires = reached < best[c]
            (flips,) = np.flatnonzero(changed[c]) if changed[c].any() else (None,)
            if flips is None:
                assert (age < longest).all()
                assert not aspires.any()
                continue
            assert age[flips] >= shortest or aspires[flips]
            aspired += bool(age[flips] < shortest)
            assert reached[flips] <= reached[(age >= longest) | aspires].min(initial=2**62)
            flipped_at[c, flips] = move
    assert aspired > 0 or name in ("windows filled", "neighbour", "product")


@pytest.mark.parametrize("dense", [True, False])
def test_where_everything_is_tabu_a_walker_waits(dense: bool) -> None:
    """Two bits, tenure 5: both are cleared or set once, and then nothing moves until move 6."""
    matrix = [[0.0, 0.5], [0.0, 0.0]]
    layout = packed(Problem.from_arrays(matrix, [1.0, 2.0], problem_type=ProblemType.pubo), dense)
    stage = tabu_stage(TabuMove(5, 0), 32, 8, 1)
    moved = [(before != after).sum(axis=1) for before, _, after in moves(layout, stage)]
    assert np.array(moved).sum(axis=1).tolist() == [32, 32, 0, 0, 0, 0, 32, 32]


def test_equals_are_taken_at_random() -> None:
    """16 variables, all alike: the first move of 4096 walkers takes each 256 +- 16 times if all are as likely. Ranks
    are not quite so: half as often and twice as often are let pass, by four standard errors."""
    layout = pack(Problem.from_arrays(np.zeros((16, 16)), np.ones(16), problem_type=ProblemType.ising), windows=False)
    chains = Ensemble(layout, tabu_stage(TabuMove(0, 0), 4096, 1, 9), np.zeros(16, np.uint8))
    advance([chains], [1])
    counts = chains.bits().sum(axis=0)
    assert counts.sum() == 4096
    assert counts.min() > 128 - 4 * 11
    assert counts.max() < 512 + 4 * 22


def test_additions_to_the_tenure_are_uniform() -> None:
    """One variable, flipped at every move that it may be: gaps between flips are 3 + 1 + 0..6, chi-square of 7."""
    layout = pack(Problem.from_arrays(np.zeros((1, 1)), [1.0], problem_type=ProblemType.ising), windows=False)
    stage = tabu_stage(TabuMove(3, 6), 64, 200, 21)
    moved = np.array([(before != after)[:, 0] for before, _, after in moves(layout, stage)])
    gaps = np.concatenate([np.diff(np.flatnonzero(column))[1:] for column in moved.T])  # the first may aspire
    assert set(gaps.tolist()) == set(range(4, 11))
    assert stats.chisquare(np.bincount(gaps)[4:]).pvalue > 1e-4


@pytest.mark.parametrize("solver", [Tabu(), TabuSearch()], ids=["Tabu", "TabuSearch"])
def test_a_search_ends_by_itself_and_its_parameters_repeat_it(solver: Any) -> None:
    layout = quadratic(30, 8)
    plan = solver.plan(layout, 77)
    stages = run_plan(plan, layout)
    assert plan.converged
    stage, chains = min(stages, key=lambda s: s[1].lowest)
    target = solver.target.replace("-parameterfree", "")
    again = parse(target, {k: str(v) if "1qbit" in target else v for k, v in plan.parameters(stage).items()})
    (repeated,) = run_plan(again.plan(layout, 77), layout)
    np.testing.assert_array_equal(repeated[1].best_bits(), chains.best_bits())
    assert repeated[1].lowest == chains.lowest


def test_a_search_until_a_cutoff_counts_from_the_last_improvement() -> None:
    layout = quadratic(60, 9)
    plan = TabuSearch(improvement_cutoff=100).plan(layout, 1)
    ((stage, chains),) = run_plan(plan, layout)
    assert chains.reached > 0
    assert stage.sweeps == chains.sweeps == chains.reached + 100
    coarse = TabuSearch(improvement_cutoff=100, improvement_tolerance=1e9).plan(layout, 1)
    assert run_plan(coarse, layout)[0][0].sweeps == chains_after(layout, 100).reached + 100


def chains_after(layout: Layout, sweeps: int) -> Ensemble:
    """What `TabuSearch` has after so many moves, seed 1."""
    chains = Ensemble(layout, replace(TabuSearch(improvement_cutoff=100).plan(layout, 1).first(), sweeps=sweeps))
    advance([chains], [sweeps])
    return chains


@pytest.mark.parametrize(
    "made",
    [instances.planted_tiles(12, 1), instances.planted_xorsat(32, 1), instances.planted_xorsat(48, 1)],
    ids=lambda made: str(made.name),
)
@pytest.mark.parametrize("target", [FREE, SEARCH])
def test_planted_optima_are_found(made: instances.Instance, target: str) -> None:
    (result,) = solve(CpuEngine(), made.problem(), target=target, seed=3, timeout=10**6)  # never up
    assert result.cost == made.optimum
    assert result.report.stop_reason is StopReason.CONVERGED


def test_defaults_and_what_is_echoed() -> None:
    layout = quadratic(100, 1, 0.2)
    stage = parse(TABU, {"seed": 2}).plan(layout, 2).first()
    assert (stage.chains, stage.sweeps, stage.move) == (72, 10_000, TabuMove(20, 10))
    assert parse(TABU, {"seed": 2}).plan(layout, 2).parameters(stage) == {
        "restarts": 72,
        "seed": 2,
        "sweeps": 10_000,
        "tabu_tenure": 20,
        "tabu_tenure_rand_max": 10,
    }
    plan = parse(TABU, {"seed": 2, "step_limit": 7, "tabu_tenure": 0, "restarts": 3}).plan(layout, 2)
    assert plan.first().move == TabuMove(0, 0)
    assert plan.parameters(plan.first()) == {"restarts": 3, "seed": 2, "step_limit": 7, "tabu_tenure": 0}
    assert quadratic(9, 1).num_variables == 9
    assert parse(TABU, {}).plan(quadratic(9, 1), 2).first().move == TabuMove(2, 1)


def test_text_of_1qbit_is_read() -> None:
    given = {
        "improvement_cutoff": "5",
        "improvement_tolerance": "0.001",
        "seed": "4",
        "tabu_tenure": "6",
        "timeout": "250",
    }
    solver = parse(SEARCH, given)
    assert solver == TabuSearch(improvement_cutoff=5, improvement_tolerance=1e-3, seed=4, tabu_tenure=6, timeout=0.25)
    assert {name: str(value) for name, value in solver.parameters().items()} == given
    assert parse(SEARCH, {"timeout": "0"}).timeout is None


@pytest.mark.parametrize(
    ("target", "params", "named"),
    [
        (TABU, {"sweeps": 0}, "sweeps"),
        (TABU, {"tabu_tenure": -1}, "tabu_tenure"),
        (TABU, {"tabu_tenure": 1.5}, "tabu_tenure"),
        (TABU, {"tabu_tenure_rand_max": 10**9}, "tabu_tenure_rand_max"),
        (TABU, {"restarts": 0}, "restarts"),
        (FREE, {"timeout": -2}, "timeout"),
        (SEARCH, {"improvement_cutoff": "-3"}, "improvement_cutoff"),
        (SEARCH, {"improvement_cutoff": "many"}, "improvement_cutoff"),
        (SEARCH, {"improvement_tolerance": "-0.5"}, "improvement_tolerance"),
        (SEARCH, {"improvement_tolerance": "1e999"}, "improvement_tolerance"),
        (SEARCH, {"tabu_tenure": "200001"}, "tabu_tenure"),
        (SEARCH, {"timeout": "-1"}, "timeout"),
        (SEARCH, {"seed": "[" * 1000}, "seed"),
    ],
)
def test_refusals_name_the_parameter_and_its_value(target: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(target, params)
    assert caught.value.field == named
    assert caught.value.code == "AZQ107"
    assert str(params[named]).replace("1e999", "inf") in str(caught.value)
