"""The base of the solvers, under the names of `azure.quantum.target.solvers`."""

from __future__ import annotations

from gpuqio.facade.target import HardwarePlatform, Solver

__all__ = ["HardwarePlatform", "Solver"]
