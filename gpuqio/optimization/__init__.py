"""Problems and solvers, under the names of `azure.quantum.optimization`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.tabu import Tabu
from gpuqio.facade.target import HardwarePlatform, Solver
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import GroupType, SlcTerm, Term, TermBase

__all__ = [
    "GroupType",
    "HardwarePlatform",
    "ParallelTempering",
    "Problem",
    "ProblemType",
    "SimulatedAnnealing",
    "SlcTerm",
    "Solver",
    "Tabu",
    "Term",
    "TermBase",
]
