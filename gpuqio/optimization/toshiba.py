"""Toshiba's solver, under the names of `azure.quantum.optimization.toshiba`, which old programs import from."""

from __future__ import annotations

from gpuqio.facade.toshiba import SimulatedBifurcationMachine

__all__ = ["SimulatedBifurcationMachine"]
