"""Schedules as the SDK has them, and its checks of what a constructor is given, in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuqio.errors import InvalidParameter

__all__ = ["RangeSchedule", "float_above", "positive_int", "schedule"]


class RangeSchedule:
    """How a parameter goes from one value to another over a run.

    Args:
        schedule_type: ``"linear"``, evenly, or ``"geometric"``, in equal ratios.
        initial: value of the first step.
        final: value of the last step.

    Raises:
        InvalidParameter: (a ValueError) for any other type.
    """

    __module__ = "gpuqio.optimization"

    def __init__(self, schedule_type: str, initial: float, final: float) -> None:
        if schedule_type not in ("linear", "geometric"):
            raise InvalidParameter(
                '"schedule_type" must be "linear" or "geometric"!', field="schedule_type", value=schedule_type
            )
        self.schedule_type = schedule_type
        self.initial = initial
        self.final = final

    def __repr__(self) -> str:
        return f"RangeSchedule({self.schedule_type!r}, {self.initial!r}, {self.final!r})"


def schedule(
    name: str, value: RangeSchedule | Mapping[str, Any] | None, *, increasing: bool, positive: bool
) -> Mapping[str, Any] | None:
    """A schedule as the wire has it, going the way it should and `positive`, or at least not negative.

    What a result has echoed passes as it is: it is checked when a problem is submitted.

    Raises:
        InvalidParameter: (a ValueError) with the SDK's message.
    """
    if value is None or isinstance(value, Mapping):
        return value
    if not isinstance(value, RangeSchedule):
        found = f"{name} must be of type RangeSchedule; found type({name})={type(value).__name__}."
        raise InvalidParameter(found, field=name, value=value)
    low, high = (value.initial, value.final) if increasing else (value.final, value.initial)
    if low > high:
        way, sign = ("increasing", ">") if increasing else ("decreasing", "<")
        raise InvalidParameter(
            f"Schedule for {name} must be {way}; found {name}.initial={value.initial} {sign} "
            f"{value.final}={name}.final.",
            field=name,
            value=value,
        )
    for end, number in (("initial", value.initial), ("final", value.final)):
        if positive:
            _above(f"{name}.{end}", number, 0)
        elif number < 0:
            found = f"{name}.{end} must be greater equal 0; found {name}.{end}={number}."
            raise InvalidParameter(found, field=f"{name}.{end}", value=number)
    return {"type": value.schedule_type, "initial": value.initial, "final": value.final}


def positive_int(name: str, value: int | None) -> int | None:
    """`value` if it is None or an int above 0.

    Raises:
        InvalidParameter: (a ValueError) with the SDK's message.
    """
    if value is not None and not isinstance(value, int):
        found = f"{name} must be of type int; foundtype({name})={type(value).__name__}."
        raise InvalidParameter(found, field=name, value=value)
    if value is not None and value <= 0:
        raise InvalidParameter(f"{name} must be positive; found {name}={value}.", field=name, value=value)
    return value


def float_above(name: str, value: float | None, bound: float) -> float | None:
    """`value` if it is None or a number above `bound`.

    Raises:
        InvalidParameter: (a ValueError) with the SDK's message.
    """
    if value is not None:
        if not isinstance(value, int | float):
            raise InvalidParameter(f"{name} must be a float!", field=name, value=value)
        _above(name, value, bound)
    return value


def _above(name: str, value: float, bound: float) -> None:
    if value <= bound:
        found = f"{name} must be greater than {bound}; found {name}={value}."
        raise InvalidParameter(found, field=name, value=value)
