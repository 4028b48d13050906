"""Arrays that begin where a cache line does, so that no vector of the CPU engine lies across two lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Block", "aligned_zeros"]

CACHE_LINE = 64

T = TypeVar("T", bound=np.generic)


def aligned_zeros(shape: int | tuple[int, ...], kind: type[T]) -> npt.NDArray[T]:
    """As `numpy.zeros`, which promises only 16 bytes."""
    size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(kind).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % CACHE_LINE
    return memory[begin : begin + size].view(kind).reshape(shape)


class Block:
    """Arrays in one piece of memory, each from a cache line on; a view of one is made when asked for.

    Args:
        arrays: type and shape of each, by name.
        zero: whether all are filled with zeros.

    Attributes:
        addresses: of each, by name.
        row_bytes: from one row of each to the next.
    """

    def __init__(self, arrays: Mapping[str, tuple[type[np.generic], tuple[int, ...]]], zero: bool) -> None:
        self._arrays, self._places, place = arrays, {}, 0
        self.row_bytes = {}
        for name, (kind, shape) in arrays.items():
            self.row_bytes[name] = np.dtype(kind).itemsize * math.prod(shape[1:])
            self._places[name] = place
            place += -(-self.row_bytes[name] * shape[0] // CACHE_LINE) * CACHE_LINE
        memory = (np.zeros if zero else np.empty)(place + CACHE_LINE, np.uint8)
        address = memory.ctypes.data
        self._memory, self._begin = memory, -address % CACHE_LINE
        self.addresses = {name: address + self._begin + place for name, place in self._places.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        kind, shape = self._arrays[name]
        return np.ndarray(shape, kind, self._memory, self._begin + self._places[name])
