"""The solvers a workspace lists."""

from __future__ import annotations

from typing import Any

from gpuqio.facade.exhaustive import Exhaustive
from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo

__all__ = ["SOLVERS"]

_Known = (
    ParallelTempering[Any]
    | SimulatedAnnealing[Any]
    | PopulationAnnealing[Any]
    | SubstochasticMonteCarlo[Any]
    | Exhaustive[Any]
)

SOLVERS: tuple[type[_Known], ...] = (
    ParallelTempering,
    SimulatedAnnealing,
    PopulationAnnealing,
    SubstochasticMonteCarlo,
    Exhaustive,
)
