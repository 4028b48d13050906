"""Feedback-optimised ladders: rungs where replicas get stuck on their way between hot and cold.

Katzgraber, Trebst, Huse, Troyer, "Feedback-optimized parallel tempering Monte Carlo", J. Stat. Mech. P03018 (2006).
Of the replicas at a rung a share f was at the hottest one last. In the best ladder f falls by as much from each rung to
the next; the paper's density of rungs, the root of (df/dT) / dT, gives each gap the root of its present fall. Equal
acceptance, as in `gpuqio.solvers.temperatures`, does not see such a bottleneck. The flow shows after many round trips
only, which is long after the first solution as a rule: docs/design/temperatures.md has figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout
from gpuqio.solvers.base import Trial
from gpuqio.solvers.move import Move
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import respaced

__all__ = ["FeedbackPlan", "FlowMove", "by_feedback"]

SHARES = (16, 8, 4)
"""The ladder is respaced after a sixteenth, an eighth and a quarter of the sweeps of the run that was asked for."""


@dataclass(frozen=True, slots=True)
class FlowMove(Move):
    """Metropolis with exchange, where the flow of the replicas is counted."""

    @property
    def options(self) -> tuple[int, int, int, int]:
        return 0, 0, 0, 1

    def memory(self, layout: Layout, stage: Stage) -> int:
        return stage.chains

    def log(self, stage: Stage) -> int:
        """At each rung: chains that were at the hottest rung last, and at the coldest, after each sweep."""
        return 2 * stage.rungs


def by_feedback(betas: npt.NDArray[np.float64], log: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """As many betas over the same range, by the flow that was counted on them. Where f rises, it counts as level."""
    hot, cold = log.reshape(-1, 2).T.astype(np.float64)
    share = hot / np.maximum(hot + cold, 1.0)
    return respaced(betas, np.sqrt(np.maximum(-np.diff(share), 0.0)), len(betas))


class FeedbackPlan:
    """Shorter runs to space the ladder, then the run that was asked for.

    Args:
        run: that run, on the ladder to begin with.
        echo: the parameters that repeat a stage.
    """

    converged = False

    def __init__(self, run: Stage, echo: Callable[[Stage], Mapping[str, object]]) -> None:
        self._run = run
        self._rounds = iter([max(1, run.sweeps // share) for share in SHARES])
        self.parameters = echo

    def first(self) -> Stage:
        return replace(self._run, sweeps=next(self._rounds), move=FlowMove())

    def after(self, trial: Trial) -> Stage | None:
        if not isinstance(trial.stage.move, FlowMove):
            return None
        betas = by_feedback(trial.stage.betas, trial.log)
        sweeps = next(self._rounds, None)
        if sweeps is None:
            return replace(self._run, betas=betas)
        return replace(trial.stage, sweeps=sweeps, betas=betas)
