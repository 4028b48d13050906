"""Squared sums that somebody has written out: found again, where all their digits are wanted.

Number partitioning and its kin, c (Σ aᵢvᵢ)² written out, couple every pair of variables by 2c aᵢaⱼ. Their optima
differ in the last digits of numbers whose gains need more bits than a gain has, so as terms they would be rounded; as a
squared sum (gpuqio/pack/grouped.py) they are exact.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from gpuqio.pack.canonical import Canonical, Floats
from gpuqio.pack.grouped import Groups, fraction_bits

__all__ = ["as_square"]

EXACT = 2**53
"""Whole numbers below it are floats."""


def as_square(problem: Canonical) -> Canonical | None:
    """The same costs as one squared sum and linear terms; None unless the pairs are such a sum's, every digit of them.

    The sum takes all variables that are in pairs, at least three. For spins vᵢ² = 1 goes to the constant, for bits
    vᵢ² = vᵢ to the linear terms.
    """
    if len(problem.groups) or problem.degree != 2:
        return None
    pairs = problem.coefficients[-1]
    n = (1 + math.isqrt(1 + 8 * len(pairs))) // 2  # variables, if they are all coupled
    if n < 3 or len(pairs) != n * (n - 1) // 2 or not _are_near(pairs, n):
        return None
    places = np.unique(problem.members[-1])
    if len(places) != n:
        return None
    found = _factors(pairs, n)
    if found is None:
        return None
    weights, coefficient = found
    squares = coefficient * weights**2
    linear = np.zeros(problem.num_variables)
    if problem.degrees[0] == 1:
        linear[problem.members[0][:, 0]] = problem.coefficients[0]
    constant = problem.constant
    if problem.is_ising:
        constant -= math.fsum(squares.tolist())
    else:
        before = linear[places]
        linear[places] -= squares
        if ((linear[places] + squares != before) | (before - linear[places] != squares)).any():
            return None  # some digits are lost
    kept = np.flatnonzero(linear)
    return replace(
        problem,
        constant=constant,
        degrees=(1,) if len(kept) else (),
        members=(kept[:, None],) if len(kept) else (),
        coefficients=(linear[kept],) if len(kept) else (),
        groups=Groups(
            coefficients=np.array([coefficient]),
            constants=np.zeros(1),
            offsets=np.array([0, n]),
            members=places,
            weights=weights,
        ),
    )


def _are_near(pairs: Floats, n: int) -> bool:
    """Whether the first four variables' pairs may be products, which saves the exact look at most that are not."""
    if n == 3:
        return True
    a, b, c, d = four = pairs[[0, 2 * n - 3, 1, n]]  # of variables (0, 1), (2, 3), (0, 2), (1, 3)
    largest = float(np.abs(four).max())
    return bool(abs((a / largest) * (b / largest) - (c / largest) * (d / largest)) <= 1e-9)


def _factors(pairs: Floats, n: int) -> tuple[Floats, float] | None:
    """Whole weights a and a coefficient c with 2c aᵢaⱼ the value of each pair, in the order of a triangle's rows."""
    places = int(fraction_bits(pairs).max())
    with np.errstate(over="ignore"):
        whole = np.ldexp(pairs, places)
    if np.abs(whole).max() >= EXACT:
        return None
    values = whole.astype(np.int64)
    common = int(np.gcd.reduce(values))
    values //= common
    first = values[: n - 1] // np.gcd.reduce(values[: n - 1])  # the pairs of variable 0: in proportion to the others
    ratio = Fraction(int(values[n - 1]), int(first[0]) * int(first[1]))  # from pair (1, 2): pair = ratio x product
    zeroth = Fraction(int(values[0]), int(first[0])) / ratio
    ratio /= zeroth.denominator**2
    weights = np.array([zeroth.numerator, *(first * zeroth.denominator).tolist()], object)
    if max(max(abs(weights)) ** 2 * abs(ratio.numerator), int(abs(values).max()) * ratio.denominator) >= EXACT:
        return None
    rows, columns = np.triu_indices(n, 1)
    integers = weights.astype(np.int64)
    if (values * ratio.denominator != ratio.numerator * integers[rows] * integers[columns]).any():
        return None
    twice = math.ldexp(common * ratio.numerator, -places)
    coefficient = twice / ratio.denominator / 2
    if Fraction(coefficient) * ratio.denominator * 2 != Fraction(twice):
        return None
    return integers.astype(np.float64), coefficient
