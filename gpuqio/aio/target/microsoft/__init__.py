"""Microsoft's targets, under the name of `azure.quantum.aio.target.microsoft`."""

from __future__ import annotations

from gpuqio.aio.target.microsoft.qio import (
    ParallelTempering,
    PopulationAnnealing,
    QuantumMonteCarlo,
    SimulatedAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
)

__all__ = [
    "ParallelTempering",
    "PopulationAnnealing",
    "QuantumMonteCarlo",
    "SimulatedAnnealing",
    "SubstochasticMonteCarlo",
    "Tabu",
]
