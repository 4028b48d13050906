"""Jobs over two places end once, wherever they go, and leave nothing running."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid1

import pytest
import trio
import trio.testing

from gpuqio.backend import Backend, Blob, Envelope, JobError, Status
from gpuqio.dispatch import (
    Account,
    Breaker,
    Budget,
    DispatchBackend,
    LocalOnly,
    Overflow,
    Place,
    Policy,
    Race,
    RemoteOnly,
    Spent,
)
from gpuqio.dispatch.decision import FIRST_REST
from gpuqio.errors import BackendUnavailable, InvalidParameter, JobNotFound, RemoteError
from gpuqio.optimization import Problem, Term
from gpuqio.scheduler.local import LocalBackend
from gpuqio.scheduler.loop import Scheduler
from gpuqio.trio import Workspace
from tests.fake_backend import FakeBackend
from tests.fake_engine import FakeEngine, a_request, a_scheduler
from tests.fake_remote import FakeLocal, FakeRemote

Clock = trio.testing.MockClock


@dataclass
class Places:
    """Both backends, and the one over them."""

    local: Scheduler
    remote: FakeRemote
    backend: DispatchBackend

    def local_status(self, job_id: str) -> Status | None:
        return next((record.status for record in self.local.list() if record.id == job_id), None)

    @property
    def nothing_runs(self) -> bool:
        return all(record.status.is_final for record in (*self.local.list(), *self.remote.inner.list()))


@asynccontextmanager
async def two_places(policy: Policy, workers: int = 1, account: Account | None = None) -> AsyncIterator[Places]:
    async with a_scheduler(workers) as local, a_scheduler(4) as inner:
        remote = FakeRemote(inner)
        backend = policy.over(cast(Backend, FakeLocal(local)), cast(Backend, remote), account)
        assert isinstance(backend, DispatchBackend)
        yield Places(local, remote, backend)


async def occupy(places: Places, seconds: float = 100.0) -> None:
    """Give the one local worker so much to do before anything else, and time enough to say so."""
    places.local.submit_nowait(a_request("occupant", seconds, priority=5))
    places.local.submit_nowait(a_request("queued", 0.001))
    await trio.sleep(0.05)


async def test_local_only_is_the_local_backend(autojump_clock: Clock) -> None:
    async with a_scheduler() as local, a_scheduler() as remote:
        assert LocalOnly().over(cast(Backend, local), cast(Backend, remote)) is cast(Any, local)


async def test_remote_only(autojump_clock: Clock) -> None:
    async with two_places(RemoteOnly()) as places:
        record = await places.backend.submit(a_request("a", 1.0))
        assert (record.id, record.status.is_final) == ("a", False)
        assert (await places.backend.wait("a")).status is Status.Succeeded
        assert places.local.list() == []
        assert places.backend.get("a") == places.remote.get("a")
        assert [record.id for record in places.backend.list()] == ["a"]
        with pytest.raises(JobNotFound):
            places.backend.get("b")


async def test_remote_only_reports_what_goes_wrong_and_can_be_asked_again(autojump_clock: Clock) -> None:
    async with two_places(RemoteOnly()) as places:
        await places.backend.submit(a_request("a", 5.0))
        places.remote.dead = True
        for _ in range(2):
            with pytest.raises(RemoteError, match="no answer"):
                await places.backend.wait("a")
        for call in (places.backend.cancel, places.backend.fetch):
            with pytest.raises(RemoteError, match="no answer"):
                await call("a")
        with pytest.raises(RemoteError, match="no answer"):
            await places.backend.submit(a_request("b"))
        with pytest.raises(JobNotFound):
            places.backend.get("b")
        places.remote.dead = False
        assert (await places.backend.fetch("a")).status is Status.Executing
        assert (await places.backend.wait("a")).status is Status.Succeeded
        assert places.local.list() == []


async def test_remote_only_goes_local_when_its_budget_is_used_up(autojump_clock: Clock) -> None:
    async with two_places(RemoteOnly(Budget(jobs=1))) as places:
        for job_id in ("a", "b"):
            assert (await places.backend.solve(a_request(job_id))).status is Status.Succeeded
        assert (places.local_status("a"), places.local_status("b")) == (None, Status.Succeeded)


async def test_an_idle_machine_keeps_its_work_and_a_busy_one_sends_it(autojump_clock: Clock) -> None:
    async with two_places(Overflow(max_wait=10.0)) as places:
        await places.backend.solve(a_request("a"))
        await occupy(places)
        record = await places.backend.solve(a_request("b"))
        assert record.status is Status.Succeeded
        assert (places.local_status("a"), places.local_status("b")) == (Status.Succeeded, None)
        said = places.backend.statistics()
        assert (said.kept, said.sent, said.returned, said.spent.jobs) == (1, 1, 0, 1)
        assert said.local == places.local.statistics()
        assert (said.workers, said.executing, said.succeeded) == (5, 1, 2)
        assert said.in_work == 10 + said.ahead
        assert said.predicted_wait == 0.0  # where it would go


async def test_a_job_that_the_remote_refuses_is_done_locally(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1.0)
        places.remote.refuses = BackendUnavailable("closed for the night")
        record = await places.backend.submit(a_request("a"))
        assert record.status is Status.Waiting
        assert (await places.backend.wait("a")).status is Status.Succeeded
        assert places.local_status("a") is Status.Succeeded
        assert places.backend.statistics().returned == 1
        assert places.backend.statistics().failure == "BackendUnavailable: closed for the night"
        assert places.remote.calls == ["submit a", "cancel a"]  # it might have arrived


async def test_a_remote_that_dies_under_a_job_costs_nothing_but_time(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1.0)
        await places.backend.submit(a_request("a", 3.0))
        assert places.remote.running == ["a"]
        places.remote.dead = True
        await trio.sleep(0.2)
        assert places.backend.get("a").status is Status.Waiting
        assert places.backend.get("a") == places.local.get("a")
        assert (await places.backend.wait("a")).status is Status.Succeeded
        assert places.backend.get("a") == places.local.get("a")
        assert [record.id for record in places.backend.list()].count("a") == 1
        assert (await places.backend.fetch("a")).status is Status.Succeeded
        assert "a" in [record.id for record in await places.backend.fetch_all()]
        assert await places.backend.quotas() == [{"dimension": "local"}]
        assert cast(Any, await places.backend.targets()) == ["local target"]


async def test_what_is_done_again_here_is_cancelled_there_once_it_can_be_heard(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1.0)
        await places.backend.submit(a_request("a", 3.0))
        places.remote.dead = True
        await trio.sleep(0.06)
        places.remote.dead = False  # it was but a moment
        assert (await places.backend.wait("a")).status is Status.Succeeded
        await trio.sleep(1.0)
        assert places.nothing_runs


async def test_a_server_that_closes_fails_its_jobs_and_they_are_done_here(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1.0)
        request = a_request("a", 1.0, breaks="advance", error=RuntimeError("closed"))
        record = await places.backend.solve(request)
        # It fails here too, and what is said is what happened here.
        assert (record.status, record) == (Status.Failed, places.local.get("a"))
        assert places.backend.statistics().returned == 1
        assert places.backend.statistics().resting > 0
        assert places.backend.statistics().failure == "InternalError: RuntimeError: closed"


async def test_a_job_that_is_at_fault_itself_is_not_done_twice(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1.0)
        wrong = InvalidParameter("sweeps must be positive", field="sweeps")
        record = await places.backend.solve(a_request("a", breaks="start", error=wrong))
        assert record.error is not None
        assert (record.status, record.error.code) == (Status.Failed, "InvalidInputData")
        assert places.local_status("a") is None
        assert places.backend.statistics().resting == 0.0


async def test_a_remote_that_fails_is_left_alone_for_a_while_then_tried_by_one_job(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 1000.0)
        places.remote.dead = True
        async with trio.open_nursery() as nursery:
            for job_id in "abc":
                nursery.start_soon(places.backend.submit, a_request(job_id, priority=1))
        assert places.backend.statistics().returned == 3
        assert 0 < places.backend.statistics().resting <= FIRST_REST  # one outage
        tried = len(places.remote.requests)
        await places.backend.submit(a_request("d", priority=1))
        assert len(places.remote.requests) == tried
        await trio.sleep(FIRST_REST)
        places.remote.dead = False
        for job_id in "efg":
            places.backend.submit_nowait(a_request(job_id, 1.0, priority=1))
        assert [request.job_id for request in places.remote.requests[tried:]] == []  # its task has not begun
        await places.backend.wait("e")
        assert [request.job_id for request in places.remote.requests[tried:]] == ["e"]
        await places.backend.submit(a_request("h", priority=1))
        await places.backend.submit(a_request("i", priority=1))
        assert [request.job_id for request in places.remote.requests[tried:]] == ["e", "h", "i"]


async def test_the_first_to_succeed_wins_and_the_other_is_gone_before_it_is_told(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        record = await places.backend.solve(a_request("local", 0.5))
        assert (record.status, record) == (Status.Succeeded, places.local.get("local"))
        assert places.remote.status("local") is Status.Cancelled
        await occupy(places, 10.0)
        record = await places.backend.solve(a_request("remote", 0.5))
        assert (record.status, record) == (Status.Succeeded, places.remote.get("remote"))
        assert places.local_status("remote") is Status.Cancelled
        assert [record.id for record in places.backend.list()].count("remote") == 1


async def test_until_the_loser_is_gone_a_race_has_not_ended(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        await places.backend.submit(a_request("a", 0.12))
        await places.local.wait("a")
        assert places.backend.get("a").status is Status.Executing
        assert places.backend.get("a").results is None
        assert (await places.backend.wait("a")).status is Status.Succeeded
        assert places.nothing_runs


async def test_a_race_that_is_over_before_the_other_has_answered_leaves_no_orphan(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        places.remote.latency = 1.0
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(places.backend.solve, a_request("early", 0.001))  # before the other has heard of it
            nursery.start_soon(places.backend.solve, a_request("late", 0.8))  # the answer is under way
        assert trio.current_time() - began < 2.0
        assert "early" not in [record.id for record in places.remote.inner.list()]
        assert "late" in [record.id for record in places.remote.inner.list()]
        assert places.nothing_runs


@pytest.mark.parametrize("dies", [0.0, 0.07, 0.3])
async def test_a_race_goes_on_without_a_remote_that_dies(dies: float, autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(places.backend.solve, a_request("a", 1.0))
            await trio.sleep(dies)
            places.remote.dead = True
        assert places.backend.get("a").status is Status.Succeeded
        assert places.backend.get("a") == places.local.get("a")


async def test_a_race_that_nobody_wins_has_the_local_error(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        record = await places.backend.solve(a_request("a", breaks="advance", error=RuntimeError("no")))
        assert record == places.local.get("a")
        assert record.error == JobError("InternalError", "RuntimeError: no")
        places.local._broken = "It was closed"
        places.backend._runner.breaker = Breaker()
        assert (await places.backend.solve(a_request("b"))).status is Status.Succeeded  # the other can
        places.remote.dead = True
        with pytest.raises(BackendUnavailable, match="It was closed"):
            await places.backend.submit(a_request("c"))


@pytest.mark.parametrize("policy", [Overflow(0.0), Race(), RemoteOnly()])
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.07, 0.11, 0.3, 1.02, 1.08])
@pytest.mark.parametrize("way", ["cancel", "solve", "submit"])
async def test_cancelled_at_any_moment_a_job_leaves_nothing(
    policy: Policy, moment: float, way: str, autojump_clock: Clock
) -> None:
    async with two_places(policy) as places:
        await occupy(places, 2.0)
        request = a_request("a", 0.9)
        if way == "cancel":
            places.backend.submit_nowait(request)
            await trio.sleep(moment)
            record = await places.backend.cancel("a")
            assert record.status in (Status.Cancelled, Status.Succeeded)
            assert record == places.backend.get("a")
            assert await places.backend.cancel("a") == record
        else:
            with trio.move_on_after(moment) as scope:
                await (places.backend.solve(request) if way == "solve" else places.backend.submit(request))
            if not scope.cancelled_caught:
                await places.backend.cancel("a")
        assert [record.id for record in places.backend.list() if not record.status.is_final] in (
            [],
            ["occupant"],
            ["occupant", "queued"],
        )
        assert places.remote.running == []
        assert places.local_status("a") in (None, Status.Cancelled, Status.Succeeded)
        assert places.backend._account.out == 0


async def test_a_cancelled_job_keeps_what_it_has_found(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        await places.backend.submit(a_request("a", 10.0))
        await trio.sleep(1.0)
        record = await places.backend.cancel("a")
        assert (record.status, record.results is not None) == (Status.Cancelled, True)


async def test_a_job_can_be_cancelled_though_the_remote_is_dead(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuqio.dispatch.runner.CLEANUP_SECONDS", 1.0)
    async with two_places(Overflow(0.0)) as places:
        await occupy(places, 100.0)
        await places.backend.submit(a_request("a", 50.0))
        places.remote.dead = True
        places.remote.latency = 1000.0  # not even a refusal
        began = trio.current_time()
        record = await places.backend.cancel("a")
        assert record.status is Status.Cancelled
        assert trio.current_time() - began == pytest.approx(1.0)


def test_jobs_end_with_the_trio_run() -> None:
    found: list[FakeRemote] = []

    async def leave() -> None:
        engine = FakeEngine()
        local, inner = (LocalBackend(engine, workers=1) for _ in range(2))
        remote = FakeRemote(inner, latency=0.0)
        found.append(remote)
        backend = RemoteOnly().over(cast(Backend, local), cast(Backend, remote))
        await backend.submit(a_request("a", 1.0))

    trio.run(leave)
    assert found[0].calls == ["submit a", "cancel a"]


# Budgets.


async def test_no_more_jobs_are_sent_than_the_budget_has(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0, Budget(jobs=2))) as places:
        await occupy(places, 2.0)
        for number in range(5):  # all at once
            places.backend.submit_nowait(a_request(str(number), priority=1))
        for number in range(5):
            await places.backend.wait(str(number))
        assert {request.job_id for request in places.remote.requests} == {"0", "1"}  # tasks begin in any order


async def test_seconds_are_counted_while_a_job_is_out_and_afterwards(autojump_clock: Clock) -> None:
    async with two_places(Race(Budget(seconds=1.0))) as places:
        await occupy(places, 3.0)
        await places.backend.submit(a_request("a", 0.8))
        await trio.sleep(0.5)
        assert places.backend.statistics().spent.seconds == pytest.approx(0.5)
        await places.backend.wait("a")
        spent = places.backend.statistics().spent.seconds
        assert 0.8 < spent < 1.0
        await trio.sleep(0.5)
        assert places.backend.statistics().spent.seconds == spent
        await places.backend.solve(a_request("b", 0.5))
        assert places.backend._decide(a_request("c")) is Place.LOCAL


async def test_money_is_counted_as_it_is_billed_and_across_backends(autojump_clock: Clock) -> None:
    account, policy = Account(), Overflow(0.0, Budget(cost=1.0))
    async with two_places(policy, account=account) as places:
        await occupy(places)
        places.remote.cost = {"currencyCode": "USD", "estimatedTotal": 0.75}
        for job_id in "ab":
            await places.backend.solve(a_request(job_id))
        assert places.backend.statistics().spent == Spent(2, account.spent(0.0).seconds, 1.5)
    async with two_places(policy, account=account) as places:
        await occupy(places)
        await places.backend.submit(a_request("c"))
        assert places.remote.requests == []
    assert repr(account).startswith("<Account: 2 jobs, ")


# What is asked for, and of whom.


async def test_one_problem_without_a_seed_gets_one_before_it_goes_anywhere(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        await places.backend.submit(a_request("a", params={"params": {"sweeps": 7}}))
        sent = places.remote.requests[0] if places.remote.requests else None
        here = places.local.get("a").request
        assert sent is not None
        assert here is not None
        seed = sent.work.solver.seed
        assert seed is not None
        assert here.work.solver.seed == seed
        assert here.params == sent.params == {"params": {"sweeps": 7, "seed": seed}}
        await places.backend.submit(a_request("b", seed=5))
        await trio.sleep(0.01)
        assert places.remote.requests[-1].work.solver.seed == 5
        assert places.remote.requests[-1].params == {}
        many = a_request("c")
        many = replace(many, work=replace(many.work, problems=(*many.work.problems, *many.work.problems)))
        await places.backend.submit(many)
        await trio.sleep(0.01)
        assert places.remote.requests[-1].work.solver.seed is None  # each problem gets one of its own
        assert places.backend.statistics().spent.jobs == 4


async def test_a_place_is_not_told_of_anothers_storage(autojump_clock: Clock) -> None:
    lies = Envelope(container_uri="local:/job-a", output_data_uri="local:/job-a/out", tags=("t",))
    async with two_places(Race()) as places:
        await places.backend.submit(a_request("a", envelope=lies))
        await trio.sleep(0.01)
        assert places.remote.requests[0].envelope == Envelope(tags=("t",))
        here = places.local.get("a").request
        assert here is not None
        assert here.envelope == lies


async def test_where_a_problem_lies_as_a_blob_there_it_is_solved(autojump_clock: Clock) -> None:
    async with two_places(Race()) as places:
        blob = a_request("a")
        storage = places.local.storage
        problem = Blob(Problem("lies there", [Term(c=1, indices=[0])]).to_blob(), "application/json", "gzip")
        uri = await storage.upload(await storage.container(str(uuid1())), "inputData", problem)
        blob = replace(blob, work=replace(blob.work, problems=()), envelope=Envelope(input_data_uri=uri))
        await places.backend.submit(blob)
        await places.backend.submit(a_request("b", envelope=Envelope(session_id="s")))
        assert places.remote.requests == []
    async with two_places(RemoteOnly()) as places:
        assert places.backend.storage == cast(Any, "the remote storage")
        await places.backend.submit(blob)
        assert places.remote.requests[0].envelope.input_data_uri == uri


async def test_an_id_is_given_once(autojump_clock: Clock) -> None:
    async with two_places(RemoteOnly(Budget(jobs=1))) as places:
        await places.backend.submit(a_request("a"))
        await places.backend.submit(a_request("b"))
        for job_id in "ab":
            with pytest.raises(InvalidParameter, match="submitted already"):
                await places.backend.submit(a_request(job_id))


async def test_jobs_that_others_submitted_are_found(autojump_clock: Clock) -> None:
    async with two_places(Overflow(0.0)) as places:
        places.remote.inner.submit_nowait(a_request("there", 1.0))
        await occupy(places, 0.5)
        assert {record.id for record in places.backend.list()} == {"there", "occupant", "queued"}
        assert (await places.backend.fetch("there")).status is Status.Executing
        assert (await places.backend.wait("there")).status is Status.Succeeded
        assert (await places.backend.wait("occupant")).status is Status.Succeeded
        assert (await places.backend.cancel("there")).status is Status.Succeeded
        created = [record.created for record in places.backend.list()]
        assert created == sorted(created)
        assert created[-1] - created[0] < timedelta(minutes=1)


async def test_ended_jobs_hold_no_problems_and_are_forgotten_in_time(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuqio.dispatch.backend.KEPT_JOBS", 3)
    async with two_places(RemoteOnly()) as places:
        for number in range(5):
            await places.backend.solve(a_request(str(number)))
        assert list(places.backend._jobs) == ["2", "3", "4"]
        assert all(job.request.work.problems == () for job in places.backend._jobs.values())
        assert places.backend.get("0").status is Status.Succeeded  # the place knows


async def test_what_a_policy_made_of_a_workspace_goes_with_it() -> None:
    workspace = Workspace(backend=FakeBackend(), dispatch=Race())
    dispatched = weakref.ref(workspace._reach())
    assert dispatched() is workspace._reach()
    await workspace.close()
    del workspace
    gc.collect()
    assert dispatched() is None
