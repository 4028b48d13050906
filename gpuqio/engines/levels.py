"""Acceptance of bit-sliced chains: thresholds of uniform 32-bit numbers, a pure function of the temperatures.

A rise of X units passes when a geometric variate M, P(M >= X) = r^(2X) with r = exp(-unit / 2T), is at least X. The
digits of M to the base are independent; digit j is at least y when its uniform number is below the threshold here.
Where rises are odd multiples of half the unit, the lowest digit has thresholds of its own. docs/design/bitsliced.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.pack.bitsliced import Slices

__all__ = ["levels"]

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]

# log 2 in two parts: multiples of the first are exact up to 2^20.
_LOG2 = float.fromhex("0x1.62e42fefap-1"), float.fromhex("0x1.cf79abc9e3b39p-40")


def exponential(x: Floats) -> Floats:
    """exp(-x) for x >= 0, to 1e-15 of it, 0 beyond 700; of +, -, * alone, so the same on every machine."""
    x = np.minimum(x, 700.0)
    power = np.floor(x * 1.4426950408889634 + 0.5)
    rest = (power * _LOG2[0] - x) + power * _LOG2[1]  # |rest| < 0.35
    total = np.ones_like(rest)
    for k in range(14, 0, -1):
        total = 1.0 + rest * (1.0 / k) * total
    return np.where(x < 700.0, np.ldexp(total, -power.astype(np.int64)), 0.0)


def levels(slices: Slices, temperatures: npt.NDArray[np.float32]) -> Words:
    """(temperatures, digits + 1, base) thresholds of levels y = 0, 1, ..., in units of 2^-32: of the lowest digit where
    rises are even, of the lowest where they are odd, of the second, ... Level 0 of all but the odd ones always passes.

    Args:
        temperatures: in integer energy units.
    """
    half = slices.unit / (2.0 * temperatures.astype(np.float64))
    found = np.zeros((len(half), slices.digits + 1, slices.base), np.uint32)
    for row in range(slices.digits + 1):
        digit, odd = max(row - 1, 0), int(row == 1)
        ratio = exponential(half * float(slices.base) ** digit)
        powers = [np.ones_like(ratio)]  # ratio^0, ratio^1, ...: the digit's weights, in half levels
        for _ in range(2 * slices.base - 1):
            powers.append(powers[-1] * ratio)
        for y in range(0 if odd else 1, slices.base):
            at_least = powers[2 * y + odd]
            if digit < slices.digits - 1:  # a digit with others above it ends at base - 1
                at_least = np.sum(powers[2 * y + odd :], axis=0) / np.sum(powers, axis=0)
            found[:, row, y] = np.minimum(np.rint(at_least * 2.0**32), 2.0**32 - 1).astype(np.uint32)
    return found
