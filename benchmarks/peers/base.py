"""What every solver of the comparisons looks like from outside, ours and the peers' alike.

A solver is given an `Instance` and `Settings`, the same for all. It is timed in two ways: `solve` goes the user's way,
from arrays through the public interface to states; `anneal` runs its compiled function on a model made before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.instances import Instance

__all__ = ["Run", "Settings", "Solver", "costs_of"]

Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.int8]

MOST_PRODUCTS = 20_000_000
"""Products of variables that `costs_of` holds at once: 20 MB."""


@dataclass(frozen=True)
class Settings:
    """What one run is asked to do.

    Attributes:
        sweeps: how long each read is, in the solver's own `unit`.
        reads: independent runs.
        betas: inverse temperatures of the first and the last sweep; unused where there are no temperatures.
        shape: how those between are spaced.
        seed: of the random numbers.
    """

    sweeps: int
    reads: int
    betas: tuple[float, float] = (0.1, 5.0)
    shape: str = "geometric"
    seed: int = 1

    @property
    def schedule(self) -> Floats:
        """(sweeps,) inverse temperatures, one a sweep; a single sweep is made at the last."""
        if self.sweeps == 1:
            return np.array([self.betas[1]])
        spaced = np.geomspace if self.shape == "geometric" else np.linspace
        return np.asarray(spaced(*self.betas, self.sweeps), dtype=np.float64)


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes:
        costs: (reads,) of each read's state, computed from it in double precision, outside the timed part.
        cpu: seconds of all cores together.
        wall: seconds on the clock.
        attempts: single updates attempted; 0 where that is not what the solver does.
        flips: those accepted, where the solver counts them.
    """

    costs: Floats
    cpu: float
    wall: float
    attempts: int = 0
    flips: int | None = None


class Solver:
    """One solver. A subclass gives `load`, `call`, and where it has something faster or barer, `core`.

    Attributes:
        name: as it stands in the tables.
        packages: what must be importable.
        unit: what `Settings.sweeps` counts.
        shapes: the schedules worth trying.
        metropolis: whether its updates are single flips at a temperature, and so compare with ours.
        most_degree: variables in the longest term it takes.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    unit: ClassVar[str] = "sweeps"
    shapes: ClassVar[tuple[str, ...]] = ("geometric", "linear")
    metropolis: ClassVar[bool] = False
    most_degree: ClassVar[int] = 2

    def missing(self) -> str:
        """Why it can't be used here; empty where it can."""
        absent = [package for package in self.packages if not _is_found(package)]
        return f"{', '.join(absent)} not installed" if absent else ""

    def granularity(self, instance: Instance) -> int:
        """Reads that cost as much as one."""
        return 1

    def load(self, instance: Instance) -> Any:
        """The solver's own model, from arrays."""
        raise NotImplementedError

    def call(self, model: Any, settings: Settings) -> Any:
        """The public call; what it returns."""
        raise NotImplementedError

    def core(self, model: Any, settings: Settings) -> Any:
        """The compiled function behind it, where one can be called; what `states` understands."""
        return self.call(model, settings)

    def states(self, model: Any, returned: Any) -> States:
        """(reads, n) the states in what was returned, in the instance's values. Not timed."""
        raise NotImplementedError

    def prepared(self, instance: Instance) -> Any:
        """The model that `anneal` takes."""
        return self.load(instance)

    def attempts(self, instance: Instance, settings: Settings) -> int:
        """Single updates attempted."""
        return instance.num_variables * settings.sweeps * settings.reads

    def flips(self, returned: Any) -> int | None:
        """Accepted updates, where the solver counts them."""
        return None

    def anneal(self, instance: Instance, model: Any, settings: Settings, *, costs: bool = True) -> Run:
        """Run the compiled function on a prepared model; `costs` False leaves them out."""
        wall, cpu = time.perf_counter(), time.process_time()
        returned = self.core(model, settings)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        found = costs_of(instance, self.states(model, returned)) if costs else np.zeros(0)
        return Run(found, cpu, wall, self.attempts(instance, settings), self.flips(returned))

    def solve(self, instance: Instance, settings: Settings) -> Run:
        """Go the user's way, from arrays to states."""
        return self.solve_all([instance], settings)

    def solve_all(self, instances: Sequence[Instance], settings: Settings, cores: int = 1) -> Run:
        """The user's way for many problems; the costs are the best of each, (instances,).

        Peers take one problem a call, so this is the loop that their users write.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        done = []
        for instance in instances:
            model = self.load(instance)
            done.append((model, self.call(model, settings)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        best = [
            costs_of(instance, self.states(*each)).min(initial=np.inf)
            for instance, each in zip(instances, done, strict=True)
        ]
        return Run(np.array(best), cpu, wall)


def _is_found(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it is in
        return False


def costs_of(instance: Instance, states: States) -> Floats:
    """(reads,) costs of (reads, n) states, a few reads at a time."""
    step = max(1, MOST_PRODUCTS // max(1, instance.ids.size))
    parts = [instance.cost(states[first : first + step]) for first in range(0, len(states), step)]
    return np.concatenate(parts) if parts else np.zeros(0)
