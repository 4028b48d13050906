"""Device memory, taken from the driver in large pieces and given out in small ones."""

from __future__ import annotations

import threading
from bisect import bisect, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["ALIGNMENT", "Arena", "Block"]

ALIGNMENT = 256
"""Of every block, as cudaMalloc's: each array that begins a block can be read in full lines."""


class Region(Protocol):
    """Memory from the driver; freed with its last reference. `cupy.cuda.Memory` is one."""

    @property
    def ptr(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Block:
    """`nbytes` of device memory at `address`."""

    address: int
    nbytes: int


class Arena:
    """Blocks of device memory, first fit. Any thread may take and free.

    Nothing here waits for the device: who frees a block has seen to it that no kernel uses it any more. Memory once
    taken from the driver is kept.

    Args:
        allocate: gets so many bytes from the driver, or raises MemoryError.
        piece: the least to ask it for, in bytes; the first is taken at once.
    """

    def __init__(self, allocate: Callable[[int], Region], piece: int) -> None:
        self._allocate = allocate
        self._piece = piece
        self._changed = threading.Condition()
        self._regions: list[Region] = []
        self._free: list[tuple[int, int]] = []  # (address, bytes) of gaps, ascending, none touching the next
        self.used = 0
        self.reserved = 0
        self._grow(piece)

    def take(self, nbytes: int) -> Block:
        """A block of at least one byte. Raises MemoryError, which names the sizes, when there is no room."""
        nbytes = -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
        with self._changed:
            place = self._gap(nbytes)
            if place is None:
                self._find_room(nbytes)
                place = self._gap(nbytes)
                assert place is not None
            address, size = self._free[place]
            self._free[place : place + 1] = [(address + nbytes, size - nbytes)] if size > nbytes else []
            self.used += nbytes
        return Block(address, nbytes)

    def free(self, block: Block) -> None:
        """Give a block back."""
        with self._changed:
            begin, end = block.address, block.address + block.nbytes
            place = bisect(self._free, (begin, 0))
            after = place
            if after < len(self._free) and self._free[after][0] == end:
                end += self._free[after][1]
                after += 1
            if place and sum(self._free[place - 1]) == begin:
                place -= 1
                begin = self._free[place][0]
            self._free[place:after] = [(begin, end - begin)]
            self.used -= block.nbytes
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleep until a block is freed, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def _gap(self, nbytes: int) -> int | None:
        return next((place for place, (_, size) in enumerate(self._free) if size >= nbytes), None)

    def _find_room(self, nbytes: int) -> None:
        """A new piece, or if there is none to be had just what is needed."""
        try:
            self._grow(max(nbytes, self._piece))
        except MemoryError:
            if nbytes >= self._piece:
                raise
            self._grow(nbytes)

    def _grow(self, nbytes: int) -> None:
        try:
            region = self._allocate(nbytes + ALIGNMENT)  # never given out, so that no block lies in two regions
        except MemoryError as error:
            raise MemoryError(
                f"{nbytes:,} more bytes of device memory are not to be had; gpuqio holds {self.reserved:,}, of which "
                f"{self.used:,} are in use"
            ) from error
        self._regions.append(region)
        self.reserved += nbytes
        insort(self._free, (int(region.ptr), nbytes))
