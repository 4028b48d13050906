"""1QBit's solvers, under the names of `azure.quantum.target.oneqbit`."""

from __future__ import annotations

from gpuqio.facade.oneqbit import PathRelinkingSolver, TabuSearch

__all__ = ["PathRelinkingSolver", "TabuSearch"]
