from __future__ import annotations

import pytest

from gpuqio.backend import Status
from gpuqio.scheduler.lifecycle import TRANSITIONS, Event, State, after

# One row a way through life; states are named by the word that stands in the table.
LIVES = [
    ("begin finish", "waiting executing succeeded"),
    ("begin advance advance finish", "waiting executing executing executing succeeded"),
    ("begin fail", "waiting executing failed"),
    ("begin cancel finish", "waiting executing cancelling cancelled"),
    ("begin cancel advance finish", "waiting executing cancelling cancelling cancelled"),
    ("begin cancel cancel return", "waiting executing cancelling cancelling cancelled"),
    ("begin cancel fail", "waiting executing cancelling failed"),
    ("begin return fail", "waiting executing executing failed"),
    ("begin return cancel return", "waiting executing executing cancelling cancelled"),
    ("assign finish", "waiting assigned succeeded"),
    ("assign advance finish", "waiting assigned executing succeeded"),
    ("assign return begin", "waiting assigned waiting executing"),
    ("assign return assign fail", "waiting assigned waiting assigned failed"),
    ("assign cancel return", "waiting assigned cancelling cancelled"),
    ("assign cancel advance finish", "waiting assigned cancelling cancelling cancelled"),
    ("cancel cancel", "waiting cancelled cancelled"),
    ("fail cancel", "waiting failed failed"),
    ("begin finish cancel", "waiting executing succeeded succeeded"),
]


@pytest.mark.parametrize(("events", "states"), LIVES)
def test_lives(events: str, states: str) -> None:
    state = State.WAITING
    seen = [state.value]
    for event in events.split():
        state = after(state, Event(event))
        seen.append(state.value)
    assert " ".join(seen) == states


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_what_the_table_does_not_list_can_not_happen(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        return
    with pytest.raises(RuntimeError, match=f"A job that is {state.value} can't {event.value}."):
        after(state, event)


@pytest.mark.parametrize("state", [state for state in State if state.is_final])
def test_final_states_never_change(state: State) -> None:
    assert TRANSITIONS[state] == {Event.CANCEL: state}


@pytest.mark.parametrize("state", [state for state in State if not state.is_final])
def test_every_live_job_can_be_cancelled_and_can_fail(state: State) -> None:
    assert {Event.CANCEL, Event.FAIL} <= set(TRANSITIONS[state])
    assert TRANSITIONS[state][Event.FAIL] is State.FAILED


def test_a_status_never_goes_backwards() -> None:
    order = [Status.Waiting, Status.Executing]
    for state, ways in TRANSITIONS.items():
        for following in ways.values():
            if following.status in order:
                assert order.index(state.status) <= order.index(following.status)


def test_a_cancelled_job_does_not_succeed() -> None:
    assert State.SUCCEEDED not in TRANSITIONS[State.CANCELLING].values()


def test_the_words_are_the_services() -> None:
    assert {state.status.value for state in State} == {"Waiting", "Executing", "Succeeded", "Failed", "Cancelled"}
