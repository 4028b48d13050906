"""Coefficients as integers: every gain, energy and comparison in the kernels is then exact.

All coefficients become multiples of one unit, a power of two. Where they are such multiples already (integers,
halves, ...) nothing is rounded. Otherwise the unit is chosen so that the largest gain takes 27 bits, and each
coefficient is rounded by at most half a unit: about what float32 fields would lose, but once, not at every flip.
Costs given to the user never pass through here: they are recomputed from the configuration in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuqio.pack.canonical import Canonical, Floats, Ints

__all__ = ["GAIN_BITS", "FixedPoint", "fixed_point"]

GAIN_BITS = 27
"""|gain| < 2^27 before rounding, so below 2^28 after it: eight rises add up within 32 bits (lane.cuh)."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """Attributes:
    exponent: coefficients are integers times 2**-exponent.
    is_exact: nothing was rounded.
    coefficients: one (m_d,) integer array for each group of the canonical problem.
    """

    exponent: int
    is_exact: bool
    coefficients: tuple[Ints, ...]

    @property
    def unit(self) -> float:
        """The cost of one integer step."""
        return float(np.ldexp(1.0, -self.exponent))


def fixed_point(problem: Canonical) -> FixedPoint:
    """The coefficients of `problem` in integer steps."""
    room = GAIN_BITS - _gain_exponent(problem)
    needed = max((_fraction_bits(c) for c in problem.coefficients), default=0)
    exponent = min(room, needed)
    steps = tuple(np.rint(np.ldexp(c, exponent)).astype(np.int64) for c in problem.coefficients)
    return FixedPoint(exponent=exponent, is_exact=needed <= room, coefficients=steps)


def _gain_exponent(problem: Canonical) -> int:
    """The least e such that no flip changes the energy by 2^e: by the sum of its terms' magnitudes, for spins twice."""
    total = np.zeros(problem.num_variables)
    for rows, coefficients in zip(problem.members, problem.coefficients, strict=True):
        magnitude = np.repeat(np.abs(coefficients), rows.shape[1])
        total += np.bincount(rows.ravel(), weights=magnitude, minlength=problem.num_variables)
    return int(np.frexp(total.max(initial=0.0))[1]) + problem.is_ising


def _fraction_bits(coefficients: Floats) -> int:
    """How many binary places the coefficients have after the point (negative: all are multiples of 2, 4, ...)."""
    mantissa, exponent = np.frexp(coefficients)
    digits = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = np.frexp((digits & -digits).astype(np.float64))[1] - 1
    return int((53 - exponent - trailing).max())
