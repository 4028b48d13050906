"""Path relinking: states between two others, the reference set, and what comes of them."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import instances
from gpuqio.engines.reference.outcome import energies
from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import PathRelinking, parse
from gpuqio.solvers.base import Trial
from gpuqio.solvers.paths import best_on_paths
from gpuqio.solvers.stage import Stage
from tests.strategies import packed, problems
from tests.test_cuda_engine import agree, dense, klocal
from tests.test_cuda_engine import cupy as cupy
from tests.test_cuda_engine import engine as engine
from tests.test_solvers import run_plan

TARGET = "1qbit.pathrelinking"
Bits = npt.NDArray[np.uint8]


def energy(layout: Layout, state: Bits) -> int:
    return int(energies(layout, state[None].astype(np.int64))[0])


def plain(layout: Layout, start: Bits, guide: Bits, apart: float, greedy: bool, ranks: npt.NDArray[np.int64]) -> Bits:
    """One path, state by state, every energy computed afresh."""
    left = np.flatnonzero(start != guide).tolist()
    distance = len(left)
    nearest = min(max(1, math.ceil(apart * distance)), distance // 2)
    state, seen = start.copy(), []

    def after(v: int) -> int:
        flipped = state.copy()
        flipped[v] ^= 1
        return energy(layout, flipped)

    for step in range(1, distance - nearest + 1):
        v = min(left, key=lambda v: ((after(v) if greedy else 0), ranks[v]))
        left.remove(v)
        state[v] ^= 1
        if step >= nearest:
            seen.append((energy(layout, state), step, state.copy()))
    return min(seen, key=lambda found: found[:2])[2]


@settings(max_examples=60)
@given(problem=problems(), data=st.data())
def test_paths_are_those_of_plain_loops(problem: Problem, data: st.DataObject) -> None:
    layout = packed(problem, dense=data.draw(st.booleans()))
    n = layout.num_variables
    if n < 2:
        return
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    starts = random.integers(0, 2, (5, n), np.uint8)
    guides = starts.copy()
    for guide in guides:
        guide[random.choice(n, int(random.integers(2, n + 1)), replace=False)] ^= 1
    ranks = np.stack([random.permutation(n) for _ in starts])
    apart, greedy = data.draw(st.floats(0, 0.5)), data.draw(st.booleans())
    found = best_on_paths(layout, starts, guides, apart, greedy, ranks)
    for start, guide, rank, state in zip(starts, guides, ranks, found, strict=True):
        np.testing.assert_array_equal(state, plain(layout, start, guide, apart, greedy, rank))


@pytest.mark.parametrize("apart", [0.0, 0.33, 0.5])
def test_a_state_on_a_path_is_as_far_from_its_ends_as_asked(apart: float) -> None:
    random = np.random.default_rng(3)
    layout = pack(dense(40), windows=False)
    starts, guides = random.integers(0, 2, (2, 20, 40), np.uint8)
    found = best_on_paths(layout, starts, guides, apart, True, random.integers(0, 99, (20, 40)))
    distance, first, second = ((a != b).sum(axis=1) for a, b in ((starts, guides), (starts, found), (found, guides)))
    np.testing.assert_array_equal(first + second, distance)
    assert (np.minimum(first, second) >= np.minimum(np.maximum(np.ceil(apart * distance), 1), distance // 2)).all()


def trial(stage: Stage, energies: list[int], states: list[list[int]]) -> Trial:
    rows = np.array(states, np.uint8)
    none = np.zeros(0, np.int64)
    return Trial(stage, min(energies), 0, none, none, np.array(energies, np.int64), lambda: rows)


def test_the_set_keeps_the_best_distinct_states_and_tries_every_pair_both_ways() -> None:
    """Four states for a set of three, one of them twice: the pairs of the best three are walked, two paths each."""
    layout = pack(dense(4), windows=False)
    plan = PathRelinking(ref_set_count=3, distance_scale=0.5).plan(layout, 1)
    states = [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]]
    stage = plan.after(trial(plan.first(), [-5, -4, -3, -5, 9], states))
    assert stage is not None
    assert stage.initial is not None
    kept = [np.array(states[i], np.uint8) for i in (0, 1, 2)]
    pairs = list(combinations(kept, 2))
    assert stage.initial.shape == (stage.chains, 4) == (6, 4)
    for (a, b), there, back in zip(pairs, stage.initial[:3], stage.initial[3:], strict=True):
        for state in (there, back):
            assert (a != state).sum() + (state != b).sum() == (a != b).sum()
            assert (a != state).any()
            assert (b != state).any()


def test_the_search_ends_when_four_sets_built_anew_gain_nothing() -> None:
    layout = pack(dense(2), windows=False)
    plan = PathRelinking().plan(layout, 1)
    stage: Stage | None = plan.first()
    seeds, fresh = set(), 0
    while stage is not None:
        seeds.add(stage.seed)
        fresh += stage.initial is None
        stage = plan.after(trial(stage, [-1], [[0, 1]]))
    assert plan.converged
    assert fresh == 5
    assert len(seeds) == fresh


@pytest.mark.parametrize("greedy", [False, True])
def test_planted_optima_are_found(greedy: bool) -> None:
    for made in (instances.planted_tiles(12, 1), instances.planted_xorsat(48, 1)):
        layout = pack(made.problem(), windows=False)
        stages = run_plan(PathRelinking(greedy_path_relinking=greedy).plan(layout, 5), layout)
        lowest = min(chains.lowest for _, chains in stages)
        assert lowest * layout.fixed.unit + layout.problem.constant == made.optimum


def test_the_same_seed_gives_the_same_stages_and_what_is_echoed_repeats_them() -> None:
    layout = pack(dense(20), windows=False)
    plan = parse(TARGET, {"greedy_path_relinking": "True", "seed": "8"}).plan(layout, 8)
    stages = run_plan(plan, layout)
    echoed = plan.parameters(stages[0][0])
    assert echoed == {"distance_scale": 0.33, "greedy_path_relinking": True, "ref_set_count": 10, "seed": 8}
    again = run_plan(parse(TARGET, {k: str(v) for k, v in echoed.items()}).plan(layout, 8), layout)
    assert len(stages) == len(again) > 2
    for (_, a), (_, b) in zip(stages, again, strict=True):
        np.testing.assert_array_equal(a.best_bits(), b.best_bits())
    other = run_plan(PathRelinking().plan(layout, 9), layout)
    assert other[0][1].best_bits().tolist() != stages[0][1].best_bits().tolist()


@pytest.mark.emulator
@pytest.mark.slow
def test_the_cuda_engine_has_the_results_of_the_cpu(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuqio.solvers.path_relinking.Relinking.PATIENCE", 0)
    problems = [dense(9), klocal(11), klocal(12, kind=ProblemType.pubo)]
    assert agree(engine, *problems, target=TARGET, seed=6, ref_set_count=4)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"distance_scale": "0.6"}, "distance_scale"),
        ({"distance_scale": "-0.1"}, "distance_scale"),
        ({"distance_scale": "near"}, "distance_scale"),
        ({"greedy_path_relinking": "perhaps"}, "greedy_path_relinking"),
        ({"greedy_path_relinking": "1"}, "greedy_path_relinking"),
        ({"ref_set_count": "1"}, "ref_set_count"),
        ({"ref_set_count": "2.5"}, "ref_set_count"),
        ({"timeout": "0.5"}, "timeout"),
    ],
)
def test_refusals_name_the_parameter_and_its_value(params: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(TARGET, params)
    assert caught.value.field == named
    assert params[named] in str(caught.value)
