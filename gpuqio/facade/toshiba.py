"""Toshiba's simulated bifurcation machine, with the SDK's constructor. Its results come in Toshiba's shape."""

from __future__ import annotations

from gpuqio.facade.target import Solver, W

__all__ = ["SimulatedBifurcationMachine"]


class SimulatedBifurcationMachine(Solver[W]):
    """160 runs of particles that the problem's forces drive to one of two sides: for large and for dense problems.

    Args:
        workspace: where to solve.
        name: target id.
        steps: time steps of a loop; None or 0: from the problem's size.
        loops: how many times 160 runs; 0 for as many as the timeout allows; default 1.
        target: stop at a cost this low or lower.
        maxout: distinct configurations to return at most, 1 to 1000, all from the loop that found the best.
        timeout: seconds of solving after which the best so far is returned; default 10.
        dt: time of a step, above 0 and at most 1; default 1.
        C: strength of the forces, 1/cost; None or 0: from the problem's coefficients.
        algo: "2.0", discrete (the default), or "1.5", ballistic.
        auto: choose `algo` and `dt` by trying; `loops` is then ignored.
        heated: let momenta grow by themselves, so that runs leave local minima (Kanao and Goto, Communications
            Physics 5, 153, 2022); default: no. `auto` leaves it as given. An extension: Toshiba's machine had none.
        seed: of the random numbers. The same seed gives the same answer everywhere.
    """

    __module__ = "gpuqio.target.toshiba"

    target_names = ("toshiba.sbm.ising",)

    def __init__(
        self,
        workspace: W,
        name: str = "toshiba.sbm.ising",
        steps: int | None = None,
        loops: int | None = None,
        target: float | None = None,
        maxout: int | None = None,
        timeout: float | None = None,
        dt: float | None = None,
        C: float | None = None,
        algo: str | None = None,
        auto: bool | None = None,
        *,
        heated: bool | None = None,
        seed: int | None = None,
    ) -> None:
        params = {
            "steps": steps,
            "loops": loops,
            "target": target,
            "maxout": maxout,
            "timeout": timeout,
            "dt": dt,
            "C": C,
            "algo": algo,
            "auto": auto,
            "heated": heated,
            "seed": seed,
        }
        super().__init__(workspace, name, provider_id="toshiba", nested_params=False, params=params)
