"""The GPU kernels: their source as one string, how they are compiled, and which one a layout takes.

One string, because CuPy's disk cache looks at the source it is given and not at the files that it includes. The module
is compiled at first use for the device's own architecture, and cached by CuPy (``CUPY_CACHE_DIR``).
"""

from __future__ import annotations

import re
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gpuqio.errors import EngineUnavailable
from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.move import Move

__all__ = [
    "OPTIONS",
    "PLANES",
    "REGISTER_WINDOWS",
    "THREADS",
    "Launch",
    "advance_launch",
    "block_sizes",
    "chains_a_warp",
    "compiled",
    "move_launch",
    "narrowest",
    "source",
    "start_name",
]

THREADS = 128
"""Threads of a block, where nothing asks for more."""

MOST_THREADS = 512
"""Of a block that sweeps: the launch bounds in kernels.cu."""

OPTIONS = ("-std=c++17", "-fmad=false")
"""No fma, and CuPy adds -ftz=true: with the kernels' own +, -, * every machine then gives the same bits."""

REGISTER_WINDOWS = 8
"""Up to so many windows of 32 variables a chain's gains are held in registers: window_1 to window_8."""

ENOUGH_WARPS = 8
"""Of a multiprocessor: with an instruction every five clocks each, they issue 0.4 of what four schedulers can."""
PLANES = {1: 4, 2: 4, 4: 4, 8: 2}
"""To how many windows a thread can hold its chain's bits as bytes in registers, with how many planes of bytes for the
weights at most: planes_1 to planes_8."""

PLANES_COST = 5
"""A warp of `planes` costs as many instructions as so many chains by `window`, plus one for each window times planes.
At an acceptance of 0.17 a chain by `window` takes about 10.6 a variable (docs/design/kernels.md)."""

_INCLUDE = re.compile(r'\s*#include "(.+)"')
_SKIPPED = re.compile(r"\s*#pragma once")
_NAMES = {
    Strategy.WINDOW: "window",
    Strategy.LANE_NEIGHBOUR: "neighbour",
    Strategy.LANE_PARITY: "parity",
    Strategy.LANE_PRODUCT: "product",
    Strategy.LANE_GROUPED: "grouped",
    Strategy.BITSLICED: "bitsliced",
}
_lock = threading.Lock()
_modules: dict[tuple[int, str], Any] = {}


@cache
def source() -> str:
    """kernels.cu with all it includes, each file once."""
    here = Path(__file__).parent
    for folder in (here.parent / "_cuda", here.parent.parent / "cuda"):  # a wheel's copy, or the checkout
        if (folder / "kernels.cu").exists():
            return _flattened(folder / "kernels.cu", set())
    raise EngineUnavailable("The kernels' sources are not in this installation. Reinstall gpuqio.")


def _flattened(path: Path, seen: set[Path]) -> str:
    lines = []
    for line in path.read_text().splitlines(keepends=True):
        if found := _INCLUDE.match(line):
            included = (path.parent / found[1]).resolve()
            if included not in seen:
                seen.add(included)
                lines.append(_flattened(included, seen))
        elif not _SKIPPED.match(line):
            lines.append(line)
    return "".join(lines)


def compiled(cupy: Any, device: int) -> Any:
    """The module for `device`, compiled once a process; CuPy's `RawModule`.

    A GPU newer than the compiler gets PTX of the newest architecture that the compiler knows, for the driver to finish.
    """
    with _lock:
        capability = cupy.cuda.Device(device).compute_capability
        if (device, capability) not in _modules:
            with cupy.cuda.Device(device):
                _modules[device, capability] = _compile(cupy, capability)
        return _modules[device, capability]


def _compile(cupy: Any, capability: str) -> Any:
    newest = max(cupy.cuda.nvrtc.getSupportedArchs())
    if int(capability) <= newest:
        module = cupy.RawModule(code=source(), options=OPTIONS)
        module.compile()
        return module
    # CuPy would take its newest architecture's machine code, which another major version does not run.
    nvrtc = cupy.cuda.nvrtc
    program = nvrtc.createProgram(source(), "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, (*OPTIONS, "-ftz=true", f"-arch=compute_{newest}"))
        ptx = nvrtc.getPTX(program)
    finally:
        nvrtc.destroyProgram(program)
    with tempfile.NamedTemporaryFile(suffix=".ptx") as file:
        file.write(ptx if isinstance(ptx, bytes) else ptx.encode())
        file.flush()
        module = cupy.RawModule(path=file.name)
        module.compile()
    return module


def start_name(layout: Layout) -> str:
    """The entry that makes first states."""
    return f"start_{_NAMES[layout.strategy]}"


@dataclass(frozen=True, order=True, slots=True)
class Launch:
    """How a layout's sweeps are launched; problems of equal launches may share one.

    Attributes:
        name: the entry.
        threads: of a block.
        shared_bytes: dynamic shared memory of a block.
    """

    name: str
    threads: int
    shared_bytes: int


def advance_launch(layout: Layout, chains: int, most_shared: int) -> Launch:
    """The entry that makes sweeps of `chains` chains on a device with `most_shared` bytes of shared memory a block.

    Dense up to 256 variables: one thread a chain where chains fill warps and the byte planes fit; else one warp a
    chain, its gains in registers. Larger: gains in memory. The matrix comes into shared memory where it fits.

    Sparse and k-local: the problem and its chains' bits come into shared memory where they fit. A warp then walks 64
    chains at once, which halves what it does besides, if that leaves warps enough to hide its waits.
    """
    if layout.slices is not None:
        return Launch(f"bitsliced_{layout.slices.bits}", THREADS, 0)
    if layout.strategy is not Strategy.WINDOW:
        return _lane_launch(layout, chains, most_shared)
    words = -(-layout.num_variables // 32)
    warps = -(-chains // 32)
    held, most_planes = next((each for each in PLANES.items() if words <= each[0]), (0, 0))
    rows = 128 * held + -(-layout.num_variables // 8) * 256 * held * layout.planes
    worth = warps * (PLANES_COST + held * layout.planes) <= chains
    if layout.planes <= most_planes and worth and rows <= most_shared:
        return Launch(f"planes_{held}", THREADS, rows)
    size = np.dtype(narrowest(layout)).itemsize * layout.weights.size
    name = f"window_{words}" if words <= REGISTER_WINDOWS else "window"
    return Launch(name, THREADS, size if size <= most_shared else 0)


def move_launch(layout: Layout, move: Move) -> Launch:
    """The entry that makes sweeps of a move other than Metropolis."""
    return Launch(f"{move.kind.name.lower()}_{_NAMES[layout.strategy]}", THREADS, 0)


def chains_a_warp(name: str) -> int:
    """How many chains a warp of an entry that sweeps takes at a time."""
    if "window" in name:
        return 1
    if name.startswith("bitsliced"):
        return 1024
    return 64 if name.startswith("near") and name.endswith("_2") else 32


def block_sizes(name: str, chains: int) -> list[int]:
    """The threads that a block of an entry may have, ascending: a warp beyond four only if there are chains for it.

    One thread a chain has no use for more, nor has a warp whose chains are in shared memory, and planes_8 has registers
    for half as many.
    """
    threads = 32 * -(-chains // chains_a_warp(name))
    if name.startswith(("near", "bitsliced")):
        return [min(THREADS, threads)]
    least = min(THREADS, threads) if name.startswith("planes") else THREADS
    most = MOST_THREADS // 2 if name == "planes_8" else MOST_THREADS
    return [least, *(size for size in (2 * THREADS, MOST_THREADS) if size <= min(threads, most))]


def _lane_launch(layout: Layout, chains: int, most_shared: int) -> Launch:
    name = _NAMES[layout.strategy]
    if layout.strategy is Strategy.LANE_GROUPED:
        return Launch(f"lane_{name}", THREADS, 0)
    warps = -(-chains // 32)
    arrays = (layout.weights.size, layout.num_variables, layout.num_variables, len(layout.members))
    for words in (2, 1):
        groups = -(-warps // words)
        size = 4 * (sum(-(-length // 4) * 4 for length in arrays) + groups * words * layout.num_variables)
        if size > most_shared:
            continue
        threads = min(THREADS, 32 * groups)
        resident = 2 * (most_shared // size) * (threads // 32)  # a block has half a multiprocessor's memory at most
        if words == 1 or (warps > 1 and resident >= ENOUGH_WARPS):
            return Launch(f"near_{name}_{words}", threads, size)
    return Launch(f"lane_{name}", THREADS, 0)


def narrowest(layout: Layout) -> str:
    """The dtype in which a layout's weights go to the device: int8 or int16 where a matrix allows it, else int32."""
    return ("int8", "int16", "int32", "int32")[layout.planes - 1]
