"""Metropolis sweeps as bit-sliced chains make them: the same probabilities, random words spent otherwise."""

from __future__ import annotations

import numpy as np

from gpuqio.engines.levels import levels
from gpuqio.engines.reference.outcome import Ints, Outcome, flip, rise
from gpuqio.engines.streams import Purpose, Words, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Bitsliced"]


class Bitsliced:
    """Simulated annealing with small integer couplings."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert layout.slices is not None
        self._layout, self._stage, self._slices = layout, stage, layout.slices
        self._levels = levels(layout.slices, stage.temperatures(layout))

    def sweep(self, out: Outcome) -> None:
        """Variables 0..n-1 in turn. The rise is unit (2X + odd) / 2. A tie passes where the first bit of the lowest
        digit's number is 0; X > 0, or odd X >= 0, where the variate M = sum of 4^j m_j is at least X. m_j is the highest
        level whose threshold the number of digit j is below; for odd rises the lowest digit may be below level 0 too,
        which makes it -1."""
        levels = self._levels[out.sweeps]
        for v in range(self._layout.num_variables):
            rises = rise(self._layout, out.bits, v)
            halves = 2 * rises // self._slices.unit
            odd = halves[0] & 1  # the same for all chains
            uniform = [self._uniform(out.sweeps, v, digit) for digit in range(self._slices.digits)]
            reached = np.zeros(self._stage.chains, np.int64)
            for digit, number in enumerate(uniform):
                row = levels[digit + 1 if digit or odd else 0]
                passed = number[:, None] < row
                if digit or not odd:
                    passed[:, 0] = True
                reached += 4**digit * (passed.sum(axis=1) - 1)
            heads = uniform[0] >> np.uint32(31) == 0
            accepted = np.where(halves == 0, heads, (halves < 0) | (reached >= halves >> 1))
            flip(out, v, accepted, rises)

    def after(self, out: Outcome) -> None:
        """Nothing: an anneal has no exchange."""

    def _uniform(self, sweep: int, variable: int, digit: int) -> Words:
        """(chains,) numbers of 32 bits. 32 chains share a call: bit 4c + i of chain 32w + l, the highest first, is bit l
        of word i of call c, at position 32 variable + 8 digit + c of chain number w."""
        chains: Ints = np.arange(self._stage.chains)
        number = np.zeros(len(chains), np.uint32)
        for call in range(8):
            position = 32 * variable + 8 * digit + call
            words = philox(position, sweep, np.arange(len(chains) // 32 + 1), Purpose.BITS, self._stage.seed)
            for word in words:
                bit = word[chains >> 5] >> (chains & 31).astype(np.uint32) & np.uint32(1)
                number = number << np.uint32(1) | bit
        return number
