"""What policies decide: plain functions of what is known of both places."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any, cast

import pytest

from gpuqio.backend import Statistics
from gpuqio.dispatch import (
    Breaker,
    Budget,
    LocalOnly,
    Overflow,
    Place,
    Policy,
    Race,
    RemoteOnly,
    Spent,
    View,
)
from gpuqio.dispatch.account import price
from gpuqio.dispatch.decision import FIRST_REST, LONGEST_REST
from gpuqio.errors import InvalidParameter
from gpuqio.remote.protocol import CostEstimate

IDLE = Statistics(
    workers=2, busy=0, waiting=0, max_waiting=100, submitting=0, executing=0, succeeded=0, failed=0, cancelled=0
)
BUSY = replace(IDLE, busy=2, waiting=6, executing=2, predicted_wait=5.0)


def a_view(local: Statistics = IDLE, **more: Any) -> View:
    return View(now=100.0, local=local, remote=IDLE, **more)


def test_local_only_and_remote_only_are_what_they_say() -> None:
    assert LocalOnly().decide(a_view(BUSY)) is Place.LOCAL
    assert RemoteOnly().decide(a_view()) is Place.REMOTE
    assert RemoteOnly().decide(a_view(breaker=Breaker(3, 1e9))) is Place.REMOTE
    assert RemoteOnly(Budget(jobs=5)).decide(a_view(spent=Spent(jobs=5))) is Place.LOCAL
    assert RemoteOnly(Budget(jobs=5)).decide(a_view(spent=Spent(jobs=5), portable=False)) is Place.REMOTE


@pytest.mark.parametrize(
    ("local", "place"),
    [
        (IDLE, Place.LOCAL),
        (BUSY, Place.REMOTE),
        (replace(BUSY, predicted_wait=4.0), Place.LOCAL),
        (replace(IDLE, waiting=100), Place.REMOTE),
        (replace(IDLE, submitting=1), Place.REMOTE),
    ],
)
def test_work_overflows_when_it_would_wait_too_long_or_finds_no_room(local: Statistics, place: Place) -> None:
    assert Overflow(max_wait=4.0).decide(a_view(local)) is place


@pytest.mark.parametrize(("policy", "place"), [(Overflow(0), Place.REMOTE), (Race(), Place.BOTH)])
def test_a_remote_that_may_not_be_used_is_not(policy: Policy, place: Place) -> None:
    assert policy.decide(a_view(BUSY)) is place
    assert policy.decide(a_view(BUSY, portable=False)) is Place.LOCAL
    assert policy.decide(a_view(BUSY, breaker=Breaker(1, 100.1))) is Place.LOCAL
    assert policy.decide(a_view(BUSY, breaker=Breaker(1, 100.0))) is place
    assert policy.decide(a_view(BUSY, breaker=Breaker(1, 100.0), out=1)) is Place.LOCAL
    assert policy.decide(a_view(BUSY, out=1)) is place
    bound = replace(cast(Any, policy), budget=Budget(jobs=10, seconds=60, cost=2.5))
    assert bound.decide(a_view(BUSY, spent=Spent(9, 59.9, 2.4))) is place
    assert bound.decide(a_view(BUSY, spent=Spent(jobs=6), jobs=4)) is place
    assert bound.decide(a_view(BUSY, spent=Spent(jobs=7), jobs=4)) is Place.LOCAL
    for spent in (Spent(10, 0, 0), Spent(0, 60, 0), Spent(0, 0, 2.5)):
        assert bound.decide(a_view(BUSY, spent=spent)) is Place.LOCAL


def test_so_much_work_is_wanted_ahead_that_the_wait_can_come_to_its_bound() -> None:
    assert Overflow(10.0).ahead(BUSY) == 16  # 8 jobs make 5 seconds
    assert Overflow(1e6).ahead(BUSY) == 256
    assert Overflow(10.0).ahead(IDLE) == Overflow(math.inf).ahead(BUSY) == 0
    assert Race().ahead(BUSY) == RemoteOnly().ahead(BUSY) == LocalOnly().ahead(BUSY) == 0


def test_a_breaker_rests_longer_each_time_and_counts_an_outage_once() -> None:
    breaker, now, rests = Breaker(), 0.0, []
    for _ in range(12):
        breaker = breaker.failed(now)
        assert breaker.failed(now + 0.5) is breaker  # of a job that was under way
        assert not breaker.allows(breaker.until - 1e-6, out=0)
        rests.append(breaker.until - now)
        now = breaker.until
    assert rests[:4] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST, 8 * FIRST_REST]
    assert rests[-1] == LONGEST_REST
    assert breaker.allows(now, out=0)
    assert not breaker.allows(now, out=1)  # one job tries it first


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Overflow(-1.0), "max_wait"),
        (lambda: Overflow(math.nan), "max_wait"),
        (lambda: Overflow(cast(Any, "5")), "max_wait"),
        (lambda: Budget(jobs=-1), "jobs"),
        (lambda: Budget(jobs=cast(Any, 1.5)), "jobs"),
        (lambda: Budget(seconds=-0.1), "seconds"),
        (lambda: Budget(cost=cast(Any, True)), "cost"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(make: Any, field: str) -> None:
    with pytest.raises(InvalidParameter, match=f"found {field}=") as caught:
        make()
    assert caught.value.field == field


def test_policies_are_values() -> None:
    for policy in (LocalOnly(), RemoteOnly(), Overflow(3.0, Budget(cost=1.0)), Race(Budget(jobs=2))):
        assert pickle.loads(pickle.dumps(policy)) == policy
        assert hash(policy) == hash(replace(policy))


@pytest.mark.parametrize(
    ("estimate", "total"),
    [
        (None, 0.0),
        (CostEstimate(currency_code="USD", estimated_total=0.25), 0.25),
        (CostEstimate(), 0.0),
        ({"currencyCode": "USD", "estimatedTotal": 1.5}, 1.5),
        ({}, 0.0),
    ],
)
def test_the_price_of_a_job(estimate: Any, total: float) -> None:
    assert price(estimate) == total
