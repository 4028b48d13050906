"""Metropolis sweeps as bit-sliced chains make them: the same probabilities, random words spent otherwise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.engines.levels import levels
from gpuqio.engines.reference.outcome import Ints, Outcome, flip, rise
from gpuqio.engines.streams import Purpose, SmallGenerator, Words, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Bitsliced"]

_SPARE = 16
"""So many variables share a chain's spare bits."""

_SHIFTS = np.arange(28, -1, -4)[:, None]  # of the eight fours of bits of a number


class Bitsliced:
    """Simulated annealing with small integer couplings."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert layout.slices is not None
        self._layout, self._stage, self._slices = layout, stage, layout.slices
        self._levels = levels(layout.slices, stage.temperatures(layout))

    def sweep(self, out: Outcome) -> None:
        """Variables 0..n-1 in turn. The rise is unit (2X + odd) / 2. A tie passes unless the first four bits of the
        lowest digit's number are set; X > 0, or odd X >= 0, where the variate M = sum of base^j m_j is at least X.

        m_j is at least y when a uniform number of 32 bits is below the threshold of y. All have eight bits of each
        number from their word's generator. Where these are the threshold's, the next eight are spare ones, which the
        generator has made for every 16 variables and which a chain has once; else, and after them, philox's.
        """
        base, highest = self._slices.base, self._slices.base - 1
        stream = SmallGenerator(self._own_words(out.sweeps, 0, Purpose.STREAM))
        for v in range(self._layout.num_variables):
            if v % _SPARE == 0:
                spare = self._eight(stream)
                saved = np.ones(self._stage.chains, np.bool_)
            rises = rise(self._layout, out.bits, v)
            halves = 2 * rises // self._slices.unit
            odd = int(halves[0] & 1)  # the same for all chains
            target, tie = halves >> 1, halves == 0
            positive = (halves > 0) & ~tie
            short = np.zeros(len(halves), np.int64)  # what the digits so far fall short by, carried to the next
            for digit in range(self._slices.digits):
                level = target // base**digit % base + short
                row = self._levels[out.sweeps, digit + 1 if digit or odd else 0]
                drawn = positive & (level < base) & ((level > 0) | bool(odd and digit == 0))
                threshold = row[np.minimum(level, highest)].astype(np.int64)
                fours = np.zeros((8, self._stage.chains), np.int64)
                fours[:2] = self._eight(stream)
                undecided = drawn & (fours[:2] == threshold >> _SHIFTS[:2] & 15).all(axis=0)
                if undecided.any():
                    position = 32 * v + 8 * digit + np.arange(2, 8)[:, None]
                    fours[2:] = self._bits(self._own_words(out.sweeps, position, Purpose.BITS))
                    fours[2:4] = np.where(undecided & saved, spare, fours[2:4])
                    saved &= ~undecided
                if digit == 0:
                    heads = fours[0] != 15
                below = (fours << _SHIFTS).sum(axis=0) < threshold
                short = np.where(drawn, ~below, level > highest).astype(np.int64)
            flip(out, v, np.where(tie, heads, (halves < 0) | (short == 0)), rises)

    def after(self, out: Outcome) -> None:
        """Nothing: an anneal has no exchange."""

    def _own_words(self, sweep: int, position: npt.ArrayLike, purpose: Purpose) -> Words:
        """(4, ..., words) of philox for each word of 32 chains."""
        return philox(position, sweep, np.arange(-(-self._stage.chains // 32)), purpose, self._stage.seed)

    def _eight(self, stream: SmallGenerator) -> Ints:
        """(2, chains) the next eight bits of each chain, four and four."""
        words = np.stack([stream.next() for _ in range(8)])
        return self._bits(words.reshape(2, 4, -1).transpose(1, 0, 2))

    def _bits(self, words: Words) -> Ints:
        """(..., chains) four bits of each from (4, ..., words): chain 32w + l has bit l of word w of each of the four,
        the highest first."""
        bits = words.astype(np.int64)[..., None] >> np.arange(32) & 1
        fours: Ints = (bits[0] << 3 | bits[1] << 2 | bits[2] << 1 | bits[3]).reshape(*words.shape[1:-1], -1)
        return fours[..., : self._stage.chains]
