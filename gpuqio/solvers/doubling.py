"""The search for how long to run: twice as long each time, until much longer than the best took is no better."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gpuqio.solvers.base import Trial
from gpuqio.solvers.stage import Stage

__all__ = ["Doubling"]


class Doubling:
    """A plan: runs of `first` sweeps, twice that, ..., each afresh, until 8 times as long as the best does no better.

    It counts sweeps, not seconds, so the same problem and seed end at the same parameters on every machine.

    Args:
        make: the stage that has so many sweeps.
        echo: the parameters that repeat a stage.
        first: sweeps of the first run.
        least: it doesn't end before it has made a run of so many; most: nor makes one of more.
    """

    PATIENCE = 8

    def __init__(
        self,
        make: Callable[[int], Stage],
        echo: Callable[[Stage], Mapping[str, object]],
        first: int,
        least: int,
        most: int,
    ) -> None:
        self.converged = False
        self.parameters = echo
        self._make, self._first, self._least, self._most = make, first, least, most
        self._best: tuple[int, int] | None = None  # energy, sweeps of the shortest run that found it

    def first(self) -> Stage:
        return self._make(self._first)

    def after(self, trial: Trial) -> Stage | None:
        sweeps = trial.stage.sweeps
        if self._best is None or trial.lowest < self._best[0]:
            self._best = trial.lowest, sweeps
        if sweeps >= max(self._least, self.PATIENCE * self._best[1]) or 2 * sweeps > self._most:
            self.converged = True
            return None
        return self._make(2 * sweeps)
