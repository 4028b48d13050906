"""Quantum Monte Carlo: simulated quantum annealing, the problem in a transverse field that is turned off.

Santoro, Martonak, Tosatti, Car, "Theory of quantum annealing of an Ising spin glass", Science 295, 2427 (2002): paths
of H = problem - field x sum of sigma^x in slices of imaginary time (Suzuki-Trotter). The service's schema:
trotter_number, restarts, sweeps, beta_start, beta_stop, and the transverse field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import OneStage, Plan
from gpuqio.solvers.move import Kind, Move
from gpuqio.solvers.settings import Settings, number, spelled, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.temperatures import temperature_range

__all__ = ["QuantumMonteCarlo", "Trotter"]

DEFAULT_SWEEPS = 10_000
DEFAULT_SLICES = 32
MOST_SWEEPS = 10_000_000  # tables of one number a sweep are kept
MOST_SLICES = 1024
MOST_CHAINS = 1_000_000

Floats = npt.NDArray[np.float64]

TUNABLES = (
    *("trotter_number", "restarts", "sweeps", "beta_start", "beta_stop"),
    *("transverse_field_start", "transverse_field_stop"),
)


@dataclass(frozen=True, slots=True)
class Trotter(Move):
    """Clusters of a path's slices, one variable after another. A stage's betas are those of a slice: beta / slices.

    Slices of a path are chains side by side. Paths don't cross words of 32 chains where they are shorter than that, and
    begin with a word where they are longer; lanes that this leaves over are chains too, and keep their first states.

    Attributes:
        slices: of a path.
        field_start, field_stop: the transverse field, linear over the sweeps, in the problem's cost units.
    """

    kind: ClassVar[Kind] = Kind.PATH
    slices: int
    field_start: float
    field_stop: float

    @property
    def words(self) -> int:
        """Words of 32 chains that a path takes; 1 where some share it."""
        return -(-self.slices // 32)

    @property
    def sharing(self) -> int:
        """Paths in so many words."""
        return max(1, 32 // self.slices)

    @property
    def options(self) -> tuple[int, int, int, int]:
        used = self.sharing * self.slices - 32 * (self.words - 1)
        first = sum(1 << path * self.slices for path in range(self.sharing))
        return self.slices, self.words, used, first

    def chains(self, paths: int) -> int:
        """How many chains hold so many paths."""
        return 32 * self.words * ((paths - 1) // self.sharing) + ((paths - 1) % self.sharing + 1) * self.slices

    def paths(self, chains: int) -> list[npt.NDArray[np.int64]]:
        """The chains of each path, slice 0 first."""
        found: list[npt.NDArray[np.int64]] = []
        while not found or found[-1][-1] + 1 < chains:
            end = self.chains(len(found) + 1)
            found.append(np.arange(end - self.slices, end))
        return found

    def table(self, layout: Layout, stage: Stage) -> npt.NDArray[np.float32]:
        """(sweeps,) 2^24 times the chance 1 - tanh(field beta / slices) that slices that agree are joined."""
        with np.errstate(over="ignore"):
            strength = np.linspace(self.field_start, self.field_stop, stage.sweeps) * stage.betas
        return np.rint(2.0**24 * (1 - _tanh(strength))).astype(np.float32)

    def memory(self, layout: Layout, stage: Stage) -> int:
        return 194 * -(-stage.chains // 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumMonteCarlo(Settings):
    """Independent paths of a number of slices, annealed in a transverse field.

    The lowest slice at the end of each sweep counts. Parameters that are left open follow from the problem.

    Where the service read ``transverse_field_low`` and ``transverse_field_high``, it ran the field upwards, out of
    order into disorder. Here the field falls from high to low, and they are other names of the two below.

    Attributes:
        trotter_number: slices of imaginary time, 2 to 1024; default 32. The error in averages falls as its square.
        restarts: independent paths; default 1. Restarts x slices: at most 10^6.
        sweeps: sweeps of each slice, 1 to 10^7; default 10000.
        beta_start: first inverse temperature of a path, at least 0; default beta_stop.
        beta_stop: last inverse temperature, above 0 and at least beta_start; default beta_start where that is given,
            else 1 over the coldest temperature worth visiting.
        transverse_field_start: first transverse field, at least 0, in the units of the cost; default the hottest
            temperature worth visiting, or the last field where that is more.
        transverse_field_stop: last transverse field, at least 0; default 0.
    """

    trotter_number: int | None = None
    restarts: int | None = None
    sweeps: int | None = None
    beta_start: float | None = None
    beta_stop: float | None = None
    transverse_field_start: float | None = None
    transverse_field_stop: float | None = None

    walks_windows: ClassVar[bool] = False
    walks_groups: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        whole("trotter_number", self.trotter_number, 2, MOST_SLICES)
        whole("restarts", self.restarts, 1, MOST_CHAINS // (self.trotter_number or DEFAULT_SLICES))
        whole("sweeps", self.sweeps, 1, MOST_SWEEPS)
        for name in ("beta_start", "beta_stop", "transverse_field_start", "transverse_field_stop"):
            value = getattr(self, name)
            if number(name, value) is not None and value < 0:
                raise self._refused(name, "at least 0")
        if self.beta_stop == 0 or (self.beta_start == 0 and self.beta_stop is None):
            raise self._refused("beta_stop" if self.beta_stop == 0 else "beta_start", "above 0")
        if self.beta_stop is not None and self.beta_stop < (self.beta_start or 0):
            raise self._refused("beta_stop", "at least beta_start")
        low, high = self.transverse_field_stop, self.transverse_field_start
        if self._spelt("transverse_field_start") == "transverse_field_high" and high is not None and high <= (low or 0):
            raise self._refused("transverse_field_start", f"greater than {self._spelt('transverse_field_stop')}")

    def _spelt(self, name: str) -> str:
        return (self.spelling or {}).get(name, name)

    def _refused(self, name: str, wanted: str) -> InvalidParameter:
        value, name = getattr(self, name), self._spelt(name)
        why = f"{name} must be {wanted}; found {name}={value}."
        return InvalidParameter(why, field=name, value=value, code="AZQ107")

    @property
    def target(self) -> str:
        return "microsoft.qmc.cpu"

    def parameters(self) -> Mapping[str, object]:
        given = {name: getattr(self, name) for name in TUNABLES}
        return spelled({**given, "seed": self.seed, "timeout": self.timeout}, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        settled = self.settled(layout, seed)
        return OneStage(settled.stage(), lambda _: settled.parameters())

    def settled(self, layout: Layout, seed: int) -> QuantumMonteCarlo:
        """The same with all that was left open filled in."""
        hottest, coldest = temperature_range(layout)
        beta = self.beta_stop or self.beta_start or 1 / coldest
        low = self.transverse_field_stop or 0.0
        high = max(hottest, low) if self.transverse_field_start is None else self.transverse_field_start
        return replace(
            self,
            trotter_number=self.trotter_number or DEFAULT_SLICES,
            restarts=self.restarts or 1,
            sweeps=self.sweeps or DEFAULT_SWEEPS,
            beta_start=float(beta if self.beta_start is None else self.beta_start),
            beta_stop=float(beta),
            transverse_field_start=float(high),
            transverse_field_stop=float(low),
            seed=seed,
        )

    def stage(self) -> Stage:
        """What is to be done; of a solver that is `settled`."""
        assert self.trotter_number is not None
        assert self.restarts is not None
        assert self.sweeps is not None
        assert self.seed is not None
        move = Trotter(self.trotter_number, self.transverse_field_start or 0.0, self.transverse_field_stop or 0.0)
        betas = np.linspace(self.beta_start or 0.0, self.beta_stop or 0.0, self.sweeps) / move.slices
        return Stage(move.chains(self.restarts), self.sweeps, betas, False, self.seed, move=move)


def _tanh(x: Floats) -> Floats:
    """tanh of numbers of at least 0, by Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))).

    +, * and / alone, so that every machine agrees; from 10 on it is 1. Largest error: 2^-27.
    """
    x = np.minimum(x, 10.0)
    below = np.full_like(x, 41.0)
    for odd in range(39, 0, -2):
        below = odd + x * x / below
    quotient: Floats = x / below
    return quotient
