"""Batches of matrices in native code: each problem as if it were packed, solved and evaluated alone, bit for bit."""

from __future__ import annotations

import math
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gpuqio import ProblemBatch, Workspace
from gpuqio.batch import DenseBatch
from gpuqio.batch_result import DenseResults
from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.dense_pack import pack_dense
from gpuqio.engines.dense_run import DenseRun, dense_run
from gpuqio.errors import InvalidProblem
from gpuqio.optimization import Problem, ProblemType
from gpuqio.optimization import SimulatedAnnealing as FacadeAnnealing
from gpuqio.pack import Strategy, pack
from gpuqio.result import Result, StopReason
from gpuqio.solvers import ParallelTempering, SimulatedAnnealing
from gpuqio.solvers.base import Solver
from gpuqio.solvers.temperatures import temperature_range

Numbers = npt.NDArray[Any]
GO = threading.Event()
KINDS = [ProblemType.ising, ProblemType.pubo]
SIZES = [1, 2, 3, 16, 24, 31, 33, 70]
SHARES = np.array([1.0, 1.0, 0.5, 0.1, 0.0])

# (random, shape) to numbers of one kind; problem i of a batch keeps SHARES[i] of them.
NUMBERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Numbers]] = {
    "real": lambda random, shape: random.normal(size=shape),
    "single": lambda random, shape: random.normal(size=shape).astype(np.float32),
    "whole": lambda random, shape: random.integers(-100, 101, shape),
    "signs": lambda random, shape: random.integers(0, 2, shape, np.int8) * np.int8(2) - np.int8(1),
    "quarters": lambda random, shape: random.integers(-9, 10, shape) / 4,
    "large": lambda random, shape: random.integers(-(2**40), 2**40, shape),
    "of many magnitudes": lambda random, shape: random.normal(size=shape) * 10.0 ** random.integers(-9, 9, shape),
}


def batch_of(numbers: str, n: int, kind: ProblemType, fields: bool, triangular: bool) -> DenseBatch:
    random = np.random.default_rng(n)
    kept = random.random((len(SHARES), n, n)) < SHARES[:, None, None]
    J = NUMBERS[numbers](random, kept.shape) * kept
    if triangular:
        J = np.triu(J, 1)
    h = NUMBERS[numbers](random, kept.shape[:2]) * (random.random(kept.shape[:2]) < 0.7) if fields else None
    return ProblemBatch.from_dense(J, h, kind)


def outcome(problems: Sequence[Problem], solver: Solver, engine: CpuEngine) -> Sequence[Result]:
    run = engine.start(Work(problems, solver))
    while not run.finished:
        engine.advance([run], 0.001, GO)
    return engine.outcome(run, None)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numbers", NUMBERS)
def test_layouts_and_temperatures_are_those_of_each_problem_alone(numbers: str, kind: ProblemType, n: int) -> None:
    compared = 0
    for fields, triangular in ((False, True), (True, False)):
        batch = batch_of(numbers, n, kind, fields, triangular)
        packed = pack_dense(batch)
        if packed is None:
            assert any(pack(problem).strategy is Strategy.LANE_GROUPED or n <= 3 for problem in batch)
            continue
        for i, problem in enumerate(batch):
            layout = pack(problem)
            assert packed.strategy[i] == layout.strategy.value
            assert packed.unit[i] == layout.fixed.unit
            assert packed.rounded[i] == (not layout.fixed.is_exact)
            assert packed.arrays["zero_energy"][i] == layout.zero_energy
            assert packed.constant[i] == layout.problem.constant
            for mine, alone in (
                (packed.arrays["base"], layout.base),
                (packed.arrays["weights"], layout.weights),
                (packed.arrays["ends"], layout.ends),
            ):
                np.testing.assert_array_equal(mine[i][: alone.size], alone.ravel())
            assert (packed.hottest[i], packed.coldest[i]) == temperature_range(layout)
            compared += 1
    assert compared or n == 3


SOLVERS: dict[str, Solver] = {
    "annealing": SimulatedAnnealing(sweeps=20, restarts=5, seed=3),
    "annealing between betas": SimulatedAnnealing(sweeps=9, restarts=40, seed=3, beta_start=0.1, beta_stop=2.5),
    "annealing from a cold start": SimulatedAnnealing(sweeps=9, restarts=2, seed=2**40, beta_start=1e9),
    "tempering": ParallelTempering(sweeps=15, seed=3, replicas=4, restarts=3),
    "tempering over betas": ParallelTempering(sweeps=15, seed=3, all_betas=(0.0, 1.0, 0.1)),
    "up to a cost": SimulatedAnnealing(sweeps=50, restarts=3, seed=4, cost_limit=-30.5),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("numbers", "n"), [("real", 40), ("whole", 31), ("of many magnitudes", 16), ("quarters", 70)])
def test_results_are_those_of_each_problem_alone(numbers: str, n: int, kind: ProblemType, solver: str) -> None:
    batch, engine = batch_of(numbers, n, kind, True, False), CpuEngine()
    assert isinstance(engine.start(Work(batch, SOLVERS[solver])), DenseRun)
    together, alone = outcome(batch, SOLVERS[solver], engine), outcome(tuple(batch), SOLVERS[solver], engine)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.variables, b.variables)
        np.testing.assert_array_equal(a.states, b.states)
        np.testing.assert_array_equal(a.costs, b.costs)
        assert a.to_json() == b.to_json()
        for name in ("engine", "device", "strategy", "replicas", "sweeps", "flips", "exchanges", "resolution"):
            assert getattr(a.report, name) == getattr(b.report, name), name
        assert a.report.stop_reason is b.report.stop_reason


def test_costs_are_correctly_rounded() -> None:
    """Of half a place, what is a hundred places below decides."""
    random = np.random.default_rng(5)
    h = random.choice([-1.0, 1.0], (64, 6)) * 2.0 ** (-53.0 * random.integers(0, 4, (64, 6)))
    batch = ProblemBatch.from_dense(np.zeros((64, 6, 6)), h)
    results = outcome(batch, SimulatedAnnealing(sweeps=2, restarts=1, seed=1), CpuEngine())
    assert isinstance(results, DenseResults)
    costs = [math.fsum(terms) for terms in (h * results.states).tolist()]
    assert results.costs.tolist() == costs
    assert sum(float(sum(terms)) != cost for terms, cost in zip((h * results.states).tolist(), costs, strict=True)) > 5


def test_a_run_may_be_stopped_at_any_sweep() -> None:
    """What has not begun then has its first states."""
    batch, solver = batch_of("real", 33, ProblemType.ising, True, True), SimulatedAnnealing(sweeps=1000, seed=1)
    run = dense_run(batch, solver, 1.0)  # so slow that each step is one sweep
    assert run is not None
    run.advance(0.0)
    results = run.results("cpu", "", StopReason.CANCELLED)
    assert not run.finished
    assert run.predicted_seconds > 0
    assert [result.report.sweeps for result in results] == [1, 0, 0, 0, 0]
    assert {result.report.stop_reason for result in results} == {StopReason.CANCELLED}
    for problem, result in zip(batch, results, strict=True):
        assert result.cost == problem.evaluate(result.configuration)


@pytest.mark.parametrize(
    "solver",
    [
        SimulatedAnnealing(),
        ParallelTempering(),
        SimulatedAnnealing(sweeps=5, number_of_solutions=2),
        SimulatedAnnealing(sweeps=5, timeout=1.0),
        ParallelTempering(sweeps=5, feedback_ladder=True),
        ParallelTempering(sweeps=5, cluster_moves=True),
    ],
)
def test_what_differs_from_problem_to_problem_goes_one_by_one(solver: Solver) -> None:
    assert dense_run(batch_of("whole", 12, ProblemType.ising, True, True), solver, 1e-9) is None


def test_what_is_out_of_the_ordinary_goes_one_by_one() -> None:
    usual = np.triu(np.random.default_rng(1).normal(size=(3, 6, 6)), 1)
    assert pack_dense(ProblemBatch.from_dense(usual)) is not None
    for odd in (1e300, 1e-300, 2.0**-600):
        changed = usual.copy()
        changed[1, 2, 3] = odd
        assert pack_dense(ProblemBatch.from_dense(changed)) is None
    weights = np.array([1001.0, 997, 1003, 1009, 1013, 1019])
    assert pack_dense(ProblemBatch.from_dense(np.triu(np.outer(weights, weights), 1)[None] * 2.0)) is not None  # exact
    weights = weights * 1000 + 1
    assert pack_dense(ProblemBatch.from_dense(np.triu(np.outer(weights, weights), 1)[None] * 2.0)) is None
    assert pack_dense(ProblemBatch.from_dense(np.zeros((2, 0, 0)))) is None


def test_sums_beyond_a_float_are_refused_at_the_door() -> None:
    J = np.zeros((3, 4, 4))
    J[1, 0, 1] = J[1, 0, 2] = J[1, 0, 3] = 1.7e308
    with Workspace() as workspace, pytest.raises(InvalidProblem, match="This is problem 1 of the batch") as caught:
        workspace.solve_many(ProblemBatch.from_dense(J), FacadeAnnealing(workspace, sweeps=5))
    assert caught.value.field == "problems[1].terms"


def test_results_are_made_when_read_and_stay_what_they_are() -> None:
    batch = batch_of("whole", 31, ProblemType.ising, True, True)
    with Workspace() as workspace:
        results = workspace.solve_many(batch, FacadeAnnealing(workspace, sweeps=9))
    assert results[2] is results[2]
    assert results[-1] is results[4]
    assert [result.cost for result in results] == results.costs.tolist()
    assert np.array_equal(results.configurations, [result.states[0] for result in results])
    assert len({result["parameters"]["seed"] for result in results}) == len(batch)  # each a fresh one
    again = pickle.loads(pickle.dumps(results))
    assert [result.to_json() for result in again] == [result.to_json() for result in results]
    assert len(results[1:3]) == 2
    with pytest.raises(IndexError):
        results[5]


def test_no_more_is_kept_of_an_anneal_than_its_ends() -> None:
    batch, engine = batch_of("whole", 12, ProblemType.ising, True, True), CpuEngine()
    results = outcome(batch, SimulatedAnnealing(sweeps=3000, restarts=1, seed=1), engine)
    assert isinstance(results, DenseResults)
    assert results.nbytes < 1000
    assert len(pickle.dumps(results)) < 4000


def test_a_batch_without_variables_is_refused_at_the_door() -> None:
    with Workspace() as workspace, pytest.raises(InvalidProblem, match="no terms"):
        workspace.solve_many(ProblemBatch.from_dense(np.zeros((3, 0, 0))), FacadeAnnealing(workspace, sweeps=5))


def test_chunks_shrink_towards_the_end_and_are_worth_handing_out() -> None:
    batch, workspace = ProblemBatch.from_dense(np.zeros((5000, 4, 4))), Workspace()

    def sizes(count: int, sweeps: int) -> list[int]:
        solver = SimulatedAnnealing(sweeps=sweeps, restarts=50)
        return [len(chunk.work.problems) for chunk in workspace._chunks(batch[:count], solver, at_least=4)]

    assert sizes(0, 2) == []
    assert sizes(50, 2) == [50]
    assert sizes(400, 20) == [200] * 2
    assert sizes(3, 10_000) == [1] * 3
    sizes_of_many = sizes(5000, 200)
    assert sizes_of_many[:22] == [199] * 22  # a slice's work, of 0.2 ms each
    assert sizes_of_many[22:25] == [156, 117, 88]  # and then a quarter of what is left
    assert sizes_of_many[-3:] == [15, 23, 22]  # no chunk is worth less than three milliseconds
    assert sum(sizes_of_many) == 5000
    assert sizes(5000, 2) == [1536] * 3 + [392]
    assert sizes(5000, 10_000)[0] == 64  # of long anneals more than a slice's work: each chunk takes time of its own


def test_long_anneals_go_in_small_chunks() -> None:
    """A table of temperatures each: a hundred problems of a million sweeps would take 2 GB."""
    batch, workspace = ProblemBatch.from_dense(np.zeros((100, 4, 4))), Workspace()
    chunks = workspace._chunks(batch, SimulatedAnnealing(sweeps=10**6, restarts=1), at_least=1)
    assert max(len(chunk.work.problems) for chunk in chunks) == 1
