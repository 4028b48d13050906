"""Quantum Monte Carlo, with the SDK's constructor."""

from __future__ import annotations

from gpuqio.facade.target import Solver, W

__all__ = ["QuantumMonteCarlo"]


class QuantumMonteCarlo(Solver[W]):
    """Simulated quantum annealing: a transverse field helps through tall and thin barriers while it is turned off.

    `ParallelTempering` is the first choice where nothing is known of the barriers. There is no parameter-free target:
    what is left open follows from the problem's coefficients, and comes back in ``result["parameters"]``.

    Args:
        workspace: where to solve.
        name: target id.
        trotter_number: slices of imaginary time, 2 to 1024; default 32.
        seed: of the random numbers. The same seed gives the same answer everywhere.
        transverse_field_start: first transverse field, in the units of the cost, or what ``transverse_field_high`` is
            on the wire; default the hottest temperature worth visiting.
        transverse_field_stop: last transverse field, or what ``transverse_field_low`` is on the wire; default 0. The
            service read low and high alone, and ran the field upwards; here it goes from start to stop, from high to
            low.
        restarts: independent paths, default 1.
        sweeps: sweeps of each slice, default 10000.
        beta_start: first inverse temperature; default `beta_stop`.
        beta_stop: last inverse temperature; default `beta_start`, or 1 over the coldest temperature worth visiting.
        timeout: seconds of solving after which the best so far is returned.
        number_of_solutions: distinct configurations to return at most, 1 to 10.
        cost_limit: stop at a cost this low or lower.
        reduce: solve without the variables that need no search, such as leaves, and put them back at their best values
            (``result.report.removed``); and what is left component by component. Default: no.
    """

    __module__ = "gpuqio.optimization"

    target_names = ("microsoft.qmc.cpu",)

    def __init__(
        self,
        workspace: W,
        name: str = "microsoft.qmc.cpu",
        trotter_number: int | None = None,
        seed: int | None = None,
        transverse_field_start: float | None = None,
        transverse_field_stop: float | None = None,
        restarts: int | None = None,
        sweeps: int | None = None,
        beta_start: float | None = None,
        *,
        beta_stop: float | None = None,
        timeout: float | None = None,
        number_of_solutions: int | None = None,
        cost_limit: float | None = None,
        reduce: bool | None = None,
    ) -> None:
        params = {
            "beta_start": beta_start,
            "beta_stop": beta_stop,
            "transverse_field_start": transverse_field_start,
            "transverse_field_stop": transverse_field_stop,
            "sweeps": sweeps,
            "trotter_number": trotter_number,
            "restarts": restarts,
            "seed": seed,
            "timeout": timeout,
            "number_of_solutions": number_of_solutions,
            "cost_limit": cost_limit,
            "reduce": reduce,
        }
        super().__init__(workspace, name, params=params)

    def supports_grouped_terms(self) -> bool:
        """True."""
        return True
