"""Targets and solvers, under the names of `azure.quantum.target`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.pticm import PticmSolver
from gpuqio.facade.target import Solver, Target

__all__ = ["ParallelTempering", "PticmSolver", "SimulatedAnnealing", "Solver", "Target"]
