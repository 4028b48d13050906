"""Ranges: a parameter that goes from one value to another over a run, evenly or in equal ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.solvers.settings import is_finite
from gpuqio.solvers.temperatures import plain

__all__ = ["Range", "check_range", "read_range"]

KINDS = ("linear", "geometric")
ENDS = ("initial", "final")


@dataclass(frozen=True, slots=True)
class Range:
    """A schedule, the service's RangeSchedule.

    Attributes:
        kind: "linear" or "geometric".
        initial, final: the first and the last value; finite, at least 0, and above 0 if geometric.
    """

    kind: str
    initial: float
    final: float

    def values(self, steps: int) -> npt.NDArray[np.float64]:
        """(steps,) float64 from initial to final; the final one alone if that is all."""
        if steps == 1 or self.initial == self.final:
            return np.full(steps, self.final, np.float64)
        if self.kind == "linear":
            return np.linspace(self.initial, self.final, steps)
        low, high = sorted((self.initial, self.final))
        values = np.minimum(np.maximum(plain(np.geomspace(self.initial, self.final, steps)), low), high)
        values[0], values[-1] = self.initial, self.final
        return values

    def to_dict(self) -> dict[str, object]:
        """As the wire spells it."""
        return {"type": self.kind, "initial": self.initial, "final": self.final}


def read_range(name: str, value: object) -> Range:
    """A range as the wire spells it: a mapping with type, initial and final.

    Raises:
        InvalidParameter: it is anything else.
    """
    if isinstance(value, Range):
        return value
    if isinstance(value, Mapping) and value.get("type") in KINDS and all(is_finite(value.get(end)) for end in ENDS):
        return Range(value["type"], float(value["initial"]), float(value["final"]))
    raise InvalidParameter(
        f"{name} must have a type, linear or geometric, and two numbers, initial and final; found {name}={value!r}.",
        field=name,
        value=value,
        code="AZQ103",
    )


def check_range(name: str, value: Range | None, increasing: bool) -> None:
    """Raise `InvalidParameter` unless `value` is None, or goes the way it should and stays at or above 0."""
    if value is None:
        return
    low, high = (value.initial, value.final) if increasing else (value.final, value.initial)
    if low > high:
        way, sign = ("increasing", ">") if increasing else ("decreasing", "<")
        raise _refused(
            name,
            value,
            f"Schedule for {name} must be {way}; found {name}.initial={value.initial} {sign} "
            f"{value.final}={name}.final.",
        )
    if low < 0:
        raise _refused(name, value, f"{name} must not be negative; found {name}={value.to_dict()}.")
    if value.kind == "geometric" and low == 0 < high:
        why = f"{name} can't reach 0 in equal ratios; found {name}={value.to_dict()}. Use a small number, or linear."
        raise _refused(name, value, why)


def _refused(name: str, value: Range, message: str) -> InvalidParameter:
    return InvalidParameter(message, field=name, value=value.to_dict(), code="AZQ107")
