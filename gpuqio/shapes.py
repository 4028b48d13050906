"""How each provider writes a result: three shapes of one dict. A solver names its own.

What differs is the dict alone; the attributes of a `Result` are the same in all. `parameters` there are plain values
under plain names, ready to be given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gpuqio.result import Result

__all__ = ["MICROSOFT", "Microsoft", "OneQbit", "Shape", "Toshiba"]

_VERSION = "1.0"


class Shape(Protocol):
    """A way to write a result as a dict."""

    def keys(self, constant: bool) -> tuple[str, ...]:
        """Its keys; `constant`: of a problem without variables."""

    def entries(self, result: Result) -> dict[str, Any]:
        """The dict."""


@dataclass(frozen=True, slots=True)
class Microsoft:
    """``microsoft.qio-results.v2``. A problem of constants only has no configuration and no solutions."""

    def keys(self, constant: bool) -> tuple[str, ...]:
        if constant:
            return "version", "cost", "parameters"
        return "version", "configuration", "cost", "parameters", "solutions"

    def entries(self, result: Result) -> dict[str, Any]:
        entries = {"version": _VERSION, "cost": result.cost, "parameters": dict(result.parameters)}
        if len(result.variables):
            entries["configuration"] = result.configuration
            entries["solutions"] = [solution.to_dict() for solution in result.solutions]
        return entries


MICROSOFT = Microsoft()


@dataclass(frozen=True, slots=True)
class OneQbit:
    """``microsoft.qio-results.v1``, as 1QBit filled it: all parameters and all values of variables are text.

    Attributes:
        target: the target's id.
        solver_name: what 1QBit calls it.
        given: names of the parameters that were given. Of the others, the seed is marked as generated, and all else as
            computed.
    """

    target: str
    solver_name: str
    given: frozenset[str]

    def keys(self, constant: bool) -> tuple[str, ...]:
        return "version", "target", "input_data_uri", "input_params", "solutions"

    def entries(self, result: Result) -> dict[str, Any]:
        params = {self._marked(name): str(value) for name, value in result.parameters.items()}
        return {
            "version": _VERSION,
            "target": self.target,
            "input_data_uri": None,
            "input_params": {**params, "solver_name": self.solver_name},
            "solutions": [
                {"configuration": {i: str(value) for i, value in solution.configuration.items()}, "cost": solution.cost}
                for solution in result.all_solutions()
            ],
        }

    def _marked(self, name: str) -> str:
        if name in self.given:
            return name
        return f"{name} ({'GENERATED' if name == 'seed' else 'COMPUTED'})"


@dataclass(frozen=True, slots=True)
class Toshiba:
    """``microsoft.qio-results.v2``, as Toshiba filled it: parameters as given, and with each solution what was done.

    The runs are those of all loops begun, each of as many steps as the result's parameters say.

    Attributes:
        target: the target's id.
        input_params: the parameters as they were given.
        chosen: of the result's parameters, those shown with each solution; with ``auto``, dt and algo.
    """

    target: str
    input_params: Mapping[str, object]
    chosen: tuple[str, ...] = ()

    def keys(self, constant: bool) -> tuple[str, ...]:
        return "version", "target", "input_data_uri", "input_params", "solutions"

    def entries(self, result: Result) -> dict[str, Any]:
        report = result.report
        message = {"TIMEOUT": "timeout", "COST_LIMIT": "reached"}.get(report.stop_reason.name, "finished")
        steps = result.parameters.get("steps") or report.sweeps or 1
        loops = max(1, -(-report.sweeps // steps))
        done = {"runs": loops * report.replicas, "message": message, "time": report.seconds}
        if self.chosen:
            chosen = {name: result.parameters[name] for name in self.chosen if name in result.parameters}
            done |= {**chosen, "total_time": report.seconds}
        return {
            "version": _VERSION,
            "target": self.target,
            "input_data_uri": None,
            "input_params": dict(self.input_params),
            "solutions": [
                {"cost": solution.cost, "configuration": solution.configuration, "parameters": dict(done)}
                for solution in result.all_solutions()
            ],
        }
