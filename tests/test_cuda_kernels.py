"""Emulated CUDA equals the CPU and the reference, bit for bit, for each entry; and is clean under the checkers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.engines import kernels
from gpuqio.engines.native import Ensemble
from gpuqio.engines.native import advance as advance_native
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers.adaptive_steps import AdaptiveReweighting, Pace
from gpuqio.solvers.population_annealing import Reweighting
from gpuqio.solvers.schedules import Range
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.substochastic_monte_carlo import Walking
from tests.emulated import Job, advance, descriptor, launch_of, start
from tests.emulator import Memory, RawModule
from tests.strategies import grouped_problems, problems

pytestmark = pytest.mark.emulator


@cache
def module(mode: str) -> RawModule:
    return RawModule(kernels.source(), kernels.OPTIONS, mode=mode)


def quadratic(n: int, seed: int, largest: int = 9, share: float = 1.0) -> Layout:
    random = np.random.default_rng(seed)
    matrix = np.triu(random.integers(-largest, largest + 1, (n, n)) * (random.random((n, n)) < share), 1)
    return pack(Problem.from_arrays(matrix, random.integers(-3, 4, n), problem_type=ProblemType.ising))


def integers(n: int, share: float, largest: int) -> Layout:
    random = np.random.default_rng(n)
    matrix = np.triu(random.integers(1, largest + 1, (n, n)) * random.choice([-1, 1], (n, n)), 1)
    matrix *= random.random((n, n)) < share
    return pack(Problem.from_arrays(matrix, random.integers(0, 2, n), problem_type=ProblemType.ising), bits=True)


def klocal(n: int, seed: int, kind: ProblemType) -> Layout:
    random = np.random.default_rng(seed)
    problem = Problem("k-local", problem_type=kind)
    for _ in range(2 * n):
        members = random.choice(n, int(random.integers(1, 5)), replace=False)
        problem.add_term(c=int(random.integers(-3, 4)), indices=members.tolist())
    return pack(problem)


def grouped(n: int, seed: int, kind: ProblemType) -> Layout:
    """Terms of up to three variables, and sums whose squares take 50 bits."""
    random = np.random.default_rng(seed)
    problem = Problem("grouped", problem_type=kind)
    for _ in range(n):
        members = random.choice(n, int(random.integers(1, 4)), replace=False)
        problem.add_term(c=int(random.integers(-3, 4)), indices=members.tolist())
    for size in (n, n // 2, 3, 1):
        members = random.choice(n, size, replace=False).tolist()
        weights = random.integers(-(2**20), 2**20, size).tolist()
        problem.add_slc_term([*zip(weights, members, strict=True), (int(random.integers(-9, 9)), None)], 3)
    return pack(problem)


def ladder(rungs: int, ladders: int, sweeps: int = 4) -> Stage:
    return Stage(rungs * ladders, sweeps, np.geomspace(0.02, 1, rungs), True, 11)


def anneal(chains: int, sweeps: int = 4) -> Stage:
    return Stage(chains, sweeps, np.linspace(0.01, 1, sweeps), False, 12)


def population(chains: int, sweeps: int = 4, coldest: float = 0.3) -> Stage:
    betas = np.linspace(0, coldest, sweeps)
    return Stage(chains, sweeps, betas, False, 13, move=Reweighting())


def adaptive(chains: int, pace: Pace, constant: float, coldest: float = 0.3, each: int = 1) -> Stage:
    """Steps of `each` sweeps from beta 0 to `coldest`, four in all."""
    betas = np.repeat([0, coldest, coldest, coldest], each)
    return Stage(chains, 4 * each, betas, False, 15, move=AdaptiveReweighting(pace, constant, each))


def walk(chains: int, sweeps: int = 4) -> Stage:
    move = Walking(3, Range("linear", 1, 0.1))
    return Stage(chains, sweeps, np.linspace(0, 9, sweeps), False, 14, move=move)


def run(mode: str, jobs: list[Job], slices: list[int], most_shared: int = 99 * 1024, **how: Any) -> list[Any]:
    memory = Memory()
    table = start(module(mode), memory, jobs, **how)
    for sweeps in slices:
        advance(module(mode), memory, jobs, table, sweeps, most_shared, **how)
    return [descriptor(table, i) for i in range(len(jobs))]


def assert_same(job: Job, found: Any) -> None:
    chains = Ensemble(job.layout, job.stage, job.initial, job.goal)
    advance_native([chains], [found.sweep])
    np.testing.assert_array_equal(job.bits("spins"), chains.bits())
    np.testing.assert_array_equal(job.bits("best_spins"), chains.best_bits())
    np.testing.assert_array_equal(job.arrays["energy"][: job.stage.chains], chains.energies)
    np.testing.assert_array_equal(job.arrays["best_energy"][: job.stage.chains], chains.best_energies)
    np.testing.assert_array_equal(job.arrays["swaps"], chains.swaps)
    np.testing.assert_array_equal(job.arrays["chain_at"], chains.chain_at)
    np.testing.assert_array_equal(job.arrays["log"], chains.log)
    assert (found.flips, found.lowest, found.reached) == (chains.flips, chains.lowest, chains.reached)


# Every entry: (layout, stage, shared memory of a block); together they take each kernel name once.
CASES: dict[str, tuple[Layout, Stage, int]] = {
    "planes_1": (quadratic(29, 1), ladder(8, 3), 99 * 1024),
    "planes_1 odd": (quadratic(32, 1), anneal(13), 99 * 1024),
    "planes_2": (quadratic(57, 2, 3000), ladder(16, 2), 99 * 1024),
    "planes_2 wide": (quadratic(64, 2, 10**6), anneal(70), 99 * 1024),
    "planes_1 widest": (quadratic(26, 2, 4 * 10**6), anneal(150, 2), 99 * 1024),
    "planes_4": (quadratic(67, 14), ladder(6, 3, 2), 99 * 1024),
    "planes_4 wide": (quadratic(124, 15, 10**5), anneal(27, 2), 99 * 1024),
    "planes_8": (quadratic(131, 16), ladder(4, 4, 2), 99 * 1024),
    "planes_8 wide": (quadratic(130, 17, 3000), ladder(12, 2, 2), 99 * 1024),
    "window_1": (quadratic(32, 3), anneal(3, 2), 99 * 1024),
    "window_1 far": (quadratic(31, 3), anneal(21, 2), 0),
    "window_2": (quadratic(63, 3), anneal(9), 1024),
    "window_3": (quadratic(96, 4), ladder(4, 2), 99 * 1024),
    "window_4": (quadratic(99, 5, 200), ladder(4, 2), 99 * 1024),
    "window_5": (quadratic(150, 6), anneal(4, 2), 99 * 1024),
    "window_6": (quadratic(170, 7, 10**6), anneal(4, 2), 99 * 1024),
    "window_7": (quadratic(222, 8), anneal(4, 2), 99 * 1024),
    "window_8": (quadratic(256, 9), ladder(3, 2, 2), 99 * 1024),
    "window": (quadratic(261, 10), anneal(3, 2), 1024),
    "lane_neighbour": (quadratic(75, 11, share=0.05), ladder(8, 5), 1024),
    "near_neighbour_1": (quadratic(75, 11, share=0.05), ladder(8, 4), 99 * 1024),
    "near_neighbour_2": (quadratic(75, 11, share=0.05), anneal(300), 99 * 1024),
    "lane_parity": (klocal(20, 12, ProblemType.ising), ladder(7, 5), 1024),
    "near_parity_1": (klocal(20, 12, ProblemType.ising), ladder(7, 5), 3 * 1024),
    "near_parity_2": (klocal(21, 12, ProblemType.ising), ladder(7, 10), 99 * 1024),
    "lane_product": (klocal(20, 13, ProblemType.pubo), anneal(40), 1024),
    "near_product_1": (klocal(16, 13, ProblemType.pubo), anneal(16), 99 * 1024),
    "near_product_2": (klocal(20, 13, ProblemType.pubo), ladder(30, 3), 99 * 1024),
    "lane_grouped": (grouped(20, 14, ProblemType.ising), ladder(7, 5), 99 * 1024),
    "lane_grouped bits": (grouped(21, 15, ProblemType.pubo), anneal(40), 99 * 1024),
    "bitsliced_2": (integers(40, 0.05, 1), anneal(300), 99 * 1024),
    "bitsliced_3": (integers(40, 0.2, 1), anneal(33, 3), 99 * 1024),
    "bitsliced_6": (integers(30, 0.3, 7), anneal(70, 3), 99 * 1024),
    "bitsliced_9": (integers(31, 0.8, 7), anneal(1100, 2), 99 * 1024),
    "population_window": (quadratic(70, 14), population(45), 99 * 1024),
    "population_neighbour": (quadratic(75, 15, share=0.05), population(130), 99 * 1024),
    "population_parity": (klocal(40, 16, ProblemType.ising), population(33), 99 * 1024),
    "population_product": (klocal(20, 17, ProblemType.pubo), population(70), 99 * 1024),
    "population_grouped": (grouped(22, 16, ProblemType.ising), population(45, coldest=1e-13), 99 * 1024),
    "population_grouped bits": (grouped(20, 17, ProblemType.pubo), population(130), 99 * 1024),
    "adaptive_window": (quadratic(70, 14), adaptive(45, Pace.CULLING, 0.2), 99 * 1024),
    "adaptive_neighbour": (quadratic(75, 15, share=0.05), adaptive(130, Pace.FRICTION, 0.3), 99 * 1024),
    "adaptive_parity": (klocal(40, 16, ProblemType.ising), adaptive(33, Pace.VARIANCE, 0.5), 99 * 1024),
    "adaptive_product": (klocal(20, 17, ProblemType.pubo), adaptive(70, Pace.FRICTION, 0.3, each=2), 99 * 1024),
    "adaptive_grouped": (grouped(22, 16, ProblemType.ising), adaptive(45, Pace.FRICTION, 1, 1e-13), 99 * 1024),
    "adaptive_grouped bits": (grouped(20, 17, ProblemType.pubo), adaptive(130, Pace.CULLING, 0.1), 99 * 1024),
    "walk_window": (quadratic(70, 23), walk(130), 99 * 1024),
    "walk_window wide": (quadratic(96, 24, 10**5), walk(33), 99 * 1024),
    "walk_neighbour": (quadratic(75, 18, share=0.05), walk(130), 99 * 1024),
    "walk_parity": (klocal(40, 19, ProblemType.ising), walk(33), 99 * 1024),
    "walk_product": (klocal(20, 20, ProblemType.pubo), walk(70), 99 * 1024),
    "walk_grouped": (grouped(20, 21, ProblemType.ising), walk(70), 99 * 1024),
    "walk_grouped bits": (grouped(23, 22, ProblemType.pubo), walk(33), 99 * 1024),
}


def test_the_cases_take_every_entry_that_sweeps() -> None:
    import re

    entries = set(re.findall(r"^GQ_(?:ADVANCE|NEAR|PLANES|MOVE)\((\w+)", kernels.source(), re.MULTILINE))
    taken = {n: launch_of(Job(la, s), m).name for n, (la, s, m) in CASES.items()}
    entries |= {f"bitsliced_{bits}" for bits in re.findall(r"^GQ_BITSLICED\((\d)", kernels.source(), re.MULTILINE)}
    elsewhere = ("bifurcation", "cluster", "exhaustive", "path", "tabu")  # in files of their own
    assert set(taken.values()) == {name for name in entries if not name.startswith(elsewhere)}
    assert all(name.split()[0] == launched for name, launched in taken.items())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", ["forward", "random"])
def test_each_entry_walks_the_cpus_path(name: str, order: str) -> None:
    layout, stage, most_shared = CASES[name]
    given = np.random.default_rng(4).integers(0, 2, layout.num_variables, np.uint8)
    job = Job(layout, stage, given if order == "random" else None)
    (found,) = run("fast", [job], [1, 100], most_shared, order=order, seed=3)
    assert found.sweep == stage.sweeps
    assert_same(job, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_each_entry_is_free_of_races(name: str) -> None:
    layout, stage, most_shared = CASES[name]
    short = replace(stage, sweeps=2, betas=stage.betas if stage.exchange else stage.betas[[0, -1]])
    job = Job(layout, short)
    (found,) = run("race", [job], [2], most_shared, order="random", seed=5, preempt=50)
    assert_same(job, found)


@pytest.mark.parametrize("most_shared", [1024, 99 * 1024])
@pytest.mark.parametrize("n", [40, 75])
def test_a_ladder_may_make_more_sweeps_than_it_has_rungs(n: int, most_shared: int) -> None:
    job = Job(quadratic(n, 11, share=1.0 if n == 40 else 0.05), ladder(2, 3, sweeps=4))
    (found,) = run("race", [job], [4], most_shared)
    assert_same(job, found)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["ubsan", "asan"])
@pytest.mark.parametrize("name", CASES)
def test_each_entry_is_well_defined(name: str, mode: str) -> None:
    layout, stage, most_shared = CASES[name]
    job = Job(layout, stage)
    (found,) = run(mode, [job], [stage.sweeps], most_shared)
    assert_same(job, found)


@settings(max_examples=12)
@given(data=st.data())
def test_mixed_batches_in_one_launch_a_kind(data: st.DataObject) -> None:
    jobs = []
    dense = data.draw(st.booleans())
    for problem in data.draw(st.lists(problems() | grouped_problems(), min_size=2, max_size=6)):
        with pytest.MonkeyPatch.context() as patch:  # quadratic problems this small are mostly sparse by choice
            patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0 if dense else 1e9)
            layout = pack(problem)
        if layout.num_variables == 0:
            continue
        bits = st.lists(st.integers(0, 1), min_size=layout.num_variables, max_size=layout.num_variables)
        first = data.draw(st.none() | bits)
        stage = data.draw(st.sampled_from([ladder(5, 3), ladder(33, 1, 3), anneal(40), anneal(1, 6), population(40)]))
        goal = data.draw(st.sampled_from([-(2**62), 0]))
        jobs.append(Job(layout, stage, None if first is None else np.array(first, np.uint8), goal))
    if not jobs:
        return
    seed = data.draw(st.integers(0, 2**32))
    slices = [*data.draw(st.lists(st.integers(1, 3), max_size=3)), 9]
    for job, found in zip(jobs, run("fast", jobs, slices, order="random", seed=seed), strict=True):
        assert_same(job, found)
