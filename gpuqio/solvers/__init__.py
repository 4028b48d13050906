"""Solvers: frozen values, one a file. `parse` makes one from a target id and wire parameters."""

from __future__ import annotations

from gpuqio.solvers.exhaustive import Exhaustive
from gpuqio.solvers.parallel_tempering import ParallelTempering
from gpuqio.solvers.path_relinking import PathRelinking
from gpuqio.solvers.population_annealing import PopulationAnnealing
from gpuqio.solvers.pticm import Pticm
from gpuqio.solvers.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.solvers.simulated_annealing import SimulatedAnnealing
from gpuqio.solvers.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.solvers.tabu import Tabu
from gpuqio.solvers.tabu_search import TabuSearch
from gpuqio.solvers.wire import TARGETS, parse

__all__ = [
    "TARGETS",
    "Exhaustive",
    "ParallelTempering",
    "PathRelinking",
    "PopulationAnnealing",
    "Pticm",
    "QuantumMonteCarlo",
    "SimulatedAnnealing",
    "SubstochasticMonteCarlo",
    "Tabu",
    "TabuSearch",
    "parse",
]
