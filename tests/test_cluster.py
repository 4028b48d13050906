"""Isoenergetic clusters: the engines walk the reference's path; the Boltzmann distribution stays; energies are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import bench_xorsat, instances
from gpuqio import Workspace, explain
from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.cluster import Cluster
from gpuqio.engines.reference.outcome import energies, first_outcome
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import ParallelTempering as PublicParallelTempering
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import ParallelTempering, parse
from gpuqio.solvers.clusters import ClusterMove, clustered, spanning_share
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import geometric_ladder, temperature_range
from tests.emulated import Job
from tests.strategies import problems
from tests.test_cuda_engine import KINDS, agree
from tests.test_cuda_engine import cupy as cupy
from tests.test_cuda_engine import engine as engine
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import klocal, quadratic, run
from tests.test_physics import LEAST_P, bond_ring, chi_square_p, energies_of, ising, triangles
from tests.test_trajectory import BUILDS, assert_same, run_native

PT = "microsoft.paralleltempering.cpu"


def ladders(layout: Layout, rungs: int, count: int, layers: int, sweeps: int = 5) -> Stage:
    return clustered(layout, Stage(rungs * count, sweeps, np.geomspace(0.05, 2, rungs), True, 11), layers)


def lattice(size: int) -> Layout:
    return pack(instances.lattice_3d(size, 1).problem(), windows=False)


LAYOUTS = {
    "neighbour": quadratic(75, 11, share=0.05),
    "even": lattice(4),  # terms of even degree: inverses cost the same
    "parity": klocal(20, 12, ProblemType.ising),
    "product": klocal(20, 13, ProblemType.pubo),
}
SHAPES = [(8, 5, 4), (5, 2, 5), (33, 2, 1), (7, 10, 7), (3, 31, 2)]  # rungs, ladders, layers


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_native_equals_reference(name: str, shape: tuple[int, int, int]) -> None:
    stage = ladders(LAYOUTS[name], *shape, sweeps=4)
    expected = reference.run(LAYOUTS[name], stage)
    for build in BUILDS:
        assert_same(expected, run_native(LAYOUTS[name], stage, [1, 2], build))


@settings(max_examples=60)
@given(data=st.data())
def test_native_equals_reference_on_any_problem(data: st.DataObject) -> None:
    layout = pack(data.draw(problems()), windows=False)
    n = layout.num_variables
    if n == 0:
        return
    rungs, count = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 7))
    stage = replace(
        ladders(layout, rungs, count, data.draw(st.integers(1, rungs)), data.draw(st.integers(1, 5))),
        seed=data.draw(st.integers(0, 2**63 - 1)),
    )
    first = data.draw(st.none() | st.lists(st.integers(0, 1), min_size=n, max_size=n))
    start = None if first is None else np.array(first, np.uint8)
    expected = reference.run(layout, stage, None if start is None else start.astype(np.int64))
    slices = data.draw(st.lists(st.integers(1, 3), max_size=3))
    for build in BUILDS:
        assert_same(expected, run_native(layout, stage, slices, build, start))


@pytest.mark.emulator
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("order", ["forward", "random"])
def test_emulated_cuda_equals_the_cpu(name: str, order: str) -> None:
    layout = LAYOUTS[name]
    job = Job(layout, ladders(layout, 9, 9, 5))
    (found,) = run("fast", [job], [2, 100], order=order, seed=3)
    assert found.sweep == job.stage.sweeps
    assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("name", ["neighbour", "parity", "product"])
@pytest.mark.parametrize("mode", ["race", "asan", "ubsan"])
def test_the_kernels_are_clean_under_the_checkers(name: str, mode: str) -> None:
    layout = LAYOUTS[name]
    job = Job(layout, ladders(layout, 9, 9, 5, sweeps=3))
    how: dict[str, Any] = {"order": "random", "seed": 5, "preempt": 50} if mode == "race" else {}
    (found,) = run(mode, [job], [1, 3], **how)
    assert_same_on_device(job, found)


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("target", "given"),
    [
        (PT, {"sweeps": 20, "replicas": 5, "restarts": 4, "cluster_moves": True}),
        (PT, {"sweeps": 32, "replicas": 5, "restarts": 40, "feedback_ladder": True}),
        ("1qbit.pticm", {"num_sweeps_per_run": 8}),
        ("1qbit.pticm", {"num_sweeps_per_run": 4, "goal": "SAMPLE"}),
    ],
    ids=["PT", "feedback", "OPTIMIZE", "SAMPLE"],
)
def test_the_cuda_engine_has_the_results_of_the_cpu(engine: Any, target: str, given: dict[str, Any]) -> None:
    assert agree(engine, *KINDS, target=target, seed=6, **given)


def test_a_goal_stops_both_at_the_same_sweep() -> None:
    layout = LAYOUTS["parity"]
    stage = ladders(layout, 8, 4, 4, sweeps=60)
    best = reference.run(layout, stage).best_energies.min()
    expected = reference.run(layout, stage, goal=int(best) + 2)
    assert expected.sweeps < stage.sweeps
    chains = Ensemble(layout, stage, None, int(best) + 2)
    advance([chains], [1000])
    assert_same(expected, chains)
    assert chains.reached_goal


@pytest.mark.parametrize("name", LAYOUTS)
def test_clusters_are_connected_closed_and_keep_the_sum_of_the_energies(name: str) -> None:
    """For every pair, term by term: the two states' values of a term are exchanged or stay."""
    layout = LAYOUTS[name]
    stage = ladders(layout, 4, 8, 2)
    states = first_outcome(layout, stage, None).bits
    random = np.random.default_rng(5)
    states = np.where(random.random(states.shape) < 0.8, states[0], states)  # close enough for several clusters
    move, seen = Cluster(layout, stage), 0
    for word in random.integers(0, 2**32, 40).tolist():
        a, b = states[random.choice(len(states), 2, replace=False)]
        differing = a != b
        cluster = move._cluster(differing, word)
        if not cluster.any():
            continue
        seen += 1
        assert not (cluster & ~differing).any() or layout.problem.is_ising
        reached = component(layout, differing if cluster[differing].any() else ~differing, int(np.argmax(cluster)))
        np.testing.assert_array_equal(cluster, reached)
        before, after = energies(layout, np.array([a, b])), energies(layout, np.array([a ^ cluster, b ^ cluster]))
        assert before.sum() == after.sum()
    assert seen > 10


def component(layout: Layout, among: npt.NDArray[np.bool_], start: int) -> npt.NDArray[np.bool_]:
    """The variables of `among` that hang together with `start`, by a depth-first search over the terms."""
    found, open_ends = {start}, [start]
    terms = [row for rows in layout.problem.members for row in rows.tolist()]
    while open_ends:
        v = open_ends.pop()
        more = {u for row in terms if v in row for u in row if among[u]} - found
        found |= more
        open_ends += more
    flags = np.zeros(len(among), bool)
    flags[list(found)] = True
    return flags


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_sweep_conserves_what_it_should(name: str) -> None:
    """Against the same sweep without clusters, whose words are the same: in a pair each variable's two values stay, or
    are inverted together, and the energies' sum stays; the hotter rungs know of nothing."""
    layout = LAYOUTS[name]
    plain = Stage(6 * 10, 1, np.geomspace(0.05, 2, 6), True, 11)
    without, chains = Ensemble(layout, plain), Ensemble(layout, clustered(layout, plain, 4))
    for each in (without, chains):
        advance([each], [1])
    shape = 5, 2, 6  # pairs of ladders, ladders, rungs: before the first exchange chains stand at their own slots
    before, after = (c.bits().astype(np.int64).reshape(*shape, -1) for c in (without, chains))
    np.testing.assert_array_equal(after[:, :, :2], before[:, :, :2])
    kept, inverted = after.sum(axis=1) == before.sum(axis=1), after.sum(axis=1) == 2 - before.sum(axis=1)
    assert (kept | inverted).all()
    assert inverted[~kept].any() == (name == "even")
    old, new = (c.energies.reshape(shape) for c in (without, chains))
    np.testing.assert_array_equal(new.sum(axis=1), old.sum(axis=1))
    assert (new != old).any()
    np.testing.assert_array_equal(chains.energies, energies(layout, chains.bits().astype(np.int64)))


def test_frozen_blocks_find_new_combinations() -> None:
    """Six frozen ferromagnets side by side: no flip leaves the 2^6 settled states, clusters walk through them."""
    size, blocks = 5, 6
    pairs = [(size * b + i, size * b + i + 1) for b in range(blocks) for i in range(size - 1)]
    fields = [(1e-3 * (b + 1), (size * b,)) for b in range(blocks)]
    layout = pack(ising([*((-1.0, pair) for pair in pairs), *fields]), windows=False)
    stage = clustered(layout, Stage(2 * 8, 400, np.array([1e5, 1.1e5]), True, 5), 2)
    seen: set[bytes] = set()
    chains = Ensemble(layout, stage)
    alone = Ensemble(layout, Stage(16, 400, stage.betas, True, 5))
    advance([alone], [200])
    settled = alone.bits()
    advance([alone], [200])
    np.testing.assert_array_equal(alone.bits(), settled)
    advance([chains], [100])
    for _ in range(300):
        advance([chains], [1])
        seen |= {row.tobytes() for row in chains.bits()}
    assert len({row.tobytes() for row in settled}) <= 16
    assert 48 < len(seen) <= 64


CASES = [
    ("ring", bond_ring(12, 2)),
    ("fields", ising([(0.7, (0,)), *((float(c), (i, i + 1)) for i, c in enumerate([1, -1, 2, 1, -2, 1, 1]))])),
    ("parity", triangles(8, 3, ProblemType.ising)),
    ("product", triangles(8, 4, ProblemType.pubo)),
]


@pytest.mark.parametrize("count", [5000, 5001])
@pytest.mark.parametrize("problem", [c[1] for c in CASES], ids=[c[0] for c in CASES])
def test_each_rung_samples_its_boltzmann_distribution(problem: Problem, count: int) -> None:
    """In equilibrium ladders are independent, clusters or not, so their states after the last sweep are samples."""
    layout = pack(problem, windows=False)
    costs = energies_of(problem, layout)
    betas = np.array([0.2, 0.6, 1.1])
    chains = Ensemble(layout, clustered(layout, Stage(3 * count, 80, betas, True, 7), 3))
    advance([chains], [80])
    numbers = (chains.bits().astype(np.int64) @ (1 << np.arange(layout.num_variables)))[chains.chain_at]
    for beta, samples in zip(betas, numbers.reshape(count, 3).T, strict=True):
        weights = np.exp(-beta * (costs - costs.min()))
        assert chi_square_p(np.bincount(samples, minlength=len(costs)), weights / weights.sum()) > LEAST_P


def test_clusters_find_lower_states_of_a_planar_glass() -> None:
    """The lowest energy that two ladders find on a torus of 20 x 20 spins in 100 sweeps, mean of 90 seeds: lower with
    clusters at half of the rungs by more than six standard errors."""
    layout = pack(instances.toroidal_grid(20, 20, 1).problem(), windows=False)
    betas = geometric_ladder(*temperature_range(layout), 12)
    plain = [Stage(24, 100, betas, True, seed) for seed in range(90)]
    lowest = []
    for stages in (plain, [clustered(layout, stage, 6) for stage in plain]):
        runs = [Ensemble(layout, stage) for stage in stages]
        advance(runs, [100] * len(runs))
        lowest.append(np.array([chains.lowest for chains in runs]))
    gain = lowest[0] - lowest[1]
    assert gain.mean() > 6 * gain.std(ddof=1) / np.sqrt(len(gain))


def test_where_clusters_span_is_estimated() -> None:
    """A random graph of degree d: 1 / (d - 1); triples, three a variable: 1 / 4; a ring: 1; fields alone: 1."""
    assert spanning_share(pack(instances.regular_maxcut(40, 6, 1).problem()).problem) == pytest.approx(0.2)
    assert spanning_share(pack(instances.planted_xorsat(32, 1).problem()).problem) == pytest.approx(0.25)
    assert spanning_share(pack(bond_ring(12, 1)).problem) == 1.0
    assert spanning_share(pack(ising([(1.0, (0,)), (2.0, (1,))])).problem) == 1.0


def test_explain_says_where_clusters_cannot_help() -> None:
    dense, sparse = explain(instances.sk(40, 1).problem()), explain(instances.lattice_3d(4, 1).problem())
    assert dense.spanning_share == pytest.approx(1 / 38)
    assert dense.cluster_moves.startswith("They cannot help: variables that differ hang together once they are 2.6% of")
    assert sparse.cluster_moves.startswith(
        "They can help where replicas differ in less than about 20% of the variables"
    )


def test_parallel_tempering_has_them_as_an_option_off_by_default() -> None:
    layout = LAYOUTS["neighbour"]
    assert parse(PT, {"sweeps": 5}).plan(layout, 1).first().move.kind is Kind.METROPOLIS
    solver = parse(PT, {"sweeps": 5, "replicas": 7, "cluster_moves": True, "seed": 3})
    plan = solver.plan(layout, 3)
    stage = plan.first()
    assert (stage.move, stage.chains) == (ClusterMove(3, 2, False), 14)
    echo = plan.parameters(stage)
    assert echo["cluster_moves"] is True
    again = parse(PT, echo).plan(layout, 3).first()
    assert (again.move, again.betas.tolist()) == (stage.move, stage.betas.tolist())
    assert not ParallelTempering(cluster_moves=True).is_parameter_free
    assert ParallelTempering(cluster_moves=False).is_parameter_free
    assert solver.walks_windows is False
    assert ParallelTempering().walks_windows is True


@pytest.mark.parametrize(
    ("given", "named"), [({"cluster_moves": 1}, "cluster_moves"), ({"cluster_moves": True, "restarts": 1}, "restarts")]
)
def test_refusals_name_the_parameter_and_its_value(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(PT, given)
    assert caught.value.field == named
    assert str(given[named]) in str(caught.value)


def test_dense_problems_are_solved_with_them_too() -> None:
    problem = instances.sk(60, 1).problem()
    assert explain(problem).strategy is Strategy.WINDOW
    with Workspace() as workspace:
        result = PublicParallelTempering(workspace, cluster_moves=True, sweeps=50, seed=1).optimize(problem)
    assert result.report.strategy == "lane-neighbour"
    assert result["parameters"]["cluster_moves"] is True


@pytest.mark.parametrize("n", [16, 24, 32, 48])
def test_planted_triples_are_satisfied_with_and_without_clusters(n: int) -> None:
    """3-regular 3-XORSAT, ten runs of two ladders of 16 rungs each: all end at the planted energy."""
    made = instances.planted_xorsat(n, 1)
    layout = pack(made.problem(), windows=False)
    assert made.optimum is not None
    for clusters in (False, True):
        solver = ParallelTempering(replicas=16, restarts=2, sweeps=20_000, cluster_moves=clusters)
        runs = [Ensemble(layout, solver.plan(layout, seed).first(), None, round(made.optimum)) for seed in range(10)]
        advance(runs, [20_000] * 10)
        assert [layout.fixed.unit * chains.lowest for chains in runs] == [made.optimum] * 10


def test_the_benchmark_fits_an_exponent() -> None:
    rows = [{"n": n, "solver": "PT", "TTS99 s": [0.0, 10 ** (0.03 * n - 4), 0.0]} for n in (16, 32, 48)]
    assert bench_xorsat.fit(rows, "PT") == {"fit": "PT", "alpha": 0.03, "beta": -4.0, "sizes": [16, 32, 48]}
