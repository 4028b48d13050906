"""One problem on its way from packed to solved: which stage it is in, and the best found so far.

Engine-neutral: the engine says how the chains of a stage are made, and advances them.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.engines.ensemble import NOTHING_FOUND
from gpuqio.errors import InvalidProblem
from gpuqio.pack import Layout, canonical, lay_out, reduced, whole
from gpuqio.problem import Problem
from gpuqio.result import Report, Result, StopReason
from gpuqio.solvers.base import Solver, Trial
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage

__all__ = ["Chains", "Solve", "SolveRun"]

Bits = npt.NDArray[np.uint8]


class Chains(Protocol):
    """All chains of a problem in one stage, wherever they live. See `gpuqio.engines.native.Ensemble`."""

    @property
    def stage(self) -> Stage: ...
    @property
    def sweeps(self) -> int: ...
    @property
    def flips(self) -> int: ...
    @property
    def lowest(self) -> int: ...
    @property
    def reached(self) -> int: ...
    @property
    def reached_goal(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    @property
    def swaps(self) -> npt.NDArray[np.int64]: ...
    @property
    def log(self) -> npt.NDArray[np.int64]: ...
    @property
    def best_energies(self) -> npt.NDArray[np.int64]: ...
    @property
    def chain_at(self) -> npt.NDArray[np.int32]: ...
    def best_bits(self) -> Bits: ...
    def bits(self) -> Bits: ...
    def extend(self, stage: Stage) -> None: ...


C = TypeVar("C", bound=Chains)
StartChains = Callable[[Layout, Stage, Bits | None, int | None], C]


class Solve(Generic[C]):
    """A problem, its plan, and the chains of the current stage.

    Attributes:
        layout: the packed problem, or what is left of it.
        chains: of the current stage; None for a problem without variables.
        seconds: of solving so far; the engine counts them.
        stop_reason: why it ended; None while there is more to do.
    """

    def __init__(self, problem: Problem, solver: Solver, start: StartChains[C]) -> None:
        given = canonical(problem)
        self._reduction = reduced(given) if solver.reduces else whole(given)
        self._variables = given.variables
        self.layout = lay_out(
            self._reduction.problem, solver.walks_windows, solver.walks_groups, bits=solver.walks_bits
        )
        if self.layout.groups is not None and not solver.walks_groups:
            raise InvalidProblem(
                f"Solver type is not compatible with problem type {problem.problem_type.name}: {type(solver).__name__} "
                "takes no squared sums. Try ParallelTempering or SimulatedAnnealing.",
                field="terms_slc",
                value=len(problem.terms_slc),
                code="AZQ103",
            )
        self.seconds = 0.0
        self.stop_reason: StopReason | None = None
        self._problem, self._solver, self._start = problem, solver, start
        self._seed = secrets.randbits(32) if solver.seed is None else solver.seed
        self._ended: list[tuple[int, int, int]] = []  # sweeps, flips, exchanges of each stage that has ended
        self.chains: C | None = None
        self._best: C | None = None
        self._proven = False
        self._samples: list[Bits] = []
        if self.layout.num_variables == 0:
            self.stop_reason = StopReason.PROVEN  # there is but one configuration, or what is left of it
            return
        self._plan = solver.plan(self.layout, self._seed)
        self._begin(self._plan.first())

    @property
    def sweeps_left(self) -> int:
        """Sweeps until the current stage ends; 0 when solved."""
        if self.chains is None or self.stop_reason is not None:
            return 0
        return self.chains.stage.sweeps - self.chains.sweeps

    @property
    def work_left(self) -> float:
        """Of the current stage, in the units of `Layout.work`; 0 when solved."""
        return self.sweeps_left * self.sweep_work

    @property
    def sweep_work(self) -> float:
        """Predicted cost of one sweep of all chains, in the units of `Layout.work`."""
        return 0.0 if self.chains is None else self.layout.work * self.chains.stage.chains

    def take_stock(self) -> None:
        """After an advance: where the stage has ended, note its best and begin the next one."""
        chains = self.chains
        if chains is None or self.stop_reason is not None or not chains.finished:
            return
        self._keep_best()
        if chains.stage.move.kind is Kind.EXHAUSTIVE and chains.sweeps == chains.stage.sweeps:
            self._proven = self.layout.fixed.is_exact and self._reduction.is_exact
        if chains.stage.sampled:
            coldest = chains.chain_at.reshape(-1, chains.stage.rungs)[:, -1]
            self._samples.append(chains.bits()[coldest])
        if chains.reached_goal:
            self.stop_reason = StopReason.COST_LIMIT
            return
        states = chains.best_energies, chains.best_bits
        trial = Trial(chains.stage, chains.lowest, chains.reached, chains.swaps, chains.log, *states)
        stage = self._plan.after(trial)
        if stage is None:
            self.stop_reason = StopReason.CONVERGED if self._plan.converged else StopReason.COMPLETED
            if self._proven:
                self.stop_reason = StopReason.PROVEN
        elif stage.continues:
            chains.extend(stage)
        else:
            self._ended.append(_work(chains))
            self._begin(stage)

    @property
    def lowest_cost(self) -> float | None:
        """Of what its chains have visited, as coefficients were rounded; None where there are no chains."""
        known = (chains.lowest for chains in (self._best, self.chains) if chains is not None)
        lowest = min(known, default=NOTHING_FOUND)
        if lowest == NOTHING_FOUND:
            return None
        return self.layout.problem.constant + self.layout.fixed.unit * lowest

    def result(self, engine: str, device: str, reason: StopReason | None) -> Result:
        """The best so far. `reason` says why, if it has not ended by itself."""
        stop_reason, shape = self.stop_reason or reason or StopReason.COMPLETED, self._solver.shape
        if self.chains is None:
            states, costs = self._whole_states(np.zeros((1, 0), np.uint8))
            parameters = {**self._solver.parameters(), "seed": self._seed, **self._reduced()}
            report = Report(engine, device, "none", 0, 0, 0, 0, self.seconds, 0.0, stop_reason, self._reduction.removed)
            return Result(self._variables, states, costs, parameters, report, shape)
        best = self._keep_best()
        if self._samples:
            bits = np.concatenate(self._samples)
        else:
            bits = best.stage.move.solutions(
                best.best_bits(), best.best_energies, best.log, self._solver.number_of_solutions
            )
        states, costs = self._whole_states(bits)
        order = np.argsort(costs, kind="stable")
        stage = best.stage
        if stage.exchange:  # a ladder stopped early is a shorter run on the same ladder
            stage = replace(stage, sweeps=max(best.sweeps, 1))
        sweeps, flips, exchanges = map(sum, zip(*self._ended, _work(self.chains), strict=True))
        report = Report(
            engine=engine,
            device=device,
            strategy=self.layout.strategy.name.lower().replace("_", "-"),
            replicas=stage.chains,
            sweeps=sweeps,
            flips=flips,
            exchanges=exchanges,
            seconds=self.seconds,
            resolution=self.layout.fixed.resolution,
            stop_reason=stop_reason,
            removed=self._reduction.removed,
            statistics=best.stage.move.statistics(self.layout, best.stage, best.best_energies, best.log, best.sweeps),
        )
        echo = {**self._plan.parameters(stage), **self._reduced()}
        return Result(self._variables, states[order], costs[order], echo, report, shape)

    def _begin(self, stage: Stage) -> None:
        first = self._first_bits() if stage.initial is None else stage.initial
        self.chains = self._start(self.layout, stage, first, self._goal())
        self.take_stock()  # its first states may have reached the cost limit already

    def _keep_best(self) -> C:
        """The chains of the stage with the best energy.

        Of equals the first, which took less work; but rather a search's, whose parameters repeat it, than a proof's.
        """
        chains, best = self.chains, self._best
        assert chains is not None
        proof = best is not None and best.stage.move.kind is Kind.EXHAUSTIVE
        if best is None or chains.lowest < best.lowest or (proof and chains.lowest == best.lowest):
            self._best = best = chains
        return best

    def _reduced(self) -> dict[str, bool]:
        """What else repeats the run: a solver with parameters reduces nothing by itself."""
        reduce = self._solver.reduce
        return {"reduce": self._solver.reduces} if reduce is not None or self._reduction.removed else {}

    def _whole_states(self, bits: Bits) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
        """From (k, n') bits of what was solved, (k, n) states as users see them, spins -1 and 1, and their costs."""
        states = self._reduction.restored(bits).astype(np.int8)
        if self.layout.problem.is_ising:
            states = 1 - 2 * states
        return states, self._problem.evaluate_states(self._variables, states)

    def _first_bits(self) -> Bits | None:
        start = self._problem.init_config
        if not start:
            return None
        values = np.array([start[v] for v in self.layout.problem.variables.tolist()])
        bits: Bits = ((1 - values) // 2 if self.layout.problem.is_ising else values).astype(np.uint8)
        return bits

    def _goal(self) -> int | None:
        limit = self._solver.cost_limit
        if limit is None:
            return None
        goal = (limit - self.layout.problem.constant) / self.layout.fixed.unit
        return math.floor(min(max(goal, -(2.0**62)), 2.0**62))


class SolveRun(Generic[C]):
    """Some problems under one solver. Owned by one worker at a time.

    Args:
        predict: seconds of a worker's time that a solve's current stage still takes.
    """

    def __init__(self, solves: Sequence[Solve[C]], predict: Callable[[Solve[C]], float]) -> None:
        self.solves = solves
        self._predict = predict

    @property
    def finished(self) -> bool:
        return all(s.stop_reason is not None for s in self.solves)

    @property
    def predicted_seconds(self) -> float:
        """Of the current stages. A parameter-free search may add more."""
        return sum(map(self._predict, self.solves))

    @property
    def lowest_cost(self) -> float | None:
        return self.solves[0].lowest_cost if len(self.solves) == 1 else None


def _work(chains: Chains) -> tuple[int, int, int]:
    return chains.sweeps, chains.flips, int(chains.swaps.sum())
