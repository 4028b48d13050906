"""A result, read from what its provider wrote, and a report on its way beside it.

The service's results say little of how they were found. A server of gpuqio writes the report into the job's metadata;
without one, a report says what can be told from the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from gpuqio.errors import GpuqioError, RemoteError
from gpuqio.qio_json import inflate
from gpuqio.remote.protocol import REPORT_KEY
from gpuqio.result import Report, Result, StopReason
from gpuqio.shapes import MICROSOFT, OneQbit, Shape, Toshiba
from gpuqio.solvers.wire import spoken

__all__ = ["decode_report", "decode_result", "encode_report"]

_Variable = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}\Z")]
_Value = Literal[-1, 0, 1, "-1", "0", "1"]


class _Solution(msgspec.Struct):
    cost: float
    configuration: dict[_Variable, _Value] = {}
    parameters: dict[str, Any] | None = None


class _Result(msgspec.Struct):
    """What any of the three shapes has. Microsoft's alone has `parameters`, and no `target`."""

    solutions: list[_Solution] = []
    target: str = ""
    input_params: dict[str, Any] = {}
    cost: float | None = None
    configuration: dict[_Variable, _Value] = {}
    parameters: dict[str, Any] = {}


class _Report(msgspec.Struct):
    engine: str
    device: str
    strategy: str
    replicas: int
    sweeps: int
    flips: int
    exchanges: int
    seconds: float
    resolution: float
    stop_reason: str
    removed: int = 0
    statistics: dict[str, Any] = {}


def encode_report(report: Report) -> str:
    """A report as JSON, its stop reason by name."""
    return msgspec.json.encode({**dataclasses.asdict(report), "stop_reason": report.stop_reason.name}).decode()


def decode_report(text: str) -> Report:
    """The report of its JSON. Raises `RemoteError` for anything else."""
    try:
        read = msgspec.json.decode(text, type=_Report)
        fields = {**msgspec.structs.asdict(read), "stop_reason": StopReason[read.stop_reason]}
    except (msgspec.DecodeError, KeyError, RecursionError) as error:
        raise _unreadable("report", error) from None
    return Report(**fields)


def decode_result(data: bytes, metadata: Mapping[str, str] | None = None) -> Result:
    """The result of the JSON that a job left, plain or gzipped, in Microsoft's, 1QBit's or Toshiba's shape.

    Args:
        data: the blob at the job's output URI.
        metadata: of the job; has the report if a server of gpuqio solved it.

    Returns:
        Solutions in the order given. A blob's own URI, which a provider may write into it, is left out.

    Raises:
        RemoteError: it is something else.
    """
    try:
        read = msgspec.json.decode(inflate(data), type=_Result)
        variables, states = _configurations([solution.configuration for solution in _solutions(read)])
    except (msgspec.DecodeError, GpuqioError, OverflowError, RecursionError, ValueError) as error:
        raise _unreadable("result", error) from None
    costs = np.array([solution.cost for solution in _solutions(read)])
    shape, parameters = _shape(read)
    report = (metadata or {}).get(REPORT_KEY)
    return Result(
        variables, states, costs, parameters, decode_report(report) if report else _report(read, shape), shape
    )


def _solutions(read: _Result) -> list[_Solution]:
    """At least one: a problem of constants only has a cost, and no solutions."""
    if read.solutions:
        return read.solutions
    if read.cost is None:
        raise ValueError("it has neither solutions nor a cost")
    return [_Solution(read.cost, read.configuration)]


def _configurations(given: Sequence[Mapping[str, int | str]]) -> tuple[Any, Any]:
    """The variables, int64 (n,), and the states, int8 (k, n)."""
    names = list(given[0])
    if any(len(configuration) != len(names) for configuration in given):
        raise ValueError("its solutions are of different variables")
    variables = np.array([int(name) for name in names], np.int64)
    if len(np.unique(variables)) != len(variables):
        raise ValueError("it has a variable twice")
    try:
        rows = [[int(configuration[name]) for name in names] for configuration in given]
    except KeyError:
        raise ValueError("its solutions are of different variables") from None
    return variables, np.array(rows, np.int8).reshape(len(rows), len(names))


def _shape(read: _Result) -> tuple[Shape, dict[str, Any]]:
    """The shape, and the parameters as plain values under plain names."""
    if not read.target:
        return MICROSOFT, read.parameters
    if read.target.lower().startswith("toshiba"):
        done = read.solutions[0].parameters or {} if read.solutions else {}
        chosen = {name: value for name, value in done.items() if name not in ("runs", "message", "time", "total_time")}
        shape = Toshiba(read.target, read.input_params, tuple(chosen))
        return shape, {**read.input_params, **chosen}
    params = {name: value for name, value in read.input_params.items() if name != "solver_name"}
    given = frozenset(name for name in params if not name.endswith(")"))
    oneqbit = OneQbit(read.target, str(read.input_params.get("solver_name", "")), given)
    return oneqbit, {name.partition(" (")[0]: spoken(value) for name, value in params.items()}


def _report(read: _Result, shape: Shape) -> Report:
    """What can be told of a solver that has left no report."""
    done = (read.solutions[0].parameters or {}) if read.solutions else {}
    message = {"timeout": StopReason.TIMEOUT, "reached": StopReason.COST_LIMIT}.get(str(done.get("message")))
    counts = read.parameters if shape is MICROSOFT else read.input_params
    return Report(
        engine="azure",
        device="remote",
        strategy="",
        replicas=_whole(done.get("runs", counts.get("replicas", counts.get("restarts")))),
        sweeps=_whole(counts.get("sweeps", counts.get("steps"))),
        flips=0,
        exchanges=0,
        seconds=_number(done.get("time")),
        resolution=0.0,
        stop_reason=message or StopReason.COMPLETED,
    )


def _whole(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0


def _number(value: object) -> float:
    return float(value) if type(value) in (int, float) else 0.0  # type: ignore[arg-type]  # it is a number


def _unreadable(what: str, error: Exception) -> RemoteError:
    return RemoteError(f"The job's {what} can't be read: {error}.", code="InvalidResult")
