"""The policy's queue: who is let in, who waits outside, and who is cancelled."""

from __future__ import annotations

import pytest

from gpuqio.errors import QueueFull
from gpuqio.result import StopReason
from gpuqio.scheduler.lifecycle import Event, State
from gpuqio.scheduler.policy import Finding, Policy
from gpuqio.scheduler.turns import SLICE, Job
from tests.test_policy import finished, long_run, told


def test_a_full_queue_refuses_and_names_its_bound() -> None:
    policy = Policy(workers=1, max_waiting=2)
    policy.admit(Job("a"))
    policy.admit(Job("b"))
    refused = Job("c")
    with pytest.raises(QueueFull, match="2 of at most 2 jobs are waiting, and 0 more"):
        policy.admit(refused)
    assert told(policy.decide(0.0)) == ["0: a b, 40 ms"]


def test_applicants_are_admitted_in_order_and_nobody_overtakes_them() -> None:
    policy = Policy(workers=1, max_waiting=1)
    first, second, third = Job("first", timeout=0.01), Job("second", timeout=0.01), Job("third", timeout=0.01)
    policy.admit(first)
    policy.apply(second)
    policy.apply(third)
    assert repr(policy) == "<Policy: 2 outside, 1 waiting, 0 executing, 0 of 1 workers busy>"
    assert told(policy.decide(0.0)) == ["0: first, 10 ms", "admit second"]
    with pytest.raises(QueueFull):
        policy.admit(Job("pushy"))
    policy.report(0, [finished(first)])
    assert told(policy.decide(0.0)) == ["0: second, 10 ms", "admit third"]


def test_applicants_can_withdraw_be_cancelled_and_expire() -> None:
    policy = Policy(workers=1, max_waiting=1)
    a, b, c, d = Job("a"), Job("b", deadline=0.5), Job("c", deadline=0.5), Job("d", deadline=1.0)
    policy.admit(a)
    for job in (b, c, d):
        policy.apply(job)
    assert policy.withdraw(b)
    assert not policy.withdraw(b)
    policy.cancel(c)
    assert c.state is State.CANCELLED
    assert told(policy.decide(1.0)) == ["expire d", "0: a, 40 ms"]
    assert repr(policy) == ("<Policy: 0 outside, 0 waiting, 1 executing, 1 of 1 workers busy; 1 failed, 1 cancelled>")


def test_cancel_waiting_running_and_between_slices() -> None:
    policy = Policy(workers=1)
    running, neighbour, waiting = Job("running"), Job("neighbour"), Job("waiting", priority=-1, timeout=0.01)
    for job in (running, neighbour, waiting):
        policy.admit(job)
    assert told(policy.decide(0.0)) == ["0: running neighbour, 40 ms"]
    policy.cancel(waiting)
    policy.cancel(running)
    assert repr([waiting, running]) == "[<Job waiting cancelled>, <Job running cancelling>]"
    assert told(policy.decide(0.0)) == ["interrupt 0"]
    assert policy.decide(0.0) == []
    policy.report(0, [long_run(running), Finding(neighbour, Event.ADVANCE, predicted=1.0)])
    assert told(policy.decide(0.0)) == ["0: close running"]
    assert running.reason is StopReason.CANCELLED
    policy.report(0, [finished(running)])
    assert repr(running) == "<Job running cancelled>"
    assert told(policy.decide(0.0)) == ["0: neighbour, 40 ms"]
    policy.report(0, [long_run(neighbour)])
    policy.cancel(neighbour)
    assert told(policy.decide(0.0)) == ["0: close neighbour"]


def test_a_cancelled_job_that_was_not_begun_is_not_closed() -> None:
    policy = Policy(workers=1)
    a, b = Job("a"), Job("b")
    policy.admit(a)
    policy.admit(b)
    policy.decide(0.0)
    policy.cancel(b)
    policy.report(0, [long_run(a), Finding(b, Event.RETURN)])
    assert b.state is State.CANCELLED
    assert told(policy.decide(0.0)) == ["0: a, 40 ms"]


def test_closing_goes_before_everything_else() -> None:
    policy = Policy(workers=1)
    a, high = Job("a"), Job("high", priority=100)
    policy.admit(a)
    policy.decide(0.0)
    policy.admit(high)
    policy.cancel(a)
    policy.report(0, [long_run(a)])
    assert told(policy.decide(0.0)) == ["0: close a"]


def test_a_timed_out_run_that_is_cancelled_counts_as_cancelled() -> None:
    policy = Policy(workers=1)
    a = Job("a", timeout=SLICE)
    policy.admit(a)
    policy.decide(0.0)
    policy.report(0, [long_run(a)])
    policy.cancel(a)
    assert told(policy.decide(0.0)) == ["0: close a"]
    assert a.reason is StopReason.CANCELLED
    policy.report(0, [finished(a)])
    assert repr(a) == "<Job a cancelled>"
