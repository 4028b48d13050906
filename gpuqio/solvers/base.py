"""What a solver is: a frozen value that checks itself and knows nothing of workspaces or engines.

A solver makes a `Plan` for a packed problem; the plan names one stage after another, and is told how each ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout
from gpuqio.shapes import Shape
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range

__all__ = ["OneStage", "Plan", "Solver", "Trial", "Uniform"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """How a stage stands when its sweeps are done.

    Attributes:
        stage: what was done.
        lowest: best integer energy visited.
        reached: sweeps after which it was visited.
        swaps: (rungs - 1,) accepted exchanges between neighbouring rungs.
        log: what the stage's move wrote down.
        energies: (chains,) best integer energy of each chain.
        states: gives the (chains, n) bits of these.
    """

    stage: Stage
    lowest: int
    reached: int
    swaps: npt.NDArray[np.int64]
    log: npt.NDArray[np.int64]
    energies: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    states: Callable[[], npt.NDArray[np.uint8]] = lambda: np.zeros((0, 0), np.uint8)


class Plan(Protocol):
    """The stages of one problem, decided one after another. Knows no clock: the same trials give the same stages."""

    @property
    def converged(self) -> bool:
        """True when the plan ended because nothing more was to be gained, not because all was done."""

    def first(self) -> Stage: ...

    def after(self, trial: Trial) -> Stage | None:
        """The next stage, None when done. A stage with `continues` set goes on with the chains of the last."""

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        """Parameters that repeat `stage`, as the wire spells them."""


class OneStage:
    """The plan of a solver whose parameters are all given.

    Args:
        stage: what is to be done.
        echo: the parameters that repeat it.
    """

    converged = False

    def __init__(self, stage: Stage, echo: Callable[[Stage], Mapping[str, object]]) -> None:
        self._stage = stage
        self.parameters = echo

    def first(self) -> Stage:
        return self._stage

    def after(self, trial: Trial) -> Stage | None:
        return None


@dataclass(frozen=True, slots=True)
class Uniform:
    """One stage that any problem goes through, given its temperature range: so many problems may share a launch.

    Attributes:
        chains, sweeps, exchange: as of a `Stage`.
        betas: (hottest (N,), coldest (N,)) of N problems to the betas (N, k) of their stages.
        echo: the parameters that repeat a stage.
    """

    chains: int
    sweeps: int
    exchange: bool
    betas: Callable[[Floats, Floats], Floats]
    echo: Callable[[Stage], Mapping[str, object]]

    def stage(self, betas: Floats, seed: int) -> Stage:
        """The stage of one problem, with its betas (k,)."""
        return Stage(self.chains, self.sweeps, betas, self.exchange, seed)

    def plan(self, layout: Layout, seed: int) -> OneStage:
        """That of one problem."""
        hottest, coldest = temperature_range(layout)
        return OneStage(self.stage(self.betas(np.array([hottest]), np.array([coldest]))[0], seed), self.echo)


class Solver(Protocol):
    """A solver with its parameters, ready to be run on any problem."""

    @property
    def target(self) -> str:
        """The service's target id, such as ``microsoft.paralleltempering.cpu``."""

    @property
    def timeout(self) -> float | None:
        """Seconds of solving after which the best so far is returned; None for no limit."""

    @property
    def seed(self) -> int | None:
        """Seed of all random words; None for a fresh one each run, echoed in the result."""

    @property
    def number_of_solutions(self) -> int: ...

    @property
    def cost_limit(self) -> float | None:
        """Stop once a cost at or below this is found."""

    @property
    def reduce(self) -> bool | None:
        """As given; see `Settings`."""

    @property
    def reduces(self) -> bool:
        """Whether variables that need no search are to leave the problem first."""

    @property
    def walks_windows(self) -> bool:
        """Whether its moves can walk a dense layout; else a dense problem is laid out as a sparse one."""

    @property
    def walks_groups(self) -> bool:
        """Whether its moves can walk squared sums; else a problem that has some is refused."""

    @property
    def walks_bits(self) -> bool:
        """Whether its moves can walk bit-sliced chains, and it has enough of them."""

    @property
    def shape(self) -> Shape:
        """How its provider writes a result."""

    def parameters(self) -> Mapping[str, object]:
        """The parameters as the wire spells them."""

    @property
    def uniform(self) -> Uniform | None:
        """The stage that all problems go through alike, if its plan is that one."""

    def plan(self, layout: Layout, seed: int) -> Plan: ...
