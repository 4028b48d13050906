"""Timeouts and deadlines: when a job is shortened, closed or expired, and what that costs."""

from __future__ import annotations

import random

from gpuqio.result import StopReason
from gpuqio.scheduler.lifecycle import Event, State
from gpuqio.scheduler.policy import Expire, Finding, Policy
from gpuqio.scheduler.turns import Job
from tests.test_policy import finished, long_run, told


def test_a_timeout_counts_running_time_shortens_the_last_slice_and_closes_the_run() -> None:
    policy = Policy(workers=1)
    job = Job("a", timeout=0.090)
    policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: a, 40 ms"]
    policy.report(0, [long_run(job)])
    assert told(policy.decide(100.0)) == ["0: a, 40 ms"]
    policy.report(0, [long_run(job)])
    assert told(policy.decide(200.0)) == ["0: a, 10 ms"]
    policy.report(0, [Finding(job, Event.ADVANCE, predicted=9.0, worked=0.010, solved=0.010)])
    assert told(policy.decide(300.0)) == ["0: close a"]
    assert job.reason is StopReason.TIMEOUT
    policy.report(0, [finished(job)])
    assert job.state is State.SUCCEEDED


def test_a_timeout_of_nothing_still_gets_one_visit() -> None:
    policy = Policy(workers=1)
    job = Job("a", timeout=0.0)
    policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: a, 0 ms"]
    policy.report(0, [Finding(job, Event.ADVANCE, predicted=1.0)])
    assert told(policy.decide(0.0)) == ["0: close a"]


def test_a_short_timeout_travels_alone_so_that_neighbours_do_not_use_it_up() -> None:
    policy = Policy(workers=1)
    a, b = Job("a"), Job("b", timeout=0.001)
    policy.admit(a)
    policy.admit(b)
    assert told(policy.decide(0.0)) == ["0: a, 40 ms"]
    policy.report(0, [finished(a)])
    assert told(policy.decide(0.0)) == ["0: b, 1 ms"]


def test_deadlines_fail_jobs_that_still_wait() -> None:
    policy = Policy(workers=1)
    running, late, later = Job("running", deadline=1.0), Job("late", deadline=2.0), Job("later", deadline=3.0)
    policy.admit(running)
    policy.decide(0.0)
    policy.admit(later)
    policy.admit(late)
    assert policy.next_deadline() == 1.0
    assert policy.decide(1.0) == []
    assert policy.next_deadline() == 2.0
    assert told(policy.decide(2.5)) == ["expire late"]
    assert (running.state, late.state, later.state) == (State.EXECUTING, State.FAILED, State.WAITING)
    policy.report(0, [finished(running)])
    assert told(policy.decide(2.6)) == ["0: later, 40 ms"]


def test_a_job_returned_after_its_deadline_expires_then() -> None:
    policy = Policy(workers=1)
    a, b = Job("a"), Job("b", deadline=1.0)
    policy.admit(a)
    policy.admit(b)
    assert told(policy.decide(0.0)) == ["0: a b, 40 ms"]
    assert policy.decide(2.0) == []
    policy.report(0, [long_run(a), Finding(b, Event.RETURN)])
    assert told(policy.decide(2.0)) == ["expire b", "0: a, 40 ms"]


def test_outdated_deadlines_do_not_pile_up() -> None:
    policy = Policy(workers=1)
    for number in range(2_000):
        job = Job(str(number), deadline=1e9)
        policy.admit(job)
        policy.cancel(job)
    assert len(policy._deadlines) < 100


class Ordered(float):
    """A point in time that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Ordered.compared += 1
        return float(self) < float(other)

    def __eq__(self, other: object) -> bool:
        Ordered.compared += 1
        return float(self) == other

    __hash__ = float.__hash__


def test_deadlines_are_kept_in_a_heap() -> None:
    policy = Policy(workers=1)
    order = list(range(1_024))
    random.Random(1).shuffle(order)
    Ordered.compared = 0
    for number in order:
        policy.admit(Job(str(number), deadline=Ordered(number)))
    assert Ordered.compared < 1_024 * 2 * 10
    Ordered.compared = 0
    expired = [action for action in policy.decide(1_023.0) if isinstance(action, Expire)]
    assert [action.job.deadline for action in expired] == list(range(1_024))
    assert Ordered.compared < 1_024 * 4 * 10
