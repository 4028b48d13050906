"""The specification: every algorithm in plain sequential NumPy, slowly and readably.

It reads the canonical terms themselves, not the packed arrays, so it checks the packing too. Whatever an engine does
must give these states, energies and counts, `array_equal`, no tolerance. One array axis runs over the chains; within
a chain everything happens in the order of the loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gpuqio.engines.reference.adaptive import Adaptive
from gpuqio.engines.reference.bifurcation import Bifurcation
from gpuqio.engines.reference.bitsliced import Bitsliced
from gpuqio.engines.reference.cluster import Cluster
from gpuqio.engines.reference.exhaustive import Exhaustive
from gpuqio.engines.reference.metropolis import Metropolis
from gpuqio.engines.reference.outcome import Ints, Outcome, Sweeper, first_outcome, keep_best
from gpuqio.engines.reference.path import Path
from gpuqio.engines.reference.population import Population
from gpuqio.engines.reference.tabu import Tabu
from gpuqio.engines.reference.walk import Walk
from gpuqio.pack import Layout
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage

__all__ = ["Outcome", "run"]

_SWEEPERS: Mapping[Kind, Callable[[Layout, Stage], Sweeper]] = {
    Kind.METROPOLIS: Metropolis,
    Kind.POPULATION: Population,
    Kind.WALK: Walk,
    Kind.PATH: Path,
    Kind.EXHAUSTIVE: Exhaustive,
    Kind.TABU: Tabu,
    Kind.BIFURCATION: Bifurcation,
    Kind.CLUSTER: Cluster,
    Kind.ADAPTIVE: Adaptive,
}


def run(layout: Layout, stage: Stage, initial: Ints | None = None, goal: int | None = None) -> Outcome:
    """One stage to its end, or to `goal`, from `initial` bits, (n,) for every chain or (chains, n), or random ones."""
    out = first_outcome(layout, stage, initial)
    sweeper = Bitsliced(layout, stage) if layout.slices else _SWEEPERS[stage.move.kind](layout, stage)
    while out.sweeps < stage.sweeps and (goal is None or out.best_energies.min() > goal):
        sweeper.sweep(out)
        keep_best(out)
        sweeper.after(out)
        out.sweeps += 1
    return out
