"""Feedback-optimised ladders: flow is counted alike everywhere, and a bottleneck that it shows is relieved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gpuqio import Workspace
from gpuqio.engines import reference
from gpuqio.engines.native import Ensemble
from gpuqio.engines.native import advance as advance_native
from gpuqio.errors import InvalidParameter
from gpuqio.optimization import ParallelTempering
from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers import parse
from gpuqio.solvers.base import Trial
from gpuqio.solvers.clusters import clustered
from gpuqio.solvers.feedback import FlowMove, by_feedback
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import geometric_ladder, temperature_range
from tests.emulated import Job
from tests.test_cuda_kernels import assert_same as assert_same_on_device
from tests.test_cuda_kernels import klocal, quadratic, run
from tests.test_trajectory import BUILDS, assert_same, run_native

PT = "microsoft.paralleltempering.cpu"
LAYOUTS = {
    "register_1": quadratic(29, 1),
    "window_3": quadratic(96, 4),
    "lane_neighbour": quadratic(75, 11, share=0.05),
    "lane_parity": klocal(20, 12, ProblemType.ising),
    "lane_product": klocal(20, 13, ProblemType.pubo),
}


def flow(rungs: int, ladders: int, sweeps: int = 6) -> Stage:
    return Stage(rungs * ladders, sweeps, np.geomspace(0.02, 0.1, rungs), True, 11, move=FlowMove())


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize(("rungs", "ladders"), [(7, 3), (35, 1)])
def test_flow_is_counted_as_the_reference_counts_it(name: str, rungs: int, ladders: int) -> None:
    stage = flow(rungs, ladders)
    expected = reference.run(LAYOUTS[name], stage)
    assert expected.log.min() == 0 or rungs < 35
    assert expected.log[:2].tolist() == [6 * ladders, 0]
    for build in BUILDS:
        chains = run_native(LAYOUTS[name], stage, [5], build)
        assert_same(expected, chains)
        np.testing.assert_array_equal(chains.log, expected.log)


@pytest.mark.emulator
@pytest.mark.parametrize("name", LAYOUTS)
def test_emulated_cuda_counts_it_too(name: str) -> None:
    job = Job(LAYOUTS[name], flow(7, 6))
    (found,) = run("fast", [job], [5, 100], order="random", seed=3)
    assert_same_on_device(job, found)
    chains = Ensemble(job.layout, job.stage)
    advance_native([chains], [6])
    np.testing.assert_array_equal(job.arrays["log"], chains.log)


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.parametrize("name", ["register_1", "lane_parity"])
def test_counting_is_free_of_races(name: str) -> None:
    job = Job(LAYOUTS[name], flow(7, 6, sweeps=2))
    (found,) = run("race", [job], [2], order="random", seed=5, preempt=50)
    assert_same_on_device(job, found)


def test_a_gap_in_which_the_flow_falls_gets_more_rungs() -> None:
    betas = np.geomspace(0.1, 10, 9)
    hot = np.array([100, 98, 96, 94, 20, 15, 10, 5, 0])  # a bottleneck between the fourth rung and the fifth
    new = by_feedback(betas, np.stack([hot, 100 - hot], axis=1).ravel())
    assert (new[0], new[-1]) == pytest.approx((0.1, 10))
    assert (np.diff(new) > 0).all()
    inside = ((new > betas[3]) & (new < betas[4])).sum()
    assert inside >= 2


def test_without_any_flow_the_ladder_stays() -> None:
    betas = np.geomspace(0.1, 10, 9)
    np.testing.assert_allclose(by_feedback(betas, np.zeros(18, np.int64)), betas, rtol=1e-5)


def planted_dense(n: int, seed: int) -> Layout:
    """Wishart planting (Hamze, Raymond, Pattison, Biswas, Katzgraber, PRE 101, 052102 (2020)), 3 n / 4 equations."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, 3 * n // 4))
    vectors -= vectors.mean(axis=0)
    vectors *= random.choice([-1, 1], n)[:, None]
    return pack(Problem.from_arrays(np.triu(vectors @ vectors.T, 1), problem_type=ProblemType.ising))


def round_trips(layout: Layout, betas: Any) -> int:
    """Arrivals at the coldest rung from the hottest, of two ladders in 4000 sweeps."""
    stage = Stage(2 * len(betas), 4000, betas, True, 77)
    chains = Ensemble(layout, stage)
    hot, trips = np.zeros(stage.chains, bool), 0
    for _ in range(stage.sweeps):
        advance_native([chains], [1])
        at = chains.chain_at.reshape(2, -1)
        hot[at[:, 0]] = True
        trips += int(hot[at[:, -1]].sum())
        hot[at[:, -1]] = False
    return trips


def test_replicas_travel_more_often_through_a_first_order_transition() -> None:
    """Nearly twice as often as on a ladder of equal ratios: 190 round trips and 79 were seen, within a tenth or so."""
    layout = planted_dense(32, 1)
    betas = geometric_ladder(*temperature_range(layout), 16)
    plan = parse(PT, {"replicas": 16, "restarts": 2, "feedback_ladder": True, "sweeps": 16_000}).plan(layout, 10)
    stage: Stage | None = plan.first()
    seen = []
    while stage is not None:
        chains = Ensemble(layout, stage)
        advance_native([chains], [stage.sweeps])
        seen.append(stage)
        stage = plan.after(Trial(stage, chains.lowest, chains.reached, chains.swaps, chains.log))
    assert [each.sweeps for each in seen] == [1000, 2000, 4000, 16_000]
    assert [each.move.kind for each in seen] == [Kind.METROPOLIS] * 4
    assert isinstance(seen[0].move, FlowMove)
    assert not isinstance(seen[-1].move, FlowMove)
    assert seen[0].betas.tolist() == betas.tolist()
    assert round_trips(layout, seen[-1].betas) > 1.7 * round_trips(layout, betas)


def test_the_parameters_returned_repeat_the_result() -> None:
    layout = LAYOUTS["lane_neighbour"]
    solver = parse(PT, {"replicas": 6, "sweeps": 9, "feedback_ladder": True, "cluster_moves": True, "seed": 4})
    plan = solver.plan(layout, 4)
    tuning = plan.first()
    final = clustered(layout, replace(tuning, sweeps=9, betas=np.geomspace(0.125, 4, 6)), 3)
    for stage in (tuning, final):
        again = parse(PT, plan.parameters(stage)).plan(layout, 4).first()
        assert (again.sweeps, again.chains, again.move.kind) == (stage.sweeps, 12, stage.move.kind)
        assert again.betas.tolist() == stage.betas.tolist()
    random = np.random.default_rng(1)
    problem = Problem.from_arrays(np.triu(random.integers(-9, 10, (20, 20)), 1), problem_type=ProblemType.ising)
    with Workspace() as workspace:
        asked = ParallelTempering(workspace, sweeps=20, replicas=5, feedback_ladder=True, seed=8)
        assert asked.name == "microsoft.paralleltempering.cpu"
        first = asked.optimize(problem)
        second = ParallelTempering(workspace, **first["parameters"]).optimize(problem)
    assert (second.cost, second.configuration) == (first.cost, first.configuration)
    assert first.report.sweeps == 1 + 2 + 5 + 20


@pytest.mark.parametrize("given", [{"feedback_ladder": "yes"}, {"feedback_ladder": True, "all_betas": [0.0, 1.0]}])
def test_refusals_name_the_parameter_and_its_value(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="feedback_ladder"):
        parse(PT, given)
