"""Paths between states: flip, one after another, the variables in which two states differ, and pick a state on the way.

Many paths are walked side by side, in NumPy; energies and gains are the kernels' integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout, Strategy

__all__ = ["best_on_paths"]

Bits = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

RANK_BITS = 20


def best_on_paths(layout: Layout, starts: Bits, guides: Bits, apart: float, greedy: bool, ranks: Ints) -> Bits:
    """(paths, n) of each path the state with the lowest energy among those far enough from both its ends.

    Args:
        layout: without squared sums.
        starts, guides: (paths, n) bits of the two ends; each pair differs in at least two variables.
        apart: which share of the differing variables must lie between the state and either end, 0 to 0.5.
        greedy: flip the variable that leads to the lowest energy next, instead of one at random.
        ranks: (paths, n) random whole numbers below 2^20: the order of flips, or of equals.
    """
    walk = (_DenseWalk if layout.strategy is Strategy.WINDOW else _Walk)(layout, starts)
    differ = starts != guides
    distance = differ.sum(axis=1)
    nearest = np.clip(np.ceil(apart * distance).astype(np.int64), 1, distance // 2)
    energy = np.zeros(len(starts), np.int64)  # above the start's
    lowest = np.full(len(starts), np.iinfo(np.int64).max)
    chosen = starts.copy()
    for step in range(1, int((distance - nearest).max()) + 1):
        going = np.flatnonzero(step <= distance - nearest)
        rises = np.where(walk.bits[going] == 1, -walk.gains[going], walk.gains[going])
        order = ranks[going] + ((rises << RANK_BITS) if greedy else 0)
        flipped = np.where(differ[going], order, np.iinfo(np.int64).max).argmin(axis=1)
        energy[going] += rises[np.arange(len(going)), flipped]
        walk.flip(going, flipped)
        differ[going, flipped] = False
        better = going[(step >= nearest[going]) & (energy[going] < lowest[going])]
        lowest[better] = energy[better]
        chosen[better] = walk.bits[better]
    return chosen


class _Walk:
    """Some states with the gains of all their variables (gpuqio/pack/layout.py says what a gain is)."""

    def __init__(self, layout: Layout, states: Bits) -> None:
        self._layout = layout
        self._parity = layout.strategy is Strategy.LANE_PARITY
        self._weights, seconds = layout.weights.astype(np.int64).T
        self._offsets = np.concatenate(([0], layout.ends))
        # A quadratic entry has one member, whose parity and product are the same.
        single = layout.strategy is Strategy.LANE_NEIGHBOUR
        self._members = seconds if single else layout.members
        self._member_offsets = np.arange(len(seconds) + 1) if single else np.concatenate(([0], seconds))
        self.bits = states.copy()
        self.gains = np.stack([self._gains(state) for state in states])  # one by one, for there may be many entries

    def _gains(self, state: Bits) -> Ints:
        """(n,) gains in one state, computed afresh."""
        combine = np.bitwise_xor if self._parity else np.bitwise_and
        bits = state[self._members]
        words = combine.reduceat(bits, self._member_offsets[:-1]) if len(bits) else bits
        sums = np.concatenate(([0], np.cumsum(self._weights * words, dtype=np.int64)))
        gains: Ints = self._layout.base.astype(np.int64) + np.diff(sums[self._offsets])
        return gains

    def flip(self, rows: Ints, variables: Ints) -> None:
        """Flip one variable of each of some states."""
        offsets, weights = self._offsets, self._weights
        counts = offsets[variables + 1] - offsets[variables]
        entries = _ranges(offsets[variables], counts)
        row = np.repeat(rows, counts)
        step = weights[entries] * (1 - 2 * np.repeat(self.bits[rows, variables], counts).astype(np.int64))
        others = self._member_offsets[entries + 1] - self._member_offsets[entries]
        entry = np.repeat(np.arange(len(entries)), others)
        member = self._members[_ranges(self._member_offsets[entries], others)]
        bit = self.bits[row[entry], member].astype(np.int64)
        set_bits = np.bincount(entry, weights=bit, minlength=len(entries)).astype(np.int64)[entry] - bit
        if self._parity:
            change = step[entry] * (1 - 2 * (set_bits & 1))
        else:
            change = step[entry] * (set_bits == others[entry] - 1)
        np.add.at(self.gains, (row[entry], member), change)
        self.bits[rows, variables] ^= 1


class _DenseWalk:
    """The same for a matrix."""

    def __init__(self, layout: Layout, states: Bits) -> None:
        n = layout.num_variables
        self._weights = layout.weights[:, :n].astype(np.int64)
        self.bits = states.copy()
        base = layout.base[:n].astype(np.int64)
        self.gains = np.stack([base + self._weights[state == 1].sum(axis=0) for state in states])

    def flip(self, rows: Ints, variables: Ints) -> None:
        """Flip one variable of each of some states."""
        steps = 1 - 2 * self.bits[rows, variables].astype(np.int64)
        self.gains[rows] += steps[:, None] * self._weights[variables]
        self.bits[rows, variables] ^= 1


def _ranges(first: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> Ints:
    """first[0], first[0] + 1, ... (counts[0] numbers), then the same of the others."""
    ends = np.cumsum(counts)
    return np.repeat(first - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
