"""The CUDA engine on a stand-in for CuPy: the CPU's results, whatever is asked of it and whatever goes wrong."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuqio.backend import JobRecord, Status
from gpuqio.engines import cuda, device_stream
from gpuqio.engines.base import Engine, Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.engines.cuda import CudaEngine
from gpuqio.engines.device_memory import ALIGNMENT
from gpuqio.engines.kernels import OPTIONS, narrowest
from gpuqio.errors import EngineUnavailable
from gpuqio.pack import pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.result import Result, StopReason
from gpuqio.scheduler.local import local_backend
from gpuqio.solvers import parse
from gpuqio.solvers.base import Solver
from gpuqio.terms import Term
from gpuqio.trio import Job, Workspace
from tests.stand_in_cupy import StandIn, installed
from tests.strategies import problems

pytestmark = pytest.mark.emulator

PT, SA = "microsoft.paralleltempering.cpu", "microsoft.simulatedannealing.cpu"
PA, SSMC = "microsoft.populationannealing.cpu", "microsoft.substochasticmontecarlo.cpu"
FREE_PT, FREE_SA = "microsoft.paralleltempering-parameterfree.cpu", "microsoft.simulatedannealing-parameterfree.cpu"
GO = threading.Event()
SPINS, BITS = ProblemType.ising, ProblemType.pubo

MIXED = 200
"""Problems of a long test; each is a job."""

LOST = "EngineUnavailable: cuda:0 Stand-in (sm_86) was lost (CUDARuntimeError: cudaError 700)"


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """With device memory that comes from the driver block by block, so that each can be the one that is too many."""
    monkeypatch.setattr(cuda, "PIECE", ALIGNMENT)
    return installed(monkeypatch, StandIn())


@pytest.fixture
def engine(cupy: StandIn) -> CudaEngine:
    return CudaEngine()


def dense(n: int, seed: int = 0, scale: int = 5, kind: ProblemType = SPINS) -> Problem:
    random = np.random.default_rng(seed)
    return Problem.from_arrays(np.triu(random.integers(-scale, scale, (n, n), endpoint=True), 1), problem_type=kind)


def ring(n: int, seed: int = 0) -> Problem:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], n).tolist()
    return Problem("ring", [Term(c=c, indices=[i, (i + 1) % n]) for i, c in enumerate(signs)], problem_type=SPINS)


def klocal(n: int, seed: int = 0, kind: ProblemType = SPINS) -> Problem:
    random = np.random.default_rng(seed)
    terms = [Term(c=random.normal(), indices=random.choice(n, 3, replace=False).tolist()) for _ in range(2 * n)]
    return Problem("klocal", terms, problem_type=kind)


def solve(engine: Engine[Any], *batch: Problem, target: str = PT, seconds: float = 10.0, **params: Any) -> list[Result]:
    run = engine.start(Work(batch, parse(target, params)))
    while not run.finished:
        engine.advance([run], seconds, GO)
    return list(engine.outcome(run, None))


def same(a: Result, b: Result) -> bool:
    return (
        np.array_equal(a.variables, b.variables)
        and np.array_equal(a.states, b.states)
        and np.array_equal(a.costs, b.costs)
        and a.parameters == b.parameters
        and (a.report.strategy, a.report.replicas, a.report.sweeps, a.report.flips, a.report.exchanges)
        == (b.report.strategy, b.report.replicas, b.report.sweeps, b.report.flips, b.report.exchanges)
        and (a.report.resolution, a.report.stop_reason) == (b.report.resolution, b.report.stop_reason)
        and a.report.statistics == b.report.statistics
    )


def agree(engine: Engine[Any], *batch: Problem, **given: Any) -> bool:
    return all(map(same, solve(engine, *batch, **given), solve(CpuEngine(), *batch, **given)))


KINDS = [
    dense(3),
    dense(31),
    dense(40, kind=BITS),
    dense(70, scale=900),
    dense(100, scale=10**6),
    ring(50),
    klocal(20),
    klocal(33, kind=BITS),
]


@pytest.mark.parametrize("target", [PT, SA])
def test_a_mixed_batch_has_the_results_of_the_cpu(cupy: StandIn, target: str) -> None:
    engine = CudaEngine()
    assert agree(engine, *KINDS, target=target, sweeps=6, seed=5, number_of_solutions=3)
    # One launch for each kernel and size of shared memory, of problems in any number.
    starts = Counter(name for name in cupy.launches if name.startswith("start_"))
    assert starts == {"start_window": 1, "start_neighbour": 1, "start_parity": 1, "start_product": 1}
    assert {narrowest(pack(p)) for p in KINDS[2:5]} == {"int8", "int16", "int32"}


@pytest.mark.parametrize("target", [PA, SSMC])
def test_populations_have_the_results_and_the_statistics_of_the_cpu(engine: CudaEngine, target: str) -> None:
    assert agree(engine, *KINDS, target=target, sweeps=6, seed=5, number_of_solutions=3)


@pytest.mark.parametrize("strategy", ["constant_culling", "energy_variance", "friction_tensor"])
def test_populations_that_choose_their_steps_have_them_too(engine: CudaEngine, strategy: str) -> None:
    assert agree(engine, *KINDS[::2], target=PA, resampling_strategy=strategy, population=20, sweeps=6, seed=5)


@pytest.mark.parametrize("name", ["populationannealing", "substochasticmontecarlo", "tabu", "qmc"])
def test_grouped_problems_have_the_results_of_the_cpu(engine: CudaEngine, name: str) -> None:
    batch = [ring(9), klocal(7, kind=BITS)]
    for problem in batch:
        problem.add_slc_term([(2 * i - 5, i) for i in range(7)], c=3)
    assert agree(engine, *batch, target=f"microsoft.{name}.cpu", sweeps=6, seed=5)
    assert agree(engine, *batch, target="gpuqio.exhaustive", seed=5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.lists(problems(), min_size=1, max_size=4),
    target=st.sampled_from([PT, SA]),
    seed=st.integers(0, 2**32 - 1),
    chains=st.integers(2, 40),
)
def test_any_batch_in_any_slices_has_the_results_of_the_cpu(
    engine: CudaEngine, batch: list[Problem], target: str, seed: int, chains: int
) -> None:
    params = {"sweeps": 7, "seed": seed, "replicas" if target == PT else "restarts": chains}
    assert agree(engine, *batch, target=target, seconds=1e-9, **params)


@pytest.mark.parametrize("n", [32 * words for words in range(1, 10)])
def test_each_number_of_windows(cupy: StandIn, n: int) -> None:
    assert agree(CudaEngine(), dense(n, seed=n), sweeps=2, replicas=2, seed=1)
    assert cupy.launches[-1] == ("window" if n > 256 else f"window_{n // 32}")


@pytest.mark.parametrize(("n", "kernel"), [(30, "planes_1"), (50, "planes_2"), (128, "planes_4"), (160, "planes_8")])
def test_many_chains_take_a_thread_each(cupy: StandIn, n: int, kernel: str) -> None:
    assert agree(CudaEngine(), dense(n, seed=n), sweeps=2, replicas=20, seed=1)
    assert cupy.launches[-1] == kernel


def test_more_chains_than_threads_go_by_warps(cupy: StandIn) -> None:
    assert agree(CudaEngine(), dense(40), target=SA, sweeps=2, restarts=130, seed=1)
    assert cupy.launches[-1] == "planes_2"


@pytest.mark.parametrize("kind", [SPINS, BITS])
def test_a_start_is_honoured(cupy: StandIn, kind: ProblemType) -> None:
    batch = [dense(40, kind=kind), klocal(35, kind=kind)]
    values = [-1, 1] if kind is SPINS else [0, 1]
    for problem in batch:
        chosen = np.random.default_rng(7).choice(values, len(problem.variables)).tolist()
        problem.init_config = dict(zip(problem.variables.tolist(), chosen, strict=True))
    cold = {"beta_start": 1e6, "beta_stop": 2e6}
    assert agree(CudaEngine(), *batch, target=SA, sweeps=3, restarts=3, seed=2, **cold)


def test_a_cost_limit_ends_a_run_and_not_its_neighbours(cupy: StandIn) -> None:
    batch = [dense(30), dense(30, seed=1), ring(12)]
    limit = float(np.median([result.cost for result in solve(CpuEngine(), *batch, sweeps=30, seed=1)]))
    engine = CudaEngine()
    assert agree(engine, *batch, sweeps=30, seed=1, cost_limit=limit)
    reasons = {result.report.stop_reason for result in solve(engine, *batch, sweeps=30, seed=1, cost_limit=limit)}
    assert reasons == {StopReason.COST_LIMIT, StopReason.COMPLETED}
    assert agree(engine, *batch, sweeps=30, seed=1, cost_limit=1e9)  # met by the first states


@pytest.mark.parametrize("target", [FREE_PT, FREE_SA])
def test_a_search_takes_the_same_stages(cupy: StandIn, target: str) -> None:
    assert agree(CudaEngine(), dense(6), ring(5), target=target, seed=4, timeout=1000)


def test_problems_without_variables_need_no_device(cupy: StandIn) -> None:
    constant = Problem("c", [Term(c=2, indices=[])], problem_type=SPINS)
    assert agree(CudaEngine(), constant, sweeps=3, seed=1)
    assert cupy.launches == []


def test_a_large_problem_goes_in_parts(cupy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_stream, "PINNED", 4096)
    assert agree(CudaEngine(), dense(100, scale=10**6), dense(40), sweeps=2, replicas=2, seed=1)


def test_rounds_are_bounded_and_everyone_has_a_turn(cupy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "MOST_PARTS", 3)
    assert agree(CudaEngine(), *KINDS, sweeps=3, replicas=2, seed=1)


def test_a_run_cut_short_has_the_best_so_far(cupy: StandIn) -> None:
    engine = CudaEngine()
    work = Work((dense(40), ring(30)), parse(PT, {"sweeps": 2**31 - 1, "seed": 5, "replicas": 4}))
    run = engine.start(work)
    engine.advance([run], 1e-9, GO)
    assert not run.finished
    assert 0 < run.predicted_seconds <= 0.02
    for problem, cut in zip(work.problems, engine.outcome(run, StopReason.TIMEOUT), strict=True):
        assert cut.report.stop_reason is StopReason.TIMEOUT
        (again,) = solve(CpuEngine(), problem, sweeps=cut.report.sweeps, replicas=4, seed=5)
        assert np.array_equal(again.states, cut.states)
        assert again.report.flips == cut.report.flips


def test_a_stop_flag_ends_a_slice_and_first_states_are_a_result(cupy: StandIn) -> None:
    stop = threading.Event()
    stop.set()
    engines: list[Engine[Any]] = [CudaEngine(), CpuEngine()]
    results = []
    for engine in engines:
        run = engine.start(Work((dense(40), ring(30)), parse(PT, {"sweeps": 10, "seed": 5})))
        engine.advance([run], 3600.0, stop)
        assert not run.finished
        results.append(engine.outcome(run, StopReason.CANCELLED))
    assert all(map(same, *results))


def test_what_has_ended_leaves_no_memory_in_use(cupy: StandIn) -> None:
    engine = CudaEngine()
    before = engine._arena.used
    solve(engine, *KINDS, sweeps=2, replicas=2, seed=1)
    run = engine.start(Work((dense(40),), parse(PT, {"sweeps": 1000, "seed": 5})))
    engine.advance([run], 1e-9, GO)
    assert engine._arena.used > before
    del run
    assert engine._arena.used == before


def test_streams_are_used_side_by_side(cupy: StandIn) -> None:
    """One worker waits in a kernel until another has come: alone it would wait for ever."""
    engine = CudaEngine()
    together = threading.Barrier(2)
    launched = cupy.launched

    def meet(name: str, blocks: int, threads: int, device: int) -> None:
        if name == "planes_2":
            together.wait(timeout=60)
        launched(name, blocks, threads, device)

    cupy.launched = meet  # type: ignore[method-assign]
    expected = solve(CpuEngine(), dense(40), sweeps=1, replicas=20, seed=1)[0]
    results: list[Result] = []
    workers = [
        threading.Thread(
            target=lambda: results.extend(solve(engine, dense(40), seconds=1000, sweeps=1, replicas=20, seed=1))
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 2
    assert all(same(result, expected) for result in results)
    assert cupy.concurrent == 2
    assert len(cupy.threads) == 2


def test_without_memory_the_batch_shrinks(cupy: StandIn) -> None:
    engine = CudaEngine()
    cupy.fail_allocation(3)
    assert agree(engine, *KINDS, sweeps=2, replicas=3, seed=1)
    assert max(Counter(cupy.launches).values()) > 1  # in more than one round


def test_what_never_fits_is_an_error_that_names_the_sizes(cupy: StandIn) -> None:
    engine = CudaEngine()
    cupy.fail_allocation(*range(1, 100))
    work = Work((dense(200),), parse(SA, {"sweeps": 10, "restarts": 100_000, "seed": 5}))
    run = engine.start(work)
    with pytest.raises(MemoryError, match=r"The 100000 chains of a problem of 200 variables need [\d,]{9,} bytes"):
        engine.advance([run], 1.0, GO)
    cupy.fail_allocation()
    assert agree(engine, dense(20), sweeps=2, seed=1)


def test_what_fits_no_more_waits_for_the_others(cupy: StandIn) -> None:
    engine = CudaEngine()
    params = {"sweeps": 3, "restarts": 5, "seed": 5}
    holder = engine.start(Work((dense(60),), parse(SA, params)))
    engine.advance([holder], 1e-9, GO)
    cupy.fail_allocation(*range(1, 100))
    waiter = engine.start(Work((dense(61),), parse(SA, params)))
    engine.advance([waiter], 0.001, GO)
    assert waiter.solves[0].sweeps_left == 3
    while not holder.finished:
        engine.advance([holder], 1.0, GO)
    cupy.fail_allocation()
    while not waiter.finished:
        engine.advance([waiter], 1.0, GO)
    (result,) = engine.outcome(waiter, None)
    assert same(result, solve(CpuEngine(), dense(61), target=SA, **params)[0])


def test_what_an_error_broke_off_has_no_result(cupy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a round may have been done: what is on the device is nobody's result."""
    engine = CudaEngine()
    run = engine.start(Work((dense(40), ring(9)), parse(PT, {"sweeps": 4, "seed": 5})))
    with monkeypatch.context() as broken:
        broken.setattr(cupy, "launched", lambda name, *shape: 1 / (name != "planes_2"))
        with pytest.raises(ZeroDivisionError):
            engine.advance([run], 10.0, GO)
    for call in (lambda: engine.advance([run], 10.0, GO), lambda: engine.outcome(run, StopReason.CANCELLED)):
        with pytest.raises(EngineUnavailable, match="spoilt by an error. Submit it again."):
            call()
    assert agree(engine, dense(40), ring(9), sweeps=4, seed=5)


def test_a_lost_device_ends_the_engine_and_keeps_what_had_ended(cupy: StandIn) -> None:
    engine = CudaEngine()
    ended = engine.start(Work((ring(9),), parse(PT, {"sweeps": 2, "seed": 5})))
    engine.advance([ended], 10.0, GO)
    running = engine.start(Work((dense(40),), parse(PT, {"sweeps": 1000, "seed": 5})))
    engine.advance([running], 1e-9, GO)
    cupy.fail_launch(1)
    lost = r"^cuda:0 Stand-in \(sm_86\) was lost \(CUDARuntimeError: cudaError 700\), and with it all"
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match=lost):
            engine.advance([running], 1.0, GO)
    with pytest.raises(EngineUnavailable, match=lost):
        engine.outcome(running, StopReason.CANCELLED)
    with pytest.raises(EngineUnavailable, match=lost):
        engine.start(Work((ring(9),), parse(PT, {"sweeps": 2, "seed": 5})))
    (result,) = engine.outcome(ended, None)
    assert same(result, solve(CpuEngine(), ring(9), sweeps=2, seed=5)[0])


def mixed(number: int) -> Problem:
    n = 4 + number * 7 % 37
    if number % 4 < 2:
        return (dense, ring)[number % 4](n, number)
    return klocal(n, number, (SPINS, BITS)[number % 2])


def solver(number: int, forever: bool = False) -> Solver:
    if forever:
        return parse(PT, {"sweeps": 2**31 - 1, "replicas": 3, "seed": number})
    target = (PT, SA)[number % 2]
    chains = {"replicas" if target == PT else "restarts": 3 + number % 3}
    return parse(target, {"sweeps": 2 + number % 5, "seed": number, **chains})


def survivors_agree(records: list[JobRecord]) -> Counter[Status]:
    """How the jobs ended. Each that succeeded has the CPU's result."""
    engine = CpuEngine()
    for number, record in enumerate(records):
        if record.status is Status.Succeeded:
            assert record.results is not None
            assert record.results[0].report.engine == "cuda"
            run = engine.start(Work((mixed(number),), solver(number)))
            engine.advance([run], 1000.0, GO)
            assert same(record.results[0], engine.outcome(run, None)[0])
    return Counter(record.status for record in records)


async def run_all(cupy: StandIn, count: int, lose_at: int | None = None) -> list[JobRecord]:
    """Every third job would run for ever, and is cancelled some time after. Memory runs out once."""
    async with Workspace(engine="cuda") as workspace, trio.open_nursery() as nursery:
        local_backend("cuda")  # the engines take their own memory first
        cupy.fail_allocation(2)
        if lose_at is not None:
            cupy.fail_launch(lose_at)
        jobs: list[Job] = []
        for number in range(count + 50):
            if number < count:
                jobs.append(await workspace.submit(mixed(number), solver(number, forever=number % 3 == 0)))
            if number >= 50:
                job = jobs[number - 50]
                nursery.start_soon(job.cancel if number % 3 == 2 else job.wait_until_completed)
    backend = local_backend("cuda")
    return [backend.get(job.id) for job in jobs]


def reasons(records: list[JobRecord]) -> set[str]:
    """Why jobs failed, without what to do next."""
    return {record.error.message.partition(", and")[0] for record in records if record.error is not None}


@pytest.mark.slow
def test_many_jobs_with_cancellation_and_a_shortage(cupy: StandIn) -> None:
    records = trio.run(run_all, cupy, MIXED)
    assert cupy.shortages == 1
    cancelled = len(range(0, MIXED, 3))
    assert survivors_agree(records) == {Status.Succeeded: MIXED - cancelled, Status.Cancelled: cancelled}


@pytest.mark.slow
def test_many_jobs_and_a_lost_device(cupy: StandIn) -> None:
    records = trio.run(run_all, cupy, MIXED, 20)
    ended = survivors_agree(records)
    assert cupy.shortages == 1
    assert ended[Status.Failed] > 0
    assert sum(ended.values()) == MIXED
    assert reasons(records) == {LOST}


@pytest.mark.slow
def test_a_thousand_jobs_on_two_devices_of_which_one_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """What had begun on the lost one fails; all else is finished by the other."""
    monkeypatch.setattr(cuda, "PIECE", ALIGNMENT)
    cupy = installed(monkeypatch, StandIn(devices=2))
    records = trio.run(run_all, cupy, 1000, 20)
    ended = survivors_agree(records)
    assert cupy.shortages == 1
    assert 0 < ended[Status.Failed] < ended[Status.Succeeded]
    assert sum(ended.values()) == 1000
    assert reasons(records) == {LOST}
    devices = Counter(record.results[0].report.device for record in records if record.results)
    assert devices["cuda:1 Stand-in (sm_86)"] > 0
    assert cupy.launched_on[0] == 20


async def run_some(names: range) -> list[JobRecord]:
    async with Workspace(engine="cuda") as workspace:
        jobs = [await workspace.submit(mixed(number), solver(number)) for number in names]
        for job in jobs:
            await job.wait_until_completed()
        return [local_backend("cuda").get(job.id) for job in jobs]


def test_devices_share_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of each device waits for one of the other: were one device to do all, it would wait for ever."""
    cupy = installed(monkeypatch, StandIn(devices=2))
    together = threading.Barrier(2)
    met: set[int] = set()
    launched = cupy.launched

    def meet(name: str, blocks: int, threads: int, device: int) -> None:
        if device not in met:
            met.add(device)
            together.wait(timeout=60)
        launched(name, blocks, threads, device)

    monkeypatch.setattr(cupy, "launched", meet)
    records = trio.run(run_some, range(12))
    assert survivors_agree(records) == {Status.Succeeded: 12}
    assert {record.results[0].report.device[:6] for record in records if record.results} == {"cuda:0", "cuda:1"}


def test_with_all_devices_lost_what_comes_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = installed(monkeypatch, StandIn(devices=2))
    for device in range(2):
        cupy.fail_launch(1, device)
    records = trio.run(run_some, range(40))
    assert Counter(record.status for record in records) == {Status.Failed: 40}
    for record in records:
        assert record.error is not None
        assert "was lost (CUDARuntimeError: cudaError 700)" in record.error.message


def test_a_gpu_newer_than_the_compiler_runs_its_ptx(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = installed(monkeypatch, StandIn(capability="121"))
    assert agree(CudaEngine(), *KINDS, sweeps=2, replicas=2, seed=1)
    assert cupy.ptx_options == (*OPTIONS, "-ftz=true", "-arch=compute_90")
