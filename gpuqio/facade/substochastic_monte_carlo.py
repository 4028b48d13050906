"""Substochastic Monte Carlo, with the SDK's constructor. A timeout means parameter-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuqio.facade.schedules import RangeSchedule, positive_int, schedule
from gpuqio.facade.target import Solver, W
from gpuqio.problem import ContentType

__all__ = ["SubstochasticMonteCarlo"]


class SubstochasticMonteCarlo(Solver[W]):
    """Walkers that flip variables at random and are copied or dropped by their costs.

    With `timeout` the solver is parameter-free, whatever else is given: it finds its own settings, stops when nothing
    more is to be gained or the timeout is up, and returns the settings in ``result["parameters"]``, ready to be given
    to a parameterised solver. `ParallelTempering` needs much less work on most problems.

    Args:
        workspace: where to solve.
        name: target id.
        alpha: chance of a step along the run, decreasing from at most 1; or the ``"alpha"`` of a result's parameters.
            Default: linear from 1 to 0.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        target_population: walkers, default 72.
        step_limit: steps, each of one variable and not of all; default 10000.
        beta: how strongly low costs are preferred along the run, increasing; or the ``"beta"`` of a result's
            parameters. Default: linear from 0 to 5.
        steps_per_walker: attempts that a step is made of, default 1.
        timeout: seconds of solving after which the best so far is returned.
        content_type: of the problem on the wire.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: where the solver is
            parameter-free and gives one solution.

    Raises:
        InvalidParameter: (a ValueError) for a population, limit, number of steps or timeout that is no positive int,
            an alpha that isn't decreasing to 0 or more, a beta that isn't increasing from above 0. All values are
            checked when a problem is submitted.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.substochasticmontecarlo.cpu", "microsoft.substochasticmontecarlo-parameterfree.cpu")

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.substochasticmontecarlo.cpu",
        alpha: RangeSchedule | Mapping[str, Any] | None = None,
        seed: int | None = None,
        target_population: int | None = None,
        step_limit: int | None = None,
        beta: RangeSchedule | Mapping[str, Any] | None = None,
        steps_per_walker: int | None = None,
        timeout: int | None = None,
        content_type: ContentType | None = ContentType.json,
        *,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        if timeout is not None:
            name = "microsoft.substochasticmontecarlo-parameterfree.cpu"
        params = {
            "seed": seed,
            "steps_per_walker": positive_int("steps_per_walker", steps_per_walker),
            "target_population": positive_int("target_population", target_population),
            "step_limit": positive_int("step_limit", step_limit),
            "alpha": schedule("alpha", alpha, increasing=False, positive=False),
            "beta": schedule("beta", beta, increasing=True, positive=True),
            "timeout": positive_int("timeout", timeout),
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
            "reduce": reduce,
        }
        super().__init__(workspace, name, params=params, content_type=content_type)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True
