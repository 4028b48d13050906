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


class Bitsliced:
    """Simulated annealing with small integer couplings."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert layout.slices is not None
        self._layout, self._stage, self._slices = layout, stage, layout.slices
        self._levels = levels(layout.slices, stage.temperatures(layout))

    def sweep(self, out: Outcome) -> None:
        """Variables 0..n-1 in turn. The rise is unit (2X + odd) / 2. A tie passes where the first bit of the lowest
        digit's number is 0; X > 0, or odd X >= 0, where the variate M = sum of 4^j m_j is at least X."""
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
                below, first = self._below(out.sweeps, 8 * (4 * v + digit), row[np.minimum(level, 3)], drawn)
                if digit == 0:
                    heads = first == 0
                short = np.where(drawn, ~below, level > 3).astype(np.int64)
            flip(out, v, np.where(tie, heads, (halves < 0) | (short == 0)), rises)

    def after(self, out: Outcome) -> None:
        """Nothing: an anneal has no exchange."""

    def _below(self, sweep: int, position: int, threshold: Words, drawn: Bools) -> tuple[Bools, Ints]:
        """(chains,) whether a uniform 32-bit number is below the threshold, asked where `drawn`; and its first bit.

        Bit 4c + i of the number, the highest first, of chain 32w + l is bit l of word i of call c, which stands at
        position + c of chain number w. But if the chain's first 8 bits are the threshold's, and the first 4 bits of
        chain 32w + (l + 16) mod 32 have decided about that one, then bits 8..11 are bits 4..7 of that one.
        """
        nibble = np.stack([self._nibbles(sweep, position + call) for call in range(8)])
        wanted = np.stack([threshold >> np.uint32(28 - 4 * call) & np.uint32(15) for call in range(8)])
        open_after = np.logical_and.accumulate(nibble == wanted) & drawn
        chains = np.arange(len(drawn))
        partner = chains ^ 16
        exists = partner < len(drawn)
        partner = np.where(exists, partner, 0)
        lent = open_after[1] & ~(exists & open_after[0][partner])
        other = self._nibbles(sweep, position + 1, partner=True)
        nibble[2] = np.where(lent, other, nibble[2])
        number = np.bitwise_or.reduce(nibble << (28 - 4 * np.arange(8))[:, None])
        return number < threshold, nibble[0] >> 3

    def _nibbles(self, sweep: int, position: int, partner: bool = False) -> Ints:
        """(chains,) the four bits of a call for each chain, or for the chain half a word away."""
        chains = np.arange(self._stage.chains)
        words = philox(position, sweep, np.arange(len(chains) // 32 + 1), Purpose.BITS, self._stage.seed, rounds=7)
        bit = (chains ^ 16 if partner else chains) & 31
        bits = words[:, chains >> 5].astype(np.int64) >> bit & 1
        nibbles: Ints = bits[0] << 3 | bits[1] << 2 | bits[2] << 1 | bits[3]
        return nibbles
