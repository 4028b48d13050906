"""The emulator's sample kernels, compiled in every mode, and how to launch them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.emulator import Memory, RawModule

_FOLDER = Path(__file__).parent / "emulator" / "samples"
WORDS = (_FOLDER / "words.cu").read_text()
FAULTS = (_FOLDER / "faults.cu").read_text()
TEMPLATES = [
    *(f"shuffles<{t}>" for t in ("int", "double")),
    *(f"transposed<{w}>" for w in (32, 33)),
    "inside::by_value",
]
MODES = ["fast", "race", "asan", "ubsan"]
FORWARD: dict[str, Any] = {"order": "forward"}
SCHEDULES = [FORWARD, {"order": "reverse"}, {"order": "random", "seed": 1}, {"order": "random", "seed": 2}]

_RANDOM = np.random.default_rng(11)


@functools.cache
def words(mode: str) -> RawModule:
    return RawModule(WORDS, name_expressions=TEMPLATES, mode=mode)


@functools.cache
def faults(mode: str) -> RawModule:
    return RawModule(FAULTS, mode=mode)


def schedules(mode: str) -> list[dict[str, Any]]:
    return [*SCHEDULES, {"order": "random", "seed": 3, "preempt": 3}] if mode == "race" else SCHEDULES


PIECE = np.dtype([("source", "u8"), ("target", "u8"), ("count", "i4"), ("factor", "i4")])


def queue_of(memory: Memory, sizes: list[int]) -> tuple[NDArray[Any], list[NDArray[Any]], list[NDArray[Any]]]:
    """Descriptors in an arena with the numbers that they point to, and what the kernel must make of them."""
    arena = memory.allocate(256 * (1 + 2 * len(sizes)))
    pieces = arena.view(PIECE, len(sizes))
    targets, wanted, ranges = [], [], [(0, pieces.nbytes, False)]
    for k, size in enumerate(sizes):
        offset = 256 * (1 + 2 * k)
        source = arena.view(np.int32, size, offset)
        source[...] = _RANDOM.integers(-(2**31), 2**31, size)
        targets.append(arena.view(np.int64, size, offset + 256))
        pieces[k] = (memory.address_of(source), arena.address + offset + 256, size, k + 2)
        wanted.append(source.astype(np.int64) * (k + 2))
        ranges += [(offset, 4 * size, False), (offset + 256, 8 * size, True)]
    arena.only(*ranges)
    return pieces, targets, wanted
