"""1QBit's PTICM: parallel tempering with isoenergetic cluster moves, in runs that begin anew, to optimise or to sample.

Zhu, Ochoa, Katzgraber, PRL 115, 077201 (2015); 1QBit's parameters and defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import Plan, Trial
from gpuqio.solvers.clusters import clustered
from gpuqio.solvers.oneqbit import OneQbitSettings
from gpuqio.solvers.settings import is_finite, spelled, truth, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import HIGHEST, LOWEST, geometric_ladder, temperature_range

__all__ = ["Pticm"]

MOST_SWEEPS = 2**31 - 1
MOST_SEED = 2**63 - 1
GOALS = ("OPTIMIZE", "SAMPLE")
SCALINGS = ("MEDIAN", "NO_SCALING")
FRACTIONS = (
    "elite_threshold",
    "frac_icm_thermal_layers",
    "frac_sweeps_fixing",
    "frac_sweeps_idle",
    "frac_sweeps_stagnation",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pticm(OneQbitSettings):
    """Ladders that exchange clusters at their colder temperatures.

    Attributes:
        goal: OPTIMIZE (the default): runs that begin anew, the best state of all. SAMPLE: one run, and the result is
            the states that stood at the coldest temperature after each `num_sweeps_per_run` sweeps, as often as they
            came.
        num_replicas: at each temperature, 1 to 10000; default 2. One alone makes no cluster moves.
        num_sweeps_per_run: at least 1; default 100.
        max_total_sweeps: of all runs together, at least 1; default 10 x num_sweeps_per_run.
        frac_sweeps_stagnation: a run ends early, and the next begins, after this share of num_sweeps_per_run without an
            improvement, 0 to 1; default 1. OPTIMIZE alone.
        max_samples_per_layer: samples of each replica, at least 1; default 10. SAMPLE alone.
        frac_icm_thermal_layers: share of the temperatures, the coldest, with cluster moves, 0 to 1; default 0.5.
        auto_set_temperatures: take the temperatures from the problem's coefficients; default True. Then `high_temp`,
            `low_temp` and `manual_temperatures` are not looked at.
        num_temps: number of temperatures, 2 to 10000; default 30. With manual_temperatures their number.
        high_temp, low_temp: ends of the ladder, in equal ratios, high_temp > low_temp > 0; default 2 and 0.2.
        manual_temperatures: all of them, at least 2, each above 0, in any order; instead of the ends.
        scaling_type: what those temperatures are multiples of. MEDIAN (the default): of the median magnitude of the
            coefficients. NO_SCALING: of the cost's unit.
        var_fixing_type: NO_FIXING. The others are refused: no variables are fixed here. `elite_threshold`,
            `frac_sweeps_fixing` and `frac_sweeps_idle`, each 0 to 1, and `num_elite_temps`, at least 1, are about how;
            they are checked, and change nothing. Defaults 0.3, 0.15, 1, 4.
    """

    auto_set_temperatures: bool | None = None
    elite_threshold: float | None = None
    frac_icm_thermal_layers: float | None = None
    frac_sweeps_fixing: float | None = None
    frac_sweeps_idle: float | None = None
    frac_sweeps_stagnation: float | None = None
    goal: str | None = None
    high_temp: float | None = None
    low_temp: float | None = None
    max_samples_per_layer: int | None = None
    max_total_sweeps: int | None = None
    manual_temperatures: Sequence[float] | None = None
    num_elite_temps: int | None = None
    num_replicas: int | None = None
    num_sweeps_per_run: int | None = None
    num_temps: int | None = None
    scaling_type: str | None = None
    var_fixing_type: str | None = None

    target: ClassVar[str] = "1qbit.pticm"
    solver_name: ClassVar[str] = "PTICM"
    own: ClassVar[tuple[str, ...]] = (
        *("auto_set_temperatures", "elite_threshold", "frac_icm_thermal_layers", "frac_sweeps_fixing"),
        *("frac_sweeps_idle", "frac_sweeps_stagnation", "goal", "high_temp", "low_temp", "max_samples_per_layer"),
        *("max_total_sweeps", "manual_temperatures", "num_elite_temps", "num_replicas", "num_sweeps_per_run"),
        *("num_temps", "scaling_type", "var_fixing_type"),
    )
    walks_windows: ClassVar[bool] = False
    reduces: ClassVar[bool] = False  # samples are of all variables

    def __post_init__(self) -> None:
        self.check_settings()
        truth("auto_set_temperatures", self.auto_set_temperatures)
        for name in FRACTIONS:
            value = getattr(self, name)
            if value is not None and not (is_finite(value) and 0 <= value <= 1):
                raise _refused(name, value, "a number from 0 to 1")
        for name in ("max_samples_per_layer", "max_total_sweeps", "num_elite_temps", "num_sweeps_per_run"):
            whole(name, getattr(self, name), 1, MOST_SWEEPS)
        whole("num_replicas", self.num_replicas, 1, 10_000)
        whole("num_temps", self.num_temps, 2, 10_000)
        _one_of("goal", self.goal, GOALS)
        _one_of("scaling_type", self.scaling_type, SCALINGS)
        if self.var_fixing_type not in (None, "NO_FIXING"):
            wanted = "NO_FIXING: gpuqio fixes no variables, and searches all of them. Leave it out"
            raise _refused("var_fixing_type", self.var_fixing_type, wanted)
        self._check_temperatures()

    def _check_temperatures(self) -> None:
        for name in ("high_temp", "low_temp"):
            value = getattr(self, name)
            if value is not None and not (is_finite(value) and value > 0):
                raise _refused(name, value, "a finite number above 0")
        high, low = self._ends
        if low >= high:
            raise _refused("low_temp", low, f"below high_temp={high}")
        given = self.manual_temperatures
        if given is None:
            return
        numbers = isinstance(given, list | tuple) and all(is_finite(t) and t > 0 for t in given)
        if not numbers or len(given) < 2:
            raise _refused("manual_temperatures", given, "a list of at least 2 finite numbers above 0")
        if self.num_temps not in (None, len(given)):
            raise _refused("num_temps", self.num_temps, f"the length of manual_temperatures, {len(given)}")

    @property
    def _ends(self) -> tuple[float, float]:
        high = 2.0 if self.high_temp is None else self.high_temp
        return high, 0.2 if self.low_temp is None else self.low_temp

    def plan(self, layout: Layout, seed: int) -> Plan:
        betas = self._betas(layout)
        replicas = self.num_replicas or 2
        sweeps = self.num_sweeps_per_run or 100
        run = Stage(len(betas) * replicas, sweeps, betas, True, seed, sampled=self.goal == "SAMPLE")
        share = 0.5 if self.frac_icm_thermal_layers is None else self.frac_icm_thermal_layers
        layers = int(share * len(betas) + 0.5)
        return Runs(self, clustered(layout, run, layers) if replicas > 1 and layers else run)

    def _betas(self, layout: Layout) -> npt.NDArray[np.float64]:
        rungs = self.num_temps or 30
        if self.auto_set_temperatures is not False:
            return geometric_ladder(*temperature_range(layout), rungs)
        sizes = [np.abs(c) for c in layout.problem.coefficients]
        scaled = self.scaling_type != "NO_SCALING" and sizes
        scale = float(np.median(np.concatenate(sizes))) if scaled else 1.0
        if self.manual_temperatures is not None:
            temperatures = np.array(self.manual_temperatures, np.float64) * scale
            return np.sort(1.0 / np.clip(temperatures, LOWEST, HIGHEST))
        high, low = (min(max(end * scale, LOWEST), HIGHEST) for end in self._ends)
        return geometric_ladder(high, low, rungs)


class Runs:
    """Runs one after another, each with the next seed; or one that goes on, for samples.

    Args:
        solver: whose parameters are echoed.
        run: the first, as long as a run is.
    """

    converged = False

    def __init__(self, solver: Pticm, run: Stage) -> None:
        self._solver, self._run = solver, run
        self._left = solver.max_total_sweeps or min(10 * run.sweeps, MOST_SWEEPS)
        share = 1.0 if solver.frac_sweeps_stagnation is None else solver.frac_sweeps_stagnation
        self._patience = max(1, int(share * run.sweeps))
        self._samples = 0

    def first(self) -> Stage:
        sweeps = self._run.sweeps if self._run.sampled else self._patience
        return replace(self._run, sweeps=min(sweeps, self._left))

    def after(self, trial: Trial) -> Stage | None:
        return self._next_sample(trial.stage) if self._run.sampled else self._next_run(trial)

    def _next_sample(self, stage: Stage) -> Stage | None:
        self._samples += 1
        if self._samples >= (self._solver.max_samples_per_layer or 10) or stage.sweeps + self._run.sweeps > self._left:
            return None
        return replace(stage, sweeps=stage.sweeps + self._run.sweeps, continues=True)

    def _next_run(self, trial: Trial) -> Stage | None:
        sweeps = trial.stage.sweeps
        end = min(trial.reached + self._patience, self._run.sweeps, self._left)
        if sweeps < end:
            return replace(trial.stage, sweeps=end, continues=True)
        self._left -= sweeps
        if self._left <= 0:
            return None
        seed = (trial.stage.seed + 1) & MOST_SEED
        return replace(self.first(), seed=seed, continues=False)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        """Of all runs together, which they repeat: a run is not told from the others."""
        high, low = self._solver._ends
        used = {
            "auto_set_temperatures": True,
            "elite_threshold": 0.3,
            "frac_icm_thermal_layers": 0.5,
            "frac_sweeps_fixing": 0.15,
            "frac_sweeps_idle": 1.0,
            "frac_sweeps_stagnation": 1.0,
            "goal": GOALS[0],
            "high_temp": high,
            "low_temp": low,
            "max_samples_per_layer": 10,
            "max_total_sweeps": min(10 * self._run.sweeps, MOST_SWEEPS),
            "num_elite_temps": 4,
            "num_replicas": self._run.chains // self._run.rungs,
            "num_sweeps_per_run": self._run.sweeps,
            "num_temps": self._run.rungs,
            "scaling_type": SCALINGS[0],
            "seed": self._run.seed,
            "var_fixing_type": "NO_FIXING",
        }
        return spelled(used | dict(self._solver.parameters()), self._solver.spelling)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise _refused(name, value, " or ".join(allowed))


def _refused(name: str, value: object, wanted: str) -> InvalidParameter:
    return InvalidParameter(f"{name} must be {wanted}; found {name}={value!r}.", field=name, value=value, code="AZQ107")
