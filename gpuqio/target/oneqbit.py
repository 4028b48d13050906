"""1QBit's solvers, under the names of `azure.quantum.target.oneqbit`."""

from __future__ import annotations

from gpuqio.facade.oneqbit import PathRelinkingSolver, TabuSearch
from gpuqio.facade.pticm import PticmSolver

__all__ = [
    "PathRelinkingSolver",
    "PticmSolver",
    "TabuSearch",
]
