"""Arrays that begin where a cache line does, so that no vector of the CPU engine lies across two lines."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["aligned_zeros"]

CACHE_LINE = 64

T = TypeVar("T", bound=np.generic)


def aligned_zeros(shape: int | tuple[int, ...], kind: type[T]) -> npt.NDArray[T]:
    """As `numpy.zeros`, which promises only 16 bytes."""
    size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(kind).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % CACHE_LINE
    return memory[begin : begin + size].view(kind).reshape(shape)
