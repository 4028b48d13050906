"""Launches: many problems in few kernels, their descriptors sent before and read back after."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.engines.cuda_chains import CudaChains
from gpuqio.engines.device_stream import DeviceStream
from gpuqio.engines.ensemble import Descriptor
from gpuqio.engines.kernels import THREADS, Launch, advance_launch, compiled, move_launch, start_name
from gpuqio.pack import Layout
from gpuqio.solvers.move import Kind
from gpuqio.solvers.stage import Stage

__all__ = ["MOST_PROBLEMS", "ORDERS_BYTES", "Launcher"]

MOST_PROBLEMS = 4096
"""Of one round."""

KERNELS = 256
"""Kernels of one round, at most: each has a counter."""

ORDERS_BYTES = MOST_PROBLEMS * (ctypes.sizeof(Descriptor) + 20) + 4 * KERNELS
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
        self._resident: dict[Launch, int] = {}

    @property
    def width(self) -> int:
        """Blocks at once, about."""
        return 4 * self._multiprocessors

    def variant(self, layout: Layout, stage: Stage) -> Launch:
        """The kernel for a layout. Shared memory comes in powers of two, so that problems of a kind go together."""
        if stage.move.kind is not Kind.METROPOLIS:
            return move_launch(layout, stage.move)
        launch = advance_launch(layout, stage.chains, self._most_shared)
        if not launch.shared_bytes:
            return launch
        rounded = max(LEAST_SHARED, 1 << (launch.shared_bytes - 1).bit_length())
        return replace(launch, shared_bytes=min(rounded, self._most_shared))

    def resident(self, variant: Launch) -> int:
        """How many blocks of a kernel the device holds at once."""
        if variant not in self._resident:
            pointer = self._function(variant.name).kernel.ptr
            blocks = self._driver.occupancyMaxActiveBlocksPerMultiprocessor(
                pointer, variant.threads, variant.shared_bytes
            )
            self._resident[variant] = max(1, int(blocks)) * self._multiprocessors
        return self._resident[variant]

    def time(self, works: Sequence[tuple[Launch, float]]) -> float:
        """How long a round takes in units of one block's work: kernels go one after another, problems side by side."""
        total: dict[Launch, float] = {}
        longest: dict[Launch, float] = {}
        for variant, work in works:
            total[variant] = total.get(variant, 0.0) + work
            longest[variant] = max(longest.get(variant, 0.0), work)
        return sum(max(longest[v], total[v] / self.resident(v)) for v in total)

    def advance(self, stream: DeviceStream, orders: int, chains: Sequence[CudaChains], sweeps: Sequence[int]) -> float:
        """Up to `sweeps[i]` more sweeps of each, with first states for those that have none. All are on the device.

        Args:
            orders: address of `ORDERS_BYTES` of device memory, this stream's own.

        Returns:
            The seconds that the sweeps took.
        """
        for each in chains:
            each.check()
        try:
            return self._advance(stream, orders, chains, sweeps)
        except BaseException:
            for each in chains:
                each.spoil()
            raise

    def _advance(self, stream: DeviceStream, orders: int, chains: Sequence[CudaChains], sweeps: Sequence[int]) -> float:
        plan = _Plan(chains, sweeps, [self.variant(c.layout, c.stage) for c in chains], orders)
        for fresh in plan.fresh:
            fresh.send(stream)
        stream.send(orders, plan.orders)
        for name, count, slots, initial, counter in plan.starts():
            self._launch(stream, Launch(name, THREADS, 0), count, orders, slots, initial, np.int32(count), counter)
        if plan.fresh:
            stream.finish()
        begun = time.monotonic()
        for variant, count, slots, most, counter in plan.advances():
            shared = np.int32(variant.shared_bytes)
            self._launch(stream, variant, count, orders, slots, most, np.int32(count), counter, shared)
        stream.receive(orders, plan.table)
        stream.finish()
        plan.take_back()
        return time.monotonic() - begun

    def _launch(self, stream: DeviceStream, variant: Launch, count: int, *arguments: int | np.int32) -> None:
        grid = min(count, self.resident(variant))
        values = tuple(a if isinstance(a, np.int32) else np.uint64(a) for a in arguments)
        with stream.stream:
            self._function(variant.name)((grid,), (variant.threads,), values, shared_mem=variant.shared_bytes)

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            function = self._module.get_function(name)
            if self._most_shared > UNASKED_SHARED and not name.startswith("start_"):
                function.max_dynamic_shared_size_bytes = self._most_shared
            self._functions[name] = function
        return self._functions[name]


K = TypeVar("K", bound=Hashable)


class _Plan:
    """A round's orders: one array of bytes, and where in it everything is."""

    def __init__(
        self, chains: Sequence[CudaChains], sweeps: Sequence[int], variants: Sequence[Launch], address: int
    ) -> None:
        order = sorted(range(len(chains)), key=lambda i: variants[i])
        self._chains = [chains[i] for i in order]
        self._variants = [variants[i] for i in order]
        begin = sorted((i for i, c in enumerate(self._chains) if c.fresh), key=lambda i: self._start_name(i))
        self.fresh = [self._chains[i] for i in begin]
        self._begin_names = [self._start_name(i) for i in begin]
        descriptors = b"".join(bytes(c.record) for c in self._chains)
        # The widest first, so that each array is aligned.
        arrays: list[npt.NDArray[Any]] = [
            np.frombuffer(descriptors, np.uint8),
            np.array([c.initial_address for c in self.fresh], np.uint64),
            np.array(begin, np.int32),
            np.arange(len(chains), dtype=np.int32),
            np.array([sweeps[i] for i in order], np.int32),
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
        for name, first, count in _groups(self._begin_names):
            yield name, count, self._begin + 4 * first, self._initial + 8 * first, self._counter()

    def advances(self) -> Iterator[tuple[Launch, int, int, int, int]]:
        """Kernel, count, and addresses: slots, sweeps, counter."""
        for variant, first, count in _groups(self._variants):
            yield variant, count, self._slots + 4 * first, self._sweeps + 4 * first, self._counter()

    def take_back(self) -> None:
        """Give the chains their descriptors, as `table` has them."""
        size = ctypes.sizeof(Descriptor)
        for place, chains in enumerate(self._chains):
            chains.record = Descriptor.from_buffer_copy(self.table.data, place * size)

    def _start_name(self, place: int) -> str:
        return start_name(self._chains[place].layout)

    def _counter(self) -> int:
        self._used += 1
        return self._counters + 4 * (self._used - 1)


def _groups(keys: Sequence[K]) -> Iterator[tuple[K, int, int]]:
    """Runs of equal keys: the key, where it begins, how often it comes."""
    first = 0
    for key, members in groupby(keys):
        count = sum(1 for _ in members)
        yield key, first, count
        first += count
