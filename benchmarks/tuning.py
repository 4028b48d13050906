"""One search for every solver's length of a read and number of reads, so that none is tuned better than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.instances import Instance
from benchmarks.peers import Settings, Solver

__all__ = ["Tuned", "hits", "lengths", "reads_for", "tune_for_share"]

Floats = npt.NDArray[np.float64]

MOST_READS = 20_000
SHARE_AIMED_AT = 0.995
"""Of the calibration problems, so that fresh ones come out at 99 % or more."""


class Tuned(NamedTuple):
    """The best settings found, and their seconds a problem."""

    settings: Settings
    seconds: float


def hits(costs: Floats, optimum: float) -> npt.NDArray[np.bool_]:
    """Which costs are the optimum, up to what sums in another order differ by."""
    return costs <= optimum + 1e-7 * max(1.0, abs(optimum))


def lengths(solver: Solver, longest: int) -> list[int]:
    """Powers of two up to `longest`; a descent has no length, and a walk is not shorter than two sweeps."""
    if solver.unit == "descents":
        return [1]
    least = {"ms": 1, "steps": 16, "moves": 16}.get(solver.unit, 2)
    return [least << k for k in range(40) if least << k <= longest]


def reads_for(shares: Floats, wanted: float) -> int | None:
    """The fewest reads after which a share `wanted` of the problems is solved, where a read solves each with `shares`.

    None where it takes more than 20,000.
    """

    def solved(reads: int) -> float:
        return float(np.mean(1 - (1 - shares) ** reads))

    if solved(MOST_READS) < wanted:
        return None
    low, high = 0, MOST_READS  # solved(low) < wanted <= solved(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if solved(middle) >= wanted else (middle, high)
    return high


def tune_for_share(
    solver: Solver, instances: Sequence[Instance], optima: Floats, base: Settings, longest: int, budget: float
) -> Tuned | None:
    """The cheapest way, through the public interface, to solve nearly all of `instances`.

    Tries every shape and every length, each with as many reads as its hits on the instances ask for. Lengths end
    where two in a row take more than twice as long as the best.

    Args:
        base: the betas and the seed.
        longest: the longest read, in the solver's unit.
        budget: seconds for the hits of one length.
    """
    best: Tuned | None = None
    for shape in solver.shapes:
        worse = 0
        for sweeps in lengths(solver, longest):
            settings = replace(base, sweeps=sweeps, shape=shape)
            reads = reads_for(_shares(solver, instances, optima, settings, budget), SHARE_AIMED_AT)
            if reads is None:
                continue
            settings = replace(settings, reads=reads)
            seconds = solver.solve_all(instances, settings).cpu / len(instances)
            if best is None or seconds < best.seconds:
                best = Tuned(settings, seconds)
            worse = worse + 1 if seconds > 2 * best.seconds else 0
            if worse == 2:
                break
    return best


def _shares(solver: Solver, instances: Sequence[Instance], optima: Floats, settings: Settings, budget: float) -> Floats:
    """(instances,) the share of reads that end at the optimum: of 16 to 512 reads, as many as `budget` allows."""
    first = instances[0]
    model, block = solver.prepared(first), solver.granularity(first)
    solver.anneal(first, model, replace(settings, reads=block))
    once = solver.anneal(first, model, replace(settings, reads=block)).wall / block
    reads = int(np.clip(budget / len(instances) / max(once, 1e-7), 16, 512))
    shares = np.empty(len(instances))
    for i, (instance, optimum) in enumerate(zip(instances, optima.tolist(), strict=True)):
        run = solver.anneal(instance, solver.prepared(instance), replace(settings, reads=reads, seed=1 + i))
        shares[i] = hits(run.costs, optimum).mean()
    return shares
