"""Population annealing: a population is cooled together, and at each step resampled to the next temperature.

Hukushima, Iba, "Population annealing and its application to a spin glass", AIP Conf. Proc. 690, 200 (2003); Machta,
"Population annealing with weighted averages", Phys. Rev. E 82, 026704 (2010). Besides the lowest state it gives free
energies. The service's schema: alpha, population, sweeps, beta, and more; with none of them given, the
parameter-free target searches for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.adaptive_steps import AdaptiveReweighting, Pace
from gpuqio.solvers.base import OneStage, Plan
from gpuqio.solvers.doubling import Doubling
from gpuqio.solvers.move import Int64s, Kind, Move
from gpuqio.solvers.resampling import MOST_CHAINS, families, float_table, free_energies, log_words, memory_words
from gpuqio.solvers.schedules import Range, check_range
from gpuqio.solvers.settings import Settings, number, spelled, whole
from gpuqio.solvers.simulated_annealing import beta_range
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range

__all__ = ["PopulationAnnealing", "Reweighting"]

DEFAULT_SWEEPS = 10_000
DEFAULT_POPULATION = 72  # the service's threads
DEFAULT_ALPHA = 2.0
MOST_SWEEPS = 10_000_000  # some numbers a sweep are kept
SCHEDULES = {"linear_schedule": "linear", "geometric_schedule": "geometric"}

ADAPTIVE = {
    "friction_tensor": (Pace.FRICTION, "friction_tensor_constant", 1.0),
    "energy_variance": (Pace.VARIANCE, "initial_culling_fraction", 0.5),
    "constant_culling": (Pace.CULLING, "culling_fraction", 0.1),
}
"""Strategy: how it chooses, the parameter that says how much, and its default."""

TUNABLES = (
    *("alpha", "population", "sweeps", "sweeps_per_replica", "constant_population", "resampling_strategy"),
    *("beta", "beta_start", "beta_stop"),
    *(parameter for _, parameter, _ in ADAPTIVE.values()),
)


@dataclass(frozen=True, slots=True)
class Reweighting(Move):
    """Before each sweep the population is reweighted from the last beta to its own; at first from beta 0."""

    kind: ClassVar[Kind] = Kind.POPULATION

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """(sweeps,) what beta grows by before each, in the units of the integer energies."""
        with np.errstate(over="ignore"):
            return float_table(np.clip(np.diff(stage.betas, prepend=0.0) * layout.fixed.unit, 0, 2.0**60))

    def memory(self, layout: Layout, stage: Stage) -> int:
        return memory_words(stage.chains)

    def log(self, stage: Stage) -> int:
        return log_words(stage.chains, stage.sweeps)

    def statistics(
        self, layout: Layout, stage: Stage, energies: Int64s, log: Int64s, sweeps: int
    ) -> Mapping[str, object]:
        """``betas``, ``ln_z``, and the families of `resampling.families`; see `PopulationAnnealing`."""
        if sweeps == 0:
            return {}
        totals, lowest = log[stage.chains :].reshape(-1, 2)[:sweeps].T
        found = free_energies(layout, stage.chains, stage.betas[:sweeps], totals, lowest)
        return {**found, **families(log[: stage.chains])}


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationAnnealing(Settings):
    """A population under one beta schedule, resampled at each step of it and then swept.

    The schedule is given, or chosen on the way: with an adaptive `resampling_strategy` the energies of the population
    after the sweeps of a step decide how far the next one goes, never past beta_stop. Steps that are left over stay at
    beta_stop; where `sweeps` are too few, the run ends before it. ``betas`` says.

    The population starts at beta 0, so the first beta may be 0 or more. `report.statistics` of a result has

    - ``betas``, ``ln_z``: the schedule, and the estimates of ln Z, the logarithm of the sum of exp(-beta cost) over
      all 2^n states; -ln Z / beta is the free energy. The estimates of Z itself are without bias.
    - ``families``: how many members of the first population have descendants in the last.
    - ``rho_t``: the mean size of the family of a member, where all being equal counts 1. The error of ln_z is about
      sqrt(rho_t / population); results are those of equilibrium where families are 100 or more.

    With an initial configuration all members start there, and these numbers mean nothing.

    Attributes:
        population: members, 1 to 2^18; it stays constant; default 72.
        sweeps: steps of the schedule, 1 to 10^7; default 10000.
        sweeps_per_replica: sweeps at each step, at least 1; default 1. The two multiplied: at most 10^7.
        beta: the inverse temperatures, not decreasing, from 0 or more.
        beta_start, beta_stop: the same in two numbers; `beta` goes first where both are given. Default: linear from 0,
            or geometric from where the population is nearly uniform, to the coldest temperature worth visiting. Of an
            adaptive strategy the first beta and the last; the default is from 0, and of `beta` only its ends count.
        resampling_strategy: what lies between them.
            "linear_schedule" (default), "geometric_schedule": a schedule, in even steps or equal ratios.
            "constant_culling": steps after which a fraction `culling_fraction` of the members is expected to have no
            copy (Amey, Machta, Phys. Rev. E 97, 033301, 2018).
            "energy_variance": steps of `initial_culling_fraction` over the standard deviation of the energies; where
            these are normally distributed that culls 0.4 of it.
            "friction_tensor": steps of `friction_tensor_constant` over sqrt(sigma tau), equal steps of thermodynamic
            length (Sivak, Crooks, Phys. Rev. Lett. 108, 190602, 2012): sigma is the variance of the energies, tau
            their correlation time in sweeps, as `adaptive_steps.Pace` measures them.
        culling_fraction: above 0, at most 1; default 0.1.
        initial_culling_fraction: above 0, at most 1; default 0.5.
        friction_tensor_constant: above 0; default 1.
        constant_population: checked and echoed; the population is constant in any case, as that has less noise.
        alpha: above 1; default 2. Checked and echoed. The service threw the population away and started again in the
            middle of the schedule when population / rho_t fell below it; here an anneal is never thrown away.
    """

    alpha: float | None = None
    population: int | None = None
    sweeps: int | None = None
    sweeps_per_replica: int | None = None
    constant_population: bool | None = None
    resampling_strategy: str | None = None
    beta: Range | None = None
    beta_start: float | None = None
    beta_stop: float | None = None
    friction_tensor_constant: float | None = None
    initial_culling_fraction: float | None = None
    culling_fraction: float | None = None

    walks_groups: ClassVar[bool] = True
    reduces: ClassVar[bool] = False  # free energies are those of all variables

    def __post_init__(self) -> None:
        self.check_settings()
        whole("population", self.population, 1, MOST_CHAINS)
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        most = MOST_SWEEPS // (self.sweeps or DEFAULT_SWEEPS)
        whole("sweeps_per_replica", self.sweeps_per_replica, 1, most)
        for name in ("alpha", "beta_start", "beta_stop"):
            number(name, getattr(self, name))
        _positive("friction_tensor_constant", self.friction_tensor_constant)
        _positive("initial_culling_fraction", self.initial_culling_fraction, most=1)
        _positive("culling_fraction", self.culling_fraction, most=1)
        if self.alpha is not None and self.alpha <= 1:
            raise _refused("alpha", self.alpha, f"alpha must be greater than 1.0; found alpha={self.alpha}.")
        if not isinstance(self.constant_population, bool | None):
            why = f"constant_population must be true or false; found constant_population={self.constant_population!r}."
            raise _refused("constant_population", self.constant_population, why)
        strategies = (*SCHEDULES, *ADAPTIVE)
        if self.resampling_strategy not in (None, *strategies):
            why = f"resampling_strategy must be one of {', '.join(strategies)}; found {self.resampling_strategy!r}."
            raise _refused("resampling_strategy", self.resampling_strategy, why)
        check_range("beta", self.beta, increasing=True)
        start, stop = self.beta_start, self.beta_stop
        if start is not None and start < 0:
            raise _refused("beta_start", start, f"beta_start must be at least 0; found beta_start={start}.")
        if start == 0 and self.kind == "geometric":
            why = f"beta_start must be greater than 0 in a geometric schedule; found beta_start={start}."
            raise _refused("beta_start", start, why)
        if stop is not None and stop < (start or 0):
            raise _refused("beta_stop", stop, f"beta_stop must be at least beta_start; found beta_stop={stop}.")

    @property
    def kind(self) -> str:
        """Of the range from beta_start to beta_stop."""
        return SCHEDULES.get(self.resampling_strategy or "", "linear")

    @property
    def is_parameter_free(self) -> bool:
        return all(getattr(self, name) is None for name in TUNABLES)

    @property
    def target(self) -> str:
        return f"microsoft.populationannealing{'-parameterfree' if self.is_parameter_free else ''}.cpu"

    def parameters(self) -> Mapping[str, object]:
        given = {name: getattr(self, name) for name in TUNABLES}
        given["beta"] = None if self.beta is None else self.beta.to_dict()
        return spelled({**given, "seed": self.seed, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if not self.is_parameter_free:
            beta = self._range(layout)
            steps, each = self.sweeps or DEFAULT_SWEEPS, self.sweeps_per_replica or 1
            move, betas = self._move(each), np.repeat(beta.values(steps), each)
            if isinstance(move, AdaptiveReweighting):
                betas[each:], betas[:each] = beta.final, beta.initial
            stage = _stage(betas, self.population or DEFAULT_POPULATION, seed, move)
            return OneStage(stage, partial(self._echo, beta, each))
        beta = Range("geometric", *_ends(layout, "geometric"))
        least = min(2048, 64 << min(layout.num_variables, 5))
        make = partial(_search_stage, beta, seed)
        found = replace(self, timeout=None)  # which would ask for another search
        return Doubling(make, partial(found._echo, beta, 1), first=64, least=least, most=1 << 20)

    def _move(self, each: int) -> Move:
        if self.resampling_strategy not in ADAPTIVE:
            return Reweighting()
        pace, parameter, default = ADAPTIVE[self.resampling_strategy]
        given = getattr(self, parameter)
        return AdaptiveReweighting(pace, default if given is None else float(given), each)

    def _range(self, layout: Layout) -> Range:
        """beta as given; or beta_start to beta_stop, the one that is left open as usual, or where the other is."""
        if self.beta is not None:
            return self.beta
        start, stop = _ends(layout, self.kind)
        if self.beta_start is not None:
            start = float(self.beta_start)
            stop = max(start, stop)
        if self.beta_stop is not None:
            stop = float(self.beta_stop)
            start = min(start, stop)
        return Range(self.kind if start > 0 else "linear", start, stop)

    def _echo(self, beta: Range, each: int, stage: Stage) -> Mapping[str, object]:
        """The parameters with all that was left open filled in."""
        shape: dict[str, Any] = {"beta": beta}
        if isinstance(stage.move, AdaptiveReweighting):
            _, parameter, _ = ADAPTIVE[self.resampling_strategy or ""]
            shape = {"beta": None, parameter: stage.move.constant}
        return replace(
            self,
            **shape,
            alpha=DEFAULT_ALPHA if self.alpha is None else self.alpha,
            population=stage.chains,
            sweeps=stage.sweeps // each,
            sweeps_per_replica=each,
            constant_population=self.constant_population in (None, True),
            beta_start=beta.initial,
            beta_stop=beta.final,
            seed=stage.seed,
        ).parameters()


SEARCHED_POPULATION = 64


def _search_stage(beta: Range, seed: int, sweeps: int) -> Stage:
    return _stage(beta.values(sweeps), SEARCHED_POPULATION, seed, Reweighting())


def _stage(betas: npt.NDArray[np.float64], population: int, seed: int, move: Move) -> Stage:
    return Stage(population, len(betas), betas, exchange=False, seed=seed, move=move)


def _ends(layout: Layout, kind: str) -> tuple[float, float]:
    """Default first and last beta. The energies of random states spread by about sqrt(n) times the rise of a flip, and
    the first step of a geometric schedule must not tell them apart."""
    hottest, coldest = temperature_range(layout)
    if kind == "geometric":
        return 1 / (hottest * math.sqrt(layout.num_variables)), 1 / coldest
    return 0.0, beta_range(layout)[1]


def _positive(name: str, value: float | None, most: float | None = None) -> None:
    number(name, value)
    if value is not None and (value <= 0 or (most is not None and value > most)):
        bound = "" if most is None else f" and at most {most}"
        raise _refused(name, value, f"{name} must be greater than 0{bound}; found {name}={value}.")


def _refused(name: str, value: object, message: str) -> InvalidParameter:
    return InvalidParameter(message, field=name, value=value, code="AZQ107")
