"""Small integer couplings as planes of bits: whether a problem has them, and the arrays to walk it with.

With s_i = 1 - 2 b_i twice the rise of flipping i is -s_i (h_i + sum of J_ij s_j): for ising h and J are four times the
coefficients, for pubo they follow from the terms, so both kinds are one. Divided by their common unit,
    2 rise = unit (A_i - 2 N_i),   A_i = |h_i| + sum of |J_ij|,
where N_i sums the magnitudes of the shares that the flip lowers. Half of that, X = floor(A_i / 2) - N_i, is what the
kernel adds up in planes (cuda/moves/bitsliced.cuh); A_i mod 2 is the same in all states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuqio.pack.canonical import Canonical, Ints
from gpuqio.pack.fixed_point import FixedPoint

__all__ = ["MOST_DEGREE", "MOST_WEIGHT", "Slices", "slices"]

Int32s = npt.NDArray[np.int32]

MOST_DEGREE = 30
MOST_WEIGHT = 7
"""Three binary digits."""

BOUNDS = {2: 4, 3: 8, 6: 7 * 8, 9: 7 * 64}
"""Kernels are compiled for X of so many binary digits, below these bounds: one digit to the base 4, or one to three to
the base 8, of which the highest may have to reach one more.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """A quadratic problem of small integers.

    Attributes:
        unit: 2 rise is a multiple of it, for every flip in every state.
        bits: so many binary digits has the X of a rise, one of `BOUNDS`.
        fields: (n,) h in units.
        members: (m, 2) pairs.
        weights: (m,) J in units, -7 to 7.
    """

    unit: int
    bits: int
    fields: Ints
    members: Ints
    weights: Ints

    @property
    def base(self) -> int:
        """Of the digits that are drawn."""
        return 4 if self.bits == 2 else 8

    @property
    def digits(self) -> int:
        """How many, to the base, X has."""
        return self.bits // (self.base.bit_length() - 1)

    @property
    def sizes(self) -> Ints:
        """(n,) A: the magnitudes of a variable's field and couplings together."""
        total = np.abs(self.fields)
        np.add.at(total, self.members, np.abs(self.weights)[:, None])
        return total

    def arrays(self) -> tuple[Int32s, Int32s, Int32s]:
        """base, weights and ends of the layout, as cuda/layouts.cuh describes them."""
        n, planes = len(self.fields), self.bits + 1
        sizes, falls = self.sizes, np.abs(self.fields)
        starts = (falls - sizes + (sizes >> 1)) - np.stack([np.maximum(self.fields, 0), np.maximum(-self.fields, 0)])
        digits = -((starts[:, :, None] >> np.arange(planes)) & 1)  # words of ones or zeros, of a bit 0 and of a bit 1
        base = np.concatenate([digits[0], digits[0] ^ digits[1], -(sizes & 1)[:, None], (falls > 0)[:, None]], axis=1)
        owner, member = self.members.T.ravel(), self.members[:, ::-1].T.ravel()
        weights = np.tile(self.weights, 2)
        digit = np.tile(np.arange(3), len(owner))
        chosen = ((np.abs(weights)[:, None] >> np.arange(3)) & 1).ravel() == 1
        key = (3 * np.repeat(owner, 3) + digit)[chosen]
        counts = np.bincount(key, minlength=3 * n)
        room = counts + counts % 2
        ends = np.cumsum(room)
        # Those that a sweep has just changed come last: their bits are the last to be there.
        age = (np.repeat(owner - member, 3) % n)[chosen]
        order = np.lexsort((-age, key))
        place = np.arange(len(key)) + np.repeat(ends - room - np.cumsum(counts) + counts, counts)
        # What fills up is the variable itself: its bits with its bits, as a fall, which is not counted.
        entries = np.stack([np.zeros(room.sum(), np.int64), 8 * np.repeat(np.arange(3 * n) // 3, room)], axis=1)
        entries[place, 0] = np.repeat(np.where(weights < 0, -1, 0), 3)[chosen][order]
        entries[place, 1] = 8 * np.repeat(member, 3)[chosen][order]
        return base.reshape(-1).astype(np.int32), entries.astype(np.int32), ends.astype(np.int32)


def slices(problem: Canonical, fixed: FixedPoint) -> Slices | None:
    """`problem` as small integers; None where it is none such."""
    n = problem.num_variables
    if problem.degree > 2 or len(problem.groups) or n == 0:
        return None
    fields, members, weights = np.zeros(n, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    scale = 4 if problem.is_ising else 1
    for rows, steps in zip(problem.members, fixed.coefficients, strict=True):
        if rows.shape[1] == 2:
            members, weights = rows, scale * steps
        else:
            fields[rows[:, 0]] += scale * steps if problem.is_ising else -2 * steps
    if not problem.is_ising:
        np.subtract.at(fields, members, weights[:, None])
    unit = int(np.gcd.reduce(np.concatenate([fields, weights])))
    fields, weights = fields // unit, weights // unit
    degrees = np.bincount(members.ravel(), minlength=n)
    if np.abs(weights).max(initial=0) > MOST_WEIGHT or degrees.max() > MOST_DEGREE:
        return None
    found = Slices(unit, 2, fields, members, weights)
    most = int(found.sizes.max()) >> 1
    bits = next((bits for bits, bound in BOUNDS.items() if most < bound), None)
    return None if bits is None else Slices(unit, bits, fields, members, weights)
