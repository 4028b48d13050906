"""Device memory, for kernels that meet addresses: arrays of structs with pointers inside, arenas cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 256  # of cudaMalloc


class Region(NamedTuple):
    begin: int
    end: int
    writable: bool


class Memory:
    """What has been allocated on one device. A launch that is given it may touch all of it.

    An address is a plain int, to put into structs. Fresh memory holds bytes 0xff: NaN as a float, -1 as an integer.
    """

    def __init__(self) -> None:
        self._buffers: dict[int, Buffer] = {}

    def __repr__(self) -> str:
        return f"<Memory: {self.in_use} bytes in {len(self._buffers)} buffers>"

    @property
    def in_use(self) -> int:
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def allocate(self, nbytes: int) -> Buffer:
        buffer = Buffer(self, nbytes)
        self._buffers[buffer.address] = buffer
        return buffer

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy of the array in a buffer of its own; `address_of` gives its address."""
        copy = self.allocate(max(array.nbytes, 1)).view(array.dtype, array.shape)
        copy[...] = array
        return copy

    def address_of(self, array: NDArray[Any]) -> int:
        """Where a view of this memory begins on the device."""
        address = array.ctypes.data
        if not self.holds(address):
            raise ValueError("the array does not lie in this memory")
        return address

    def holds(self, address: int) -> bool:
        return any(region.begin <= address < region.end for region in self.regions())

    def regions(self) -> Iterator[Region]:
        for buffer in list(self._buffers.values()):  # other threads allocate meanwhile
            yield from buffer.regions

    def release(self, buffer: Buffer) -> None:
        del self._buffers[buffer.address]


class Buffer:
    """An allocation. Made by `Memory.allocate`."""

    def __init__(self, memory: Memory, nbytes: int) -> None:
        if nbytes <= 0:
            raise ValueError(f"an allocation has at least one byte, not {nbytes}")
        room = np.full(nbytes + ALIGNMENT, 0xFF, np.uint8)
        start = -room.ctypes.data % ALIGNMENT
        self.bytes: NDArray[np.uint8] = room[start : start + nbytes]
        self.address: int = self.bytes.ctypes.data
        self.nbytes = nbytes
        self.regions = [Region(self.address, self.address + nbytes, writable=True)]
        self._memory = memory

    def __repr__(self) -> str:
        return f"<Buffer: {self.nbytes} bytes at {self.address:#x}>"

    def view(self, dtype: DTypeLike, shape: int | tuple[int, ...], offset: int = 0) -> NDArray[Any]:
        """An array over the bytes from `offset` on, without a copy."""
        return np.ndarray(shape, dtype, buffer=self.bytes, offset=offset)

    def only(self, *pieces: tuple[int, int, bool]) -> None:
        """From now on kernels may touch these pieces alone: (offset, bytes, writable), in ascending order, apart.

        So an arena's paddings become red zones, and its inputs read-only, for the modes that check bounds.
        """
        end = 0
        for offset, nbytes, _ in pieces:
            if offset < end or offset + nbytes > self.nbytes:
                raise ValueError(f"piece of {nbytes} bytes at {offset} overlaps the one before, or leaves the buffer")
            end = offset + nbytes
        self.regions = [
            Region(self.address + offset, self.address + offset + nbytes, writable)
            for offset, nbytes, writable in pieces
            if nbytes
        ]

    def free(self) -> None:
        """Give it back: its address is out of bounds from here on, though views of it stay readable."""
        self._memory.release(self)
