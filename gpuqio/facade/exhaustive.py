"""Exhaustive search as a solver of a workspace: ours, not the service's."""

from __future__ import annotations

from gpuqio.facade.target import Solver, W

__all__ = ["Exhaustive"]


class Exhaustive(Solver[W]):
    """Tries every configuration of a problem of up to 26 variables, and so proves that none is better.

    The proof (``result.proven_optimal``) holds where coefficients are represented exactly
    (``result.report.resolution == 0``), as whole numbers are. Other results are the best within the resolution.

    Args:
        workspace: where to solve.
        name: target id.
        all_optima: return every optimal configuration, 1024 at most; ``result.report.statistics["optima"]`` says how
            many there are in all.
        timeout: seconds of solving after which the best so far is returned, without proof.
        seed: of the first states, which matter only to solutions after the best.
        number_of_solutions: distinct configurations to return at most, 1 to 10. The first is optimal; the others are
            the best of parts of the space, and not always the next best of all.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: no.

    Raises:
        InvalidProblem: (a ValueError) when a problem of more variables is solved.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("gpuqio.exhaustive",)

    def __init__(
        self,
        workspace: W,
        name: str = "gpuqio.exhaustive",
        *,
        all_optima: bool | None = None,
        timeout: float | None = None,
        seed: int | None = None,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        params = {
            "all_optima": all_optima,
            "timeout": timeout,
            "seed": seed,
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
            "reduce": reduce,
        }
        super().__init__(workspace, name, provider_id="gpuqio", params=params)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True
