"""A stand-in for the CuPy calls that the CUDA engine makes, on the emulator: device memory is memory of this process.

Streams are lazy: what is asked of one is done when an event recorded behind it is waited for, by the thread that
waits. So what is read too early is not there yet, and what is overwritten too early was never copied. Each device has
its memory, and everything belongs to the device that was current when it was made. Faults are planted with
`fail_allocation` and `fail_launch`.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpuqio.engines import kernels
from tests.emulator import Memory, RawModule

__all__ = ["StandIn", "installed"]

PROPERTIES = {
    "name": b"Stand-in",
    "sharedMemPerMultiprocessor": 100 << 10,
    "sharedMemPerBlockOptin": 99 << 10,
}
INSUFFICIENT_DRIVER, OUT_OF_MEMORY, ILLEGAL_ADDRESS = 35, 2, 700


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class CUDADriverError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


@cache
def emulated(code: str, options: tuple[str, ...], mode: str) -> RawModule:
    return RawModule(code, options, mode=mode)


class StandIn(ModuleType):
    """`cupy`, as far as it is used. `vars` of it are what the engine finds.

    Args:
        mode: of the emulator.

    Attributes:
        allocations: of device memory that were tried.
        shortages: allocations that were made to fail.
        launches: of kernels, by name, in the order in which they ran.
        shapes: their blocks and threads of a block.
        concurrent: most streams that had work at once.
        threads: that waited for a device.
        launched_on: launches of each device.
        ptx_options: with which PTX was made last.
    """

    __version__ = "0.0"

    def __init__(self, devices: int = 1, capability: str = "86", multiprocessors: int = 2, mode: str = "fast") -> None:
        super().__init__("cupy")
        self.devices = devices
        self.mode = mode
        self.memory = [Memory() for _ in range(devices)]
        self.launched_on = [0] * devices
        self.launches: list[str] = []
        self.shapes: list[tuple[int, int]] = []
        self.allocations = self.shortages = 0
        self.busy = self.concurrent = 0
        self.threads: set[int] = set()
        self._lock = threading.Lock()
        self._no_memory: set[int] = set()
        self.ptx_options: tuple[str, ...] = ()
        self._lost_at: dict[int, int] = {}
        self._lost: set[int] = set()
        self._programs: dict[int, str] = {}
        self.cuda = SimpleNamespace(
            Device=lambda number: Device(self, number, capability),
            Stream=lambda non_blocking: Stream(self, non_blocking),
            Event=lambda block, disable_timing: Event(self, block, disable_timing),
            Memory=lambda nbytes: DeviceMemory(self, nbytes),
            alloc_pinned_memory=lambda nbytes: Pinned(self, nbytes),
            nvrtc=SimpleNamespace(
                getSupportedArchs=lambda: (75, 86, 90),
                createProgram=self._create_program,
                compileProgram=self._compile_program,
                getPTX=self._ptx,
                destroyProgram=self._programs.pop,
            ),
            driver=SimpleNamespace(
                CUDADriverError=CUDADriverError, occupancyMaxActiveBlocksPerMultiprocessor=self._occupancy
            ),
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                errorMemoryAllocation=OUT_OF_MEMORY,
                getDeviceCount=self._count,
                getDeviceProperties=lambda number: {**PROPERTIES, "multiProcessorCount": multiprocessors},
                memcpyHostToDevice=1,
                memcpyDeviceToHost=2,
                memcpyAsync=self._copy,
                memsetAsync=self._set,
            ),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        )

    # Faults.

    def fail_allocation(self, *numbers: int) -> None:
        """Have the k-th allocation from now on, each of `numbers`, find no memory."""
        self._no_memory = {self.allocations + number for number in numbers}

    def fail_launch(self, number: int, device: int = 0) -> None:
        """Have a device be lost in its k-th launch from now on."""
        self._lost_at[device] = self.launched_on[device] + number

    # What the engine calls.

    def RawModule(self, *, code: str = "", options: tuple[str, ...] = (), path: str = "") -> Module:
        assert bool(code) != bool(path)
        return Module(self, code, options, path)

    def check(self, device: int) -> None:
        """Once lost, a device answers everything with the same error."""
        if device in self._lost:
            raise CUDARuntimeError(ILLEGAL_ADDRESS)

    def allocate(self, device: int) -> None:
        self.check(device)
        with self._lock:
            self.allocations += 1
            if self.allocations in self._no_memory:
                self.shortages += 1
                raise CUDARuntimeError(OUT_OF_MEMORY)

    def launched(self, name: str, blocks: int, threads: int, device: int) -> None:
        with self._lock:
            self.check(device)
            self.launches.append(name)
            self.shapes.append((blocks, threads))
            self.launched_on[device] += 1
            if self.launched_on[device] == self._lost_at.get(device):
                self._lost.add(device)
        self.check(device)

    @contextmanager
    def working(self) -> Any:
        """A stream at work, in the thread that waits for it."""
        with self._lock:
            self.busy += 1
            self.concurrent = max(self.concurrent, self.busy)
            self.threads.add(threading.get_ident())
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def _count(self) -> int:
        if self.devices == 0:
            raise CUDARuntimeError(INSUFFICIENT_DRIVER)
        return self.devices

    def _occupancy(self, pointer: int, threads: int, shared: int) -> int:
        assert pointer
        assert threads in (32, 64, 96, 128, 256, 512)
        return min(512 // threads, PROPERTIES["sharedMemPerMultiprocessor"] // (shared + 1024))  # type: ignore[operator]

    def _create_program(self, code: str, name: str, headers: tuple[()], include_names: tuple[()]) -> int:
        assert name.endswith(".cu")
        assert headers == include_names == ()
        self._programs[len(self._programs) + 1] = code
        return len(self._programs)

    def _compile_program(self, program: int, options: tuple[str, ...]) -> None:
        assert program in self._programs
        self.ptx_options = options

    def _ptx(self, program: int) -> bytes:
        """No compiler is here: the source, for `Module` to find."""
        assert self.ptx_options
        return self._programs[program].encode()

    def _copy(self, destination: int, source: int, nbytes: int, kind: int, stream: int) -> None:
        self.check(STREAMS[stream].device)
        device, host = (destination, source) if kind == 1 else (source, destination)
        memory = self.memory[STREAMS[stream].device]
        assert memory.holds(device)
        assert memory.holds(device + nbytes - 1)
        assert not any(memory.holds(host) for memory in self.memory)
        STREAMS[stream].ask(lambda: ctypes.memmove(destination, source, nbytes))

    def _set(self, address: int, value: int, nbytes: int, stream: int) -> None:
        self.check(STREAMS[stream].device)
        memory = self.memory[STREAMS[stream].device]
        assert memory.holds(address)
        assert memory.holds(address + nbytes - 1)
        STREAMS[stream].ask(lambda: ctypes.memset(address, value, nbytes))


def installed(monkeypatch: pytest.MonkeyPatch, cupy: StandIn) -> StandIn:
    """Put it where `import cupy` finds it, for one test."""
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(kernels, "_modules", {})
    return cupy


STREAMS: dict[int, Stream] = {}
CURRENT = threading.local()


def current() -> int:
    """The current device of this thread; the engine leaves none to chance."""
    device: int = CURRENT.device
    return device


class Device:
    def __init__(self, cupy: StandIn, number: int, capability: str) -> None:
        self._cupy, self.number = cupy, number
        self.compute_capability = capability

    def __enter__(self) -> Device:
        self._cupy.check(self.number)
        self._before = getattr(CURRENT, "device", None)
        CURRENT.device = self.number
        return self

    def __exit__(self, *error: object) -> None:
        CURRENT.device = self._before


class DeviceMemory:
    def __init__(self, cupy: StandIn, nbytes: int) -> None:
        cupy.allocate(current())
        self._buffer = cupy.memory[current()].allocate(nbytes)
        self.ptr = self._buffer.address

    def __del__(self) -> None:
        if hasattr(self, "_buffer"):
            self._buffer.free()


class Pinned(np.ndarray[Any, Any]):
    """Bytes, which NumPy can view, with an address."""

    def __new__(cls, cupy: StandIn, nbytes: int) -> Pinned:
        cupy.check(current())
        return np.zeros(nbytes, np.uint8).view(cls)

    @property
    def ptr(self) -> int:
        return int(self.ctypes.data)


class Stream:
    def __init__(self, cupy: StandIn, non_blocking: bool) -> None:
        assert non_blocking  # or it would wait for the default stream
        self._cupy = cupy
        self.device = current()
        self._due: list[Callable[[], object]] = []
        self._done = 0
        self.ptr = id(self)
        STREAMS[self.ptr] = self

    def __enter__(self) -> Stream:
        CURRENT.stream = self
        return self

    def __exit__(self, *error: object) -> None:
        CURRENT.stream = None

    def ask(self, step: Callable[[], object]) -> None:
        self._due.append(step)

    @property
    def asked(self) -> int:
        return self._done + len(self._due)

    def reach(self, number: int) -> None:
        """Do all steps up to that one."""
        with self._cupy.working():
            while self._done < number:
                step = self._due.pop(0)
                self._done += 1
                step()


class Event:
    def __init__(self, cupy: StandIn, block: bool, disable_timing: bool) -> None:
        assert block  # or it would spin
        assert disable_timing
        self._cupy = cupy
        self._device = current()

    def record(self, stream: Stream) -> None:
        self._cupy.check(self._device)
        assert stream.device == self._device
        self._stream, self._number = stream, stream.asked

    def synchronize(self) -> None:
        self._cupy.check(self._device)
        self._stream.reach(self._number)


class Module:
    def __init__(self, cupy: StandIn, code: str, options: tuple[str, ...], path: str) -> None:
        self._cupy, self._code, self._options, self._path = cupy, code, options, path

    def compile(self) -> None:
        if self._path:
            self._code, self._options = Path(self._path).read_text(), kernels.OPTIONS
        emulated(self._code, self._options, self._cupy.mode)

    def get_function(self, name: str) -> Function:
        return Function(self._cupy, emulated(self._code, self._options, self._cupy.mode), name)


class Function:
    def __init__(self, cupy: StandIn, module: RawModule, name: str) -> None:
        self._cupy = cupy
        self._device = current()
        self._kernel = module.get_function(name)
        self.name = name
        self.kernel = SimpleNamespace(ptr=id(self))
        self.max_dynamic_shared_size_bytes = 48 << 10

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0) -> None:
        self._cupy.check(self._device)
        assert CURRENT.stream is not None
        assert CURRENT.stream.device == current() == self._device
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        CURRENT.stream.ask(lambda: self._run(tuple(grid), tuple(block), tuple(args), shared_mem))

    def _run(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], shared_mem: int) -> None:
        self._cupy.launched(self.name, grid[0], block[0], self._device)
        self._kernel.max_dynamic_shared_size_bytes = self.max_dynamic_shared_size_bytes
        self._kernel(grid, block, args, shared_mem=shared_mem, memory=self._cupy.memory[self._device])
