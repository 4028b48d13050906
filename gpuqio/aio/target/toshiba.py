"""Toshiba's solver, under the names of `azure.quantum.aio.target.toshiba`."""

from __future__ import annotations

from gpuqio.facade.toshiba import SimulatedBifurcationMachine

__all__ = ["SimulatedBifurcationMachine"]
