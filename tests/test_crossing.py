from __future__ import annotations

import math
from typing import Any

import pytest

from gpuqio.backend import JobError
from gpuqio.errors import EngineUnavailable, InputError, InvalidParameter, InvalidProblem
from gpuqio.result import StopReason
from gpuqio.scheduler.crossing import Answer, Crossing, Item, Stop, job_error
from gpuqio.scheduler.lifecycle import Event
from gpuqio.scheduler.turns import Job
from tests.fake_engine import FakeEngine, FakeRun, FakeSolver, a_request


def fresh(name: str, seconds: float = 0.001, **more: Any) -> Item:
    return Item(Job(name), a_request(name, seconds, **more).work)


def begun(name: str, seconds: float = 0.001, reason: StopReason | None = None, **more: Any) -> Item:
    item = fresh(name, seconds, **more)
    run = FakeRun(FakeSolver(seconds, **more), seconds)
    item.job.predicted = run.predicted_seconds
    return Item(item.job, item.work, run, reason)


def cross(engine: FakeEngine, *items: Item, seconds: float = 0.020, stop: Stop | None = None) -> list[Answer]:
    return Crossing(engine, items, seconds, stop or Stop(), engine.clock)()


def test_a_lost_engine_gives_back_what_may_begin_elsewhere() -> None:
    lost = EngineUnavailable("it is lost")
    for elsewhere, told in ((True, "fail return return"), (False, "fail fail fail")):
        engine = FakeEngine(lost="it is lost")
        items = [begun("a", breaks="advance", error=lost), *(fresh(n, breaks="start", error=lost) for n in "bc")]
        answers = Crossing(engine, items, 0.020, Stop(), engine.clock, elsewhere)()
        assert events(answers) == told
        assert [answer.run for answer in answers] == [None] * 3


def events(answers: list[Answer]) -> str:
    return " ".join(answer.event.value for answer in answers)


def test_many_small_jobs_take_one_call_of_advance() -> None:
    engine = FakeEngine()
    answers = cross(engine, *(fresh(str(number), 0.0001) for number in range(100)))
    assert events(answers) == " ".join(["finish"] * 100)
    assert [call for call in engine.calls if call.startswith("advance")] == ["advance 100"]
    assert all(
        answer.results is not None and answer.results[0].report.stop_reason == StopReason.COMPLETED
        for answer in answers
    )
    assert sum(answer.solved for answer in answers) == pytest.approx(0.010)


def test_a_run_that_has_not_finished_comes_back_with_a_prediction() -> None:
    engine = FakeEngine()
    (answer,) = cross(engine, fresh("a", 1.0, pack=0.5))
    assert answer.event is Event.ADVANCE
    assert isinstance(answer.run, FakeRun)
    assert answer.predicted == pytest.approx(0.98)
    assert answer.solved == pytest.approx(0.02)
    assert answer.worked == pytest.approx(0.52)


def test_the_worker_starts_no_more_than_fits() -> None:
    engine = FakeEngine()
    answers = cross(engine, fresh("a", 0.010), fresh("b", 0.008), fresh("c", 1.0), fresh("d", 0.001))
    assert events(answers) == "finish finish advance return"
    assert engine.calls.count("start") == 3
    assert answers[2].solved == 0.0  # started, and left for a slice of its own


def test_runs_under_way_have_their_place_before_new_ones() -> None:
    engine = FakeEngine()
    answers = cross(engine, begun("a", 0.015), fresh("b", 0.010), fresh("c", 0.001))
    assert events(answers) == "finish advance return"


def test_an_unpredictable_run_is_advanced_alone() -> None:
    engine = FakeEngine()
    answers = cross(engine, fresh("a", 0.001, predictable=False), fresh("b", 0.001))
    assert events(answers) == "finish return"


def test_slow_starts_use_up_the_slice() -> None:
    engine = FakeEngine()
    answers = cross(engine, *(fresh(str(number), 0.0001, pack=0.015) for number in range(4)))
    assert events(answers) == "finish finish return return"


def test_a_stopped_worker_starts_only_the_first() -> None:
    engine = FakeEngine()
    stop = Stop()
    stop.set()
    assert events(cross(engine, fresh("a"), fresh("b"), stop=stop)) == "finish return"


def test_a_run_to_be_closed_gives_its_outcome_and_the_reason() -> None:
    engine = FakeEngine()
    answers = cross(engine, begun("a", 1.0, StopReason.TIMEOUT), begun("b", 1.0, StopReason.CANCELLED), seconds=0.0)
    assert events(answers) == "finish finish"
    assert engine.calls == ["outcome TIMEOUT", "outcome CANCELLED"]


def test_a_run_that_has_finished_needs_no_reason() -> None:
    engine = FakeEngine()
    cross(engine, begun("a", 0.0, StopReason.CANCELLED), seconds=0.0)
    assert engine.calls == ["outcome finished"]


def test_a_run_that_is_finished_at_its_start_is_not_advanced() -> None:
    engine = FakeEngine()
    assert events(cross(engine, fresh("a", 0.0))) == "finish"
    assert engine.calls == ["start", "outcome finished"]


@pytest.mark.parametrize("step", ["start", "advance", "outcome"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_error_is_one_jobs_own(step: str, place: int) -> None:
    items = [fresh("a", 0.001), fresh("b", 0.001)]
    items.insert(place, fresh("bad", 0.001, breaks=step, error=ZeroDivisionError("oops")))
    answers = cross(FakeEngine(), *items)
    bad = answers.pop(place)
    assert bad.event is Event.FAIL
    assert bad.error == JobError("InternalError", "ZeroDivisionError: oops")
    assert events(answers) == "finish finish"


def test_a_run_that_breaks_alone_is_not_tried_again() -> None:
    engine = FakeEngine()
    (answer,) = cross(engine, fresh("bad", breaks="advance", error=ValueError("no")))
    assert answer.event is Event.FAIL
    assert engine.calls == ["start", "advance 1"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InvalidProblem("Bad c.", field="c", code="AZQ107"), "InvalidInputData", "AZQ107: Bad c."),
        (InvalidParameter("Bad sweeps.", field="sweeps"), "InvalidInputData", "Bad sweeps."),
        (InputError("Too big.", code="AZQ001"), "InsufficientResources", "AZQ001: Too big."),
        (InputError("Too short.", code="AZQ002"), "InsufficientResources", "AZQ002: Too short."),
        (RuntimeError("broken"), "InternalError", "RuntimeError: broken"),
    ],
)
def test_errors_in_the_services_classes(error: Exception, code: str, message: str) -> None:
    assert job_error(error) == JobError(code, message)


def test_no_memory() -> None:
    assert job_error(MemoryError()).code == "InsufficientResources"
    assert "not enough memory" in job_error(MemoryError()).message
    assert job_error(MemoryError("It takes 3 bytes.")).message == "AZQ001: It takes 3 bytes."


def test_a_prediction_of_nothing_known_is_infinite() -> None:
    (answer,) = cross(FakeEngine(), fresh("a", 1.0, predictable=False))
    assert answer.predicted == math.inf
