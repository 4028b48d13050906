"""Microsoft's solvers, with the SDK's constructors. No tunable given means parameter-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.facade.target import HardwarePlatform, Solver, W

__all__ = ["ParallelTempering", "SimulatedAnnealing"]


class ParallelTempering(Solver[W]):
    """Replicas at a ladder of temperatures that swap places: the first choice for rugged problems.

    With none of `sweeps`, `replicas`, `all_betas` and `restarts` the solver is parameter-free: it finds its own
    settings, stops when nothing more is to be gained or the timeout is up, and returns the settings in
    ``result["parameters"]``, ready to be given to a parameterised solver.

    Args:
        workspace: where to solve.
        name: target id.
        sweeps: sweeps a replica makes.
        replicas: number of replicas; must equal the length of `all_betas` where both are given.
        all_betas: inverse temperature of each replica, or the ``"all_betas"`` of a result's parameters.
        timeout: seconds of solving after which the best so far is returned.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        restarts: independent ladders; the parameter-free search returns it with its other settings.
        cluster_moves: let replicas of different ladders exchange clusters at the colder temperatures, which helps on
            sparse problems; `gpuqio.explain` says where it cannot. Default: no.
        feedback_ladder: space the temperatures by how replicas travel between them, which takes 7/16 as long again;
            for long runs on problems with a first-order transition. The result's parameters have them. Default: no.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: where the solver is
            parameter-free and gives one solution.

    Raises:
        InvalidParameter: (a ValueError) where `replicas` and `all_betas` disagree. The values are checked
            when a problem is submitted.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.paralleltempering.cpu", "microsoft.paralleltempering-parameterfree.cpu")

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.paralleltempering.cpu",
        sweeps: int | None = None,
        replicas: int | None = None,
        all_betas: Sequence[float] | npt.NDArray[Any] | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        seed: int | None = None,
        *,
        restarts: int | None = None,
        cluster_moves: bool | None = None,
        feedback_ladder: bool | None = None,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        tunables = (sweeps, replicas, all_betas, restarts)
        if not (cluster_moves or feedback_ladder) and all(tunable is None for tunable in tunables):
            name = name.replace(".paralleltempering.", ".paralleltempering-parameterfree.")
        if isinstance(all_betas, Sequence | np.ndarray):  # else what a result echoes; checked at submission
            if replicas is None:
                replicas = len(all_betas)
            elif replicas != len(all_betas):
                raise InvalidParameter(
                    "Parameter 'replicas' must equal thelength of the 'all_betas' parameters.",
                    field="replicas",
                    value=replicas,
                )
            all_betas = all_betas.tolist() if isinstance(all_betas, np.ndarray) else list(all_betas)
        params = {
            "sweeps": sweeps,
            "replicas": replicas,
            "all_betas": all_betas,
            "restarts": restarts,
            "cluster_moves": cluster_moves,
            "feedback_ladder": feedback_ladder,
            "timeout": timeout,
            "seed": seed,
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
            "reduce": reduce,
        }
        super().__init__(workspace, name, params=params)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True


class SimulatedAnnealing(Solver[W]):
    """Independent runs from hot to cold: quick, and a good first try on smooth problems.

    With none of `beta_start`, `beta_stop`, `sweeps` and `restarts` the solver is parameter-free, as
    `ParallelTempering` explains.

    Args:
        workspace: where to solve.
        name: target id.
        beta_start, beta_stop: inverse temperature of the first and the last sweep.
        sweeps: sweeps a restart makes.
        restarts: independent runs.
        timeout: seconds of solving after which the best so far is returned.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        platform: `HardwarePlatform.CPU`.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: where the solver is
            parameter-free and gives one solution.

    Raises:
        InvalidParameter: (a ValueError) for the FPGA platform. The values are checked when a problem is submitted.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.simulatedannealing.cpu", "microsoft.simulatedannealing-parameterfree.cpu")

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.simulatedannealing.cpu",
        beta_start: float | None = None,
        beta_stop: float | None = None,
        sweeps: int | None = None,
        restarts: int | None = None,
        timeout: float | None = None,
        seed: int | None = None,
        platform: HardwarePlatform = HardwarePlatform.CPU,
        *,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        self.check_supported_hardware(platform)
        if beta_start is None and beta_stop is None and sweeps is None and restarts is None:
            name = name.replace(".simulatedannealing.", ".simulatedannealing-parameterfree.")
        params = {
            "beta_start": beta_start,
            "beta_stop": beta_stop,
            "sweeps": sweeps,
            "restarts": restarts,
            "timeout": timeout,
            "seed": seed,
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
            "reduce": reduce,
        }
        super().__init__(workspace, name, params=params)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True
