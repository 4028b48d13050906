"""The results of a batch: arrays as long as nobody looks closer, `Result` objects where somebody does."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt

from gpuqio.result import Report, Result, StopReason
from gpuqio.shapes import Shape

__all__ = ["BatchResult", "DenseResults"]

REASONS = tuple(StopReason)


class Echo(Protocol):
    """The parameters that repeat each run of a batch."""

    @property
    def nbytes(self) -> int:
        """What it keeps, nearly."""

    def __call__(self, place: int, sweeps: int) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True, eq=False)
class DenseResults(Sequence[Result]):
    """N results of one solution each, of problems with the variables 0 to n - 1, as arrays; made one by one when read.

    Attributes:
        states: int8 (N, n), as users see them.
        costs: float64 (N,).
        reasons: int8 (N,), places in `StopReason`.
        sweeps, flips, exchanges: int (N,); strategies: N names; resolutions: float64 (N,). As in `Report`.
        seconds, engine, device, replicas: as in `Report`, the same for all.
        shape: how their provider writes them.
        parameters: (place, its sweeps) to the parameters as used.
    """

    states: npt.NDArray[np.int8]
    costs: npt.NDArray[np.float64]
    reasons: npt.NDArray[np.int8]
    sweeps: npt.NDArray[np.integer[Any]]
    flips: npt.NDArray[np.int64]
    exchanges: npt.NDArray[np.int64]
    strategies: Sequence[str]
    resolutions: npt.NDArray[np.float64]
    seconds: float
    engine: str
    device: str
    replicas: int
    shape: Shape
    parameters: Echo
    _made: dict[int, Result] = field(default_factory=dict, init=False)

    @property
    def nbytes(self) -> int:
        """What the arrays take, nearly."""
        return self.states.nbytes + self.parameters.nbytes + 48 * len(self.costs)

    def __len__(self) -> int:
        return len(self.costs)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]

    def _make(self, place: int) -> Result:
        sweeps = int(self.sweeps[place])
        report = Report(
            engine=self.engine,
            device=self.device,
            strategy=self.strategies[place],
            replicas=self.replicas,
            sweeps=sweeps,
            flips=int(self.flips[place]),
            exchanges=int(self.exchanges[place]),
            seconds=self.seconds,
            resolution=float(self.resolutions[place]),
            stop_reason=REASONS[self.reasons[place]],
        )
        variables, mine = np.arange(self.states.shape[1]), slice(place, place + 1)
        return Result(
            variables, self.states[mine], self.costs[mine], self.parameters(place, sweeps), report, self.shape
        )


class BatchResult(Sequence[Result]):
    """The results of a batch, in the order of its problems; the best of each as arrays.

    Args:
        parts: the results, one sequence after another.
    """

    __slots__ = ("_ends", "_parts")

    def __init__(self, *parts: Sequence[Result]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    @property
    def costs(self) -> npt.NDArray[np.float64]:
        """The best cost of each problem, float64 (N,)."""
        return np.concatenate([np.zeros(0), *map(_costs, self._parts)])

    @property
    def configurations(self) -> npt.NDArray[np.int8] | list[npt.NDArray[np.int8]]:
        """The best state of each problem, columns in ascending order of the variables.

        int8 (N, n) where all problems have the same number of variables, else a list of N arrays (n_i,).
        """
        parts = [_states(part) for part in self._parts if len(part)]
        tables = [part for part in parts if isinstance(part, np.ndarray)]
        if parts and len(tables) == len(parts) and len({table.shape[1] for table in tables}) == 1:
            return np.concatenate(tables)
        return [state for part in parts for state in part]

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> BatchResult: ...
    def __getitem__(self, index: int | slice) -> Result | BatchResult:
        if isinstance(index, slice):
            return BatchResult([self[place] for place in range(*index.indices(len(self)))])
        place = range(len(self))[index]
        part = bisect.bisect_right(self._ends, place)
        return self._parts[part][place - self._ends[part]]  # counted from the part's end

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __repr__(self) -> str:
        if not len(self):
            return "<BatchResult: no problems>"
        costs = self.costs
        return f"<BatchResult: {len(costs)} problems, costs {costs.min()} to {costs.max()}>"


def _costs(results: Sequence[Result]) -> npt.NDArray[np.float64]:
    if isinstance(results, DenseResults):
        return results.costs
    return np.fromiter((result.costs[0] for result in results), np.float64, len(results))


def _states(results: Sequence[Result]) -> npt.NDArray[np.int8] | list[npt.NDArray[np.int8]]:
    if isinstance(results, DenseResults):
        return results.states
    states = [result.states[0] for result in results]
    return np.stack(states) if len({len(state) for state in states}) == 1 else states
