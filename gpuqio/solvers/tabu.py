"""Tabu search: each walker keeps making its best move, uphill too, that does not undo a recent one.

Glover, "Tabu search, part I", ORSA J. Comput. 1, 190 (1989). The usual tenure is that of Palubeckis, "Multistart tabu
search strategies", Ann. Oper. Res. 131, 259 (2004). The service's schema: sweeps, tabu_tenure, restarts; with none of
them given, the parameter-free target searches for them. A sweep is one move of each walker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.base import OneStage, Plan, Trial
from gpuqio.solvers.move import Kind, Move
from gpuqio.solvers.settings import Settings, spelled, whole
from gpuqio.solvers.stage import Stage

__all__ = ["Tabu", "TabuMove", "default_tenure", "tabu_stage"]

DEFAULT_SWEEPS = 10_000
DEFAULT_RESTARTS = 72  # the service's threads
MOST_SWEEPS = 1_000_000_000
MOST_TENURE = 500_000_000  # twice this, added to a move's number, is less than 2^31


@dataclass(frozen=True, slots=True)
class TabuMove(Move):
    """The best flip of a variable that has not been flipped in the last `tenure` moves, or that gives a new best.

    Attributes:
        tenure: for how many moves a flipped variable stays as it is.
        most_extra: at each move a whole number from 0 to this is added to the tenure.
    """

    kind: ClassVar[Kind] = Kind.TABU
    tenure: int
    most_extra: int

    @property
    def options(self) -> tuple[int, int, int, int]:
        return self.tenure, self.most_extra, 0, 0

    def memory(self, layout: Layout, stage: Stage) -> int:
        """A move's number a variable and walker; where a lane is a walker and there are no squared sums, also as many
        gains, and each walker's energy."""
        if layout.strategy is Strategy.WINDOW:
            return stage.chains * len(layout.base)
        words = layout.num_variables if layout.groups else 2 * layout.num_variables + 1
        return -(-stage.chains // 32) * 32 * words


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabu(Settings):
    """Independent walkers of tabu search.

    Attributes:
        sweeps: moves of each walker, 1 to 10^9; default 10000.
        tabu_tenure: for how many moves a flipped variable stays as it is, 0 to 5 x 10^8; default min(20, n/4).
        tabu_tenure_rand_max: the most that is added to the tenure, at random at each move, 0 to 5 x 10^8. Default:
            nothing where a tenure is given, else half of the tenure. Not the service's.
        restarts: walkers, at least 1; default 72.
    """

    sweeps: int | None = None
    tabu_tenure: int | None = None
    tabu_tenure_rand_max: int | None = None
    restarts: int | None = None

    walks_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        whole("tabu_tenure", self.tabu_tenure, 0, MOST_TENURE)
        whole("tabu_tenure_rand_max", self.tabu_tenure_rand_max, 0, MOST_TENURE)
        whole("restarts", self.restarts, 1, 1_000_000)

    @property
    def is_parameter_free(self) -> bool:
        own = (self.sweeps, self.tabu_tenure, self.tabu_tenure_rand_max, self.restarts)
        return all(p is None for p in own)

    @property
    def target(self) -> str:
        return f"microsoft.tabu{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        names = ("sweeps", "tabu_tenure", "tabu_tenure_rand_max", "restarts", "seed", "timeout")
        return spelled({name: getattr(self, name) for name in names}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if self.is_parameter_free:
            return TenureSearch(self, layout, seed)
        tenure, extra = self.tabu_tenure, self.tabu_tenure_rand_max
        if tenure is None:
            tenure = default_tenure(layout)
            extra = tenure // 2 if extra is None else extra
        move = TabuMove(tenure, extra or 0)
        walkers, moves = self.restarts or DEFAULT_RESTARTS, self.sweeps or DEFAULT_SWEEPS
        return OneStage(tabu_stage(move, walkers, moves, seed), self.echo)

    def echo(self, stage: Stage) -> Mapping[str, object]:
        """The parameters with all that was left open filled in; the addition where there is one."""
        assert isinstance(stage.move, TabuMove)
        return replace(
            self,
            sweeps=stage.sweeps,
            tabu_tenure=stage.move.tenure,
            tabu_tenure_rand_max=stage.move.most_extra or self.tabu_tenure_rand_max,
            restarts=stage.chains,
            seed=stage.seed,
        ).parameters()


class TenureSearch:
    """Runs of 256, 512, ... moves with each of a few tenures, until 8 times as many as the best took are no better.

    Each run starts afresh, so its parameters repeat it.
    """

    RESTARTS = 64
    FIRST, LEAST, MOST = 256, 2048, 1 << 24

    def __init__(self, solver: Tabu, layout: Layout, seed: int) -> None:
        self.converged = False
        self._solver, self._seed = solver, seed
        usual = default_tenure(layout)
        self._tenures = sorted({usual, (usual + 1) // 2, min(2 * usual, layout.num_variables // 2)})
        self._least = max(self.LEAST, 16 * layout.num_variables)
        self._runs = 0
        self._lowest: int | None = None
        self._took = 0

    def first(self) -> Stage:
        return self._next()

    def after(self, trial: Trial) -> Stage | None:
        if self._lowest is None or trial.lowest < self._lowest:
            self._lowest, self._took = trial.lowest, trial.reached
        done = trial.stage.sweeps
        all_tried = self._runs % len(self._tenures) == 0
        if all_tried and done >= min(max(self._least, 8 * self._took), self.MOST):
            self.converged = True
            return None
        return self._next()

    def _next(self) -> Stage:
        length, which = divmod(self._runs, len(self._tenures))
        self._runs += 1
        tenure = self._tenures[which]
        return tabu_stage(TabuMove(tenure, tenure // 2), self.RESTARTS, self.FIRST << length, self._seed)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        return self._solver.echo(stage)


def default_tenure(layout: Layout) -> int:
    """The usual tenure, min(20, n/4)."""
    return min(20, layout.num_variables // 4)


def tabu_stage(move: TabuMove, walkers: int, moves: int, seed: int) -> Stage:
    """`moves` moves of `walkers` walkers."""
    return Stage(chains=walkers, sweeps=moves, betas=np.zeros(0), exchange=False, seed=seed, move=move)
