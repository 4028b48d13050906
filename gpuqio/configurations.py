"""What users write as ``{variable: value}``: configurations, fixed variables, start values."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpuqio.errors import InvalidProblem
from gpuqio.terms import MAX_FLOAT

__all__ = ["by_variable", "check_start", "numbers"]


def by_variable(values: Mapping[Any, Any], field: str) -> dict[int, Any]:
    """`values` with int keys, from int or str keys, and NumPy scalars converted; `field` is their name in errors."""
    if not isinstance(values, Mapping):
        raise InvalidProblem(
            f"{field} must be a dict of variables and values; found {reprlib.repr(values)}.",
            field=field,
            value=values,
            code="AZQ103",
        )
    return {
        key if type(key) is int else _variable(key, field): value.item() if isinstance(value, np.generic) else value
        for key, value in values.items()
    }


def numbers(values: Mapping[Any, Any], field: str) -> dict[int, int | float]:
    """`values` with int keys, all values finite ints or floats."""
    found = by_variable(values, field)
    for key, value in found.items():
        if type(value) not in (int, float) or not -MAX_FLOAT <= value <= MAX_FLOAT:
            raise InvalidProblem(
                f"{field}[{key}] must be a finite int or float; found {reprlib.repr(value)}.",
                field=f"{field}[{key}]",
                value=value,
                code="AZQ107",
            )
    return found


def check_start(config: Mapping[int, Any], variables: Sequence[int], values: tuple[int, int]) -> None:
    """Raise (AZQ104) unless `config` has one of the two values for each of the variables, and for no other."""
    known = set(variables)
    for variable, value in config.items():
        if variable not in known:
            raise _bad_start(f"init_config has a value for variable {variable}, which is in no term.", variable, value)
        if type(value) is bool or value not in values:
            raise _bad_start(
                f"init_config[{variable}] must be {values[0]} or {values[1]}; found {reprlib.repr(value)}.",
                variable,
                value,
            )
    if len(config) < len(known):
        missing = min(known - config.keys())
        raise _bad_start(f"init_config has no value for variable {missing}; it must cover all.", missing, None)


def _variable(key: Any, field: str) -> int:
    if isinstance(key, (str, np.integer)):
        try:
            return int(key)
        except ValueError:
            pass
    raise InvalidProblem(
        f"{field} must have variables as keys, ints or their digits; found {reprlib.repr(key)}.",
        field=field,
        value=key,
        code="AZQ103",
    )


def _bad_start(message: str, variable: int, value: object) -> InvalidProblem:
    return InvalidProblem(message, field=f"init_config[{variable}]", value=value, code="AZQ104")
