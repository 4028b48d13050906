"""Random words: the Python twin of cuda/streams.cuh, cuda/philox.cuh and cuda/numeric.cuh. A test compares them.

A word is a pure function of key = 64-bit seed and counter = (position, sweep, chain, purpose).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = [
    "TIE_BITS",
    "Purpose",
    "SmallGenerator",
    "Words",
    "boltzmann",
    "inverse_root",
    "neg_log_uniform",
    "philox",
    "reciprocal",
    "threshold",
]

Words = npt.NDArray[np.uint32]
Float32s = npt.NDArray[np.float32]


class Purpose(IntEnum):
    """What a word is for; each use has its own stream."""

    INIT = 0
    FLIP = 1
    EXCHANGE = 2
    RESAMPLE = 3
    STEP = 4
    BOND = 5
    TABU = 6
    MOTION = 7
    CLUSTER = 8
    BITS = 9
    STREAM = 10


def philox(position: npt.ArrayLike, sweep: int, chain: npt.ArrayLike, purpose: Purpose, seed: int) -> Words:
    """Philox4x32-10 (Salmon et al., SC 2011): the four words of each counter, shape (4, *broadcast shape)."""
    c0, c1, c2, c3 = np.broadcast_arrays(
        np.asarray(position, np.uint64), np.uint64(sweep), np.asarray(chain, np.uint64), np.uint64(purpose)
    )
    low, high, mask, shift = seed & 0xFFFFFFFF, seed >> 32, np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        product0, product1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (product1 >> shift) ^ c1 ^ np.uint64(low), product1 & mask
        c2, c3 = (product0 >> shift) ^ c3 ^ np.uint64(high), product0 & mask
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


class SmallGenerator:
    """Bob Jenkins's small generator ("A small noncryptographic PRNG", 2007), many of them side by side.

    Args:
        state: (4, ...) the four words of each.
    """

    def __init__(self, state: Words) -> None:
        self._state = state.copy()

    def next(self) -> Words:
        """(...) the next word of each."""
        a, b, c, d = self._state
        e = a - _turned(b, 27)
        a, b, c = b ^ _turned(c, 17), c + d, d + e
        d = np.asarray(e + a)
        self._state = np.stack([a, b, c, d])
        return d


def _turned(x: Words, by: int) -> Words:
    turned: Words = x << np.uint32(by) | x >> np.uint32(32 - by)
    return turned


TIE_BITS = np.uint32(15)
"""Of an attempt's word: a tie is rejected where all of them are 0."""

_COEFFICIENTS = tuple(
    np.float32(float.fromhex(c))
    for c in (
        "0x1.e743bcp-4",
        "-0x1.7e5152p-3",
        "0x1.a3c3cap-3",
        "-0x1.fe26ccp-3",
        "0x1.5523fcp-2",
        "-0x1.000176p-1",
        "0x1.00001p+0",
    )
)


def neg_log_uniform(words: Words) -> Float32s:
    """-log(u), u = (2k+1)/2^24 with k the top 23 bits of each word; operation for operation as in numeric.cuh."""
    bits = ((words >> np.uint32(8)) | np.uint32(1)).astype(np.float32).view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    t = (bits - (exponent << np.int32(23))).view(np.float32) - np.float32(1)
    p = np.full_like(t, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        p = p * t + coefficient
    return (np.int32(24) - exponent).astype(np.float32) * np.float32(float.fromhex("0x1.62e43p-1")) - t * p


def reciprocal(x: np.float32) -> np.float32:
    """1 / x for a normal x > 0; operation for operation as in numeric.cuh."""
    r = (np.int32(0x7EF311C7) - x.view(np.int32)).view(np.float32)
    for _ in range(4):
        r = r * (np.float32(2) - x * r)
    return r


def inverse_root(x: np.float32) -> np.float32:
    """1 / sqrt(x) for a normal x > 0; operation for operation as in numeric.cuh."""
    r = (np.int32(0x5F3759DF) - (x.view(np.int32) >> np.int32(1))).view(np.float32)
    for _ in range(4):
        r = r * (np.float32(1.5) - x * np.float32(0.5) * r * r)
    return r


def threshold(words: Words, temperature: npt.ArrayLike, rise_bits: int = 30) -> npt.NDArray[np.int64]:
    """The largest energy rise each word accepts at `temperature` (float32, integer energy units).

    Cut at 2^rise_bits: see `Layout.rise_bits`.
    """
    with np.errstate(over="ignore"):
        scaled = neg_log_uniform(words) * np.asarray(temperature, np.float32)
    return np.minimum(scaled, np.float32(2**rise_bits)).astype(np.int64)


_POWER = tuple(
    np.float32(float.fromhex(c))
    for c in ("-0x1.edcd62p-11", "0x1.2d73aep-7", "-0x1.c4f55cp-5", "0x1.ebe2c6p-3", "-0x1.62e3b6p-1", "0x1p+0")
)


def boltzmann(x: Float32s) -> npt.NDArray[np.int64]:
    """floor(2^26 exp(-x)) for x >= 0; operation for operation as in resample.cuh."""
    y = np.minimum(x * np.float32(float.fromhex("0x1.715476p+0")), np.float32(31))
    whole = y.astype(np.int32)
    f = y - whole.astype(np.float32)
    p = np.full_like(f, _POWER[0])
    for coefficient in _POWER[1:]:
        p = p * f + coefficient
    weights: npt.NDArray[np.int64] = (p * np.float32(2**26)).astype(np.int64) >> whole
    return weights
