"""Population annealing, with the SDK's constructor. A timeout means parameter-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuqio.facade.schedules import RangeSchedule, float_above, positive_int, schedule
from gpuqio.facade.target import Solver, W
from gpuqio.problem import ContentType

__all__ = ["PopulationAnnealing"]


class PopulationAnnealing(Solver[W]):
    """A population cooled together and resampled on the way: rugged problems, and free energies besides.

    ``result.report.statistics`` has the estimates of ln Z along the schedule, and how many families survived;
    `gpuqio.solvers.PopulationAnnealing` explains them.

    With `timeout` the solver is parameter-free, whatever else is given: it finds its own settings, stops when nothing
    more is to be gained or the timeout is up, and returns the settings in ``result["parameters"]``, ready to be given
    to a parameterised solver. `ParallelTempering` is the better one where only the lowest cost counts.

    Args:
        workspace: where to solve.
        name: target id.
        alpha: above 1; checked and echoed. The service started again in mid-run by it; gpuqio never does.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        population: members of the population, default 72.
        sweeps: steps of the schedule, one sweep each, default 10000.
        beta: inverse temperature along the schedule; or the ``"beta"`` of a result's parameters. Default: linear
            from 0 to the coldest temperature worth visiting.
        timeout: seconds of solving after which the best so far is returned.
        content_type: of the problem on the wire.
        sweeps_per_replica: sweeps at each step, default 1.
        resampling_strategy: ``"linear_schedule"`` or ``"geometric_schedule"``, what beta_start and beta_stop mean; or
            ``"constant_culling"``, ``"energy_variance"``, ``"friction_tensor"``: the steps between them are chosen on
            the way, as `gpuqio.solvers.PopulationAnnealing` explains.
        constant_population: echoed; the population is constant in any case.
        beta_start, beta_stop: `beta` in two numbers.
        friction_tensor_constant: of that strategy; above 0, default 1.
        initial_culling_fraction: of ``"energy_variance"``; above 0, at most 1, default 0.5.
        culling_fraction: of ``"constant_culling"``; above 0, at most 1, default 0.1.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.

    Raises:
        InvalidParameter: (a ValueError) for an alpha of 1 or less, a population, sweeps or timeout that is no
            positive int, a beta that isn't increasing from above 0. All values are checked when a problem is submitted.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.populationannealing.cpu", "microsoft.populationannealing-parameterfree.cpu")

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.populationannealing.cpu",
        alpha: float | None = None,
        seed: int | None = None,
        population: int | None = None,
        sweeps: int | None = None,
        beta: RangeSchedule | Mapping[str, Any] | None = None,
        timeout: int | None = None,
        content_type: ContentType | None = ContentType.json,
        *,
        sweeps_per_replica: int | None = None,
        resampling_strategy: str | None = None,
        constant_population: bool | None = None,
        beta_start: float | None = None,
        beta_stop: float | None = None,
        friction_tensor_constant: float | None = None,
        initial_culling_fraction: float | None = None,
        culling_fraction: float | None = None,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
    ) -> None:
        if timeout is not None:
            name = "microsoft.populationannealing-parameterfree.cpu"
        params = {
            "alpha": float_above("alpha", alpha, 1.0),
            "seed": seed,
            "population": positive_int("population", population),
            "sweeps": positive_int("sweeps", sweeps),
            "beta": schedule("beta", beta, increasing=True, positive=True),
            "timeout": positive_int("timeout", timeout),
            "sweeps_per_replica": sweeps_per_replica,
            "resampling_strategy": resampling_strategy,
            "constant_population": constant_population,
            "beta_start": beta_start,
            "beta_stop": beta_stop,
            "friction_tensor_constant": friction_tensor_constant,
            "initial_culling_fraction": initial_culling_fraction,
            "culling_fraction": culling_fraction,
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
        }
        super().__init__(workspace, name, params=params, content_type=content_type)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True
