"""Runs CUDA kernels on NumPy arrays, with no GPU: what `cupy.RawModule` runs, and checks that a GPU does not make.

    module = RawModule(code, mode="race")
    module.get_function("scale")((4,), (128,), (array, np.float32(2)), order="random", seed=1)

README.md says what it sees and what it can't.
"""

from __future__ import annotations

from tests.emulator.errors import KernelError
from tests.emulator.memory import Buffer, Memory
from tests.emulator.module import Kernel, RawModule
from tests.emulator.statistics import Stats, Traffic

__all__ = ["Buffer", "Kernel", "KernelError", "Memory", "RawModule", "Stats", "Traffic"]
