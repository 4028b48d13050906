"""Substochastic Monte Carlo: walkers flip variables at random, and are copied or dropped by their energies.

Jarret, Jordan, Lackey, "Adiabatic optimization versus diffusion Monte Carlo methods", Phys. Rev. A 94, 042318 (2016).
The service's schema: target_population, step_limit, steps_per_walker, alpha, beta; with none of them given, the
parameter-free target searches for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import OneStage, Plan
from gpuqio.solvers.doubling import Doubling
from gpuqio.solvers.move import Int64s, Kind, Move
from gpuqio.solvers.resampling import MOST_CHAINS, families, float_table, log_words, memory_words
from gpuqio.solvers.schedules import Range, check_range
from gpuqio.solvers.settings import Settings, spelled, whole
from gpuqio.solvers.stage import Stage

__all__ = ["SubstochasticMonteCarlo", "Walking"]

DEFAULT_SWEEPS = 10_000
DEFAULT_POPULATION = 72  # the service's threads
MOST_SWEEPS = 10_000_000  # two numbers a step are kept
ALPHA = Range("linear", 1.0, 0.0)
BETA = Range("linear", 0.0, 5.0)

TUNABLES = ("target_population", "sweeps", "steps_per_walker", "alpha", "beta")


@dataclass(frozen=True, slots=True)
class Walking(Move):
    """Before each step walkers are reweighted; then each flips a random variable, or not, a number of times.

    Attributes:
        steps: how many times.
        alpha: the mean number of flips of a step, from the first step to the last; at most `steps`.
    """

    kind: ClassVar[Kind] = Kind.WALK
    steps: int
    alpha: Range

    @property
    def options(self) -> tuple[int, int, int, int]:
        return self.steps, 0, 0, 0

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """(2 x sweeps,) the chance of a flip times 2^24; and the betas."""
        chances = self.alpha.values(stage.sweeps) / self.steps * 2**24
        return float_table(np.concatenate((chances, np.minimum(stage.betas, 2.0**60))))

    def memory(self, layout: Layout, stage: Stage) -> int:
        return memory_words(stage.chains)

    def log(self, stage: Stage) -> int:
        return log_words(stage.chains, 1)

    def statistics(
        self, layout: Layout, stage: Stage, energies: Int64s, log: Int64s, sweeps: int
    ) -> Mapping[str, object]:
        """The families of `resampling.families`."""
        return families(log[: stage.chains]) if sweeps else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstochasticMonteCarlo(Settings):
    """Walkers that diffuse less and less while the population is held to the good ones more and more.

    Before each step a walker has copies in proportion to exp(beta (highest - E) / (highest - lowest)), highest and
    lowest of the population's energies E; so beta has no unit. The population stays what it is. A step flips one
    variable or none, so use many more steps than variables. `report.sweeps` counts steps, and `report.statistics` has
    ``families`` and ``rho_t`` as `PopulationAnnealing` explains them.

    Attributes:
        target_population: walkers, 1 to 2^18; default 72.
        sweeps: steps, the service's step_limit, 1 to 10^7; default 10000.
        steps_per_walker: each step is made of so many attempts, each with chance alpha / steps_per_walker; 1 to 10^6;
            default 1.
        alpha: not increasing, from at most 1 to at least 0; default linear from 1 to 0.
        beta: not decreasing, from 0 or more; default linear from 0 to 5.
    """

    target_population: int | None = None
    sweeps: int | None = None
    steps_per_walker: int | None = None
    alpha: Range | None = None
    beta: Range | None = None

    walks_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        whole("target_population", self.target_population, 1, MOST_CHAINS)
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        whole("steps_per_walker", self.steps_per_walker, 1, 1_000_000)
        check_range("alpha", self.alpha, increasing=False)
        if self.alpha is not None and self.alpha.initial > 1:
            why = f"alpha is a probability; found alpha={self.alpha.to_dict()}. Let it begin at 1 or below."
            raise InvalidParameter(why, field="alpha", value=self.alpha.to_dict(), code="AZQ107")
        check_range("beta", self.beta, increasing=True)

    @property
    def is_parameter_free(self) -> bool:
        return all(getattr(self, name) is None for name in TUNABLES)

    @property
    def target(self) -> str:
        return f"microsoft.substochasticmontecarlo{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        given = {name: getattr(self, name) for name in TUNABLES}
        given = {name: value.to_dict() if isinstance(value, Range) else value for name, value in given.items()}
        return spelled({**given, "seed": self.seed, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if not self.is_parameter_free:
            return OneStage(self._stage(self.sweeps or DEFAULT_SWEEPS, seed), self._echo)
        n = layout.num_variables
        first = 8 << min(n, 1024).bit_length()  # each variable is flipped some eight times
        make = partial(self._stage, seed=seed)
        found = replace(self, timeout=None)  # which would ask for another search
        return Doubling(make, found._echo, first=first, least=min(32 * first, first << min(n, 5)), most=1 << 22)

    def _stage(self, sweeps: int, seed: int) -> Stage:
        move = Walking(self.steps_per_walker or 1, self.alpha or ALPHA)
        betas = (self.beta or BETA).values(sweeps)
        return Stage(self.target_population or DEFAULT_POPULATION, sweeps, betas, exchange=False, seed=seed, move=move)

    def _echo(self, stage: Stage) -> Mapping[str, object]:
        """The parameters with all that was left open filled in; the steps by the SDK's name, if none was given."""
        names = self.spelling if self.sweeps is not None else {**(self.spelling or {}), "sweeps": "step_limit"}
        return replace(
            self,
            target_population=stage.chains,
            sweeps=stage.sweeps,
            steps_per_walker=self.steps_per_walker or 1,
            alpha=self.alpha or ALPHA,
            beta=self.beta or BETA,
            seed=stage.seed,
            spelling=names,
        ).parameters()
