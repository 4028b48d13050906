"""The three flavours have the same methods with the same signatures and texts, and give the same answers."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import gpuqio
import gpuqio.aio
import gpuqio.blocking
import gpuqio.trio
from gpuqio.backend import JobRecord, Request, Status
from gpuqio.errors import InvalidParameter, JobNotFound, PortalError, WaitTimeout
from gpuqio.optimization import ParallelTempering, Problem, SimulatedAnnealing, Term
from gpuqio.portal import Call
from tests.fake_backend import FakeBackend
from tests.flavours import PATIENCE

COSTS = [-17.0, -16.0, -15.0, -14.0, -15.0, -16.0, -17.0, -18.0, -19.0, -20.0]
ENTER_EXIT = {"__enter__": "__aenter__", "__exit__": "__aexit__"}


def three(n: int = 0) -> Problem:
    terms = [Term(c=n - 9, indices=[0]), Term(c=n - 3, indices=[1, 0]), Term(c=n + 5, indices=[2, 0])]
    return Problem(f"Problem {n}", terms)


# Names, signatures, texts.


def public(cls: type) -> dict[str, Callable[..., Any]]:
    """Public methods by name, those of a ``with`` block under their async names."""
    members = {ENTER_EXIT.get(name, name): member for name, member in inspect.getmembers(cls, inspect.isfunction)}
    kept = {*ENTER_EXIT.values(), "__init__"}
    return {name: member for name, member in members.items() if not name.startswith("_") or name in kept}


def parameters(method: Callable[..., Any]) -> list[tuple[str, object, object]]:
    signature = inspect.signature(method)
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


CLASSES = ["Workspace", "Job"]
FACES = [gpuqio.blocking, gpuqio.aio]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
@pytest.mark.parametrize("name", CLASSES)
def test_the_flavours_have_the_same_methods(name: str, face: Any) -> None:
    assert set(public(getattr(face, name))) == set(public(getattr(gpuqio.trio, name)))


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
@pytest.mark.parametrize(
    ("name", "method"), [(name, method) for name in CLASSES for method in public(getattr(gpuqio.trio, name))]
)
def test_each_method_has_the_same_signature_and_text(name: str, method: str, face: Any) -> None:
    mine, native = public(getattr(face, name))[method], public(getattr(gpuqio.trio, name))[method]
    if not (name == "Job" and method == "__init__"):  # jobs are made by workspaces, each around what it has
        assert parameters(mine) == parameters(native)
        assert mine.__annotations__.get("return") == native.__annotations__.get("return")
    assert mine.__doc__ == native.__doc__
    assert inspect.iscoroutinefunction(mine) is (face is gpuqio.aio and inspect.iscoroutinefunction(native))


@pytest.mark.parametrize("face", [*FACES, gpuqio.trio], ids=lambda face: face.__name__)
@pytest.mark.parametrize("name", CLASSES)
def test_everything_public_has_a_text(name: str, face: Any) -> None:
    cls = getattr(face, name)
    assert cls.__doc__
    bare = [method for method, member in public(cls).items() if not member.__doc__ and not method.startswith("__")]
    assert bare == []


# The same answers.


def make(run: Any, spaces: list[Any], held: bool = False) -> tuple[Any, FakeBackend]:
    backend = FakeBackend(held)
    workspace = run.module.Workspace(backend=backend)
    spaces.append(workspace)
    return workspace, backend


def test_optimize_returns_what_the_flavour_returns_twice_in_a_row(run: Any, spaces: list[Any]) -> None:
    workspace, _ = make(run, spaces)
    for solver in (ParallelTempering(workspace, timeout=100, seed=11), SimulatedAnnealing(workspace)):
        assert run(solver.optimize(three()))["cost"] == -17.0
        assert run(solver.optimize(three(9)))["cost"] == -20.0


def test_jobs_are_submitted_found_listed_and_read(run: Any, spaces: list[Any]) -> None:
    workspace, _ = make(run, spaces)
    solver = ParallelTempering(workspace)
    job = run(solver.submit(three(4)))
    assert isinstance(job, run.module.Job)
    assert job.workspace is workspace
    run(job.wait_until_completed())
    assert job.has_completed()
    assert run(job.get_results())["cost"] == -15.0
    found = run(workspace.get_job(job.id))
    assert isinstance(found, run.module.Job)
    assert run(found.get_results()).cost == -15.0
    run(found.refresh())
    assert found.details == job.details
    run(workspace.solve(three(5), solver))
    assert [job.details.name for job in run(workspace.list_jobs())] == ["Problem 4", "Problem 5"]
    assert [job.details.name for job in run(workspace.list_jobs("5", gpuqio.JobStatus.Succeeded))] == ["Problem 5"]
    assert run(workspace.statistics()).succeeded == 2
    assert run(workspace.get_quotas())[0]["limit"] == 20
    assert {target.workspace is workspace for target in run(workspace.get_targets())} == {True}
    with pytest.raises(JobNotFound, match="no-such-job"):
        run(workspace.get_job("no-such-job"))


def test_jobs_are_cancelled(run: Any, spaces: list[Any]) -> None:
    workspace, backend = make(run, spaces, held=True)
    first = run(ParallelTempering(workspace).submit(three()))
    assert run(workspace.cancel_job(first)).details.status == "Cancelled"
    second = run(ParallelTempering(workspace).submit(three()))
    run(second.cancel())
    assert second.details.status == "Cancelled"
    assert [record.status for record in backend.list()] == [Status.Cancelled] * 2


def test_a_job_made_first_is_submitted_by_itself_or_by_the_workspace(run: Any, spaces: list[Any]) -> None:
    workspace, backend = make(run, spaces)
    native = workspace if run.module is gpuqio.trio else workspace._core

    def prepared() -> Any:
        core = gpuqio.trio.Job(native, native._request(three(), ParallelTempering(workspace)))
        return core if run.module is gpuqio.trio else run.module.Job(workspace, core)

    job = prepared()
    run(job.submit())
    other = prepared()
    assert run(workspace.submit_job(other)).id == other.id
    assert [request.job_id for request in backend.requests] == [job.id, other.id]


def test_optimize_gives_up_after_its_time_and_cancels(run: Any, spaces: list[Any]) -> None:
    workspace, backend = make(run, spaces, held=True)
    with pytest.raises(WaitTimeout, match=r"^The wait time has exceeded 0 seconds.$"):
        run(ParallelTempering(workspace).optimize(three(), timeout_secs=0))
    assert all(record.status is Status.Cancelled for record in backend.list())


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5"])
async def test_a_bad_time_to_wait_is_refused_by_name(seconds: Any) -> None:
    workspace = gpuqio.trio.Workspace(backend=(backend := FakeBackend(held=True)))
    with pytest.raises(InvalidParameter, match="timeout_secs") as caught:
        await ParallelTempering(workspace).optimize(three(), timeout_secs=seconds)
    assert caught.value.field == "timeout_secs"
    job = await ParallelTempering(workspace).submit(three())
    with pytest.raises(InvalidParameter, match="max_poll_wait_secs"):
        await job.wait_until_completed(max_poll_wait_secs=seconds, print_progress=True)
    assert len(backend.list()) == 1


async def test_however_short_its_looks_a_wait_hears_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    job = await ParallelTempering(gpuqio.trio.Workspace(), sweeps=10, seed=1).submit(three())
    await job.wait_until_completed(max_poll_wait_secs=0, print_progress=True)
    assert job.details.status == "Succeeded"
    assert set(capsys.readouterr().err) == {"."}


def test_a_batch_crosses_once(run: Any, spaces: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, backend = make(run, spaces)
    crossings: list[object] = []
    serve = Call._serve

    async def counted(call: Call[Any]) -> None:
        crossings.append(call)
        await serve(call)

    monkeypatch.setattr(Call, "_serve", counted)
    results = run(workspace.solve_many([three(n % 10) for n in range(130)], ParallelTempering(workspace)))
    assert results.costs.tolist() == COSTS * 13
    assert [len(request.work.problems) for request in backend.requests] == [64, 33, 17, 8, 4, 2, 1, 1]
    assert len(crossings) == (0 if run.module is gpuqio.trio else 1)


# With blocks, and without.


def test_a_blocking_workspace_closes_its_jobs_and_may_be_used_again(spaces: list[Any]) -> None:
    backend = FakeBackend(held=True)
    with gpuqio.Workspace(backend=backend) as workspace:
        spaces.append(workspace)
        job = ParallelTempering(workspace).submit(three())
        portal = workspace._lease.portal()
    portal.join(PATIENCE)
    assert not portal.alive
    assert backend.get(job.id).status is Status.Cancelled
    assert workspace.statistics().cancelled == 1


def test_an_asyncio_workspace_closes_its_jobs(spaces: list[Any]) -> None:
    backend = FakeBackend(held=True)

    async def main() -> None:
        async with gpuqio.aio.Workspace(backend=backend) as workspace:
            spaces.append(workspace)
            await ParallelTempering(workspace).submit(three())

    asyncio.run(main())
    assert [record.status for record in backend.list()] == [Status.Cancelled]


async def test_a_trio_workspace_closes_its_own_jobs_only() -> None:
    backend = FakeBackend(held=True)
    other = gpuqio.trio.Workspace(backend=backend)
    kept = await ParallelTempering(other).submit(three())
    with trio.CancelScope() as scope:
        async with gpuqio.trio.Workspace(backend=backend) as workspace:
            closed = await ParallelTempering(workspace).submit(three())
            scope.cancel()
    assert backend.get(kept.id).status is Status.Executing
    assert backend.get(closed.id).status is Status.Cancelled


class Counting(FakeBackend):
    """Notes, for each cancellation, how many have been asked for before it goes on."""

    def __init__(self) -> None:
        super().__init__(held=True)
        self.asked = 0
        self.seen: list[int] = []

    async def cancel(self, job_id: str) -> JobRecord:
        self.asked += 1
        await trio.testing.wait_all_tasks_blocked()
        self.seen.append(self.asked)
        return await super().cancel(job_id)


async def test_jobs_are_cancelled_all_at_once() -> None:
    """One after another, each would take a slice, and those still waiting would begin meanwhile."""
    workspace = gpuqio.trio.Workspace(backend=(closed := Counting()))
    for _ in range(4):
        await ParallelTempering(workspace).submit(three())
    await workspace.close()
    assert closed.seen == [4] * 4
    workspace = gpuqio.trio.Workspace(backend=(left := Counting()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workspace.solve_many, [three(), three()], ParallelTempering(workspace))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert left.seen == [2] * 2


def test_a_workspace_never_used_takes_no_lease_and_closes_quietly() -> None:
    with gpuqio.Workspace() as workspace:
        assert not workspace._lease.held


# What interrupts a caller interrupts its job.


class Telling(FakeBackend):
    """Says when a job has been submitted."""

    def __init__(self) -> None:
        super().__init__(held=True)
        self.submitted = threading.Event()

    def submit_nowait(self, request: Request) -> Any:
        record = super().submit_nowait(request)
        self.submitted.set()
        return record


def test_ctrl_c_in_a_blocking_solve_cancels_the_job(spaces: list[Any]) -> None:
    backend = Telling()
    workspace = gpuqio.Workspace(backend=backend)
    spaces.append(workspace)

    def interrupt() -> None:
        assert backend.submitted.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        ParallelTempering(workspace).optimize(three())
    thread.join(PATIENCE)
    assert [record.status for record in backend.list()] == [Status.Cancelled]


@pytest.mark.parametrize("many", [False, True])
def test_cancelling_an_asyncio_task_cancels_its_jobs(spaces: list[Any], many: bool) -> None:
    backend = Telling()

    async def main() -> None:
        workspace = gpuqio.aio.Workspace(backend=backend)
        spaces.append(workspace)
        solver = ParallelTempering(workspace)
        work = workspace.solve_many([three()] * 100, solver) if many else solver.optimize(three())
        task = asyncio.create_task(work)
        await asyncio.to_thread(backend.submitted.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {record.status for record in backend.list()} == {Status.Cancelled}

    asyncio.run(main())


def test_one_asyncio_workspace_solves_many_at_once(spaces: list[Any]) -> None:
    workspace = gpuqio.aio.Workspace(backend=FakeBackend())
    spaces.append(workspace)
    solver = ParallelTempering(workspace)

    async def main() -> list[float]:
        return [result["cost"] for result in await asyncio.gather(*(solver.optimize(three(n)) for n in range(10)))]

    assert asyncio.run(main()) == COSTS


def test_a_notebook_may_use_the_blocking_flavour_in_its_running_loop(spaces: list[Any]) -> None:
    workspace = gpuqio.Workspace(backend=FakeBackend())
    spaces.append(workspace)

    async def cell() -> float:
        return ParallelTempering(workspace).optimize(three()).cost

    assert asyncio.run(cell()) == -17.0


def test_a_blocking_call_from_the_background_thread_is_refused(spaces: list[Any]) -> None:
    workspace = gpuqio.Workspace(backend=FakeBackend())
    spaces.append(workspace)

    async def nested() -> None:
        workspace.statistics()

    with pytest.raises(PortalError, match=r"use gpuqio\.trio"):
        workspace._run(nested)
