"""1QBit's solvers, under the names of `azure.quantum.aio.target.oneqbit`."""

from __future__ import annotations

from gpuqio.facade.pticm import PticmSolver

__all__ = ["PticmSolver"]
