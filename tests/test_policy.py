from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from gpuqio.errors import QueueFull
from gpuqio.scheduler import lifecycle, policy, turns
from gpuqio.scheduler.lifecycle import Event, State
from gpuqio.scheduler.policy import Action, Admit, Advance, Close, Expire, Finding, Interrupt, Policy
from gpuqio.scheduler.turns import BATCH, SLICE, UNDER_WAY, Job


def told(actions: list[Action]) -> list[str]:
    """Actions as text, such as ``"0: a b, 40 ms"`` for worker 0 advancing a and b."""
    lines = []
    for action in actions:
        match action:
            case Advance(worker, jobs, seconds):
                lines.append(f"{worker}: {' '.join(job.id for job in jobs)}, {seconds * 1000:.0f} ms")
            case Close(worker, jobs):
                lines.append(f"{worker}: close {' '.join(job.id for job in jobs)}")
            case Interrupt(worker):
                lines.append(f"interrupt {worker}")
            case Expire(job):
                lines.append(f"expire {job.id}")
            case Admit(job):
                lines.append(f"admit {job.id}")
    return lines


def long_run(job: Job) -> Finding:
    return Finding(job, Event.ADVANCE, predicted=10.0, worked=SLICE, solved=SLICE)


def finished(job: Job, worked: float = 0.001) -> Finding:
    return Finding(job, Event.FINISH, worked=worked, solved=worked)


def jobs_of(action: Action) -> tuple[Job, ...]:
    assert isinstance(action, Advance | Close)
    return action.jobs


def test_a_job_from_beginning_to_end() -> None:
    policy = Policy(workers=2)
    a = Job("a")
    assert repr(policy) == "<Policy: 0 outside, 0 waiting, 0 executing, 0 of 2 workers busy>"
    policy.admit(a)
    assert repr(policy) == "<Policy: 0 outside, 1 waiting, 0 executing, 0 of 2 workers busy>"
    assert told(policy.decide(0.0)) == ["0: a, 40 ms"]
    assert repr(policy) == "<Policy: 0 outside, 0 waiting, 1 executing, 1 of 2 workers busy>"
    policy.report(0, [long_run(a)])
    assert repr(policy) == "<Policy: 0 outside, 0 waiting, 1 executing, 0 of 2 workers busy>"
    assert told(policy.decide(0.1)) == ["0: a, 40 ms"]
    policy.report(0, [finished(a)])
    assert repr(policy) == "<Policy: 0 outside, 0 waiting, 0 executing, 0 of 2 workers busy; 1 succeeded>"
    assert repr(a) == "<Job a succeeded>"
    assert policy.decide(0.2) == []


def test_the_larger_priority_goes_first() -> None:
    policy = Policy(workers=1)
    for job_id, priority in [("low", -5), ("normal", 0), ("high", 7), ("normal2", 0)]:
        policy.admit(Job(job_id, priority=priority))
    assert told(policy.decide(0.0)) == ["0: high normal normal2 low, 40 ms"]


def test_a_run_of_larger_priority_keeps_others_off() -> None:
    policy = Policy(workers=1)
    high, low = Job("high", priority=1), Job("low")
    policy.admit(low)
    policy.admit(high)
    assert told(policy.decide(0.0)) == ["0: high low, 40 ms"]
    policy.report(0, [long_run(high), Finding(low, Event.RETURN)])
    assert (high.state, low.state) == (State.EXECUTING, State.WAITING)
    for _ in range(10):
        assert told(policy.decide(0.0)) == ["0: high, 40 ms"]
        policy.report(0, [long_run(high)])


def test_unbegun_jobs_share_a_slice_and_what_is_returned_keeps_its_place() -> None:
    policy = Policy(workers=1)
    a, b, c, d = (Job(name) for name in "abcd")
    for job in (a, b, c):
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: a b c, 40 ms"]
    assert [job.state for job in (a, b, c)] == [State.EXECUTING, State.ASSIGNED, State.ASSIGNED]
    policy.admit(d)
    policy.report(0, [finished(a), Finding(b, Event.RETURN), Finding(c, Event.RETURN)])
    assert told(policy.decide(0.0)) == ["0: b c d, 40 ms"]


def test_a_slice_has_at_most_a_batch() -> None:
    policy = Policy(workers=1)
    for number in range(2 * BATCH):
        policy.admit(Job(str(number)))
    (action,) = policy.decide(0.0)
    assert len(jobs_of(action)) == BATCH


def test_runs_share_a_slice_if_they_fit_in_it_together() -> None:
    policy = Policy(workers=1)
    jobs = [Job(name) for name in "abcd"]
    for job in jobs:
        policy.admit(job)
    policy.decide(0.0)
    policy.report(0, [Finding(job, Event.ADVANCE, predicted=0.016, worked=0.005, solved=0.005) for job in jobs])
    assert told(policy.decide(0.0)) == ["0: a b, 40 ms"]


def test_long_runs_travel_alone_and_in_turn() -> None:
    policy = Policy(workers=1)
    a, b = Job("a"), Job("b")
    policy.admit(a)
    policy.admit(b)
    policy.decide(0.0)
    policy.report(0, [long_run(a), Finding(b, Event.ADVANCE, predicted=math.inf)])
    order = []
    for _ in range(4):
        (action,) = policy.decide(0.0)
        (job,) = jobs_of(action)
        order.append(job.id)
        policy.report(0, [long_run(job)])
    assert order == ["a", "b", "a", "b"]


def test_a_long_run_and_short_jobs_alternate() -> None:
    policy = Policy(workers=1)
    long = Job("long")
    policy.admit(long)
    policy.decide(0.0)
    policy.report(0, [long_run(long)])
    order = []
    for number in range(6):
        policy.admit(Job(f"short{number}"))
        (action,) = policy.decide(0.0)
        jobs = jobs_of(action)
        order.append([job.id for job in jobs])
        policy.report(0, [long_run(job) if job is long else finished(job) for job in jobs])
    assert order.count(["long"]) == 3
    assert [job for jobs in order for job in jobs if job != "long"] == [f"short{number}" for number in range(6)]


def test_an_owner_begins_no_more_long_runs_than_can_end_soon() -> None:
    policy = Policy(workers=1)
    for number in range(100):
        policy.admit(Job(str(number)))
    begun: set[str] = set()
    for _ in range(200):
        (action,) = policy.decide(0.0)
        jobs = jobs_of(action)
        begun.add(jobs[0].id)
        policy.report(0, [long_run(jobs[0]), *(Finding(job, Event.RETURN) for job in jobs[1:])])
    assert len(begun) == UNDER_WAY


def test_ten_thousand_jobs_of_one_owner_do_not_starve_anothers_one() -> None:
    policy = Policy(workers=1)
    for number in range(9_999):
        policy.admit(Job(str(number), owner="A"))
    policy.decide(0.0)
    late = Job("late", owner="B")
    policy.admit(late)
    policy.report(0, [finished(job) for job in policy._shares[0].jobs])
    (action,) = policy.decide(0.0)
    assert late in jobs_of(action)


def test_owners_get_equal_time_not_equally_many_jobs() -> None:
    policy = Policy(workers=1, max_waiting=100_000)
    for number in range(2_000):
        policy.admit(Job(f"A{number}", owner="A"))  # of 40 ms each
        policy.admit(Job(f"B{number}", owner="B"))  # of 1 ms each
    spent: Counter[object] = Counter()
    while spent.total() < 4.0:
        (action,) = policy.decide(0.0)
        findings, room = [], SLICE
        for job in jobs_of(action):
            takes = SLICE if job.owner == "A" else 0.001
            if takes <= room + 1e-9:
                room -= takes
                spent[job.owner] += takes  # type: ignore[assignment]
                findings.append(finished(job, takes))
            else:
                findings.append(Finding(job, Event.RETURN))
        policy.report(0, findings)
    assert spent["A"] == pytest.approx(spent["B"], rel=0.1)


def test_an_owner_that_comes_late_has_no_arrears() -> None:
    policy = Policy(workers=1)
    early = Job("early", owner="A")
    policy.admit(early)
    for _ in range(500):
        policy.decide(0.0)
        policy.report(0, [long_run(early)])
    late = Job("late", owner="B")
    policy.admit(late)
    order = []
    for _ in range(8):
        (action,) = policy.decide(0.0)
        (job,) = jobs_of(action)
        order.append(job.owner)
        policy.report(0, [long_run(job)])
    assert order.count("A") == order.count("B") == 4


def test_workers_share_what_waits() -> None:
    """One slice could hold all of it, and the others would stand idle, at once or when they have done theirs."""
    policy = Policy(workers=2)
    begun = [Job(f"a{number}") for number in range(2)]
    for job in begun:
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: a0, 40 ms", "1: a1, 40 ms"]
    policy.report(0, [finished(begun[0])])
    policy.report(1, [finished(begun[1])])
    jobs = [Job(f"b{number}") for number in range(5)]
    for job in jobs:
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["1: b0 b1 b2, 40 ms", "0: b3, 40 ms"]
    more = [Job(f"c{number}") for number in range(3)]
    for job in more:
        policy.admit(job)
    policy.cancel(more[1])
    policy.report(1, [finished(job) for job in jobs[:3]])
    assert told(policy.decide(0.0)) == ["1: b4 c0 c2, 40 ms"]  # a millisecond each: not worth sharing
    policy.report(0, [finished(jobs[3], worked=0.005)])
    policy.report(1, [finished(job, worked=0.005) for job in (jobs[4], more[0], more[2])])
    large = [Job(f"d{number}") for number in range(3)]
    for job in large:
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["1: d0 d1, 40 ms", "0: d2, 40 ms"]
    policy.report(1, [finished(job, worked=0.005) for job in large[:2]])
    for number in range(2):
        policy.admit(Job(f"e{number}"))
    assert told(policy.decide(0.0)) == ["1: e0, 40 ms"]  # the rest is for the one that is busy


def test_an_owner_can_be_bound_to_fewer_slices_than_there_are_workers() -> None:
    policy = Policy(workers=4)
    runs = [Job(f"a{number}", owner="A", threads=2, timeout=0.005) for number in range(4)]
    for job in runs:
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: a0, 5 ms", "1: a1, 5 ms"]
    policy.admit(Job("b", owner="B"))
    assert told(policy.decide(0.0)) == ["2: b, 40 ms"]
    policy.report(0, [finished(runs[0])])
    assert told(policy.decide(0.0)) == ["0: a2, 5 ms"]


def test_nothing_is_kept_of_owners_and_priorities_without_jobs() -> None:
    policy = Policy(workers=1)
    for number in range(100):
        job = Job(str(number), owner=f"owner{number}", priority=number)
        policy.admit(job)
        if number % 2:
            policy.cancel(job)
        else:
            policy.decide(0.0)
            policy.report(0, [finished(job)])
    policy.decide(0.0)
    assert (policy._turns._owners, policy._turns._levels, policy._turns._heaps[0]) == ({}, {}, [])


def lines_run(work: Callable[[], None]) -> int:
    """How many lines of the scheduler's decisions run: a measure of work that no other load disturbs."""
    files = {module.__file__ for module in (policy, turns, lifecycle)}
    lines = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in files:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("owners", [1, 100])
def test_the_cost_of_a_job_does_not_grow_with_the_queue(owners: int) -> None:
    def cost(waiting: int) -> int:
        policy = Policy(workers=1)
        for number in range(waiting):
            policy.admit(Job(f"{number}", owner=number % owners, priority=number % 3, deadline=1e6 + number))
        more = [Job(f"more{number}", owner=number % owners, deadline=1e5) for number in range(50)]

        def steps() -> None:
            for job in more:
                policy.admit(job)
            for _ in range(2):
                for action in policy.decide(0.0):
                    policy.report(0, [finished(job) for job in jobs_of(action)])
            for job in more:
                policy.cancel(job)

        return lines_run(steps)

    few, many = cost(1_000), cost(9_900)
    assert few > 5_000
    assert many == pytest.approx(few, rel=0.02)


def test_an_unbegun_job_is_taken_for_as_long_as_the_one_before() -> None:
    policy = Policy(workers=1)
    for number in range(10):
        policy.admit(Job(str(number)))
    (action,) = policy.decide(0.0)
    first, *others = jobs_of(action)
    policy.report(0, [finished(first, worked=0.016), *(Finding(job, Event.RETURN) for job in others)])
    assert told(policy.decide(0.0)) == ["0: 1 2, 40 ms"]


def test_the_predicted_wait_is_the_work_ahead_shared_by_all_workers() -> None:
    policy = Policy(workers=2)
    jobs = [Job(str(number)) for number in range(6)]
    assert policy.predicted_wait == 0.0
    for job in jobs[:2]:
        policy.admit(job)
        policy.decide(0.0)
    assert policy.predicted_wait == 0.0  # nothing is known
    policy.report(0, [long_run(jobs[0])])
    assert policy.predicted_wait == 0.0  # a worker is free
    policy.decide(0.0)
    for job in jobs[2:]:
        policy.admit(job)
    usual = 10.0 + SLICE
    assert policy.predicted_wait == pytest.approx((10.0 + usual / 2 + 4 * usual) / 2)
    policy.report(1, [Finding(jobs[1], Event.ADVANCE, predicted=math.inf, worked=SLICE, solved=SLICE)])
    assert policy.predicted_wait == pytest.approx((10.0 + usual / 2 + 4 * usual) / 2)  # it says nothing new
    policy.cancel(jobs[1])
    assert policy.predicted_wait == pytest.approx((10.0 + 4 * usual) / 2)
    policy.decide(0.0)
    policy.report(0, [Finding(jobs[0], Event.FINISH, worked=1.0, solved=1.0)])
    mean = usual + 0.2 * (1.0 + SLICE - usual)
    assert policy.predicted_wait == pytest.approx(4 * mean / 2)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_job_ends_and_the_books_balance(seed: int) -> None:
    draw = random.Random(seed)
    places, each = 1 + seed % 3, draw.randint(1, 4)
    workers = places * each
    policy = Policy(each, max_waiting=20, places=places)
    lost: set[int] = set()
    busy: dict[int, tuple[Job, ...]] = {}
    jobs: list[Job] = []
    now = 0.0

    def carry_out() -> None:
        for action in policy.decide(now):
            if isinstance(action, Advance | Close):
                assert action.worker not in busy
                assert action.jobs
                homes = {job.home for job in action.jobs}
                closed = policy.place(action.worker) in lost and len(lost) < places
                assert homes <= {policy.place(action.worker)} | (set() if closed else {None})
                busy[action.worker] = action.jobs

    def bring_back(worker: int, ending: bool) -> None:
        findings = []
        fails = policy.elsewhere(worker) and draw.random() < 0.02
        if fails:
            lost.add(policy.place(worker))
        back = fails
        for rank, job in enumerate(busy.pop(worker)):
            new = job.home is None
            back = back or (rank > 0 and new and draw.random() < 0.3)
            if back and new:
                findings.append(Finding(job, Event.RETURN))
            elif job.reason is not None or draw.random() < (0.9 if ending else 0.3):
                findings.append(Finding(job, draw.choice([Event.FINISH, Event.FINISH, Event.FAIL]), worked=0.001))
            else:
                spent = draw.random() * SLICE
                findings.append(Finding(job, Event.ADVANCE, draw.choice([0.001, 1.0, math.inf]), spent, spent))
        policy.report(worker, findings, lost=fails)

    def check() -> None:
        states = Counter(job.state for job in jobs)
        assert policy.waiting + policy.submitting == states[State.WAITING] + states[State.ASSIGNED]
        assert policy.executing == states[State.EXECUTING] + states[State.CANCELLING]
        assert policy.waiting <= 20
        assert policy.busy == len(busy) <= workers
        for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
            assert policy.ended(state) == states[state]
        for owner in range(3):
            slices = sum(any(job.owner == owner and not job.reason for job in at) for at in busy.values())
            assert owner == 0 or slices <= 2

    for step in range(1_000):
        now += draw.random() * 0.02
        match draw.randrange(4):
            case 0:
                owner = draw.randrange(3)
                job = Job(
                    str(step),
                    owner,
                    draw.randrange(3),
                    deadline=draw.choice([math.inf, now + draw.random()]),
                    timeout=draw.choice([math.inf, draw.random() * 0.1]),
                    threads=2 if owner else None,
                )
                jobs.append(job)
                try:
                    policy.admit(job)
                except QueueFull:
                    policy.apply(job)
                if draw.random() < 0.3 and policy.withdraw(job):
                    jobs.remove(job)
            case 1 if jobs:
                policy.cancel(draw.choice(jobs))
            case _ if busy:
                bring_back(draw.choice(list(busy)), ending=False)
        carry_out()
        check()
    while busy:
        bring_back(min(busy), ending=True)
        carry_out()
        check()
    assert all(job.state.is_final for job in jobs)
    assert repr(policy).startswith(f"<Policy: 0 outside, 0 waiting, 0 executing, 0 of {workers} workers busy; ")
