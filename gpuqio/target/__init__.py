"""Targets and solvers, under the names of `azure.quantum.target`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.facade.target import Solver, Target

__all__ = [
    "ParallelTempering",
    "PopulationAnnealing",
    "SimulatedAnnealing",
    "Solver",
    "SubstochasticMonteCarlo",
    "Target",
]
