"""1QBit's PTICM, with the SDK's constructor. Its parameters go as text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from gpuqio.facade.oneqbit import OneQbitSolver
from gpuqio.facade.target import W

__all__ = ["PticmSolver"]


class PticmSolver(OneQbitSolver[W]):
    """Parallel tempering with isoenergetic cluster moves: for sparse problems with rugged landscapes.

    Args:
        workspace: where to solve.
        name: target id.
        auto_set_temperatures: take the temperatures from the problem's coefficients, whatever `high_temp`, `low_temp`
            and `manual_temperatures` say; default True.
        elite_threshold, frac_sweeps_fixing, frac_sweeps_idle, num_elite_temps: of the fixing of variables, which this
            version does not do; checked only.
        frac_icm_thermal_layers: share of the temperatures, the coldest, with cluster moves; default 0.5.
        frac_sweeps_stagnation: share of a run's sweeps without an improvement after which the next begins; default 1.
        goal: "OPTIMIZE", the default, for the best configuration, or "SAMPLE" for those that stand at the lowest
            temperature after each `num_sweeps_per_run` sweeps.
        high_temp, low_temp: ends of the temperatures; default 2 and 0.2.
        max_samples_per_layer: samples of each replica; default 10.
        max_total_sweeps: of all runs; default 10 times `num_sweeps_per_run`.
        manual_temperatures: all temperatures.
        num_replicas: at each temperature; default 2.
        num_sweeps_per_run: default 100.
        num_temps: number of temperatures; default 30.
        perform_icm: ignored, as the SDK did in the end.
        scaling_type: "MEDIAN", the default: temperatures are multiples of the coefficients' median magnitude; or
            "NO_SCALING".
        seed: of the random numbers. The same seed gives the same answer everywhere.
        var_fixing_type: "NO_FIXING"; "PERSISTENCY" and "SPVAR" are refused when a problem is submitted.
    """

    __module__ = "gpuqio.target.oneqbit"

    target_names = ("1qbit.pticm",)

    def __init__(
        self,
        workspace: W,
        name: str = "1qbit.pticm",
        auto_set_temperatures: bool | None = None,
        elite_threshold: float | None = None,
        frac_icm_thermal_layers: float | None = None,
        frac_sweeps_fixing: float | None = None,
        frac_sweeps_idle: float | None = None,
        frac_sweeps_stagnation: float | None = None,
        goal: str | None = None,
        high_temp: float | None = None,
        low_temp: float | None = None,
        max_samples_per_layer: int | None = None,
        max_total_sweeps: int | None = None,
        manual_temperatures: Sequence[float] | None = None,
        num_elite_temps: int | None = None,
        num_replicas: int | None = None,
        num_sweeps_per_run: int | None = None,
        num_temps: int | None = None,
        perform_icm: bool | None = None,
        scaling_type: str | None = None,
        seed: int | None = None,
        var_fixing_type: str | None = None,
    ) -> None:
        if perform_icm is not None:
            warnings.warn(
                DeprecationWarning("The perform_icm parameter has been deprecated and will be ignored."), stacklevel=2
            )
        params = {
            "auto_set_temperatures": auto_set_temperatures,
            "elite_threshold": elite_threshold,
            "frac_icm_thermal_layers": frac_icm_thermal_layers,
            "frac_sweeps_fixing": frac_sweeps_fixing,
            "frac_sweeps_idle": frac_sweeps_idle,
            "frac_sweeps_stagnation": frac_sweeps_stagnation,
            "goal": goal,
            "high_temp": high_temp,
            "low_temp": low_temp,
            "max_samples_per_layer": max_samples_per_layer,
            "max_total_sweeps": max_total_sweeps,
            "manual_temperatures": manual_temperatures,
            "num_elite_temps": num_elite_temps,
            "num_replicas": num_replicas,
            "num_sweeps_per_run": num_sweeps_per_run,
            "num_temps": num_temps,
            "scaling_type": scaling_type,
            "seed": seed,
            "var_fixing_type": var_fixing_type,
        }
        super().__init__(workspace, name, params)
