"""The trajectory contract: every engine walks the reference's path, bit for bit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble, advance, instruction_sets, library
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers.stage import Stage
from tests.strategies import problems

BUILDS = instruction_sets()


def run_native(
    layout: Layout, stage: Stage, slices: list[int], build: str, initial: npt.NDArray[np.uint8] | None = None
) -> Ensemble:
    chains = Ensemble(layout, stage, initial, lib=library(build))
    for sweeps in [*slices, stage.sweeps]:
        advance([chains], [sweeps])
    return chains


def assert_same(expected: reference.Outcome, chains: Ensemble) -> None:
    np.testing.assert_array_equal(chains.bits(), expected.bits)
    np.testing.assert_array_equal(chains.best_bits(), expected.best_bits)
    np.testing.assert_array_equal(chains.energies, expected.energies)
    np.testing.assert_array_equal(chains.best_energies, expected.best_energies)
    np.testing.assert_array_equal(chains.swaps, expected.swaps)
    np.testing.assert_array_equal(chains.log, expected.log)
    assert chains.flips == expected.flips
    assert chains.sweeps == expected.sweeps
    assert chains.lowest == expected.best_energies.min()


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    seed, sweeps = draw(st.integers(0, 2**63 - 1)), draw(st.integers(1, 6))
    if draw(st.booleans()):
        rungs, ladders = draw(st.integers(2, 7)), draw(st.integers(1, 6))
        betas = np.sort(draw(st.lists(st.floats(0, 3), min_size=rungs, max_size=rungs)))
        return Stage(rungs * ladders, sweeps, np.array(betas), True, seed)
    return Stage(draw(st.integers(1, 40)), sweeps, np.linspace(0, 2, sweeps), False, seed)


@pytest.mark.parametrize("dense", [True, False])
@settings(max_examples=60)
@given(problem=problems(), stage=stages(), slices=st.lists(st.integers(1, 3), max_size=3), data=st.data())
def test_native_equals_reference(
    dense: bool, problem: Problem, stage: Stage, slices: list[int], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:  # quadratic problems this small are mostly sparse by choice
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0 if dense else 1e9)
        layout = pack(problem)
    if layout.num_variables == 0:
        return
    bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
    first = data.draw(st.none() | bits)
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


def quadratic(n: int, seed: int, share: float, integers: bool) -> Problem:
    random = np.random.default_rng(seed)
    matrix = random.integers(-9, 10, (n, n)) if integers else random.normal(size=(n, n))
    matrix = np.triu(matrix * (random.random((n, n)) < share), 1)
    return Problem.from_arrays(matrix, random.integers(-3, 4, n), problem_type=ProblemType.ising)


@pytest.mark.parametrize("integers", [True, False])
@pytest.mark.parametrize(
    ("n", "share", "strategy"),
    [
        (31, 1.0, Strategy.WINDOW),
        (33, 1.0, Strategy.WINDOW),
        (64, 0.8, Strategy.WINDOW),
        (67, 1.0, Strategy.WINDOW),
        (31, 0.5, Strategy.LANE_NEIGHBOUR),
        (97, 1.0, Strategy.WINDOW),
        (135, 1.0, Strategy.WINDOW),
        (70, 0.05, Strategy.LANE_NEIGHBOUR),
        (139, 0.02, Strategy.LANE_NEIGHBOUR),
    ],
)
def test_sizes_beyond_a_word(n: int, share: float, strategy: Strategy, integers: bool) -> None:
    layout = pack(quadratic(n, n, share, integers))
    assert layout.strategy is strategy
    for stage in (
        Stage(7, 2, np.array([0.3, 1.0]), False, 5),
        Stage(10, 2, np.linspace(0.05, 1.0, 5), True, 6),
    ):
        expected = reference.run(layout, stage)
        for build in BUILDS:
            assert_same(expected, run_native(layout, stage, [1], build))


@pytest.mark.parametrize("n", [1, 32, 50, 67, 97, 130])
def test_a_crowd_of_chains_walks_by_blocks(n: int) -> None:
    # The CPU's way from 16 chains on, cuda/cpu/blocks.cuh; a panel has 128 chains. Ties are frequent.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1e9)
        layout = pack(quadratic(n, n, 1.0, True))
    assert layout.strategy is Strategy.WINDOW
    for stage in (
        Stage(16, 2, np.array([0.05, 0.2]), False, 1),
        Stage(131, 1, np.array([0.1]), False, 2),
        Stage(21, 2, np.linspace(0.02, 0.5, 7), True, 3),
    ):
        expected = reference.run(layout, stage)
        for build in BUILDS:
            assert_same(expected, run_native(layout, stage, [1], build))


def test_a_goal_stops_both_at_the_same_sweep() -> None:
    layout = pack(quadratic(20, 3, 1.0, True))
    stage = Stage(8, 50, np.geomspace(0.01, 1, 8), True, 1)
    best = reference.run(layout, stage).best_energies.min()
    expected = reference.run(layout, stage, goal=int(best) + 5)
    assert expected.sweeps < stage.sweeps
    chains = Ensemble(layout, stage, None, int(best) + 5)
    advance([chains], [1000])
    assert_same(expected, chains)
    assert chains.reached_goal
    assert chains.finished
    assert chains.reached == chains.sweeps


def test_extending_a_ladder_is_a_longer_run() -> None:
    layout = pack(quadratic(24, 4, 1.0, False))
    short = Stage(6, 3, np.linspace(0.1, 1, 6), True, 9)
    long = Stage(6, 8, short.betas, True, 9)
    extended = Ensemble(layout, short)
    advance([extended], [100])
    assert extended.finished
    extended.extend(long)
    advance([extended], [100])
    assert_same(reference.run(layout, long), extended)
