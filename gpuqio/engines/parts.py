"""Whole problems: what is left of each after reduction, taken apart where it falls apart, and put together again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.engines.solve import Bits, Chains, Solve, StartChains
from gpuqio.errors import InvalidProblem
from gpuqio.pack import Canonical, apart, canonical, reduced, whole
from gpuqio.problem import Problem
from gpuqio.result import Report, Result, StopReason
from gpuqio.solvers.base import Solver
from gpuqio.solvers.exhaustive import CERTIFIED_VARIABLES, Exhaustive

__all__ = ["Parts", "SolveRun"]

C = TypeVar("C", bound=Chains)


class Parts(Generic[C]):
    """A problem as what is solved of it: mostly one solve; none where all variables leave.

    Where a problem that may be reduced falls apart, each component is solved with the same solver and seed as if it
    were alone; small ones are enumerated. Not with a cost limit: when their sum comes to it would depend on how the
    parts take turns.

    Attributes:
        solves: of the components, large ones first.
    """

    def __init__(self, problem: Problem, solver: Solver, start: StartChains[C]) -> None:
        given = canonical(problem)
        if len(given.groups) and not solver.walks_groups:
            raise InvalidProblem(
                f"Solver type is not compatible with problem type {problem.problem_type.name}: {type(solver).__name__} "
                "takes no squared sums. Try ParallelTempering or SimulatedAnnealing.",
                field="terms_slc",
                value=len(problem.terms_slc),
                code="AZQ103",
            )
        self._problem, self._solver, self._variables = problem, solver, given.variables
        self._seed = secrets.randbits(32) if solver.seed is None else solver.seed
        self._reduction = reduced(given) if solver.reduces else whole(given)
        labels = self._reduction.labels
        parts = apart(self._reduction.problem, labels if solver.cost_limit is None else np.zeros_like(labels))
        self._places = [part.places for part in parts]
        self.solves: list[Solve[C]] = []
        for part in parts:
            small = len(parts) > 1 and part.problem.num_variables <= CERTIFIED_VARIABLES
            how = Exhaustive() if small else solver
            self.solves.append(Solve(part.problem, how, self._seed, self._first_bits(part.problem), start))

    def result(self, engine: str, device: str, reason: StopReason | None) -> Result:
        """The best so far. `reason` says why, if it has not ended by itself."""
        solves = self.solves
        found = [solve.solutions() for solve in solves]  # of several parts one each
        bits = np.empty((len(found[0]) if found else 1, self._reduction.problem.num_variables), np.uint8)
        for places, states in zip(self._places, found, strict=True):
            bits[:, places] = states
        configurations, costs = self._whole_states(bits)
        order = np.argsort(costs, kind="stable")
        largest = max(solves, key=lambda solve: solve.layout.num_variables, default=None)
        report = Report(
            engine=engine,
            device=device,
            strategy=largest.layout.strategy.name.lower().replace("_", "-") if largest else "none",
            replicas=largest.stage.chains if largest else 0,
            sweeps=largest.work[0] if largest else 0,
            flips=sum(solve.work[1] for solve in solves),
            exchanges=sum(solve.work[2] for solve in solves),
            seconds=sum((solve.seconds for solve in solves), 0.0),
            resolution=max((solve.layout.fixed.resolution for solve in solves), default=0.0),
            stop_reason=self._stop_reason(reason),
            removed=self._reduction.removed,
            components=len(solves),
            statistics=solves[0].statistics if len(solves) == 1 else {},
        )
        return Result(
            self._variables, configurations[order], costs[order], self._parameters(), report, self._solver.shape
        )

    @property
    def lowest_cost(self) -> float | None:
        """Of the parts together; None until each has one."""
        known = [solve.lowest_cost for solve in self.solves]
        found = [cost for cost in known if cost is not None]
        if not found or len(found) < len(known):
            return None
        return sum(found) + (self._reduction.problem.constant if len(found) > 1 else 0.0)  # which only a whole has

    def _stop_reason(self, reason: StopReason | None) -> StopReason:
        """Of parts that ended for several reasons that of the largest without a proof."""
        ended = [solve.stop_reason for solve in self.solves]
        if None in ended:
            return reason or StopReason.COMPLETED
        proven = StopReason.PROVEN if self._reduction.is_exact or not ended else StopReason.CONVERGED
        return next((why for why in ended if why not in (None, StopReason.PROVEN)), proven)

    def _parameters(self) -> dict[str, object]:
        """Those that repeat the result: of one search what it found, of several what all were given.

        A solver with parameters reduces nothing by itself.
        """
        reduces = self._solver.reduces
        changed = self._reduction.removed > 0 or len(self.solves) > 1
        echo = {"reduce": reduces} if self._solver.reduce is not None or changed else {}
        if len(self.solves) == 1:
            return {**self.solves[0].parameters, **echo}
        return {**self._solver.parameters(), "seed": self._seed, **echo}

    def _whole_states(self, bits: Bits) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
        """From (k, n') bits of what was solved, (k, n) states as users see them, spins -1 and 1, and their costs."""
        states = self._reduction.restored(bits).astype(np.int8)
        if self._reduction.problem.is_ising:
            states = 1 - 2 * states
        return states, self._problem.evaluate_states(self._variables, states)

    def _first_bits(self, part: Canonical) -> Bits | None:
        start = self._problem.init_config
        if not start:
            return None
        values = np.array([start[v] for v in part.variables.tolist()])
        bits: Bits = ((1 - values) // 2 if part.is_ising else values).astype(np.uint8)
        return bits


class SolveRun(Generic[C]):
    """Some problems under one solver. Owned by one worker at a time.

    Args:
        predict: seconds of a worker's time that a solve's current stage still takes.

    Attributes:
        solves: of all problems, to be advanced side by side.
    """

    def __init__(self, problems: Sequence[Parts[C]], predict: Callable[[Solve[C]], float]) -> None:
        self.solves = [solve for parts in problems for solve in parts.solves]
        self._problems, self._predict = problems, predict

    @property
    def finished(self) -> bool:
        return all(s.stop_reason is not None for s in self.solves)

    @property
    def predicted_seconds(self) -> float:
        """Of the current stages. A parameter-free search may add more."""
        return sum(map(self._predict, self.solves))

    @property
    def lowest_cost(self) -> float | None:
        return self._problems[0].lowest_cost if len(self._problems) == 1 else None

    def results(self, engine: str, device: str, reason: StopReason | None) -> tuple[Result, ...]:
        """One a problem: the best found so far. `reason` says why, of those that have not ended by themselves."""
        return tuple(parts.result(engine, device, reason) for parts in self._problems)
