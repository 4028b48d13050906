"""Solvers: frozen values, one a file. `parse` makes one from a target id and wire parameters."""

from __future__ import annotations

from gpuqio.solvers.parallel_tempering import ParallelTempering
from gpuqio.solvers.pticm import Pticm
from gpuqio.solvers.simulated_annealing import SimulatedAnnealing
from gpuqio.solvers.wire import TARGETS, parse

__all__ = ["TARGETS", "ParallelTempering", "Pticm", "SimulatedAnnealing", "parse"]
