"""`RawModule` and its kernels, called as CuPy's are."""

from __future__ import annotations

import ctypes
import functools
import math
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.emulator import statistics
from tests.emulator.arguments import Parameter, convert, merged
from tests.emulator.build import MODES, build, resolve, shared_arrays
from tests.emulator.errors import KernelError
from tests.emulator.memory import Memory, Region
from tests.emulator.statistics import Stats

ORDERS = ("forward", "reverse", "random")
MOST_SHARED = 227 << 10  # of a block, once asked for: on the GPUs that have most
DEFAULT_SHARED = 48 << 10


class RawModule:
    """CUDA source, compiled for this machine.

    Parameters
    ----------
    code
        The source. Its `extern "C"` kernels are found by name.
    options
        As for NVRTC. Those that begin with `-D`, `-U`, `-I` or `-std=` are heeded, the others are about GPUs.
    name_expressions
        The other kernels that are wanted: `"kernel<8>"`, `"space::kernel"`.
    mode
        What to look for: "fast" finds wrong results and wrong meetings of threads; "race" also data races, reads of
        uninitialised shared memory and accesses out of bounds; "asan" overruns of local and static arrays, and of
        bounds; "ubsan" what C++ leaves undefined.
    """

    def __init__(
        self,
        code: str,
        options: Sequence[str] = (),
        name_expressions: Sequence[str] | None = None,
        mode: str = "fast",
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        self.mode = mode
        self.path: Path = build(code, options, list(name_expressions or ()), mode)
        self._library = ctypes.CDLL(str(self.path))
        self._library.emulator_launch.restype = ctypes.c_char_p
        self._library.emulator_statistics.restype = ctypes.c_char_p
        self._shared = [Region(begin, end, writable=True) for begin, end in shared_arrays(self.path)]
        self._lock = _lock_of(self.path)
        self._kernels = {kernel.name: kernel for kernel in self._table()}

    def __repr__(self) -> str:
        return f"<RawModule: {', '.join(self._kernels)}; {self.mode}>"

    def get_function(self, name: str) -> Kernel:
        if name not in self._kernels:
            raise KernelError(f"there is no kernel {name!r}; there are {', '.join(self._kernels) or 'none'}")
        return self._kernels[name]

    def _table(self) -> list[Kernel]:
        found = []
        rows = (_Kernel * 1024).in_dll(self._library, "emulator_kernels")
        for row in rows:
            if not row.name:
                break
            parameters = [
                Parameter(p.kind.decode(), p.element.decode(), p.constant, p.bytes, p.element_bytes)
                for p in row.parameters[: row.count]
            ]
            found.append(Kernel(self, row.name.decode(), row.run, parameters, row.most_threads))
        return found

    def _run(self, launch: _Launch) -> Stats:
        with self._lock:
            error = self._library.emulator_launch(ctypes.byref(launch))
            text = self._library.emulator_statistics().decode()
        if error:
            raise KernelError(self._with_lines(error.decode()).strip())
        return statistics.parse(self._with_lines(text))

    def _with_lines(self, text: str) -> str:
        """The text with each place in the code, `<pc:1234>`, made a source line."""
        lines = resolve(self.path, sorted(set(re.findall(r"<pc:(\w+)>", text))))
        return re.sub(r"<pc:(\w+)>", lambda match: lines[match[1]], text)


class Kernel:
    """A kernel of a module. Made by `RawModule.get_function`."""

    def __init__(
        self, module: RawModule, name: str, run: int, parameters: Sequence[Parameter], most_threads: int
    ) -> None:
        self.name = name
        self.parameters = tuple(parameters)
        self.max_threads_per_block = most_threads
        self.max_dynamic_shared_size_bytes = DEFAULT_SHARED
        self._module = module
        self._entry = run

    def __repr__(self) -> str:
        return f"<Kernel: {self.name}({', '.join(map(str, self.parameters))})>"

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        memory: Memory | None = None,
        order: str = "forward",
        seed: int = 0,
        preempt: int = 0,
        profile: bool = False,
    ) -> Stats:
        """Run all blocks, one after another, and return what was counted.

        Beyond CuPy's: `memory` is what addresses inside the arguments may point to. `order` and `seed` choose which
        thread and block go first; "random" is as good as any GPU's. With `preempt`, about one memory access in that
        many lets another thread go first. `profile` counts the traffic of each line. The last two need mode "race".

        Raises TypeError or ValueError for what can't be launched, KernelError for what went wrong in the kernel.
        """
        grid, block = _three(grid), _three(block)
        self._check_shape(grid, block, shared_mem)
        if order not in ORDERS:
            raise ValueError(f"order is one of {', '.join(ORDERS)}, not {order!r}")
        if (preempt or profile) and self._module.mode != "race":
            raise ValueError(f"preempt and profile need mode 'race'; this module's is {self._module.mode!r}")
        arguments = convert(self.name, self.parameters, args, memory)
        regions = merged([*arguments.regions, *(memory.regions() if memory else ())])
        addresses = [ctypes.addressof(value) for value in arguments.values]
        return self._module._run(
            _Launch(
                kernel=self._entry,
                arguments=(ctypes.c_void_p * max(1, len(addresses)))(*addresses),
                grid=grid,
                block=block,
                dynamic_shared=shared_mem,
                order=ORDERS.index(order),
                preempt=preempt,
                seed=seed % 2**64,
                races=self._module.mode == "race",
                red_zones=self._module.mode == "asan",
                profile=profile,
                given=_regions(regions),
                given_count=len(regions),
                shared=_regions(self._module._shared),
                shared_count=len(self._module._shared),
            )
        )

    def _check_shape(self, grid: tuple[int, ...], block: tuple[int, ...], shared_mem: int) -> None:
        if min(*grid, *block) < 1 or max(grid[1:]) > 65535 or grid[0] >= 2**31:
            raise ValueError(f"a GPU takes no grid of {grid} blocks of {block} threads")
        if block[2] > 64 or math.prod(block) > self.max_threads_per_block:
            raise ValueError(f"{self.name} takes blocks of at most {self.max_threads_per_block} threads, not {block}")
        if not DEFAULT_SHARED <= self.max_dynamic_shared_size_bytes <= MOST_SHARED:
            raise ValueError(f"a block has at most {MOST_SHARED} bytes of shared memory")
        if not 0 <= shared_mem <= self.max_dynamic_shared_size_bytes:
            raise ValueError(
                f"shared_mem of {shared_mem} bytes is more than {self.name}.max_dynamic_shared_size_bytes,"
                f" {self.max_dynamic_shared_size_bytes}"
            )


class _Parameter(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_char),
        ("element", ctypes.c_char),
        ("constant", ctypes.c_bool),
        ("bytes", ctypes.c_uint32),
        ("element_bytes", ctypes.c_uint32),
    ]


class _Kernel(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("run", ctypes.c_void_p),
        ("parameters", ctypes.POINTER(_Parameter)),
        ("count", ctypes.c_uint32),
        ("most_threads", ctypes.c_uint32),
    ]


class _Region(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_size_t), ("end", ctypes.c_size_t), ("writable", ctypes.c_int32)]


class _Launch(ctypes.Structure):
    _fields_ = [
        ("kernel", ctypes.c_void_p),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_uint64),
        ("order", ctypes.c_int32),
        ("preempt", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
        ("races", ctypes.c_int32),
        ("red_zones", ctypes.c_int32),
        ("profile", ctypes.c_int32),
        ("given", ctypes.POINTER(_Region)),
        ("given_count", ctypes.c_uint64),
        ("shared", ctypes.POINTER(_Region)),
        ("shared_count", ctypes.c_uint64),
    ]


@functools.cache
def _lock_of(library: Path) -> threading.Lock:
    """A library has one block's state, and one of everything; modules of the same source share it."""
    return threading.Lock()


def _regions(regions: Sequence[Region]) -> ctypes.Array[_Region]:
    return (_Region * max(1, len(regions)))(*(_Region(*region) for region in regions))


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"a grid or block has one to three sizes, not {shape}")
    return (*map(int, shape), 1, 1)[:3]
