"""Parallel tempering: one replica a temperature, neighbours exchange after each sweep.

Hukushima, Nemoto, "Exchange Monte Carlo method", J. Phys. Soc. Jpn. 65, 1604 (1996). The service's schema: sweeps,
replicas, all_betas; with none of them given, the parameter-free target finds a ladder and how long to climb it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import Floats, OneStage, Plan, Trial, Uniform
from gpuqio.solvers.clusters import clustered
from gpuqio.solvers.exhaustive import certified
from gpuqio.solvers.feedback import FeedbackPlan
from gpuqio.solvers.move import Kind
from gpuqio.solvers.settings import Settings, is_finite, spelled, truth, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import barrier, geometric_ladder, respaced, temperature_range

__all__ = ["ParallelTempering"]

DEFAULT_SWEEPS = 10_000
DEFAULT_REPLICAS = 32
MOST_SWEEPS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelTempering(Settings):
    """A ladder of inverse temperatures with exchange between neighbours.

    Attributes:
        sweeps: sweeps of each replica, one exchange after each; 1 to 2^31 - 1; default 10000.
        replicas: how many temperatures, at least 2; with all_betas given, its length; default 32.
        all_betas: inverse temperatures, each finite and at least 0, in any order; default: `replicas` of them in
            equal ratios over the range worth visiting.
        restarts: independent ladders, at least 1; default 1. Not the service's.
        cluster_moves: whether replicas of different ladders exchange clusters at the colder half of the temperatures
            after each sweep (`gpuqio.solvers.clusters`); then `restarts` is at least 2, which is its default. They help
            on sparse problems; `gpuqio.explain` says where they cannot. Default: no. Not the service's.
        feedback_ladder: whether the ladder is respaced by the flow of the replicas before the run, which takes 7/16 as
            long again (`gpuqio.solvers.feedback`): for long runs, and ladders to be used again, on problems with a
            first-order transition. Its betas are above 0. Default: no. Not the service's.
    """

    sweeps: int | None = None
    replicas: int | None = None
    all_betas: tuple[float, ...] | None = None
    restarts: int | None = None
    cluster_moves: bool | None = None
    feedback_ladder: bool | None = None
    searched: bool = False

    def __post_init__(self) -> None:
        self.check_settings()
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        whole("replicas", self.replicas, 2, 10_000)
        whole("restarts", self.restarts, 1, 10_000)
        truth("cluster_moves", self.cluster_moves)
        truth("feedback_ladder", self.feedback_ladder)
        if self.cluster_moves and self.restarts == 1:
            raise InvalidParameter(
                "cluster_moves need at least two ladders: give restarts=2 or more, or leave it out; found restarts=1.",
                field="restarts",
                value=self.restarts,
                code="AZQ107",
            )
        if self.all_betas is None:
            return
        if len(self.all_betas) < 2:
            raise _bad_betas("needs at least 2 temperatures", self.all_betas)
        for beta in self.all_betas:
            if not is_finite(beta) or beta < 0:
                raise _bad_betas("must hold finite numbers of 0 or more", self.all_betas)
            if self.feedback_ladder and beta == 0:
                raise _bad_betas("must hold numbers above 0 for a feedback_ladder", self.all_betas)
        if self.replicas is not None and self.replicas != len(self.all_betas):
            raise InvalidParameter(
                "Parameter 'replicas' must equal thelength of the 'all_betas' parameters. "
                f"Found replicas={self.replicas} and {len(self.all_betas)} betas.",
                field="replicas",
                value=self.replicas,
                code="AZQ107",
            )

    @property
    def is_parameter_free(self) -> bool:
        given = (self.sweeps, self.replicas, self.all_betas, self.restarts)
        return not (self.cluster_moves or self.feedback_ladder) and all(p is None for p in given)

    @property
    def walks_windows(self) -> bool:
        """Not with cluster moves."""
        return not self.cluster_moves

    @property
    def walks_groups(self) -> bool:
        """Not with cluster moves."""
        return not self.cluster_moves

    @property
    def target(self) -> str:
        return f"microsoft.paralleltempering{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        given: dict[str, object] = {"sweeps": self.sweeps, "replicas": self.replicas, "restarts": self.restarts}
        given |= {"cluster_moves": self.cluster_moves, "feedback_ladder": self.feedback_ladder, "seed": self.seed}
        betas = None if self.all_betas is None else list(self.all_betas) if self.searched else _segments(self.all_betas)
        return spelled({**given, "all_betas": betas, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if self.is_parameter_free:
            search = LadderSearch(self, layout, seed)
            return certified(search, replace(self, seed=seed).parameters(), layout, seed)
        uniform = self.uniform
        if uniform is not None:
            return uniform.plan(layout, seed)
        hottest, coldest = temperature_range(layout)
        betas = self._betas(np.array([hottest]), np.array([coldest]))[0]
        stage = _ladder(betas, self._ladders, self.sweeps or DEFAULT_SWEEPS, seed)
        if self.cluster_moves:
            stage = clustered(layout, stage, len(betas) // 2)
        return FeedbackPlan(stage, self._echo_found) if self.feedback_ladder else OneStage(stage, self._echo)

    @property
    def uniform(self) -> Uniform | None:
        """Ladders with the betas given, or over the usual range; None where a problem has a say in more."""
        if self.is_parameter_free or self.cluster_moves or self.feedback_ladder:
            return None
        rungs = len(self.all_betas) if self.all_betas is not None else self.replicas or DEFAULT_REPLICAS
        return Uniform(rungs * self._ladders, self.sweeps or DEFAULT_SWEEPS, True, self._betas, self._echo)

    @property
    def _ladders(self) -> int:
        return self.restarts or (2 if self.cluster_moves else 1)

    def _betas(self, hottest: Floats, coldest: Floats) -> Floats:
        if self.all_betas is None:
            return geometric_ladder(hottest, coldest, self.replicas or DEFAULT_REPLICAS)
        return np.broadcast_to(np.sort(np.array(self.all_betas, np.float64)), (len(hottest), len(self.all_betas)))

    def _echo(self, stage: Stage) -> Mapping[str, object]:
        """As the service's parameterised target gives it: without the number of replicas."""
        betas = self.all_betas or tuple(stage.betas.tolist())
        sweeps = self.sweeps or stage.sweeps
        return replace(self, sweeps=sweeps, replicas=None, all_betas=betas, seed=stage.seed).parameters()

    def _echo_found(self, stage: Stage) -> Mapping[str, object]:
        """With what was found in place of what was asked for, so that it need not be found again."""
        return replace(
            self,
            sweeps=stage.sweeps,
            replicas=stage.rungs,
            all_betas=tuple(stage.betas.tolist()),
            restarts=stage.chains // stage.rungs,
            cluster_moves=stage.move.kind is Kind.CLUSTER or None,
            feedback_ladder=None,
            seed=stage.seed,
            searched=True,
        ).parameters()


class LadderSearch:
    """Three short runs to space the ladder, then one long run until it has gone on 32 times as long as the best took.

    Each run starts afresh, so the parameters returned repeat the result when given to the parameterised solver.
    """

    TUNING = (64, 128, 256)
    TUNING_RUNGS = 16
    RUNGS = (16, 32, 64)
    LEAST, PATIENCE, MOST = 8192, 32, MOST_SWEEPS

    def __init__(self, solver: ParallelTempering, layout: Layout, seed: int) -> None:
        self.converged = False
        self._solver, self._seed = solver, seed
        self._betas = geometric_ladder(*temperature_range(layout), self.TUNING_RUNGS)
        self._least = min(self.LEAST, 32 << min(layout.num_variables, 8))
        self._tunings = 0

    def first(self) -> Stage:
        return self._tuning()

    def after(self, trial: Trial) -> Stage | None:
        if self._tunings <= len(self.TUNING):
            return self._respace(trial)
        enough = max(self._least, self.PATIENCE * trial.reached)
        if trial.stage.sweeps >= min(enough, self.MOST):
            self.converged = True
            return None
        return replace(trial.stage, sweeps=min(enough, self.MOST), continues=True)

    def _tuning(self) -> Stage:
        self._tunings += 1
        return _ladder(self._betas, 32 // self.TUNING_RUNGS, self.TUNING[self._tunings - 1], self._seed)

    def _respace(self, trial: Trial) -> Stage:
        ladders = trial.stage.chains // trial.stage.rungs
        asked = ladders * (trial.stage.sweeps / 2)
        rejections: npt.NDArray[np.float64] = np.clip(1 - trial.swaps / asked, 0.0, 1.0)
        if self._tunings < len(self.TUNING):
            self._betas = respaced(self._betas, rejections, self.TUNING_RUNGS)
            return self._tuning()
        self._tunings += 1
        rungs = next((r for r in self.RUNGS if r >= 2 * barrier(rejections)), self.RUNGS[-1])
        self._betas = respaced(self._betas, rejections, rungs)
        return _ladder(self._betas, max(1, 32 // rungs), self._least, self._seed)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        return self._solver._echo_found(stage)


def _ladder(betas: npt.NDArray[np.float64], ladders: int, sweeps: int, seed: int) -> Stage:
    return Stage(chains=len(betas) * ladders, sweeps=sweeps, betas=betas, exchange=True, seed=seed)


def _segments(betas: Sequence[float]) -> dict[str, object]:
    return {"segments": [{"type": "constant", "value": b} for b in betas], "type": "segments"}


def _bad_betas(why: str, value: Sequence[float]) -> InvalidParameter:
    message = f"all_betas {why}; found all_betas={list(value)}."
    return InvalidParameter(message, field="all_betas", value=value, code="AZQ107")
