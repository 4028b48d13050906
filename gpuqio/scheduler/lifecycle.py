"""The states of a job, as a table.

Everything that changes a job's state goes through `after`; nothing here knows who asks, or why.

A job waits, is executed slice by slice, and ends in one of three final states that never change again.
Four things make the table longer than that sentence:

- A worker is handed several small jobs at once and finds out only there how long each takes. The first
  of them begins at once. The others are *assigned*: when the slice is full before their turn they come
  back and wait again. Users see an assigned job as Waiting, so a status never goes backwards.
- A worker whose device is lost gives back what it has not started, the first job too. That one is
  executing and stays so, in the queue, until another worker starts it.
- A job in a worker's hands can't be ended from outside. It is *cancelling* until the worker lets go;
  users see it as Executing. From then on it can't succeed: whatever the worker brings back, a requested
  cancellation is honoured, and only an error may overrule it.
- A cancellation may come at any time, also twice, also after the end, where it changes nothing.

An event that a state does not list can't happen there; `after` raises, since the caller is broken.
"""

from __future__ import annotations

from enum import Enum

from gpuqio.backend import Status

__all__ = ["Event", "State", "after"]


class State(Enum):
    """Where a job is, and what users see of it."""

    WAITING = "waiting", Status.Waiting
    ASSIGNED = "assigned", Status.Waiting
    EXECUTING = "executing", Status.Executing
    CANCELLING = "cancelling", Status.Executing
    SUCCEEDED = "succeeded", Status.Succeeded
    FAILED = "failed", Status.Failed
    CANCELLED = "cancelled", Status.Cancelled

    status: Status
    is_final: bool

    def __new__(cls, word: str, status: Status) -> State:
        state = object.__new__(cls)
        state._value_ = word
        state.status = status
        state.is_final = status.is_final
        return state


class Event(Enum):
    """What can happen to a job."""

    BEGIN = "begin"  # handed to a worker that will start it
    ASSIGN = "assign"  # handed to a worker after others
    RETURN = "return"  # given back untouched
    ADVANCE = "advance"  # given back started, or farther on, and not done
    FINISH = "finish"  # given back with results
    FAIL = "fail"  # refused, broken, expired, or abandoned by a scheduler that stops
    CANCEL = "cancel"  # no longer wanted


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.WAITING: {
        Event.BEGIN: State.EXECUTING,
        Event.ASSIGN: State.ASSIGNED,
        Event.FAIL: State.FAILED,
        Event.CANCEL: State.CANCELLED,
    },
    State.ASSIGNED: {
        Event.RETURN: State.WAITING,
        Event.ADVANCE: State.EXECUTING,
        Event.FINISH: State.SUCCEEDED,
        Event.FAIL: State.FAILED,
        Event.CANCEL: State.CANCELLING,
    },
    State.EXECUTING: {
        Event.RETURN: State.EXECUTING,
        Event.ADVANCE: State.EXECUTING,
        Event.FINISH: State.SUCCEEDED,
        Event.FAIL: State.FAILED,
        Event.CANCEL: State.CANCELLING,
    },
    State.CANCELLING: {
        Event.RETURN: State.CANCELLED,
        Event.ADVANCE: State.CANCELLING,
        Event.FINISH: State.CANCELLED,
        Event.FAIL: State.FAILED,
        Event.CANCEL: State.CANCELLING,
    },
    State.SUCCEEDED: {Event.CANCEL: State.SUCCEEDED},
    State.FAILED: {Event.CANCEL: State.FAILED},
    State.CANCELLED: {Event.CANCEL: State.CANCELLED},
}


def after(state: State, event: Event) -> State:
    """The state that follows; raises RuntimeError where `event` can't happen."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise RuntimeError(f"A job that is {state.value} can't {event.value}.") from None
