"""The solvers a workspace lists."""

from __future__ import annotations

from gpuqio.facade.exhaustive import Exhaustive
from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.oneqbit import PathRelinkingSolver, TabuSearch
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.pticm import PticmSolver
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.facade.tabu import Tabu

__all__ = ["SOLVERS"]

SOLVERS = (
    ParallelTempering,
    SimulatedAnnealing,
    PopulationAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
    QuantumMonteCarlo,
    TabuSearch,
    PathRelinkingSolver,
    PticmSolver,
    Exhaustive,
)
