"""Targets and solvers, under the names of `azure.quantum.target`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo
from gpuqio.facade.target import Solver, Target

__all__ = ["ParallelTempering", "QuantumMonteCarlo", "SimulatedAnnealing", "Solver", "Target"]
