"""Simulated annealing: independent restarts, beta raised linearly over the sweeps.

Kirkpatrick, Gelatt, Vecchi, "Optimization by simulated annealing", Science 220, 671 (1983). The service's schema:
beta_start, beta_stop, sweeps, restarts; with none of them given, the parameter-free target searches for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import Floats, Plan, Trial, Uniform
from gpuqio.solvers.exhaustive import certified
from gpuqio.solvers.settings import Settings, number, spelled, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range
from gpuqio.terms import MAX_FLOAT

__all__ = ["SimulatedAnnealing"]

DEFAULT_SWEEPS = 10_000
DEFAULT_RESTARTS = 72  # the service's threads
BITSLICED_RESTARTS = 256  # bits of an AVX2 register
MOST_SWEEPS = 10_000_000  # a table of one temperature a sweep is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAnnealing(Settings):
    """Independent restarts under a linear beta schedule.

    Attributes:
        sweeps: sweeps of each restart, 2 to 10^7; default 10000.
        restarts: independent runs, at least 1; default 72.
        beta_start: first inverse temperature, at least 0; default 1 over the hottest temperature worth visiting.
        beta_stop: last inverse temperature, above beta_start; default 1 over the coldest one. Where one is given and
            the other's default is on its wrong side, that one keeps its usual distance.
    """

    sweeps: int | None = None
    restarts: int | None = None
    beta_start: float | None = None
    beta_stop: float | None = None

    walks_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        whole("sweeps", self.sweeps, 0, MOST_SWEEPS)
        if self.sweeps is not None and self.sweeps < 2:
            raise InvalidParameter(
                f"The number of sweeps must be greater than 1; found sweeps={self.sweeps}.",
                field="sweeps",
                value=self.sweeps,
                code="AZQ107",
            )
        whole("restarts", self.restarts, 1, 1_000_000)
        number("beta_start", self.beta_start)
        number("beta_stop", self.beta_stop)
        if self.beta_start is not None and self.beta_start < 0:
            raise InvalidParameter(
                f"beta_start must be at least 0; found beta_start={self.beta_start}.",
                field="beta_start",
                value=self.beta_start,
                code="AZQ107",
            )
        if self.beta_stop is not None and self.beta_stop <= (self.beta_start or 0):
            raise InvalidParameter(
                f"beta_stop must be greater than beta_start; found beta_stop={self.beta_stop}.",
                field="beta_stop",
                value=self.beta_stop,
                code="AZQ107",
            )

    @property
    def walks_bits(self) -> bool:
        """With a vector's worth of restarts."""
        return self.restarts is not None and self.restarts >= BITSLICED_RESTARTS

    @property
    def is_parameter_free(self) -> bool:
        return all(p is None for p in (self.sweeps, self.restarts, self.beta_start, self.beta_stop))

    @property
    def target(self) -> str:
        return f"microsoft.simulatedannealing{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        given = {name: getattr(self, name) for name in ("sweeps", "restarts", "beta_start", "beta_stop")}
        return spelled({**given, "seed": self.seed, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if self.is_parameter_free:
            search = AnnealingSearch(self, layout, seed)
            return certified(search, replace(self, seed=seed).parameters(), layout, seed)
        uniform = self.uniform
        assert uniform is not None
        return uniform.plan(layout, seed)

    @property
    def uniform(self) -> Uniform | None:
        """Restarts over the range given, or over the usual one; None where the parameters are searched for."""
        if self.is_parameter_free:
            return None
        sweeps, restarts = self.sweeps or DEFAULT_SWEEPS, self.restarts or DEFAULT_RESTARTS
        return Uniform(restarts, sweeps, False, self._betas, partial(echo, self))

    def _betas(self, hottest: Floats, coldest: Floats) -> Floats:
        """beta_start to beta_stop: as given, else the usual one, or as many times hotter or colder as is usual."""
        start, stop = beta_ends(hottest, coldest)
        ratio = stop / start
        if self.beta_start is not None:
            start = np.full_like(start, self.beta_start)
        if self.beta_stop is not None:
            stop = np.full_like(stop, self.beta_stop)
        if self.beta_stop is None:
            with np.errstate(over="ignore"):
                stop = np.where(start < stop, stop, np.minimum(start * ratio, MAX_FLOAT))
        else:
            start = np.where(start < stop, start, stop / ratio)
        return np.linspace(start, stop, self.sweeps or DEFAULT_SWEEPS, axis=-1)


class AnnealingSearch:
    """Anneals of 64, 128, 256, ... sweeps from 64 restarts, until three times as long as the best does no better.

    Where the problem has coefficients much smaller than its fields (penalties beside an objective), every other
    anneal goes on to the temperature of the smallest; a linear schedule would be slow if all of them did.
    """

    RESTARTS = 64
    FIRST, LEAST, MOST = 64, 2048, 1 << 20

    def __init__(self, solver: SimulatedAnnealing, layout: Layout, seed: int) -> None:
        self.converged = False
        self._solver, self._seed = solver, seed
        start, stop = beta_range(layout)
        coldest = 1 / temperature_range(layout)[1]
        self._ranges = [(start, stop)] if coldest <= stop else [(start, stop), (start, coldest)]
        self._least = min(self.LEAST, self.FIRST << min(layout.num_variables, 5))
        self._trials = 0
        self._lowest: int | None = None
        self._at = 0

    def first(self) -> Stage:
        return self._next()

    def after(self, trial: Trial) -> Stage | None:
        if self._lowest is None or trial.lowest < self._lowest:
            self._lowest, self._at = trial.lowest, trial.stage.sweeps
        done = trial.stage.sweeps
        rounds_done = self._trials % len(self._ranges) == 0
        if rounds_done and (done >= max(self._least, 8 * self._at) or done >= self.MOST):
            self.converged = True
            return None
        return self._next()

    def _next(self) -> Stage:
        length, which = divmod(self._trials, len(self._ranges))
        self._trials += 1
        return schedule(*self._ranges[which], self.FIRST << length, self.RESTARTS, self._seed)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        return echo(self._solver, stage)


def beta_ends(hottest: Floats, coldest: Floats) -> tuple[Floats, Floats]:
    """Default beta_start and beta_stop: linear in beta, so not colder than a fiftieth of the hottest temperature."""
    return 1 / hottest, 1 / np.maximum(coldest, hottest / 50)


def beta_range(layout: Layout) -> tuple[float, float]:
    """Those of one problem."""
    start, stop = beta_ends(*map(np.asarray, temperature_range(layout)))
    return float(start), float(stop)


def schedule(start: float, stop: float, sweeps: int | None, restarts: int | None, seed: int) -> Stage:
    """The stage of one annealing run."""
    betas = np.linspace(start, stop, DEFAULT_SWEEPS if sweeps is None else sweeps)
    chains = DEFAULT_RESTARTS if restarts is None else restarts
    return Stage(chains=chains, sweeps=len(betas), betas=betas, exchange=False, seed=seed)


def echo(solver: SimulatedAnnealing, stage: Stage) -> Mapping[str, object]:
    """The solver's parameters with all that was left open filled in."""
    return replace(
        solver,
        sweeps=stage.sweeps,
        restarts=stage.chains,
        beta_start=float(stage.betas[0]),
        beta_stop=float(stage.betas[-1]),
        seed=stage.seed,
    ).parameters()
