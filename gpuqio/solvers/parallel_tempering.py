"""Parallel tempering: one replica a temperature, neighbours exchange after each sweep.

Hukushima, Nemoto, "Exchange Monte Carlo method", J. Phys. Soc. Jpn. 65, 1604 (1996). The service's schema: sweeps,
replicas, all_betas; with none of them given, the parameter-free target finds a ladder and how long to climb it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import OneStage, Plan, Trial
from gpuqio.solvers.exhaustive import certified
from gpuqio.solvers.settings import Settings, is_finite, spelled, whole
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
    """

    sweeps: int | None = None
    replicas: int | None = None
    all_betas: tuple[float, ...] | None = None
    restarts: int | None = None
    searched: bool = False

    walks_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        whole("replicas", self.replicas, 2, 10_000)
        whole("restarts", self.restarts, 1, 10_000)
        if self.all_betas is None:
            return
        if len(self.all_betas) < 2:
            raise _bad_betas("needs at least 2 temperatures", self.all_betas)
        for beta in self.all_betas:
            if not is_finite(beta) or beta < 0:
                raise _bad_betas("must hold finite numbers of 0 or more", self.all_betas)
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
        return all(p is None for p in (self.sweeps, self.replicas, self.all_betas, self.restarts))

    @property
    def target(self) -> str:
        return f"microsoft.paralleltempering{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        given = {"sweeps": self.sweeps, "replicas": self.replicas, "restarts": self.restarts, "seed": self.seed}
        betas = None if self.all_betas is None else list(self.all_betas) if self.searched else _segments(self.all_betas)
        return spelled({**given, "all_betas": betas, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if self.is_parameter_free:
            search = LadderSearch(self, layout, seed)
            return certified(search, replace(self, seed=seed).parameters(), layout, seed)
        if self.all_betas is not None:
            betas = np.sort(np.array(self.all_betas, np.float64))
        else:
            betas = geometric_ladder(*temperature_range(layout), self.replicas or DEFAULT_REPLICAS)
        return OneStage(_ladder(betas, self.restarts or 1, self.sweeps or DEFAULT_SWEEPS, seed), self._echo)

    def _echo(self, stage: Stage) -> Mapping[str, object]:
        """As the service's parameterised target gives it: without the number of replicas."""
        betas = self.all_betas or tuple(stage.betas.tolist())
        sweeps = self.sweeps or stage.sweeps
        return replace(self, sweeps=sweeps, replicas=None, all_betas=betas, seed=stage.seed).parameters()


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
        return replace(
            self._solver,
            sweeps=stage.sweeps,
            replicas=stage.rungs,
            all_betas=tuple(stage.betas.tolist()),
            restarts=stage.chains // stage.rungs,
            seed=stage.seed,
            searched=True,
        ).parameters()


def _ladder(betas: npt.NDArray[np.float64], ladders: int, sweeps: int, seed: int) -> Stage:
    return Stage(chains=len(betas) * ladders, sweeps=sweeps, betas=betas, exchange=True, seed=seed)


def _segments(betas: Sequence[float]) -> dict[str, object]:
    return {"segments": [{"type": "constant", "value": b} for b in betas], "type": "segments"}


def _bad_betas(why: str, value: Sequence[float]) -> InvalidParameter:
    message = f"all_betas {why}; found all_betas={list(value)}."
    return InvalidParameter(message, field="all_betas", value=value, code="AZQ107")
