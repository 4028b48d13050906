"""Sessions: jobs that belong together; in all flavours, here and at a service."""

from __future__ import annotations

from typing import Any

import pytest

import gpuqio
from gpuqio import Session, SessionStatus
from gpuqio.backend import JobError, SessionRecord
from gpuqio.errors import InputError, InvalidParameter, SessionNotFound
from gpuqio.optimization import ParallelTempering, Problem, Tabu, Term
from gpuqio.scheduler.sessions import SessionBook
from tests.fake_backend import FakeBackend


def three() -> Problem:
    return Problem("three", [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0])])


def test_jobs_of_an_open_session_belong_to_it(run: Any, space: Any) -> None:
    solver = ParallelTempering(space, seed=1)
    before = run(solver.submit(three()))
    session = run(solver.open_session(name="tries"))
    assert isinstance(session, Session)
    assert (session.workspace, session.target, session.details.name) == (space, solver, "tries")
    assert solver.latest_session is session
    job = run(solver.submit(three()))
    assert job.details.session_id == session.id == solver.get_latest_session_id()
    assert [other.id for other in run(session.list_jobs())] == [job.id]
    assert not session.is_in_terminal_state()
    run(job.wait_until_completed())
    assert run(session.close()) is session
    assert session.details.status == SessionStatus.SUCCEEDED
    assert session.is_in_terminal_state()
    assert solver.get_latest_session_id() is None
    assert run(solver.submit(three())).details.session_id is None
    items = run(space.list_top_level_items())
    assert [item.item_type for item in items] == ["Session", "Job", "Job"]
    assert before.id in [item.id for item in items]
    assert {type(item) for item in items} == {Session, run.module.Job}


def test_sessions_are_found_and_listed(run: Any, space: Any) -> None:
    first = run(Session(space, target="microsoft.tabu.cpu", name="a", job_failure_policy="Continue").open())
    second = run(Tabu(space).open_session())
    assert second.details.name == f"session-{second.id}"
    found = run(space.get_session(first.id))
    assert found.workspace is space
    assert found.details == first.details
    assert (found.details.provider_id, found.details.job_failure_policy) == ("microsoft", "Continue")
    assert [session.id for session in run(space.list_sessions())] == [first.id, second.id]
    run(first.close())
    assert not found.is_in_terminal_state()
    assert run(found.refresh()).is_in_terminal_state()
    run(first.close())  # it stays as it is
    with pytest.raises(SessionNotFound, match="no-such"):
        run(space.get_session("no-such"))


def test_the_next_session_closes_the_one_before(run: Any, space: Any) -> None:
    solver = Tabu(space)
    first = run(solver.open_session())
    second = run(solver.open_session())
    assert first.is_in_terminal_state()
    assert solver.latest_session is second


def test_a_with_block_closes_its_session(spaces: list[Any]) -> None:
    workspace = gpuqio.Workspace(backend=FakeBackend())
    spaces.append(workspace)
    with Tabu(workspace).open_session() as session:
        assert not session.is_in_terminal_state()
    assert session.details.status == "Succeeded"


async def test_an_async_with_block_closes_its_session() -> None:
    workspace = gpuqio.trio.Workspace(backend=FakeBackend())
    async with await Tabu(workspace).open_session() as session:
        assert not session.is_in_terminal_state()
    assert session.details.status == "Succeeded"


@pytest.mark.parametrize(("policy", "status"), [("Abort", "Failed"), ("Continue", "Executing")])
async def test_a_failed_job_ends_a_session_that_aborts(policy: str, status: str) -> None:
    workspace = gpuqio.trio.Workspace(backend=(backend := FakeBackend(held=True)))
    solver = Tabu(workspace)
    session = await solver.open_session(job_failure_policy=policy)
    job = await solver.submit(three())
    await session.refresh()
    assert session.details.status == "Executing"
    backend.finish(job.id, JobError("InternalError", "lost"))
    await session.refresh()
    assert session.details.status == status
    await session.close()
    assert session.details.status == ("Failed" if policy == "Abort" else "Failure(s)")
    assert session.details.end_execution_time is not None


async def test_a_closed_session_takes_no_more_jobs() -> None:
    workspace = gpuqio.trio.Workspace()
    solver = Tabu(workspace, sweeps=20)
    session = await solver.open_session()
    await workspace.close_session(Session(workspace, session.details))  # by another handle
    with pytest.raises(InvalidParameter, match="takes no more jobs: its status is Succeeded"):
        await solver.submit(three())


async def test_an_id_is_used_once() -> None:
    book = SessionBook(list)
    await book.open(SessionRecord("1", "a", "", "t"))
    with pytest.raises(InvalidParameter, match="opened already"):
        await book.open(SessionRecord("1", "b", "", "t"))


def test_a_session_is_of_details_or_of_parts() -> None:
    details = Session(None, target="a.b").details
    with pytest.raises(InputError, match="you should not pass `target`"):
        Session(None, details, name="x")
    with pytest.raises(InputError, match="at least pass the `target`"):
        Session(None)
    assert details.provider_id == "a"
    with pytest.raises(ValueError, match="Perhaps"):
        Session(None, target="a.b", job_failure_policy="Perhaps")


async def test_a_session_that_could_not_be_opened_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = gpuqio.trio.Workspace(backend=(backend := FakeBackend()))
    solver = Tabu(workspace)
    with monkeypatch.context() as broken:

        async def refuse(session: object) -> None:
            raise OSError("no line")

        broken.setattr(backend.sessions, "open", refuse)
        with pytest.raises(OSError, match="no line"):
            await solver.open_session()
    assert solver.get_latest_session_id() is None
    session = await solver.open_session()
    assert solver.get_latest_session_id() == session.id
