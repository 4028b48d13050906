from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import pytest
import trio
import trio.testing

from gpuqio.scheduler.crossing import Answer
from gpuqio.scheduler.local import LocalBackend
from gpuqio.scheduler.workers import Workers
from tests.fake_engine import FakeEngine, a_request

PATIENCE = 60.0  # seconds, after which a test fails instead of hanging


@contextmanager
def some_workers(cpus: Collection[int] = ()) -> Iterator[Workers]:
    workers = Workers(cpus)
    try:
        yield workers
    finally:
        workers.close()


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, tuple[int, ...]]]:
    """In place of the system: which CPUs the threads ask for, a row for each time."""
    rows: list[tuple[int, tuple[int, ...]]] = []

    def note(pid: int, cpus: Collection[int]) -> None:
        assert pid == 0
        rows.append((threading.get_ident(), tuple(cpus)))

    monkeypatch.setattr(os, "sched_setaffinity", note, raising=False)
    return rows


class Slices:
    """Slices that run until they are let go, and the threads they ran in."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.gates: list[threading.Event] = []
        self.began = threading.Event()

    def make(self) -> Callable[[], list[Answer]]:
        gate = threading.Event()
        self.gates.append(gate)

        def crossing() -> list[Answer]:
            self.threads.append(threading.current_thread())
            self.began.set()
            assert gate.wait(PATIENCE)
            return []

        return crossing

    def let_go(self) -> None:
        for gate in self.gates:
            gate.set()


async def test_as_many_threads_as_slices_at_once_and_no_more() -> None:
    threads, both = [], threading.Barrier(2)

    def meet() -> list[Answer]:
        threads.append(threading.current_thread())
        both.wait(PATIENCE)
        return []

    with some_workers() as workers:
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(workers.execute, meet)
    assert len(threads) == 6
    assert len(set(threads)) == 2
    assert threading.current_thread() not in threads


async def test_the_threads_end_when_they_are_let() -> None:
    slices = Slices()
    with some_workers() as workers:
        crossing = slices.make()
        slices.let_go()
        assert await workers.execute(crossing) == []
        (thread,) = slices.threads
        assert thread.is_alive()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
async def test_what_a_slice_raises_goes_to_its_caller_and_the_thread_lives_on(kind: type[BaseException]) -> None:
    def broken() -> list[Answer]:
        raise kind("broken")

    with some_workers() as workers:
        for _ in range(2):
            with pytest.raises(kind, match="broken"):
                await workers.execute(broken)
        assert await workers.execute(list) == []
        assert workers._threads == 1


async def test_a_slice_that_has_begun_is_waited_for() -> None:
    slices = Slices()
    ended = []

    async def execute() -> None:
        ended.append(await workers.execute(slices.make()))

    with some_workers() as workers:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(execute)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
            assert ended == []
            slices.let_go()
        assert ended == [[]]
        with trio.CancelScope() as scope:
            scope.cancel()
            await workers.execute(lambda: pytest.fail("it was cancelled before it began"))
        assert scope.cancelled_caught


async def test_each_thread_has_a_cpu_while_there_are_slices_for_all(placed: list[tuple[int, tuple[int, ...]]]) -> None:
    first, second, third, last = Slices(), Slices(), Slices(), Slices()
    with some_workers(cpus=[4, 7]) as workers:
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as beside:
                beside.start_soon(workers.execute, first.make())
                await trio.testing.wait_all_tasks_blocked()
                assert first.began.wait(PATIENCE)
                assert placed == []  # a lone slice runs wherever there is room
                nursery.start_soon(workers.execute, second.make())
                await trio.testing.wait_all_tasks_blocked()
                assert second.began.wait(PATIENCE)
                first.let_go()
            nursery.start_soon(workers.execute, third.make())
            await trio.testing.wait_all_tasks_blocked()
            assert third.began.wait(PATIENCE)
            second.let_go()
            third.let_go()
        lone = last.make()
        last.let_go()
        await workers.execute(lone)
    one, other, released = (slices.threads[0].ident for slices in (third, second, last))
    assert placed == [(other, (7,)), (one, (4,)), (released, (4, 7))]


async def test_a_cpu_that_is_not_to_be_had_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, cpus: Collection[int]) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    with some_workers(cpus=[0]) as workers:
        assert await workers.execute(list) == []
    monkeypatch.delattr(os, "sched_setaffinity")
    with some_workers(cpus=[0]) as workers:
        assert await workers.execute(list) == []


@pytest.mark.parametrize(("threads", "is_placed"), [(None, True), ("2", True), ("1", False), ("3", False)])
async def test_a_backend_gives_each_worker_a_cpu_where_it_has_one_for_each(
    threads: str | None,
    is_placed: bool,
    placed: list[tuple[int, tuple[int, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 4}, raising=False)
    if threads is None:
        monkeypatch.delenv("GPUQIO_THREADS", raising=False)
    else:
        monkeypatch.setenv("GPUQIO_THREADS", threads)
    barrier = threading.Barrier(2)

    class Meeting(FakeEngine):
        """Two slices are in it at once, where there may be two."""

        def advance(self, *arguments: object) -> None:
            if threads != "1":
                barrier.wait(PATIENCE)
            super().advance(*arguments)  # type: ignore[arg-type]

    backend = LocalBackend(Meeting())
    async with trio.open_nursery() as nursery:
        await nursery.start(backend.run)
        async with trio.open_nursery() as solves:
            for name in "ab":
                solves.start_soon(backend.solve, a_request(name))
        nursery.cancel_scope.cancel()
    assert bool(placed) is is_placed


async def test_the_threads_of_a_backend_end_with_its_run() -> None:
    threads = []

    class Noting(FakeEngine):
        def advance(self, *arguments: object) -> None:
            threads.append(threading.current_thread())
            super().advance(*arguments)  # type: ignore[arg-type]

    backend = LocalBackend(Noting(), workers=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(backend.run)
        await backend.solve(a_request("a"))
        assert threads[0].is_alive()
        nursery.cancel_scope.cancel()
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()
