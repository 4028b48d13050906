"""The solvers, under the names of `azure.quantum.optimization.solvers`, which old programs import from."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.facade.tabu import Tabu
from gpuqio.facade.target import Solver

__all__ = [
    "ParallelTempering",
    "PopulationAnnealing",
    "QuantumMonteCarlo",
    "SimulatedAnnealing",
    "Solver",
    "SubstochasticMonteCarlo",
    "Tabu",
]
