from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import cast

import pytest
import trio
import trio.testing

from gpuqio.backend import Status
from gpuqio.engines import cpu
from gpuqio.engines.base import Run, StopFlag
from gpuqio.errors import BackendUnavailable, EngineUnavailable, InvalidParameter
from gpuqio.result import StopReason
from gpuqio.scheduler.local import LocalBackend, local_backend, worker_count
from tests.fake_engine import FakeEngine, FakeRun, a_request


class ThreadedEngine(FakeEngine):
    """Notes who calls it. A run of infinite length keeps its worker busy until the slice ends."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()

    def advance(self, runs: Sequence[Run], seconds: float, stop: StopFlag) -> None:
        self.threads.add(threading.current_thread())
        end = time.perf_counter() + seconds
        if cast(FakeRun, runs[0]).remaining == float("inf"):
            while time.perf_counter() < end and not stop.is_set():
                pass
        else:
            super().advance(runs, seconds, stop)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[ThreadedEngine]:
    """Puts a fake in the CPU engine's place; the list has those that were made."""
    made: list[ThreadedEngine] = []

    def make() -> ThreadedEngine:
        made.append(ThreadedEngine())
        return made[-1]

    monkeypatch.setattr(cpu, "CpuEngine", make)
    return made


def test_the_workers_are_as_many_as_this_process_has_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUQIO_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert worker_count() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count() == 1


@pytest.mark.parametrize("text", ["1", "7", "1024"])
def test_a_variable_says_how_many_workers(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUQIO_THREADS", text)
    assert worker_count() == int(text)
    assert LocalBackend(FakeEngine()).statistics().workers == int(text)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025", "9" * 5_000, " 4", "٤"])
def test_a_bad_variable_is_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUQIO_THREADS", text)
    with pytest.raises(InvalidParameter, match="GPUQIO_THREADS must be a whole number from 1 to 1024; found") as caught:
        worker_count()
    assert (caught.value.field, caught.value.value) == ("GPUQIO_THREADS", text)


async def test_work_is_done_in_threads_of_its_own() -> None:
    engine = ThreadedEngine()
    backend = LocalBackend(engine, workers=2)
    async with trio.open_nursery() as nursery:
        await nursery.start(backend.run)
        record = await backend.solve(a_request("a"))
        assert record.status is Status.Succeeded
        assert threading.current_thread() not in engine.threads
        assert backend.statistics().workers == 2
        nursery.cancel_scope.cancel()


async def test_cancel_reaches_a_running_slice(engines: list[ThreadedEngine]) -> None:
    backend = local_backend()
    backend.submit_nowait(a_request("endless", float("inf")))
    await trio.testing.wait_all_tasks_blocked()  # it is in a thread now
    assert backend.statistics().busy == 1
    with trio.fail_after(10):
        record = await backend.cancel("endless")
    assert record.status is Status.Cancelled
    assert record.results is not None
    assert record.results[0].report.stop_reason is StopReason.CANCELLED


async def test_a_timeout_on_the_real_clock(engines: list[ThreadedEngine]) -> None:
    with trio.fail_after(10):
        record = await local_backend().solve(a_request("endless", float("inf"), timeout=0.01))
    assert record.results is not None
    assert record.results[0].report.stop_reason is StopReason.TIMEOUT


def test_each_trio_run_has_one_backend(engines: list[ThreadedEngine]) -> None:
    async def use() -> LocalBackend:
        backend = local_backend()
        assert (await backend.solve(a_request("a"))).status is Status.Succeeded
        assert local_backend() is backend

        async def elsewhere() -> None:
            assert local_backend() is backend

        async with trio.open_nursery() as nursery:
            nursery.start_soon(elsewhere)
        return backend

    assert trio.run(use) is not trio.run(use)
    assert len(engines) == 2


def test_jobs_left_when_the_run_ends_do_not_hold_it_up(engines: list[ThreadedEngine]) -> None:
    async def leave() -> LocalBackend:
        backend = local_backend()
        for number in range(50):
            backend.submit_nowait(a_request(str(number), float("inf")))
        await trio.testing.wait_all_tasks_blocked()
        return backend

    backend = trio.run(leave)
    assert {record.status for record in backend.list()} == {Status.Failed}
    with pytest.raises(BackendUnavailable, match="The scheduler was closed"):
        backend.submit_nowait(a_request("later"))


def test_a_scheduler_that_breaks_takes_nothing_else_down(
    engines: list[ThreadedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        backend = local_backend()
        monkeypatch.setattr(backend._policy, "report", lambda worker, answers, lost: 1 / 0)
        record = await backend.solve(a_request("a"))
        assert record.status is Status.Failed
        assert record.error is not None
        assert record.error.message.startswith("The scheduler broke (ZeroDivisionError(")
        with pytest.raises(BackendUnavailable, match="ZeroDivisionError"):
            await local_backend().solve(a_request("b"))

    trio.run(use)


def test_an_engine_that_exits_takes_nothing_else_down(engines: list[ThreadedEngine]) -> None:
    async def use() -> None:
        record = await local_backend().solve(a_request("a", breaks="advance", error=SystemExit(3)))
        assert record.error is not None
        assert record.error.message.startswith("The scheduler broke (SystemExit(3))")

    trio.run(use)


async def test_an_engine_that_is_not_to_be_had_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> None:
        raise EngineUnavailable("No library for this processor.")

    monkeypatch.setattr(cpu, "CpuEngine", make)
    with pytest.raises(EngineUnavailable, match="No library for this processor"):
        local_backend()


def test_outside_trio_there_is_no_backend() -> None:
    with pytest.raises(RuntimeError):
        local_backend()


def test_nothing_is_imported_by_the_first_job() -> None:
    """A fork while the worker imports would leave the module locked in the child for ever."""
    program = """
import sys
from gpuqio import Workspace
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, SimulatedAnnealing, Term
workspace = Workspace()
known = set(sys.modules)
for kind in (ProblemType.ising, ProblemType.pubo):
    for solver in (ParallelTempering, SimulatedAnnealing):
        solver(workspace).optimize(Problem("p", [Term(c=1.5, indices=[0, 1])], problem_type=kind))
workspace.close()
print(*sys.modules.keys() - known)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
