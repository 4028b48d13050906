"""One problem, or a part of one, on its way from packed to solved: its stage, and the best found so far.

Engine-neutral: the engine says how the chains of a stage are made, and advances them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.engines.ensemble import NOTHING_FOUND
from gpuqio.pack import Canonical, Layout, lay_out
from gpuqio.result import StopReason
from gpuqio.solvers.base import Solver, Trial
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage

__all__ = ["Bits", "Chains", "Solve", "StartChains"]

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
    """A problem or a part of one, its plan, and the chains of the current stage.

    Args:
        problem: at least one variable.
        solver: says how.
        seed: of all its random words.
        first: (n,) bits that chains begin with; None for random ones.
        start: makes the chains of a stage.

    Attributes:
        layout: the packed problem.
        chains: of the current stage.
        seconds: of solving so far; the engine counts them.
        stop_reason: why it ended; None while there is more to do.
    """

    def __init__(
        self, problem: Canonical, solver: Solver, seed: int, first: Bits | None, start: StartChains[C]
    ) -> None:
        self.layout = lay_out(problem, solver.walks_windows, solver.walks_groups, bits=solver.walks_bits)
        self.seconds = 0.0
        self.stop_reason: StopReason | None = None
        self._solver, self._start, self._first = solver, start, first
        self._ended: list[tuple[int, int, int]] = []  # sweeps, flips, exchanges of each stage that has ended
        self._best: C | None = None
        self._proven = False
        self._samples: list[Bits] = []
        self._plan = solver.plan(self.layout, seed)
        self._begin(self._plan.first())

    @property
    def sweeps_left(self) -> int:
        """Sweeps until the current stage ends; 0 when solved."""
        return 0 if self.stop_reason is not None else self.chains.stage.sweeps - self.chains.sweeps

    @property
    def work_left(self) -> float:
        """Of the current stage, in the units of `Layout.work`; 0 when solved."""
        return self.sweeps_left * self.sweep_work

    @property
    def sweep_work(self) -> float:
        """Predicted cost of one sweep of all chains, in the units of `Layout.work`."""
        return self.layout.work * self.chains.stage.chains

    def take_stock(self) -> None:
        """After an advance: where the stage has ended, note its best and begin the next one."""
        chains = self.chains
        if self.stop_reason is not None or not chains.finished:
            return
        self._keep_best()
        if chains.stage.move.kind is Kind.EXHAUSTIVE and chains.sweeps == chains.stage.sweeps:
            self._proven = self.layout.fixed.is_exact
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
        """Of what its chains have visited, as coefficients were rounded; None before they have visited anything."""
        lowest = min(chains.lowest for chains in (self._best, self.chains) if chains is not None)
        if lowest == NOTHING_FOUND:
            return None
        return self.layout.problem.constant + self.layout.fixed.unit * lowest

    @property
    def stage(self) -> Stage:
        """The stage that the best is from, as long as it has come to be."""
        best = self._keep_best()
        if not best.stage.exchange:
            return best.stage
        return replace(best.stage, sweeps=max(best.sweeps, 1))  # stopped early it is a shorter run on the same ladder

    @property
    def parameters(self) -> Mapping[str, object]:
        """Those that repeat the best."""
        return self._plan.parameters(self.stage)

    @property
    def work(self) -> tuple[int, int, int]:
        """Sweeps, accepted flips and exchanges of all stages so far."""
        sweeps, flips, exchanges = map(sum, zip(*self._ended, _work(self.chains), strict=True))
        return sweeps, flips, exchanges

    @property
    def statistics(self) -> Mapping[str, object]:
        """What the stage of the best has found besides."""
        best = self._keep_best()
        return best.stage.move.statistics(self.layout, best.stage, best.best_energies, best.log, best.sweeps)

    def solutions(self) -> Bits:
        """(k, n) the best states so far, or those sampled."""
        if self._samples:
            return np.concatenate(self._samples)
        best = self._keep_best()
        wanted = self._solver.number_of_solutions
        return best.stage.move.solutions(best.best_bits(), best.best_energies, best.log, wanted)

    def _begin(self, stage: Stage) -> None:
        first = self._first if stage.initial is None else stage.initial
        self.chains: C = self._start(self.layout, stage, first, self._goal())
        self.take_stock()  # its first states may have reached the cost limit already

    def _keep_best(self) -> C:
        """The chains of the stage with the best energy.

        Of equals the first, which took less work; but rather a search's, whose parameters repeat it, than a proof's.
        """
        chains, best = self.chains, self._best
        proof = best is not None and best.stage.move.kind is Kind.EXHAUSTIVE
        if best is None or chains.lowest < best.lowest or (proof and chains.lowest == best.lowest):
            self._best = best = chains
        return best

    def _goal(self) -> int | None:
        limit = self._solver.cost_limit
        if limit is None:
            return None
        goal = (limit - self.layout.problem.constant) / self.layout.fixed.unit
        return math.floor(min(max(goal, -(2.0**62)), 2.0**62))


def _work(chains: Chains) -> tuple[int, int, int]:
    return chains.sweeps, chains.flips, int(chains.swaps.sum())
