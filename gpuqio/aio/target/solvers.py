"""The base of the solvers, under the names of `azure.quantum.aio.target.solvers`."""

from __future__ import annotations

from gpuqio.facade.target import HardwarePlatform, Solver

__all__ = ["HardwarePlatform", "Solver"]
