"""1QBit's tabu search: the move of `gpuqio.solvers.tabu`, until nothing is gained for a number of moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import Plan, Trial
from gpuqio.solvers.oneqbit import OneQbitSettings
from gpuqio.solvers.settings import number, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.tabu import MOST_SWEEPS, TabuMove, default_tenure, tabu_stage

__all__ = ["TabuSearch"]

WALKERS = 32  # in a sparse problem as many as one costs
DEFAULT_TOLERANCE = 1e-9
MOST_TENURE = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TabuSearch(OneQbitSettings):
    """32 walkers of tabu search that end together.

    Attributes:
        improvement_cutoff: moves without an improvement after which the search ends, 1 to 10^9; None or 0: 10000, or
            20 a variable if that is more.
        improvement_tolerance: a cost counts as an improvement when it is lower by more than this, at least 0;
            default 1e-9.
        tabu_tenure: for how many moves a flipped variable stays as it is, 1 to 200000; None or 0: min(20, n/4).
        tabu_tenure_rand_max: the most that is added to the tenure, at random at each move, 1 to 200000; None or 0:
            half of the tenure where none is given, else nothing.
    """

    improvement_cutoff: int | None = None
    improvement_tolerance: float | None = None
    tabu_tenure: int | None = None
    tabu_tenure_rand_max: int | None = None

    target: ClassVar[str] = "1qbit.tabu"
    solver_name: ClassVar[str] = "Tabu"
    own: ClassVar[tuple[str, ...]] = (
        "improvement_cutoff",
        "improvement_tolerance",
        "tabu_tenure",
        "tabu_tenure_rand_max",
    )

    def __post_init__(self) -> None:
        self.check_settings()
        whole("improvement_cutoff", self.improvement_cutoff, 0, MOST_SWEEPS)
        whole("tabu_tenure", self.tabu_tenure, 0, MOST_TENURE)
        whole("tabu_tenure_rand_max", self.tabu_tenure_rand_max, 0, MOST_TENURE)
        if number("improvement_tolerance", self.improvement_tolerance) is not None and self.tolerance < 0:
            raise InvalidParameter(
                f"improvement_tolerance must be at least 0; found improvement_tolerance={self.improvement_tolerance}.",
                field="improvement_tolerance",
                value=self.improvement_tolerance,
                code="AZQ107",
            )

    @property
    def tolerance(self) -> float:
        """The improvement tolerance as used."""
        return DEFAULT_TOLERANCE if self.improvement_tolerance is None else self.improvement_tolerance

    def plan(self, layout: Layout, seed: int) -> Plan:
        tenure, extra = self.tabu_tenure, self.tabu_tenure_rand_max or 0
        if not tenure:
            tenure = default_tenure(layout)
            extra = extra or tenure // 2
        cutoff = self.improvement_cutoff or max(10_000, 20 * layout.num_variables)
        return UntilCutoff(self, tabu_stage(TabuMove(tenure, extra), WALKERS, cutoff, seed), layout.fixed.unit)


class UntilCutoff:
    """One run, made longer until the last `stage.sweeps` moves of it were in vain.

    Args:
        solver: whose parameters are echoed.
        stage: the run, as long as the cutoff.
        unit: the cost of one integer step of the energy.
    """

    def __init__(self, solver: TabuSearch, stage: Stage, unit: float) -> None:
        self.converged = False
        self._solver, self._stage, self._unit = solver, stage, unit
        self._lowest: int | None = None
        self._end = stage.sweeps

    def first(self) -> Stage:
        return self._stage

    def after(self, trial: Trial) -> Stage | None:
        if self._lowest is None or (self._lowest - trial.lowest) * self._unit > self._solver.tolerance:
            self._lowest = trial.lowest
            self._end = min(trial.reached + self._stage.sweeps, MOST_SWEEPS)
        if trial.stage.sweeps >= self._end:
            self.converged = True
            return None
        return replace(trial.stage, sweeps=self._end, continues=True)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        assert isinstance(stage.move, TabuMove)
        return replace(
            self._solver,
            improvement_cutoff=self._stage.sweeps,
            improvement_tolerance=self._solver.tolerance,
            tabu_tenure=stage.move.tenure,
            tabu_tenure_rand_max=stage.move.most_extra,
            seed=stage.seed,
        ).parameters()
