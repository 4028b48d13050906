"""Rounds: problems cut into parts and blocks of many warps leave every result as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.cuda import CudaEngine
from gpuqio.engines.cuda_chains import CudaChains
from gpuqio.engines.cuda_round import Part, Round, arranged, merged
from gpuqio.engines.kernels import Launch, advance_launch
from gpuqio.pack import pack
from gpuqio.problem import Problem
from gpuqio.solvers import parse
from gpuqio.solvers.stage import Stage
from tests.stand_in_cupy import StandIn, installed
from tests.test_cuda_engine import GO, PT, SA, agree, dense, klocal, ring, same, solve

SHARED = 99 * 1024


def ladders(problem: Problem, rungs: int, count: int, goal: int | None = None) -> CudaChains:
    return CudaChains(pack(problem), Stage(rungs * count, 9, np.geomspace(0.1, 1, rungs), True, 1), goal=goal)


def restarts(problem: Problem, count: int) -> CudaChains:
    return CudaChains(pack(problem), Stage(count, 9, np.linspace(0.1, 1, 9), False, 1))


def arrange(*chains: CudaChains, multiprocessors: int = 10, warps_held: int = 16) -> Round:
    def held(launch: Launch) -> int:
        return min(32 * warps_held // launch.threads, 100 * 1024 // (launch.shared_bytes + 1024))

    def variant(each: CudaChains) -> Launch:
        return advance_launch(each.layout, each.stage.chains, SHARED)

    return arranged(chains, variant, multiprocessors, held)


def spelt(of: Round) -> list[str]:
    """Each group as ``kernel/threads: problem[first:end] ...``."""
    return [
        f"{g.launch.name}/{g.launch.threads}: "
        + " ".join(f"{p.problem}[{p.first}:{p.first + p.chains}]" for p in g.parts)
        for g in of.groups
    ]


DENSE, SPARSE, NEAR, SMALL = dense(250, scale=900), ring(4500), ring(50), dense(40)


def test_a_lone_problem_is_cut_between_ladders() -> None:
    assert spelt(arrange(ladders(DENSE, 12, 3))) == ["window_8/256: 0[0:12] 0[12:24] 0[24:36]"]
    assert spelt(arrange(ladders(DENSE, 12, 3), multiprocessors=2)) == ["window_8/512: 0[0:12] 0[12:36]"]
    assert spelt(arrange(ladders(DENSE, 12, 1))) == ["window_8/256: 0[0:12]"]


def test_where_a_lane_is_a_chain_parts_have_whole_warps() -> None:
    assert spelt(arrange(ladders(SPARSE, 24, 6))) == ["lane_neighbour/128: 0[0:96] 0[96:144]"]
    assert spelt(arrange(restarts(SPARSE, 70))) == ["lane_neighbour/128: 0[0:32] 0[32:64] 0[64:70]"]
    assert spelt(arrange(restarts(NEAR, 140))) == ["near_neighbour_2/32: 0[0:64] 0[64:128] 0[128:140]"]
    assert spelt(arrange(restarts(SMALL, 70))) == ["planes_2/32: 0[0:32] 0[32:64] 0[64:70]"]


def test_the_parts_of_several_problems_share_the_device() -> None:
    assert spelt(arrange(restarts(DENSE, 8), restarts(DENSE, 8), restarts(SPARSE, 64), multiprocessors=4)) == [
        "lane_neighbour/128: 2[0:32] 2[32:64]",
        "window_8/128: 0[0:4] 0[4:8] 1[0:4] 1[4:8]",
    ]
    many = [restarts(DENSE, 8)] * 6
    assert all(part.chains == 8 for group in arrange(*many).groups for part in group.parts)


def test_a_goal_keeps_a_problem_whole() -> None:
    assert spelt(arrange(ladders(DENSE, 12, 3, goal=-5))) == ["window_8/512: 0[0:36]"]


def test_blocks_grow_where_memory_allows_few_or_problems_are_few() -> None:
    lone = ladders(DENSE, 36, 1)
    assert spelt(arrange(lone, multiprocessors=1)) == ["window_8/512: 0[0:36]"]
    assert spelt(arrange(lone, multiprocessors=1, warps_held=8)) == ["window_8/256: 0[0:36]"]
    crowd = arrange(*[lone] * 400)
    assert crowd.groups[0].launch.threads == 128
    # A matrix of 96 KiB, of which a multiprocessor holds one: only a larger block brings more warps to it.
    wide = arrange(*[ladders(dense(220, scale=900), 36, 1)] * 40)
    assert wide.groups[0].launch == Launch("window_7", 512, 220 * 224 * 2)
    few = arrange(*[ladders(dense(220, scale=900), 6, 1)] * 40)
    assert few.groups[0].launch.threads == 128


def test_time_counts_blocks_side_by_side_and_kernels_one_after_another() -> None:
    lone = ladders(DENSE, 36, 1)
    assert arrange(lone).time([8.0]) == 8.0 / 4
    assert arrange(restarts(DENSE, 40)).time([8.0]) == 8.0 / 10
    crowd = arrange(*[lone] * 80, multiprocessors=10)
    assert crowd.time([1.0] * 80) == 2.0
    assert crowd.time([5.0] + [0.0] * 79) == 5.0
    both = arrange(lone, restarts(SPARSE, 16))
    assert both.time([8.0, 3.0]) == 8.0 / 4 + 3.0 * 4


@given(
    rungs=st.integers(0, 70),
    count=st.integers(1, 200),
    multiprocessors=st.integers(1, 200),
    problem=st.sampled_from([DENSE, SPARSE, NEAR, SMALL]),
)
def test_parts_are_whole_and_in_order(rungs: int, count: int, multiprocessors: int, problem: Problem) -> None:
    chains = ladders(problem, rungs, count) if rungs else restarts(problem, count)
    (group,) = arrange(chains, multiprocessors=multiprocessors).groups
    assert len(group.parts) <= multiprocessors
    end = 0
    for _, first, size in group.parts:
        assert (first, size > 0) == (end, True)
        assert first % (rungs or 1) == size % (rungs or 1) == 0
        assert group.launch.name.startswith("window") or first % 32 == 0
        end += size
    assert end == chains.stage.chains
    sizes = [part.chains for part in group.parts]
    assert max(sizes[:-1], default=0) - min(sizes[:-1], default=0) <= max(64 * rungs, 64)


def test_parts_tell_of_the_whole_together() -> None:
    whole = ladders(DENSE, 12, 3).record
    parts = [Part(0, first, 12).of(whole) for first in (0, 12, 24)]
    for part, flips, lowest, reached in zip(parts, (1, 2, 4), (-5, -9, -9), (3, 8, 6), strict=True):
        part.flips, part.lowest, part.reached, part.sweep = flips, lowest, reached, 9
    found = merged(parts)
    assert (found.first_chain, found.chains, found.sweep) == (0, 36, 9)
    assert (found.flips, found.lowest, found.reached) == (7, -9, 6)


def test_a_part_is_a_descriptor_of_its_own() -> None:
    chains = ladders(DENSE, 12, 3)
    chains.record.flips, chains.record.lowest = 7, -3
    parts = [Part(0, first, 12).of(chains.record) for first in (0, 12, 24)]
    assert [(p.first_chain, p.chains, p.flips, p.lowest) for p in parts] == [
        (0, 12, 7, -3),
        (12, 12, 0, -3),
        (24, 12, 0, -3),
    ]
    assert chains.record.chains == 36


CUT: dict[str, tuple[Problem, str, dict[str, int]]] = {
    "planes": (dense(40), SA, {"restarts": 70}),
    "window ladders": (dense(70, scale=10**6), PT, {"replicas": 4, "restarts": 4}),
    "window restarts": (dense(100, scale=10**6), SA, {"restarts": 9}),
    "memory": (dense(260), SA, {"restarts": 3}),
    "sparse": (ring(30), SA, {"restarts": 70}),
    "sparse ladders": (ring(20), PT, {"replicas": 16, "restarts": 6}),
    "parity": (klocal(20), SA, {"restarts": 70}),
}


@pytest.mark.emulator
@pytest.mark.parametrize("name", CUT)
def test_a_problem_in_parts_has_the_results_of_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, target, params = CUT[name]
    cupy = installed(monkeypatch, StandIn(multiprocessors=3))
    engine = CudaEngine()
    given: dict[str, Any] = {"target": target, "sweeps": 5, "seed": 3, "number_of_solutions": 3, **params}
    assert agree(engine, problem, seconds=1e-9, **given)
    assert agree(engine, problem, seconds=9.0, **given)
    assert {blocks for blocks, _ in cupy.shapes} == {2 if name in ("sparse", "sparse ladders", "parity") else 3}


@pytest.mark.emulator
def test_parts_may_change_from_round_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone in three parts, beside others in one, then alone again."""
    cupy = installed(monkeypatch, StandIn(multiprocessors=3))
    engine = CudaEngine()
    solver = parse(PT, {"sweeps": 6, "seed": 3, "replicas": 4, "restarts": 3})
    lone = engine.start(Work((dense(70, scale=10**6),), solver))
    others = engine.start(Work((dense(71, scale=10**6), dense(72, scale=10**6)), solver))
    for runs in ([lone], [lone, others], [lone], [others, lone]):
        engine.advance(runs, 1e-9, GO)
    while not lone.finished:
        engine.advance([lone], 9.0, GO)
    parts, wholes = (3, 128), (3, 256)
    assert cupy.shapes[:6] == [(3, 128), parts, (2, 128), wholes, parts, wholes]
    expected = solve(CpuEngine(), dense(70, scale=10**6), sweeps=6, seed=3, replicas=4, restarts=3)
    assert same(engine.outcome(lone, None)[0], expected[0])


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("name", CUT)
def test_parts_do_not_race(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, target, params = CUT[name]
    installed(monkeypatch, StandIn(multiprocessors=3, mode="race"))
    assert agree(CudaEngine(), problem, target=target, sweeps=2, seed=3, **params)
