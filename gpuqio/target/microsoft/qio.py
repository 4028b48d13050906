"""Microsoft's solvers, under the names of `azure.quantum.target.microsoft.qio`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.quantum_monte_carlo import QuantumMonteCarlo

__all__ = ["ParallelTempering", "QuantumMonteCarlo", "SimulatedAnnealing"]
