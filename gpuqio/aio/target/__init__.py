"""Targets and solvers, under the names of `azure.quantum.aio.target`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.target import Solver, Target

__all__ = ["ParallelTempering", "SimulatedAnnealing", "Solver", "Target"]
