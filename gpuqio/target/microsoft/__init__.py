"""Microsoft's targets, under the name of `azure.quantum.target.microsoft`."""

from __future__ import annotations

from gpuqio.target.microsoft.qio import ParallelTempering, QuantumMonteCarlo, SimulatedAnnealing

__all__ = ["ParallelTempering", "QuantumMonteCarlo", "SimulatedAnnealing"]
