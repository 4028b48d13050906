from __future__ import annotations

import pytest

from gpuqio.backend import Status
from gpuqio.errors import InvalidParameter, JobNotFound
from gpuqio.scheduler.ledger import Entry, Ledger
from gpuqio.scheduler.lifecycle import State
from tests.fake_engine import a_request, a_result


def ended(ledger: Ledger, job_id: str, variables: int = 1) -> Entry:
    entry = Entry.of(a_request(job_id))
    ledger.add(entry)
    entry.results = (a_result(variables=variables),)
    entry.job.state = State.SUCCEEDED
    ledger.end(entry)
    return entry


def ids(ledger: Ledger) -> list[str]:
    return [entry.request.job_id for entry in ledger]


def test_only_so_many_ended_jobs_are_kept_and_all_live_ones() -> None:
    ledger = Ledger(kept_jobs=2)
    ledger.add(Entry.of(a_request("live")))
    for job_id in "abc":
        ended(ledger, job_id)
    assert ids(ledger) == ["live", "b", "c"]
    with pytest.raises(JobNotFound, match="No job has the id 'a'"):
        ledger["a"]


def test_large_results_make_others_go_sooner() -> None:
    ledger = Ledger(kept_bytes=21_000)
    ended(ledger, "a")
    ended(ledger, "b")
    ended(ledger, "large", variables=2_000)
    assert ids(ledger) == ["b", "large"]
    ended(ledger, "too large by itself", variables=20_000)
    assert ids(ledger) == ["too large by itself"]


def test_an_ended_job_keeps_its_solver_and_not_its_problems() -> None:
    ledger = Ledger()
    entry = ended(ledger, "a")
    record = entry.record()
    assert record.request is not None
    assert record.request.work.problems == ()
    assert record.request.work.solver.target == "fake"
    assert record.status is Status.Succeeded
    assert entry.run is None


def test_an_id_is_used_once() -> None:
    ledger = Ledger()
    ledger.check_new("a")
    ended(ledger, "a")
    with pytest.raises(InvalidParameter, match="A job with the id 'a' has been submitted already") as caught:
        ledger.check_new("a")
    assert (caught.value.field, caught.value.value) == ("job_id", "a")
