"""Targets and solvers, under the names of `azure.quantum.aio.target`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.oneqbit import PathRelinkingSolver, TabuSearch
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.pticm import PticmSolver
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.facade.tabu import Tabu
from gpuqio.facade.target import Solver, Target

__all__ = [
    "ParallelTempering",
    "PathRelinkingSolver",
    "PopulationAnnealing",
    "PticmSolver",
    "QuantumMonteCarlo",
    "SimulatedAnnealing",
    "Solver",
    "SubstochasticMonteCarlo",
    "Tabu",
    "TabuSearch",
    "Target",
]
