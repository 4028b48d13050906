"""Protobuf's varints: seven bits a byte, the lowest first, the top bit set on all bytes but the last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidProblem

__all__ = ["VARINT", "decode_varints", "encode_varints", "read_varint", "varint", "weave"]

VARINT = 0
"""The wire type."""

_LONGEST = 10  # bytes of 64 bits

Bytes = npt.NDArray[np.uint8]
Lengths = npt.NDArray[np.int64]


def varint(value: int) -> bytes:
    """One int64 as a varint; negative ones take all ten bytes."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """The varint that begins at `place`, as an unsigned 64-bit number, and the place behind it."""
    value = 0
    for k, byte in enumerate(data[place : place + _LONGEST]):
        value |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return value & (1 << 64) - 1, place + k + 1
    raise InvalidProblem("This is not a problem in protobuf: a number has no end.", code="AZQ105")


def encode_varints(values: npt.NDArray[np.int64]) -> tuple[Bytes, Lengths]:
    """Numbers of 0 or more (n,) as varints, one after another, and the length of each, int64 (n,)."""
    shifts = np.arange(_LONGEST - 1, dtype=np.int64) * 7
    lengths = np.maximum((values[:, None] >> shifts != 0).sum(axis=1), 1)
    shifts = shifts[: lengths.max(initial=1)]
    table = (values[:, None] >> shifts & 0x7F).astype(np.uint8)
    places = np.arange(len(shifts))
    table[places < lengths[:, None] - 1] |= 0x80
    return table[places < lengths[:, None]], lengths


def decode_varints(data: bytes, ends: Lengths) -> tuple[npt.NDArray[np.int64], Lengths]:
    """Rows of varints, one after another.

    Args:
        ends: int64 (m,), the place behind each row in `data`.

    Returns:
        The numbers, int64 (n,), and where each row begins among them, int64 (m + 1,).

    Raises:
        InvalidProblem: a row ends within a number, or a number is longer than 64 bits.
    """
    values = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(values < 0x80)
    first = np.concatenate([np.zeros(1, np.int64), last + 1])[: len(last)]
    lengths = last - first + 1
    filled = ends[np.diff(ends, prepend=0) > 0]
    if (values[filled - 1] >= 0x80).any() or lengths.max(initial=0) > _LONGEST:
        raise InvalidProblem("This is not a problem in protobuf: a variable has no end.", code="AZQ105")
    numbers = np.zeros(len(last), np.uint64)
    for k in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > k)
        numbers[longer] |= (values[first[longer] + k] & 0x7F).astype(np.uint64) << np.uint64(7 * k)
    offsets = np.concatenate([np.zeros(1, np.int64), np.searchsorted(last, ends)])
    return numbers.view(np.int64), offsets


def weave(*columns: tuple[Bytes, Lengths]) -> bytes:
    """Bytes of columns, row by row: each column has its bytes (any,), and how many each row takes, int64 (m,)."""
    lengths = np.stack([lengths for _, lengths in columns], axis=1)
    starts = (np.cumsum(lengths) - lengths.ravel()).reshape(lengths.shape)
    woven = np.empty(int(lengths.sum()), np.uint8)
    for column, (values, length) in enumerate(columns):
        before = np.cumsum(length) - length
        woven[np.repeat(starts[:, column] - before, length) + np.arange(len(values))] = values
    return woven.tobytes()
