"""A stream with pinned memory of its own: how one worker talks to a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DeviceStream"]

Bytes = npt.NDArray[np.uint8]

PINNED = 8 << 20
"""Bytes of pinned memory a stream. What is larger goes in parts."""

LINE = 64


class DeviceStream:
    """Copies and launches that happen in order. Used by one thread at a time.

    What is sent may be changed at once; what is received is there after `finish`, which sleeps until all is done
    and lets other threads run. Made with the device current.
    """

    def __init__(self, cupy: Any) -> None:
        self._runtime = cupy.cuda.runtime
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self._event = cupy.cuda.Event(block=True, disable_timing=True)
        self._memory = cupy.cuda.alloc_pinned_memory(PINNED)
        self._pinned: Bytes = np.frombuffer(self._memory, np.uint8, PINNED)
        self._filled = 0
        self._due: list[tuple[Bytes, Bytes]] = []  # pinned bytes, and where they go

    def send(self, address: int, data: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the device."""
        data = data.reshape(-1).view(np.uint8)
        for begin in range(0, data.size, PINNED):
            part = data[begin : begin + PINNED]
            pinned, source = self._room(part.size)
            pinned[:] = part
            self._copy(address + begin, source, part.size, self._runtime.memcpyHostToDevice)

    def receive(self, address: int, target: npt.NDArray[Any]) -> None:
        """Copy from the device into a contiguous array, which is filled when `finish` returns."""
        target = target.reshape(-1).view(np.uint8)
        for begin in range(0, target.size, PINNED):
            part = target[begin : begin + PINNED]
            pinned, destination = self._room(part.size)
            self._due.append((pinned, part))
            self._copy(destination, address + begin, part.size, self._runtime.memcpyDeviceToHost)

    def clear(self, address: int, nbytes: int) -> None:
        """Zero device memory."""
        if nbytes:
            self._runtime.memsetAsync(address, 0, nbytes, self.stream.ptr)

    def finish(self) -> None:
        """Wait until all is done."""
        self._event.record(self.stream)
        self._event.synchronize()
        for pinned, target in self._due:
            target[:] = pinned
        self.forget()

    def forget(self) -> None:
        """Expect nothing more of what was asked: the device will not answer, or has answered."""
        self._filled = 0
        self._due.clear()

    def _room(self, nbytes: int) -> tuple[Bytes, int]:
        """Unused pinned bytes and their address."""
        if self._filled + nbytes > PINNED:
            self.finish()
        begin, self._filled = self._filled, min(PINNED, self._filled + -(-nbytes // LINE) * LINE)
        return self._pinned[begin : begin + nbytes], self._memory.ptr + begin

    def _copy(self, destination: int, source: int, nbytes: int, kind: int) -> None:
        self._runtime.memcpyAsync(destination, source, nbytes, kind, self.stream.ptr)
