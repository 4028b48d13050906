"""Microsoft's solvers, under the names of `azure.quantum.aio.target.microsoft.qio`."""

from __future__ import annotations

from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.tabu import Tabu

__all__ = ["ParallelTempering", "SimulatedAnnealing", "Tabu"]
