"""From a target id and its wire parameters to a solver.

As the service did: parameters have other names that are also understood (``step_limit`` for sweeps, ``time_limit``
for timeout) and echoed as given; parameters that a solver does not know are ignored.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpuqio.errors import InvalidParameter
from gpuqio.solvers import parallel_tempering, simulated_annealing
from gpuqio.solvers.base import Solver
from gpuqio.solvers.parallel_tempering import ParallelTempering
from gpuqio.solvers.pticm import Pticm
from gpuqio.solvers.simulated_annealing import SimulatedAnnealing

__all__ = ["TARGETS", "parse"]

DEFAULT_TIMEOUT = 5.0
"""Seconds that a parameter-free search may take where no timeout is given (the service's default)."""

_COMMON = ("seed", "timeout", "number_of_solutions", "cost_limit")
_OTHER_NAMES = {"step_limit": "sweeps", "time_limit": "timeout"}


def _parallel_tempering(given: dict[str, Any]) -> Solver:
    if given.get("all_betas") is not None:
        given["all_betas"] = _betas(given["all_betas"])
    known = _known(given, "sweeps", "replicas", "all_betas", "restarts", "cluster_moves", "feedback_ladder")
    if ParallelTempering(**known).is_parameter_free:  # by its target it is not
        known["sweeps"] = parallel_tempering.DEFAULT_SWEEPS
    return ParallelTempering(**known)


def _simulated_annealing(given: dict[str, Any]) -> Solver:
    known = _known(given, "sweeps", "restarts", "beta_start", "beta_stop")
    if SimulatedAnnealing(**known).is_parameter_free:
        known["sweeps"] = simulated_annealing.DEFAULT_SWEEPS
    return SimulatedAnnealing(**known)


def _oneqbit(make: Callable[..., Solver], own: Sequence[str]) -> Callable[[dict[str, Any]], Solver]:
    """1QBit's values are text."""

    def read(given: dict[str, Any]) -> Solver:
        return make(**{name: _spoken(value) for name, value in _known(given, *own).items()})

    return read


def _spoken(value: object) -> object:
    """The number, truth value or list that a text is of, or the text itself."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _parameter_free(make: Callable[..., Solver]) -> Callable[[dict[str, Any]], Solver]:
    def search(given: dict[str, Any]) -> Solver:
        settings = _known(given)
        settings.setdefault("timeout", DEFAULT_TIMEOUT)
        return make(**settings)

    return search


TARGETS: Mapping[str, Callable[[dict[str, Any]], Solver]] = {
    "microsoft.paralleltempering.cpu": _parallel_tempering,
    "microsoft.paralleltempering-parameterfree.cpu": _parameter_free(ParallelTempering),
    "microsoft.simulatedannealing.cpu": _simulated_annealing,
    "microsoft.simulatedannealing-parameterfree.cpu": _parameter_free(SimulatedAnnealing),
    Pticm.target: _oneqbit(Pticm, Pticm.own),
}


def parse(target: str, params: Mapping[str, object]) -> Solver:
    """The solver that `target` names, with its parameters.

    Raises:
        InvalidParameter: no such target, or a parameter of the wrong type or out of range.
    """
    make = TARGETS.get(target.lower())
    if make is None:
        raise InvalidParameter(
            f"There is no target {target!r}. Known targets: {', '.join(TARGETS)}.", field="target", value=target
        )
    given: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for name, value in params.items():
        if value is None:
            continue
        if isinstance(value, np.generic | np.ndarray):
            value = value.tolist()
        if name in _OTHER_NAMES:
            spelling[_OTHER_NAMES[name]] = name
        given[_OTHER_NAMES.get(name, name)] = value
    return make({**given, "spelling": spelling or None})


def _known(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in (*_COMMON, "spelling", *names) if given.get(name) is not None}


def _betas(value: object) -> tuple[float, ...]:
    """all_betas as a list of numbers, or as the segments that results echo."""
    if isinstance(value, Mapping):
        segments = value.get("segments")
        if isinstance(segments, Sequence) and all(isinstance(s, Mapping) and "value" in s for s in segments):
            value = [s["value"] for s in segments]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidParameter(
            f"all_betas must be a list of inverse temperatures; found all_betas={value!r}.",
            field="all_betas",
            value=value,
            code="AZQ103",
        )
    return tuple(v.item() if isinstance(v, np.generic) else v for v in value)
