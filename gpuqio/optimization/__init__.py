"""Problems and solvers, under the names of `azure.quantum.optimization`."""

from __future__ import annotations

from gpuqio.blocking import StreamingProblem
from gpuqio.facade.exhaustive import Exhaustive
from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.online import OnlineProblem
from gpuqio.facade.population_annealing import PopulationAnnealing
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.facade.schedules import RangeSchedule
from gpuqio.facade.substochastic_monte_carlo import SubstochasticMonteCarlo
from gpuqio.facade.tabu import Tabu
from gpuqio.facade.target import HardwarePlatform, Solver
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import GroupType, SlcTerm, Term, TermBase

__all__ = [
    "Exhaustive",
    "GroupType",
    "HardwarePlatform",
    "OnlineProblem",
    "ParallelTempering",
    "PopulationAnnealing",
    "Problem",
    "ProblemType",
    "QuantumMonteCarlo",
    "RangeSchedule",
    "SimulatedAnnealing",
    "SlcTerm",
    "Solver",
    "StreamingProblem",
    "SubstochasticMonteCarlo",
    "Tabu",
    "Term",
    "TermBase",
]
