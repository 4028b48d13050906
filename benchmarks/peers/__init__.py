"""Solvers that a user might take instead of gpuqio, one package a file, each imported when it is used."""

from __future__ import annotations

from benchmarks.instances import Instance
from benchmarks.peers import bifurcation, dwave, jij, mqlib, nasa, ours, vert
from benchmarks.peers.base import Run, Settings, Solver

__all__ = ["OURS", "PACKAGES", "PEERS", "Run", "Settings", "Solver", "installed", "suited"]

OURS: tuple[Solver, ...] = (ours.Annealing(), ours.Tempering(), ours.Tabu())
PEERS: tuple[Solver, ...] = (
    dwave.Annealing(),
    dwave.Tabu(),
    dwave.Descent(),
    jij.Annealing(),
    jij.HigherOrder(),
    vert.Annealing(),
    bifurcation.Ballistic(),
    bifurcation.Discrete(),
    nasa.Tempering(),
    mqlib.Burer(),
    mqlib.Palubeckis(),
)
PACKAGES = ("dwave-samplers", "dimod", "openjij", "qubovert", "simulated-bifurcation", "torch", "pysa", "numba")
"""Whose versions go into the results."""


def installed(peers: tuple[Solver, ...] = PEERS) -> list[Solver]:
    """Those that can be used here; prints why the others can't."""
    for peer in peers:
        if why := peer.missing():
            print(f"without {peer.name}: {why}", flush=True)
    return [peer for peer in peers if not peer.missing()]


def suited(solvers: list[Solver], instance: Instance) -> list[Solver]:
    """Those that take the instance as it is; one that takes long terms is left out where all are pairs but one."""
    degree = instance.ids.shape[1]
    return [s for s in solvers if s.most_degree >= degree and not (degree == 2 and isinstance(s, jij.HigherOrder))]
