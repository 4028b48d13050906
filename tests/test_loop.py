from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from gpuqio.backend import Backend, JobRecord, Request, Statistics, Status
from gpuqio.errors import BackendUnavailable, InputError, InvalidParameter, JobNotFound, QueueFull
from gpuqio.result import StopReason
from gpuqio.scheduler.crossing import Answer, Crossing
from gpuqio.scheduler.loop import Scheduler
from gpuqio.scheduler.turns import SLICE
from tests.fake_engine import FakeEngine, FakeWorkers, a_request, a_scheduler

Clock = trio.testing.MockClock


def reason_of(record: JobRecord) -> StopReason:
    assert record.results is not None
    return record.results[0].report.stop_reason


def at_rest(scheduler: Scheduler) -> bool:
    numbers = scheduler.statistics()
    return (numbers.busy, numbers.waiting, numbers.submitting, numbers.executing) == (0, 0, 0, 0)


async def test_it_is_a_backend(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        backend: Backend = scheduler
        assert await backend.solve(a_request("a")) == backend.get("a")


async def test_a_job_from_beginning_to_end(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        record = await scheduler.submit(a_request("a", 0.1, name="Mine", params={"sweeps": 2}, target="t"))
        assert (record.id, record.name, record.target, record.params) == ("a", "Mine", "t", {"sweeps": 2})
        assert record.status is Status.Waiting
        assert (record.began, record.ended, record.results) == (None, None, None)
        await trio.sleep(0.05)
        assert scheduler.get("a").status is Status.Executing
        began = scheduler.get("a").began
        record = await scheduler.wait("a")
        assert trio.current_time() == pytest.approx(0.1)
        assert record.status is Status.Succeeded
        assert reason_of(record) is StopReason.COMPLETED
        assert (record.began, record.cancelled, record.error) == (began, None, None)
        assert began is not None
        assert record.ended is not None
        assert record.created <= began <= record.ended
        assert scheduler.list() == [record]
        assert repr(scheduler) == (
            "<Scheduler on fake: <Policy: 0 outside, 0 waiting, 0 executing, 0 of 1 workers busy; 1 succeeded>>"
        )


async def test_a_job_is_executing_from_its_start(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("a"))
        await trio.sleep(0.0005)
        record = scheduler.get("a")
        assert (record.status, record.began is None) == (Status.Executing, False)


async def test_statistics(autojump_clock: Clock) -> None:
    async with a_scheduler(workers=2, max_waiting=3) as scheduler:
        for number in range(2):
            await scheduler.submit(a_request(f"running{number}", 1.0))
            await trio.sleep(0.05)  # so that each gets a worker
        for number in range(2):
            await scheduler.submit(a_request(f"waiting{number}", priority=-1))
        await trio.sleep(0.001)
        statistics = scheduler.statistics()
        assert statistics.predicted_wait == pytest.approx((0.92 + 0.96 + 2 * 1.0) / 2)  # the last two as the first
        assert replace(statistics, predicted_wait=0.0) == Statistics(
            workers=2, busy=2, waiting=2, max_waiting=3, submitting=0, executing=2, succeeded=0, failed=0, cancelled=0
        )
        await scheduler.cancel("waiting0")
        for record in scheduler.list():
            await scheduler.wait(record.id)
        assert scheduler.statistics() == Statistics(
            workers=2, busy=0, waiting=0, max_waiting=3, submitting=0, executing=0, succeeded=3, failed=0, cancelled=1
        )


async def test_small_jobs_cross_together_and_workers_work_at_once(autojump_clock: Clock) -> None:
    engine = FakeEngine()
    workers = FakeWorkers(engine)
    scheduler = Scheduler([engine], workers, 2, clock=engine.clock)
    for number in range(1_000):
        scheduler.submit_nowait(a_request(str(number), 0.00005))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scheduler.run)
        for number in range(1_000):
            assert (await scheduler.wait(str(number))).status is Status.Succeeded
        nursery.cancel_scope.cancel()
    assert workers.crossings == 7
    assert workers.most_at_once == 2
    assert trio.current_time() == pytest.approx(1_000 * 0.00005 / 2, rel=0.1)


async def test_a_workers_next_slice_begins_before_anyone_hears_of_its_last(autojump_clock: Clock) -> None:
    engine = FakeEngine()
    workers = FakeWorkers(engine)
    scheduler = Scheduler([engine], workers, 1, clock=engine.clock)
    for job_id in "ab":
        scheduler.submit_nowait(a_request(job_id, 0.05))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scheduler.run)
        await scheduler.wait("a")
        assert scheduler.get("b").status is Status.Executing
        assert workers.at_once == 1
        nursery.cancel_scope.cancel()


async def test_ten_thousand_jobs_of_one_owner_do_not_starve_anothers_one(autojump_clock: Clock) -> None:
    async with a_scheduler(max_waiting=20_000) as scheduler:
        for number in range(10_000):
            scheduler.submit_nowait(a_request(f"A{number}", 0.001, owner="A"))
        await trio.sleep(0.1)
        began = trio.current_time()
        assert (await scheduler.solve(a_request("B", 0.001, owner="B"))).status is Status.Succeeded
        assert trio.current_time() - began < 3 * SLICE
        assert 100 < scheduler.statistics().succeeded < 200


async def test_a_long_job_does_not_block_a_short_one(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("long", 1_000.0))
        await trio.sleep(1.0)
        with trio.fail_after(3 * SLICE):
            record = await scheduler.solve(a_request("short", 0.001))
    assert record.status is Status.Succeeded


async def test_priority(autojump_clock: Clock) -> None:
    ended = []
    async with a_scheduler() as scheduler, trio.open_nursery() as nursery:

        async def one(priority: int) -> None:
            await scheduler.solve(a_request(str(priority), 0.050, priority=priority))
            ended.append(priority)

        for priority in (3, 1, 4, -1, 5, 9, 2, 6):
            nursery.start_soon(one, priority)
    assert ended == sorted(ended, reverse=True)


async def test_an_owner_with_one_thread_uses_one_worker(autojump_clock: Clock) -> None:
    async with a_scheduler(workers=4) as scheduler:
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(scheduler.solve, a_request(str(number), 0.1, owner="A", threads=1, timeout=9.0))
        assert trio.current_time() == pytest.approx(0.4)


async def test_a_timeout_returns_the_best_so_far(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        record = await scheduler.solve(a_request("a", 1_000.0, timeout=0.5))
        assert trio.current_time() == pytest.approx(0.5)
        assert record.status is Status.Succeeded
        assert reason_of(record) is StopReason.TIMEOUT


async def test_a_timeout_counts_only_the_time_in_which_the_job_ran(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        async with trio.open_nursery() as nursery:
            for job_id in "ab":
                nursery.start_soon(scheduler.solve, a_request(job_id, 0.4, timeout=0.5))
        assert [reason_of(scheduler.get(job_id)) for job_id in "ab"] == [StopReason.COMPLETED] * 2
        assert trio.current_time() == pytest.approx(0.8)


async def test_a_timeout_is_each_problems_own(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        request = a_request("a", 1_000.0, timeout=0.5)
        chunk = replace(request, work=replace(request.work, problems=[*request.work.problems] * 4))
        assert reason_of(await scheduler.solve(chunk)) is StopReason.TIMEOUT
        assert trio.current_time() == pytest.approx(4 * 0.5)


async def test_a_deadline(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("running", 1.0, priority=1))
        await trio.sleep(0.1)
        record = await scheduler.solve(a_request("late", deadline=0.3))
        assert trio.current_time() == pytest.approx(0.3)
        assert record.status is Status.Failed
        assert record.error is not None
        assert record.error.code == "DeadlineExceeded"
        assert record.error.message.startswith("The job was still waiting at its deadline")
        assert (await scheduler.wait("running")).status is Status.Succeeded


async def test_submit_waits_for_room_first_come_first_served(autojump_clock: Clock) -> None:
    admitted = []
    async with a_scheduler(max_waiting=2) as scheduler:
        scheduler.submit_nowait(a_request("running", 1.0, priority=1))
        await trio.sleep(0.5)
        for number in range(2):
            scheduler.submit_nowait(a_request(f"waiting{number}", 0.1))
        with pytest.raises(QueueFull, match="2 of at most 2 jobs are waiting"):
            scheduler.submit_nowait(a_request("refused"))
        with pytest.raises(JobNotFound):
            scheduler.get("refused")
        async with trio.open_nursery() as nursery:

            async def one(number: int) -> None:
                await scheduler.submit(a_request(f"later{number}", 0.1))
                admitted.append(number)

            for number in range(5):
                nursery.start_soon(one, number)
                await trio.sleep(0.01)
            assert admitted == []
            assert scheduler.statistics().submitting == 5
            assert scheduler.statistics().waiting == 2
            assert scheduler.get("later0").status is Status.Waiting
        assert admitted == [0, 1, 2, 3, 4]
        for record in scheduler.list():
            assert (await scheduler.wait(record.id)).status is Status.Succeeded


async def test_a_submitter_that_gives_up_leaves_no_trace(autojump_clock: Clock) -> None:
    async with a_scheduler(max_waiting=1) as scheduler:
        scheduler.submit_nowait(a_request("running", 1.0, priority=1))
        await trio.sleep(0.1)
        scheduler.submit_nowait(a_request("waiting"))
        with trio.move_on_after(0.1) as scope:
            await scheduler.submit(a_request("never"))
        assert scope.cancelled_caught
        with pytest.raises(JobNotFound):
            scheduler.get("never")
        await scheduler.wait("waiting")
        assert at_rest(scheduler)


async def test_a_job_outside_can_be_cancelled_and_can_expire(autojump_clock: Clock) -> None:
    records = {}
    async with a_scheduler(max_waiting=1) as scheduler:
        scheduler.submit_nowait(a_request("running", 1.0, priority=1))
        await trio.sleep(0.1)
        scheduler.submit_nowait(a_request("waiting"))
        async with trio.open_nursery() as nursery:

            async def one(request: Request) -> None:
                records[request.job_id] = await scheduler.submit(request)

            nursery.start_soon(one, a_request("cancelled"))
            nursery.start_soon(one, a_request("expired", deadline=0.5))
            await trio.sleep(0.1)
            await scheduler.cancel("cancelled")
        assert records["cancelled"].status is Status.Cancelled
        assert records["expired"].status is Status.Failed
        assert trio.current_time() == pytest.approx(0.5)


async def test_cancel_a_waiting_job(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("running", 1.0, priority=1))
        await trio.sleep(0.1)
        scheduler.submit_nowait(a_request("waiting"))
        now = trio.current_time()
        record = await scheduler.cancel("waiting")
        assert trio.current_time() == now
        assert record.status is Status.Cancelled
        assert (record.began, record.results) == (None, None)
        assert record.cancelled == record.ended is not None


async def test_cancel_a_running_job_within_a_slice_keeping_the_best_so_far(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("a", 1_000.0))
        await trio.sleep(0.505)
        record = await scheduler.cancel("a")
        assert trio.current_time() - 0.505 <= 0.0011  # as often as the fake looks at the flag
        assert record.status is Status.Cancelled
        assert reason_of(record) is StopReason.CANCELLED
        assert await scheduler.cancel("a") == record
        assert at_rest(scheduler)


async def test_a_cancelled_jobs_neighbours_in_the_batch_are_not_disturbed(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        for job_id in "abcd":
            scheduler.submit_nowait(a_request(job_id, 0.004))
        await trio.sleep(0.002)
        record = await scheduler.cancel("c")
        assert record.status is Status.Cancelled
        for job_id in "abd":
            record = await scheduler.wait(job_id)
            assert (record.status, reason_of(record)) == (Status.Succeeded, StopReason.COMPLETED)
        assert trio.current_time() <= 0.016


async def test_cancel_an_ended_job_changes_nothing(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        record = await scheduler.solve(a_request("a"))
        assert await scheduler.cancel("a") == record


async def test_a_cancelled_wait_leaves_the_job_alone(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("a", 0.5))
        with trio.move_on_after(0.1):
            await scheduler.wait("a")
        assert scheduler.get("a").status is Status.Executing
        assert (await scheduler.wait("a")).status is Status.Succeeded


async def test_a_cancelled_solve_cancels_the_job_and_waits_for_that(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        with trio.move_on_after(0.1) as scope:
            await scheduler.solve(a_request("a", 1_000.0))
        assert scope.cancelled_caught
        assert scheduler.get("a").status is Status.Cancelled
        assert trio.current_time() <= 0.1 + SLICE


@pytest.mark.parametrize("step", ["start", "advance", "outcome"])
async def test_an_engine_error_is_one_jobs_own(step: str, autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        scheduler.submit_nowait(a_request("good"))
        scheduler.submit_nowait(a_request("bad", breaks=step, error=InputError("c is bad.", code="AZQ107")))
        scheduler.submit_nowait(a_request("good2"))
        record = await scheduler.wait("bad")
        assert record.status is Status.Failed
        assert record.error is not None
        assert (record.error.code, record.error.message) == ("InvalidInputData", "AZQ107: c is bad.")
        assert (await scheduler.wait("good")).status is Status.Succeeded
        assert (await scheduler.wait("good2")).status is Status.Succeeded


async def test_bad_requests_leave_everything_as_it_was(autojump_clock: Clock) -> None:
    async with a_scheduler() as scheduler:
        record = await scheduler.solve(a_request("a"))
        with pytest.raises(InvalidParameter, match="'a' has been submitted already"):
            scheduler.submit_nowait(a_request("a"))
        with pytest.raises(InvalidParameter, match="'a' has been submitted already"):
            await scheduler.submit(a_request("a"))
        for ask in (scheduler.cancel, scheduler.wait):
            with pytest.raises(JobNotFound, match="No job has the id 'nobody'"):
                await ask("nobody")
        with pytest.raises(JobNotFound, match="No job has the id 'nobody'"):
            scheduler.get("nobody")
        assert scheduler.list() == [record]
        assert at_rest(scheduler)


@pytest.mark.parametrize(
    ("field", "value"),
    [("priority", 1.5), ("priority", True), ("priority", float("nan")), ("threads", 0), ("deadline", float("nan"))],
)
def test_a_request_checks_itself(field: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=f"{field} must be .*; found {field}=") as caught:
        a_request("a", **{field: value})
    assert caught.value.field == field


async def test_an_executor_that_fails_fails_the_slices_jobs_only(autojump_clock: Clock) -> None:
    engine = FakeEngine()
    workers = FakeWorkers(engine)
    fail = [True]

    async def execute(crossing: Crossing) -> list[Answer]:
        if fail.pop() if fail else False:
            raise RuntimeError("can't start new thread")
        return await workers(crossing)

    scheduler = Scheduler([engine], execute, 1, clock=engine.clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        record = await scheduler.solve(a_request("a"))
        assert record.status is Status.Failed
        assert record.error is not None
        assert record.error.message == "RuntimeError: can't start new thread"
        assert (await scheduler.solve(a_request("b"))).status is Status.Succeeded
        nursery.cancel_scope.cancel()


async def test_when_it_is_closed_its_jobs_fail_and_nothing_hangs(autojump_clock: Clock) -> None:
    scheduler = Scheduler([FakeEngine()], FakeWorkers(FakeEngine()), 1, max_waiting=2)
    records: list[JobRecord] = []

    async def collect(ask: Callable[[Request], Awaitable[JobRecord]], request: Request) -> None:
        records.append(await ask(request))

    async with trio.open_nursery() as nursery, trio.open_nursery() as inner:
        await inner.start(scheduler.run)
        scheduler.submit_nowait(a_request("running", 1_000.0, priority=1))
        await trio.sleep(0.1)
        for job_id in "ab":
            nursery.start_soon(collect, scheduler.solve, a_request(job_id))
        await trio.sleep(0.1)
        nursery.start_soon(collect, scheduler.submit, a_request("outside"))
        await trio.sleep(0.1)
        inner.cancel_scope.cancel()
    assert [record.status for record in [*records, scheduler.get("running")]] == [Status.Failed] * 4
    assert {record.error.message for record in records if record.error} == {
        "The scheduler was closed before the job had ended."
    }
    with pytest.raises(BackendUnavailable, match="The scheduler was closed; no job can be run here any more."):
        await scheduler.submit(a_request("later"))
    assert repr(scheduler) == "<Scheduler on fake: The scheduler was closed; no job can be run here any more.>"


async def test_when_it_breaks_its_jobs_are_told_why(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    scheduler = Scheduler([engine], FakeWorkers(engine), 1)
    scheduler.submit_nowait(a_request("a"))
    monkeypatch.setattr(scheduler._policy, "decide", lambda now: 1 / 0)
    with pytest.RaisesGroup(ZeroDivisionError):
        await scheduler.run()
    error = (await scheduler.wait("a")).error
    assert error is not None
    assert error.code == "InternalError"
    assert error.message == "The scheduler broke (ZeroDivisionError('division by zero')) before the job had ended."


@pytest.mark.parametrize("ask", ["solve", "submit", "wait", "cancel"])
async def test_cancellation_at_any_moment_leaves_the_scheduler_whole(ask: str, autojump_clock: Clock) -> None:
    async with a_scheduler(max_waiting=1) as scheduler:
        for step in range(60):
            scheduler.submit_nowait(a_request(f"first{step}", 0.020))
            await trio.testing.wait_all_tasks_blocked()
            scheduler.submit_nowait(a_request(f"second{step}", 0.010, priority=1))
            with trio.move_on_after(step * 0.001):
                match ask:
                    case "solve":
                        await scheduler.solve(a_request(f"mine{step}", 0.010))
                    case "submit":
                        await scheduler.submit(a_request(f"mine{step}", 0.010))
                    case "wait":
                        await scheduler.wait(f"second{step}")
                    case "cancel":
                        await scheduler.cancel(f"first{step}")
            for record in scheduler.list():
                await scheduler.wait(record.id)
            assert at_rest(scheduler)
            mine = [record for record in scheduler.list() if record.id == f"mine{step}"]
            if ask == "solve" and step == 59:
                assert mine[0].status is Status.Succeeded
            if ask in ("solve", "submit") and step == 0:
                assert mine == []
        assert (await scheduler.solve(a_request("last"))).status is Status.Succeeded
        assert not scheduler._stops


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_asked_every_job_ends(seed: int, autojump_clock: Clock) -> None:
    async with a_scheduler(workers=1 + seed % 3, max_waiting=5) as scheduler:

        async def one(number: int) -> None:
            draw = random.Random(1_000 * seed + number)  # trio runs tasks in no fixed order
            await trio.sleep(draw.random() * 0.5)
            request = a_request(
                f"{number}",
                draw.choice([0.0, 0.001, 0.1]),
                timeout=draw.choice([None, 0.0, 0.03]),
                predictable=draw.random() < 0.5,
                breaks=draw.choice(["", "", "", "start", "advance", "outcome"]),
                error=OSError("bad"),
                owner=draw.randrange(3),
                priority=draw.randrange(2),
                threads=draw.choice([None, 1]),
                deadline=draw.choice([None, 0.3]),
            )
            with trio.move_on_after(draw.choice([0.01, 0.1, 100.0])):
                match draw.randrange(3):
                    case 0:
                        await scheduler.solve(request)
                    case 1:
                        await scheduler.submit(request)
                    case _:
                        await scheduler.submit(request)
                        await trio.sleep(draw.random() * 0.1)
                        await scheduler.cancel(request.job_id)

        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(one, number)
            records = [await scheduler.wait(record.id) for record in scheduler.list()]
        assert at_rest(scheduler)
        numbers = scheduler.statistics()
        assert numbers.succeeded + numbers.failed + numbers.cancelled == len(records)
        for record in records:
            assert (record.status is Status.Failed) == (record.error is not None)
            assert record.status is not Status.Succeeded or record.results is not None
            assert (record.cancelled is not None) == (record.status is Status.Cancelled)
