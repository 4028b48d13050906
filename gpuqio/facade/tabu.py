"""Microsoft's tabu search, with the SDK's constructor."""

from __future__ import annotations

from gpuqio.facade.target import Solver, W

__all__ = ["Tabu"]


class Tabu(Solver[W]):
    """Walkers that always make their best move which does not undo a recent one: for dense problems of moderate size.

    With none of `sweeps`, `tabu_tenure`, `restarts` and `tabu_tenure_rand_max` the solver is parameter-free, as
    `ParallelTempering` explains.

    Args:
        workspace: where to solve.
        name: target id.
        sweeps: moves a restart makes.
        tabu_tenure: for how many moves a flipped variable stays as it is.
        timeout: seconds of solving after which the best so far is returned.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        restarts: independent walkers.
        tabu_tenure_rand_max: the most that is added to the tenure at random; the parameter-free search returns it with
            its other settings.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: where the solver is
            parameter-free and gives one solution.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.tabu.cpu", "microsoft.tabu-parameterfree.cpu")

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.tabu.cpu",
        sweeps: int | None = None,
        tabu_tenure: int | None = None,
        timeout: float | None = None,
        seed: int | None = None,
        restarts: int | None = None,
        *,
        tabu_tenure_rand_max: int | None = None,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        if sweeps is None and tabu_tenure is None and restarts is None and tabu_tenure_rand_max is None:
            name = name.replace(".tabu.", ".tabu-parameterfree.")
        params = {
            "sweeps": sweeps,
            "tabu_tenure": tabu_tenure,
            "tabu_tenure_rand_max": tabu_tenure_rand_max,
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
