"""Simulated bifurcation: particles between walls, driven by the problem's forces, as Toshiba's machine had it.

Goto et al., "High-performance combinatorial optimization based on classical mechanics", Science Advances 7, eabe7953
(2021): ballistic SB (Toshiba's algorithm 1.5) and discrete SB (2.0). A loop is 160 runs from random places.
Heated SB is Kanao and Goto's, "Simulated bifurcation assisted by thermal fluctuation", Communications Physics 5, 153
(2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.pack import Layout
from gpuqio.shapes import Shape, Toshiba
from gpuqio.solvers.base import Plan, Trial
from gpuqio.solvers.move import Kind, Move
from gpuqio.solvers.settings import Settings, is_finite, number, spelled, truth, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import plain, rises

__all__ = ["Bifurcation", "SimulatedBifurcation"]

RUNS = 160
"""Of a loop, as many as Toshiba's machine made."""

BALLISTIC, DISCRETE = "1.5", "2.0"
HEAT = {BALLISTIC: 0.5, DISCRETE: 0.06}
"""Rates at which momenta grow in heated SB: Kanao and Goto's gamma for K2000, as other implementations quote it."""

DEFAULT_TIMEOUT = 10.0
MOST_STEPS, MOST_LOOPS = 10**8, 10**7
TUNED = tuple(product((DISCRETE, BALLISTIC), (1.0, 0.5, 0.25)))
"""Algorithms and time steps that are tried with ``auto``."""

MARGIN, POWERS, TINY = 0.75, 16, 2.0**-60


@dataclass(frozen=True, slots=True)
class Bifurcation(Move):
    """A time step of every particle.

    Attributes:
        algo: whether forces are taken at the positions ("1.5") or at their signs ("2.0").
        dt: the time step.
        C: strength of the forces, 1/cost.
        heated: whether momenta grow by themselves.
    """

    kind: ClassVar[Kind] = Kind.BIFURCATION
    algo: str
    dt: float
    C: float
    heated: bool = False

    @property
    def options(self) -> tuple[int, int, int, int]:
        return int(self.algo == DISCRETE), int(self.heated), 0, 0

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """The time step, the strength in integer units for a force of two, the pressure's rise and the heat a step."""
        scale = min(max(self.C * layout.fixed.unit / 2, 2.0**-60), 2.0**60)  # so that no product is 0 or infinite
        return np.array([self.dt, scale, 1 / stage.sweeps, HEAT[self.algo] * self.dt], np.float32)

    def memory(self, layout: Layout, stage: Stage) -> int:
        """A position and a momentum a variable and run, heated also the last momentum; runs filled up to 32."""
        return -(-stage.chains // 32) * (96 if self.heated else 64) * layout.num_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedBifurcation(Settings):
    """Loops of 160 runs of simulated bifurcation.

    Besides what is here: `number_of_solutions` is "maxout" on the wire and at most 1000, all from the loop that found
    the best; `cost_limit` is "target" there.

    Attributes:
        timeout: seconds of solving after which the best so far is returned, 0.001 to 3600; default 10.
        steps: time steps of a loop, up to 10^8; None or 0: 10 a variable, at least 1000 and at most 100000.
        loops: up to 10^7; 0 for as many as the timeout allows; default 1.
        dt: time of a step, above 0 and at most 1; default 1.
        C: strength of the forces, 1/cost; None or 0: half of the inverse of the root mean square force on a variable
            in random states, or less where that would not be stable with the time step.
        algo: "2.0", discrete (the default), or "1.5", ballistic.
        auto: try both algorithms with dt 1, 1/2 and 1/4, round after round, until a round gains nothing. `algo`, `dt`
            and `loops` are then ignored.
        heated: add `HEAT` times the momentum to its rate of change, at the walls too (Kanao and Goto 2022, heated SB).
            Not Toshiba's. `auto` leaves it as it is given.
    """

    timeout: float | None = DEFAULT_TIMEOUT
    steps: int | None = None
    loops: int | None = None
    dt: float | None = None
    C: float | None = None
    algo: str | None = None
    auto: bool | None = None
    heated: bool | None = None

    target: ClassVar[str] = "toshiba.sbm.ising"
    own: ClassVar[tuple[str, ...]] = ("steps", "loops", "dt", "C", "algo", "auto", "heated")
    walks_windows: ClassVar[bool] = False
    most_solutions: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        self.check_settings()
        whole("steps", self.steps, 0, MOST_STEPS)
        whole("loops", self.loops, 0, MOST_LOOPS)
        if not (is_finite(self.timeout) and 0.001 <= float(self.timeout or 0) <= 3600):
            raise _refused("timeout", self.timeout, "a number from 0.001 to 3600")
        if number("dt", self.dt) is not None and not 0 < float(self.dt or 0) <= 1:
            raise _refused("dt", self.dt, "above 0 and at most 1")
        if number("C", self.C) is not None and float(self.C or 0) < 0:
            raise _refused("C", self.C, "at least 0")
        if self.algo not in (None, BALLISTIC, DISCRETE):
            raise _refused("algo", self.algo, f'"{DISCRETE}" or "{BALLISTIC}"')
        truth("auto", self.auto)
        truth("heated", self.heated)

    @property
    def shape(self) -> Shape:
        """Of its results: Toshiba's."""
        return Toshiba(self.target, self.parameters(), ("dt", "algo") if self.auto else ())

    def parameters(self) -> Mapping[str, object]:
        several = self.number_of_solutions if self.number_of_solutions > 1 else None
        timeout = None if self.timeout == DEFAULT_TIMEOUT else self.timeout
        given = {name: getattr(self, name) for name in ("seed", *self.own)}
        return spelled({**given, "maxout": several, "target": self.cost_limit, "timeout": timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if layout.groups is not None:
            raise InvalidProblem(
                "Simulated bifurcation takes no squared sums. Write them out as terms, or take ParallelTempering.",
                field="problem.problem_type",
                code="AZQ107",
            )
        steps = self.steps or min(max(1000, 10 * layout.num_variables), 100_000)
        tried: Sequence[tuple[str, float]] = TUNED if self.auto else [(self.algo or DISCRETE, self.dt or 1.0)]
        times = [float(dt) for _, dt in tried]
        strengths = [float(self.C)] * len(tried) if self.C else default_strengths(layout, times)
        algos = [algo for algo, _ in tried]
        heated = bool(self.heated)
        moves = [Bifurcation(*setting, heated) for setting in zip(algos, times, strengths, strict=True)]
        return Loops(self, moves, steps, seed, 1 if self.loops is None else self.loops or MOST_LOOPS)


class Loops:
    """One loop after another, each with a seed of its own; the first has the plan's.

    Args:
        solver: whose parameters are echoed. With `auto` the moves are tried in rounds, until a round gains nothing.
        moves: taken in turn.
        steps: of each loop.
        loops: in all, without `auto`.
    """

    def __init__(
        self, solver: SimulatedBifurcation, moves: Sequence[Bifurcation], steps: int, seed: int, loops: int
    ) -> None:
        self.converged = False
        self._solver, self._moves, self._steps, self._seed, self._loops = solver, moves, steps, seed, loops
        self._begun = 0
        self._lowest: int | None = None
        self._gained = False

    def first(self) -> Stage:
        self._begun = 0
        return self._next()

    def after(self, trial: Trial) -> Stage | None:
        if self._lowest is None or trial.lowest < self._lowest:
            self._lowest, self._gained = trial.lowest, True
        if self._solver.auto:
            if self._begun % len(self._moves) == 0:
                if not self._gained:
                    self.converged = True
                    return None
                self._gained = False
        elif self._begun == self._loops:
            return None
        return self._next()

    def _next(self) -> Stage:
        loop = self._begun
        self._begun += 1
        return Stage(
            chains=RUNS,
            sweeps=self._steps,
            betas=np.zeros(0),
            exchange=False,
            seed=(self._seed + (loop << 40)) % 2**63,  # there are less than 2^24 loops
            move=self._moves[loop % len(self._moves)],
        )

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        """Those of one loop, with all that was left open filled in."""
        move = stage.move
        assert isinstance(move, Bifurcation)
        return replace(
            self._solver,
            seed=stage.seed,
            steps=stage.sweeps,
            loops=1,
            dt=move.dt,
            C=move.C,
            algo=move.algo,
            auto=None,
        ).parameters()


def default_strengths(layout: Layout, steps: Sequence[float]) -> list[float]:
    """1/2 over the root mean square force in random states (the paper's 1/2 over sigma sqrt(n)), in 1/cost; less where
    the stiffest direction of the pairs would swing ever wider with a time step, from frequency x step = 2 on.

    Args:
        steps: the time steps; one strength for each.
    """
    rise, _ = rises(layout)  # a force is half a rise
    typical, stiffest = float(np.sqrt(np.mean(rise**2))) / 2, _stiffest(layout)
    strengths = [min(0.5 / typical if typical else 1.0, MARGIN * (4 / dt**2 - 1) / max(stiffest, TINY)) for dt in steps]
    in_costs = [min(max(strength / layout.fixed.unit, 2.0**-1020), 2.0**1020) for strength in strengths]
    return [float(strength) for strength in plain(np.array(in_costs))]


def _stiffest(layout: Layout) -> float:
    """Largest size of an eigenvalue of the pairs' couplings, in integer units, from below, by the power method."""
    n, largest = layout.num_variables, 0.0
    vector = np.random.default_rng(0).random(n) + 0.5
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        if rows.shape[1] != 2:
            continue
        (a, b), weights = rows.T, steps if layout.problem.is_ising else steps / 4
        for _ in range(POWERS):
            vector /= np.sqrt(vector @ vector)
            pulled = np.bincount(a, weights * vector[b], n), np.bincount(b, weights * vector[a], n)
            vector = np.add(*pulled, dtype=np.float64)
            largest = float(np.sqrt(vector @ vector))
            if not largest:
                break
    return largest


def _refused(name: str, value: object, wanted: str) -> InvalidParameter:
    return InvalidParameter(f"{name} must be {wanted}; found {name}={value!r}.", field=name, value=value, code="AZQ107")
