"""Launches: many problems in few kernels, their descriptors sent before and read back after."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.engines.cuda_chains import CudaChains
from gpuqio.engines.cuda_round import MOST_PARTS, Round, arranged, merged
from gpuqio.engines.device_stream import DeviceStream
from gpuqio.engines.ensemble import Descriptor
from gpuqio.engines.kernels import THREADS, Launch, advance_launch, compiled, move_launch, start_name
from gpuqio.solvers.move import Kind

__all__ = ["ORDERS_BYTES", "Launcher"]

KERNELS = 256
"""Kernels of one round, at most: each has a counter."""

ORDERS_BYTES = MOST_PARTS * (ctypes.sizeof(Descriptor) + 20) + 4 * KERNELS
"""Device memory for a round's orders: descriptor, slot and sweeps; slot and first states where it begins; counters."""

LEAST_SHARED = 1024
UNASKED_SHARED = 48 << 10
"""Dynamic shared memory that every kernel may have without asking for it."""


class Launcher:
    """The kernels of one device. Made with the device current; any thread may use it."""

    def __init__(self, cupy: Any, device: int) -> None:
        properties = cupy.cuda.runtime.getDeviceProperties(device)
        self._driver = cupy.cuda.driver
        self._module = compiled(cupy, device)
        self._multiprocessors = int(properties["multiProcessorCount"])
        # Two blocks a multiprocessor at least, or nothing hides its waits; the driver keeps 1 KiB of each.
        half = int(properties["sharedMemPerMultiprocessor"]) // 2 - 1024
        self._most_shared = min(half, int(properties["sharedMemPerBlockOptin"]))
        self._functions: dict[str, Any] = {}
        self._blocks: dict[Launch, int] = {}

    @property
    def width(self) -> int:
        """Blocks at once, about."""
        return 4 * self._multiprocessors

    def arrange(self, chains: Sequence[CudaChains]) -> Round:
        """How these problems are advanced together; at most `MOST_PARTS`."""
        return arranged(chains, self._variant, self._multiprocessors, self._held)

    def advance(self, stream: DeviceStream, orders: int, of: Round, sweeps: Sequence[int]) -> float:
        """Up to `sweeps[i]` more sweeps of each problem, with first states for those that have none. All are on the
        device.

        Args:
            orders: address of `ORDERS_BYTES` of device memory, this stream's own.

        Returns:
            The seconds that the sweeps took.
        """
        for each in of.chains:
            each.check()
        try:
            return self._advance(stream, orders, of, sweeps)
        except BaseException:
            for each in of.chains:
                each.spoil()
            raise

    def _advance(self, stream: DeviceStream, orders: int, of: Round, sweeps: Sequence[int]) -> float:
        plan = _Plan(of, sweeps, orders)
        for fresh in plan.fresh:
            fresh.send(stream)
        stream.send(orders, plan.orders)
        for name, count, slots, initial, counter in plan.starts():
            self._launch(stream, Launch(name, THREADS, 0), count, orders, slots, initial, np.int32(count), counter)
        if plan.fresh:
            stream.finish()
        begun = time.monotonic()
        for launch, count, slots, most, counter in plan.advances():
            shared = np.int32(launch.shared_bytes)
            self._launch(stream, launch, count, orders, slots, most, np.int32(count), counter, shared)
        stream.receive(orders, plan.table)
        stream.finish()
        plan.take_back()
        return time.monotonic() - begun

    def _variant(self, chains: CudaChains) -> Launch:
        """The kernel for a problem. Shared memory comes in powers of two, so that problems of a kind go together."""
        if chains.stage.move.kind is not Kind.METROPOLIS:
            return move_launch(chains.layout, chains.stage.move)
        launch = advance_launch(chains.layout, chains.stage.chains, self._most_shared)
        if not launch.shared_bytes:
            return launch
        rounded = max(LEAST_SHARED, 1 << (launch.shared_bytes - 1).bit_length())
        return replace(launch, shared_bytes=min(rounded, self._most_shared))

    def _held(self, launch: Launch) -> int:
        """How many blocks of a kernel a multiprocessor holds at once."""
        if launch not in self._blocks:
            pointer = self._function(launch.name).kernel.ptr
            blocks = self._driver.occupancyMaxActiveBlocksPerMultiprocessor(
                pointer, launch.threads, launch.shared_bytes
            )
            self._blocks[launch] = max(1, int(blocks))
        return self._blocks[launch]

    def _launch(self, stream: DeviceStream, launch: Launch, count: int, *arguments: int | np.int32) -> None:
        grid = min(count, self._held(launch) * self._multiprocessors)
        values = tuple(a if isinstance(a, np.int32) else np.uint64(a) for a in arguments)
        with stream.stream:
            self._function(launch.name)((grid,), (launch.threads,), values, shared_mem=launch.shared_bytes)

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            function = self._module.get_function(name)
            if self._most_shared > UNASKED_SHARED and not name.startswith("start_"):
                function.max_dynamic_shared_size_bytes = self._most_shared
            self._functions[name] = function
        return self._functions[name]


class _Plan:
    """A round's orders: one array of bytes, and where in it everything is."""

    def __init__(self, of: Round, sweeps: Sequence[int], address: int) -> None:
        self._round = of
        self._parts = [part for group in of.groups for part in group.parts]
        begin = [i for i, part in enumerate(self._parts) if of.chains[part.problem].fresh]
        begin.sort(key=self._start_name)
        self._begin_names = [self._start_name(i) for i in begin]
        self.fresh = [chains for chains in of.chains if chains.fresh]
        descriptors = b"".join(bytes(part.of(of.chains[part.problem].record)) for part in self._parts)
        # The widest first, so that each array is aligned.
        arrays: list[npt.NDArray[Any]] = [
            np.frombuffer(descriptors, np.uint8),
            np.array([self._chains(i).initial_address for i in begin], np.uint64),
            np.array(begin, np.int32),
            np.arange(len(self._parts), dtype=np.int32),
            np.array([sweeps[part.problem] for part in self._parts], np.int32),
            np.zeros(KERNELS, np.uint32),
        ]
        self.orders = np.concatenate([a.view(np.uint8) for a in arrays])
        ends = np.cumsum([0] + [a.nbytes for a in arrays]).tolist()
        places: list[int] = [address + end for end in ends]
        _, self._initial, self._begin, self._slots, self._sweeps, self._counters, _ = places
        self._used = 0
        self.table = np.empty(len(descriptors), np.uint8)

    def starts(self) -> Iterator[tuple[str, int, int, int, int]]:
        """Kernel, count, and addresses: slots, first states, counter."""
        first = 0
        for name, members in groupby(self._begin_names):
            count = sum(1 for _ in members)
            yield name, count, self._begin + 4 * first, self._initial + 8 * first, self._counter()
            first += count

    def advances(self) -> Iterator[tuple[Launch, int, int, int, int]]:
        """Kernel, count, and addresses: slots, sweeps, counter."""
        first = 0
        for group in self._round.groups:
            count = len(group.parts)
            yield group.launch, count, self._slots + 4 * first, self._sweeps + 4 * first, self._counter()
            first += count

    def take_back(self) -> None:
        """Give the problems their descriptors, as `table` has them."""
        size = ctypes.sizeof(Descriptor)
        place = 0
        for problem, parts in groupby(self._parts, key=lambda part: part.problem):
            end = place + sum(1 for _ in parts)
            found = [Descriptor.from_buffer_copy(self.table.data, i * size) for i in range(place, end)]
            self._round.chains[problem].record = merged(found)
            place = end

    def _chains(self, place: int) -> CudaChains:
        return self._round.chains[self._parts[place].problem]

    def _start_name(self, place: int) -> str:
        return start_name(self._chains(place).layout)

    def _counter(self) -> int:
        self._used += 1
        return self._counters + 4 * (self._used - 1)
