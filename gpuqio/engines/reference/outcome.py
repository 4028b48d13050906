"""Chains in NumPy: their first states, their energies, and what one flip would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gpuqio.engines.streams import Purpose, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Ints", "Outcome", "Sweeper", "energies", "first_outcome", "flip", "keep_best", "rise"]

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Outcome:
    """All chains after a stage.

    Attributes:
        bits: (chains, n) current states; best_bits: the best at the end of any sweep, or the first.
        energies, best_energies: (chains,) integer energies of the two.
        swaps: (rungs - 1,) accepted exchanges between neighbouring rungs.
        log: what the move wrote down.
        flips: accepted flips of all chains.
        sweeps: sweeps done.
    """

    bits: Ints
    energies: Ints
    best_bits: Ints
    best_energies: Ints
    swaps: Ints
    log: Ints
    flips: int = 0
    sweeps: int = 0


class Sweeper(Protocol):
    """A move on all chains of a stage; what it keeps besides the outcome is its own."""

    def sweep(self, out: Outcome) -> None:
        """Sweep `out.sweeps`: new bits, energies and flips."""

    def after(self, out: Outcome) -> None:
        """What follows the sweep, when the best states have been noted."""


def first_outcome(layout: Layout, stage: Stage, initial: Ints | None) -> Outcome:
    if initial is None:
        bits = _first_bits(layout, stage)
    else:
        bits = np.broadcast_to(initial, (stage.chains, layout.num_variables)).copy()
    first = energies(layout, bits)
    swaps, log = np.zeros(max(stage.rungs - 1, 0), np.int64), np.zeros(stage.move.log(stage), np.int64)
    return Outcome(bits, first, bits.copy(), first.copy(), swaps, log)


def _first_bits(layout: Layout, stage: Stage) -> Ints:
    """Variable v starts with bit v & 31 of word (v >> 5) & 3 of its block of 128."""
    bits = np.empty((stage.chains, layout.num_variables), np.int64)
    for v in range(layout.num_variables):
        words = philox(v >> 7, 0, np.arange(stage.chains), Purpose.INIT, stage.seed)
        bits[:, v] = (words[(v >> 5) & 3] >> np.uint32(v & 31)) & np.uint32(1)
    return bits


def _values(layout: Layout, bits: Ints, rows: Ints) -> Ints:
    """Each term's product of variables, (chains, terms): spins 1 - 2b for ising, else bits."""
    variables = 1 - 2 * bits if layout.problem.is_ising else bits
    products: Ints = variables[:, rows].prod(axis=2)
    return products


def energies(layout: Layout, bits: Ints) -> Ints:
    """(chains,) integer energies, without the constant."""
    total = np.zeros(len(bits), np.int64)
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        total += _values(layout, bits, rows) @ steps
    return total + _squares(layout, bits, np.arange(len(layout.fixed.groups)))


def _squares(layout: Layout, bits: Ints, chosen: Ints) -> Ints:
    """(chains,) the energy of some squared sums."""
    groups, total = layout.fixed.groups, np.zeros(len(bits), np.int64)
    variables = 1 - 2 * bits if layout.problem.is_ising else bits
    for group in chosen:
        mine = slice(groups.offsets[group], groups.offsets[group + 1])
        sums = groups.constants[group] + variables[:, groups.members[mine]] @ groups.weights[mine]
        total += groups.coefficients[group] * sums**2
    return total


def rise(layout: Layout, bits: Ints, v: int) -> Ints:
    """(chains,) the energy change of flipping variable v in each chain."""
    flipped = bits.copy()
    flipped[:, v] ^= 1
    change = np.zeros(len(bits), np.int64)
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        mine = (rows == v).any(axis=1)
        change += (_values(layout, flipped, rows[mine]) - _values(layout, bits, rows[mine])) @ steps[mine]
    groups = layout.fixed.groups
    chosen = groups.owners[groups.members == v]
    return change + _squares(layout, flipped, chosen) - _squares(layout, bits, chosen)


def flip(out: Outcome, v: int, chosen: npt.NDArray[np.bool_], rises: Ints) -> None:
    """Flip variable v in the chains that are `chosen`; `rises` is what that changes in each chain."""
    out.bits[chosen, v] ^= 1
    out.energies[chosen] += rises[chosen]
    out.flips += int(chosen.sum())


def keep_best(out: Outcome) -> None:
    """Note the chains' states where they are better than any before."""
    better = out.energies < out.best_energies
    out.best_bits[better] = out.bits[better]
    out.best_energies[better] = out.energies[better]
