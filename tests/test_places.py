"""Several places to solve at, such as GPUs: who goes where, and what becomes of a lost one's jobs."""

from __future__ import annotations

from gpuqio.scheduler.lifecycle import Event, State
from gpuqio.scheduler.policy import Advance, Finding, Policy
from gpuqio.scheduler.turns import Job
from tests.test_policy import finished, long_run, told


def test_what_has_not_begun_goes_where_a_worker_is_free_and_runs_stay_where_they_began() -> None:
    policy = Policy(workers=2, places=2)
    assert policy.workers == 4
    a, b, c = (Job(name) for name in "abc")
    for worker, job in enumerate((a, b)):
        policy.admit(job)
        assert told(policy.decide(0.0)) == [f"{worker}: {job.id}, 40 ms"]
    policy.report(0, [long_run(a)])
    policy.report(1, [long_run(b)])
    assert (a.home, b.home) == (0, 1)
    policy.admit(c)
    # Worker 0 is in the first place, as is 2; 1 and 3 are in the second.
    assert told(policy.decide(0.0)) == ["0: a, 40 ms", "1: b, 40 ms", "2: c, 40 ms"]
    policy.report(0, [long_run(a)])
    policy.cancel(a)
    assert told(policy.decide(0.0)) == ["0: close a"]


def test_in_every_place_runs_and_new_jobs_alternate() -> None:
    policy = Policy(workers=1, places=2)
    runs = [Job("run0"), Job("run1")]
    for job in runs:
        policy.admit(job)
        policy.decide(0.0)
    for worker, job in enumerate(runs):
        policy.report(worker, [long_run(job)])
    begun: list[str] = []
    for number in range(20):
        policy.admit(Job(f"{number}"))
        for action in policy.decide(0.0):
            assert isinstance(action, Advance)
            begun += [f"{job.id}@{action.worker}" for job in action.jobs]
            policy.report(action.worker, [long_run(job) if job in runs else finished(job, 0.02) for job in action.jobs])
    assert min(begun.count("run0@0"), begun.count("run1@1")) >= 9


def test_what_a_lost_place_did_not_begin_goes_elsewhere() -> None:
    policy = Policy(workers=2, places=2)
    run, a, b = Job("run"), Job("a"), Job("b")
    policy.admit(run)
    policy.decide(0.0)
    policy.report(0, [long_run(run)])
    assert told(policy.decide(0.0)) == ["0: run, 40 ms"]
    policy.admit(a)
    assert told(policy.decide(0.0)) == ["1: a, 40 ms"]
    assert policy.elsewhere(1)
    policy.report(1, [Finding(a, Event.RETURN)], lost=True)
    assert a.state is State.EXECUTING
    assert told(policy.decide(0.0)) == ["2: a, 40 ms"]
    assert not policy.elsewhere(2)
    policy.report(2, [long_run(a)], lost=True)
    policy.admit(b)
    assert told(policy.decide(0.0)) == ["1: b, 40 ms", "2: a, 40 ms"]  # both to be told why


def test_a_job_that_a_lost_place_gave_back_is_cancelled_at_once() -> None:
    policy = Policy(workers=1, places=2)
    a, high = Job("a"), Job("high", priority=1)
    policy.admit(a)
    policy.decide(0.0)
    policy.admit(high)
    policy.decide(0.0)
    policy.report(0, [Finding(a, Event.RETURN)], lost=True)
    assert policy.decide(0.0) == []
    policy.cancel(a)
    assert a.state is State.CANCELLED
    policy.report(1, [finished(high)])
    assert policy.decide(0.0) == []
