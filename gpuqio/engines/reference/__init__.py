"""The specification: every algorithm in plain sequential NumPy, slowly and readably.

It reads the canonical terms themselves, not the packed arrays, so it checks the packing too. Whatever an engine does
must give these states, energies and counts, `array_equal`, no tolerance. One array axis runs over the chains; within
a chain everything happens in the order of the loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gpuqio.engines.reference.cluster import Cluster
from gpuqio.engines.reference.metropolis import Metropolis
from gpuqio.engines.reference.outcome import Ints, Outcome, Sweeper, first_outcome, keep_best
from gpuqio.pack import Layout
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage

__all__ = ["Outcome", "run"]

_SWEEPERS: Mapping[Kind, Callable[[Layout, Stage], Sweeper]] = {
    Kind.METROPOLIS: Metropolis,
    Kind.CLUSTER: Cluster,
}


def run(layout: Layout, stage: Stage, initial: Ints | None = None, goal: int | None = None) -> Outcome:
    """One stage from first states (random, or `initial` bits (n,) for every chain) to its end, or to `goal`."""
    out = first_outcome(layout, stage, initial)
    sweeper = _SWEEPERS[stage.move.kind](layout, stage)
    while out.sweeps < stage.sweeps and (goal is None or out.best_energies.min() > goal):
        sweeper.sweep(out)
        keep_best(out)
        sweeper.after(out)
        out.sweeps += 1
    return out
