"""What a solver returns: the QIO dict, the same as attributes and arrays, and a report of what was done.

A result keeps arrays; dicts are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import wraps
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gpuqio.shapes import MICROSOFT, Shape

__all__ = ["Report", "Result", "Solution", "StopReason"]

_SHOWN = 16  # variables that `repr` writes out


class StopReason(str, Enum):
    """Why a solver stopped."""

    COMPLETED = "All the sweeps asked for were done."
    CONVERGED = "The search saw nothing more to gain."
    PROVEN = "All configurations were tried or ruled out: this is the optimum."
    TIMEOUT = "The timeout ran out; this is the best found until then."
    COST_LIMIT = "The cost limit was reached."
    CANCELLED = "The job was cancelled; this is the best found until then."


_ADVICE = {
    StopReason.COMPLETED: "Run it with other seeds; if costs differ, give more sweeps, or leave all parameters out.",
    StopReason.CONVERGED: "Run it with another seed; if the cost is the same, it is likely the optimum.",
    StopReason.PROVEN: "Nothing: no configuration has a lower cost.",
    StopReason.TIMEOUT: "Give a longer timeout, or fewer sweeps, so that the search can end by itself.",
    StopReason.COST_LIMIT: "Lower cost_limit, or leave it out, if a better configuration is of use.",
    StopReason.CANCELLED: "Submit it again; a timeout bounds the time and still returns the best found.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Who solved a problem, how, and why they stopped.

    Attributes:
        engine: what computed, such as "cpu".
        device: on which machine or instruction set.
        strategy: the form of the sweep: "window", "lane" ...; of several components, the largest's.
        replicas: replicas or restarts that were run; of several components, the largest's.
        sweeps: sweeps of each of them.
        flips: accepted moves, of all.
        exchanges: accepted exchanges between temperatures.
        seconds: of solving.
        resolution: the step to which coefficients were rounded; 0.0 where they were represented exactly.
        stop_reason: why it ended.
        removed: variables that needed no search, and came back at their best values (`gpuqio.pack.reduce`).
        components: parts that were solved apart, since no term connects them (`gpuqio.pack.components`); 0 where no
            variable was left.
        statistics: what else the solver has found out, by name, as JSON values; its documentation says what. Mostly
            empty.
    """

    engine: str
    device: str
    strategy: str
    replicas: int
    sweeps: int
    flips: int
    exchanges: int
    seconds: float
    resolution: float
    stop_reason: StopReason
    removed: int = 0
    components: int = 1
    statistics: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The fields; the stop reason as its sentence."""
        return {**asdict(self), "stop_reason": self.stop_reason.value}


@dataclass(frozen=True, slots=True)
class Solution:
    """One configuration, {variable as str: value}, keys in ascending order of the variables, and its cost."""

    configuration: dict[str, int]
    cost: float

    def to_dict(self) -> dict[str, Any]:
        return {"configuration": self.configuration, "cost": self.cost}


class _NotYet:
    """Stands in a Result for what has not been asked for yet; only code that reads behind Python's back sees it."""

    def __repr__(self) -> str:
        return "<not made yet: take result.to_dict()>"


_NOT_YET = _NotYet()


class Result(dict[str, Any]):
    """The result of one problem: the dict that the service gave, and attributes.

    Keys are "version", "configuration", "cost", "parameters" and "solutions"; a problem of constants only has no
    "configuration" and no "solutions", and other providers than Microsoft had other keys (`gpuqio.shapes`). It is a
    dict like any other, to be changed or written as JSON, but its values are made at the first look, so that a batch
    of which only arrays are read costs no dicts. The attributes show what was solved, whatever is done to the dict.

    Args:
        variables: int64 (n,), what the columns of `states` stand for.
        states: int8 (k, n), the values as users see them, -1 and 1 or 0 and 1; best first.
        costs: float64 (k,).
        parameters: the solver's parameters as used, JSON values.
        report: what was done.
        shape: how its provider writes it as a dict.

    Attributes:
        variables, states: as given, but in ascending order of the variables.
        costs, parameters, report, shape: as given.
    """

    __slots__ = ("_made", "costs", "parameters", "report", "shape", "states", "variables")

    def __init__(
        self,
        variables: npt.NDArray[np.int64],
        states: npt.NDArray[np.int8],
        costs: npt.NDArray[np.float64],
        parameters: Mapping[str, Any],
        report: Report,
        shape: Shape = MICROSOFT,
    ) -> None:
        if (variables[1:] < variables[:-1]).any():
            order = np.argsort(variables)
            variables, states = variables[order], states[:, order]
        super().__init__(dict.fromkeys(shape.keys(constant=not len(variables)), _NOT_YET))
        self._made = False
        self.variables = variables
        self.states = states
        self.costs = costs
        self.parameters = dict(parameters)
        self.report = report
        self.shape = shape

    @property
    def cost(self) -> float:
        """The best cost, constants included."""
        return float(self.costs[0])

    @property
    def configuration(self) -> dict[str, int]:
        """The best configuration, {variable as str: value}, keys in ascending order of the variables."""
        return self._configuration(0)

    @property
    def solutions(self) -> list[Solution]:
        """Distinct solutions, best first; empty for a problem of constants only."""
        if not len(self.variables):
            return []
        return self.all_solutions()

    def all_solutions(self) -> list[Solution]:
        """`solutions`; for a problem of constants only, its cost at the empty configuration."""
        return [Solution(self._configuration(place), cost) for place, cost in enumerate(self.costs.tolist())]

    @property
    def proven_optimal(self) -> bool:
        """Whether every configuration was tried, with coefficients as they are given: no cost is lower."""
        return self.report.stop_reason is StopReason.PROVEN

    @property
    def advice(self) -> str:
        """What to try next."""
        return _ADVICE[self.report.stop_reason]

    def to_dict(self) -> dict[str, Any]:
        """The QIO result as plain dicts, lists and numbers."""
        return dict(self)

    def to_json(self) -> str:
        """The QIO result, as its provider wrote it; of Microsoft's solvers ``microsoft.qio-results.v2``."""
        return msgspec.json.encode(self.to_dict()).decode()

    def __eq__(self, other: object) -> bool:
        return dict(self) == (dict(other) if isinstance(other, Result) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.variables, self.states, self.costs, self.parameters, self.report, self.shape)
        return Result, arguments, None, None, iter(self.items()) if self._made else None

    def __repr__(self) -> str:
        report = self.report
        solutions = "1 solution" if len(self.costs) == 1 else f"{len(self.costs)} solutions"
        work = (
            f"{report.sweeps} sweeps x {report.replicas} replicas, {report.flips} flips, "
            f"{report.exchanges} exchanges, {report.seconds:.3g} s"
        )
        values = ", ".join(f"{i}: {value}" for i, value in zip(self.variables[:_SHOWN], self.states[0], strict=False))
        more = ", ..." if len(self.variables) > _SHOWN else ""
        return "\n".join(
            (
                f"<Result: cost {self.cost}, {len(self.variables)} variables, {solutions}",
                f"  best     {{{values}{more}}}",
                f"  engine   {report.engine} ({report.device}), {report.strategy}",
                f"  work     {work}",
                f"  stopped  {report.stop_reason.value}",
                f"  next     {self.advice}>",
            )
        )

    def _configuration(self, place: int) -> dict[str, int]:
        return dict(zip(map(str, self.variables.tolist()), self.states[place].tolist(), strict=True))

    def _make(self) -> None:
        dict.update(self, self.shape.entries(self))
        self._made = True


def _made_first(name: str) -> Callable[..., Any]:
    """The method of dict of that name, for a Result: its values are made before."""
    method: Callable[..., Any] = getattr(dict, name)

    @wraps(method)
    def call(self: Result, *args: Any, **kwargs: Any) -> Any:
        if not self._made:
            self._make()
        return method(self, *args, **kwargs)

    return call


# All of dict's but those that ask for keys only. `__iter__` is here for its side effect: a dict copies a subclass
# that has its own item by item, and one without it in one go, behind our back.
for _name in (
    *("__getitem__", "__setitem__", "__delitem__", "__iter__", "__reversed__", "__or__", "__ror__", "__ior__"),
    *("clear", "copy", "get", "items", "pop", "popitem", "setdefault", "update", "values"),
):
    setattr(Result, _name, _made_first(_name))
