"""Metropolis sweeps as bit-sliced chains make them: the same probabilities, random words spent otherwise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.engines.levels import levels
from gpuqio.engines.reference.outcome import Ints, Outcome, flip, rise
from gpuqio.engines.streams import Purpose, Words, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Bitsliced"]

Bools = npt.NDArray[np.bool_]

_SHIFTS = np.arange(28, -1, -4)[:, None]  # of the four bits of each call


class Bitsliced:
    """Simulated annealing with small integer couplings."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert layout.slices is not None
        self._layout, self._stage, self._slices = layout, stage, layout.slices
        self._levels = levels(layout.slices, stage.temperatures(layout))

    def sweep(self, out: Outcome) -> None:
        """Variables 0..n-1 in turn. The rise is unit (2X + odd) / 2. A tie passes unless the first four bits of the
        lowest digit's number are set; X > 0, or odd X >= 0, where the variate M = sum of 4^j m_j is at least X."""
        for v in range(self._layout.num_variables):
            rises = rise(self._layout, out.bits, v)
            halves = 2 * rises // self._slices.unit
            odd = int(halves[0] & 1)  # the same for all chains
            target, tie = halves >> 1, halves == 0
            positive = (halves > 0) & ~tie
            short = np.zeros(len(halves), np.int64)  # what the digits so far fall short by, carried to the next
            for digit in range(self._slices.digits):
                level = (target >> (2 * digit) & 3) + short
                row = self._levels[out.sweeps, digit + 1 if digit or odd else 0]
                drawn = positive & (level < 4) & ((level > 0) | bool(odd and digit == 0))
                below, nibble = self._below(out.sweeps, 8 * (4 * v + digit), row[np.minimum(level, 3)], drawn)
                if digit == 0:
                    heads = nibble != 15
                short = np.where(drawn, ~below, level > 3).astype(np.int64)
            flip(out, v, np.where(tie, heads, (halves < 0) | (short == 0)), rises)

    def after(self, out: Outcome) -> None:
        """Nothing: an anneal has no exchange."""

    def _below(self, sweep: int, position: int, threshold: Words, drawn: Bools) -> tuple[Bools, Ints]:
        """(chains,) whether a uniform 32-bit number is below the threshold, asked where `drawn`; and its first 4 bits.

        Bit 4c + i of the number, the highest first, of chain 32w + l is bit l of word i of call c, which stands at
        position + c of chain number w. But if the chain's first 8 bits are the threshold's, and the first 4 bits of
        chain 32w + (l + 16) mod 32 have decided about that one, then bits 8..11 are bits 4..7 of that one.
        """
        chains = np.arange(len(drawn))
        of_lanes = self._nibbles(sweep, position)
        nibble = of_lanes[:, chains]
        wanted = threshold.astype(np.int64) >> _SHIFTS & 15
        undecided = np.logical_and.accumulate(nibble == wanted) & drawn
        used = np.zeros(of_lanes.shape[1], np.bool_)
        used[chains] = undecided[0]
        lent = undecided[1] & ~used[chains ^ 16]
        nibble[2] = np.where(lent, of_lanes[1, chains ^ 16], nibble[2])
        number: Ints = (nibble << _SHIFTS).sum(axis=0)
        return number < threshold, nibble[0]

    def _nibbles(self, sweep: int, position: int) -> Ints:
        """(8, chains) four bits of each call, chains rounded up to whole words."""
        numbers = np.arange(-(-self._stage.chains // 32))
        words = philox(position + np.arange(8)[:, None], sweep, numbers, Purpose.BITS, self._stage.seed, rounds=7)
        bits = words.astype(np.int64)[..., None] >> np.arange(32) & 1
        nibbles: Ints = (bits[0] << 3 | bits[1] << 2 | bits[2] << 1 | bits[3]).reshape(8, -1)
        return nibbles
