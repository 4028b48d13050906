"""The CPU library: finding it, its structs, and one ensemble of chains as arrays it may write to.

The structs repeat cuda/layouts.cuh field by field; loading compares their sizes.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gpuqio.errors import EngineUnavailable
from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.stage import Stage

__all__ = ["Ensemble", "advance", "instruction_set", "library"]

_P = ctypes.c_void_p
_NO_GOAL = -(2**62)


class _Problem(ctypes.Structure):
    _fields_ = (
        ("strategy", ctypes.c_int32),
        ("n", ctypes.c_int32),
        *((name, _P) for name in ("base", "weights", "offsets", "members", "member_offsets")),
        ("zero_energy", ctypes.c_int64),
    )


class _Ensemble(ctypes.Structure):
    _fields_ = (
        ("problem", _Problem),
        ("seed_low", ctypes.c_uint32),
        ("seed_high", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("chains", "rungs", "sweep", "sweeps", "first_chain", "weight_bytes")),
        ("goal", ctypes.c_int64),
        *((name, _P) for name in ("temperature", "gap", "chain_temperature", "chain_at", "energy", "best_energy")),
        *((name, _P) for name in ("gains", "spins", "best_spins", "swaps")),
        *((name, ctypes.c_int64) for name in ("flips", "reached", "lowest")),
    )


@cache
def instruction_set() -> str:
    """The best build this processor can run: ``v3`` (x86-64 with AVX2, FMA, BMI2) or ``base``."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        try:
            flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
        except (OSError, IndexError):
            return "base"
        if {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"} <= flags:
            return "v3"
    return "base"


def library(isa: str | None = None) -> ctypes.CDLL:
    """The compiled engine for `isa` (default: the best this processor can run).

    Raises:
        EngineUnavailable: the package was installed without its library.
    """
    return _load(isa or instruction_set())


@cache
def _load(isa: str) -> ctypes.CDLL:
    path = Path(__file__).parent / f"_cpu_{isa}.so"
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineUnavailable(
            f"The CPU engine's library {path.name} can't be loaded ({error}). Reinstall gpuqio with `pip install "
            "--force-reinstall gpuqio`; an sdist needs a C++ compiler or access to PyPI's ziglang."
        ) from error
    lib.gq_start.argtypes = (_P, _P)
    lib.gq_start.restype = None
    lib.gq_advance.argtypes = (_P, _P, ctypes.c_int32)
    lib.gq_advance.restype = None
    lib.gq_philox.argtypes = (_P, _P, _P, ctypes.c_int32)
    lib.gq_philox.restype = None
    lib.gq_neg_log_uniform.argtypes = (_P, _P, ctypes.c_int32)
    lib.gq_neg_log_uniform.restype = None
    if lib.gq_ensemble_bytes() != ctypes.sizeof(_Ensemble):
        raise EngineUnavailable(f"{path.name} was built from other sources than this package. Reinstall gpuqio.")
    return lib


class Ensemble:
    """All chains of one problem in one stage. Owned by one worker at a time.

    Args:
        layout: the packed problem, at least one variable.
        stage: what the chains are to do.
        initial: (n,) first bits of every chain; None for random ones.
        goal: stop after the sweep that brings a best energy to this or below.
        lib: the library to run in; every one gives the same bits.
    """

    def __init__(
        self,
        layout: Layout,
        stage: Stage,
        initial: npt.NDArray[np.uint8] | None = None,
        goal: int | None = None,
        lib: ctypes.CDLL | None = None,
    ) -> None:
        self.layout, self.stage, self.lib = layout, stage, lib or library()
        n, chains, words = layout.num_variables, stage.chains, -(-layout.num_variables // 32)
        warps = -(-chains // 32)
        dense = layout.strategy is Strategy.WINDOW
        state_words = chains * words if dense else warps * n
        self._spins = np.zeros(state_words, np.uint32)
        self._best_spins = np.zeros(state_words, np.uint32)
        self._energy = np.zeros(32 * warps, np.int64)
        self._best_energy = np.zeros(32 * warps, np.int64)
        self._gains = np.zeros(chains * words * 32 if dense else 0, np.int32)
        self._chain_at = np.zeros(chains, np.int32)
        self._chain_temperature = np.zeros(32 * warps, np.float32)
        self._temperature = stage.temperatures(layout)
        self._gap = stage.gaps(layout)
        self._swaps = np.zeros(max(stage.rungs - 1, 0), np.int64)
        packed = (layout.base, layout.weights, layout.offsets, layout.members, layout.member_offsets)
        self._struct = _Ensemble(
            _Problem(layout.strategy.value, n, *(a.ctypes.data for a in packed), layout.zero_energy),
            seed_low=stage.seed & 0xFFFFFFFF,
            seed_high=stage.seed >> 32,
            chains=chains,
            rungs=stage.rungs,
            sweeps=stage.sweeps,
            weight_bytes=4,
            goal=_NO_GOAL if goal is None else max(goal, _NO_GOAL),
            temperature=self._temperature.ctypes.data,
            gap=self._gap.ctypes.data,
            chain_temperature=self._chain_temperature.ctypes.data,
            chain_at=self._chain_at.ctypes.data,
            energy=self._energy.ctypes.data,
            best_energy=self._best_energy.ctypes.data,
            gains=self._gains.ctypes.data,
            spins=self._spins.ctypes.data,
            best_spins=self._best_spins.ctypes.data,
            swaps=self._swaps.ctypes.data,
            lowest=2**62,
        )
        self.address = ctypes.addressof(self._struct)
        first = None if initial is None else _to_words(initial[None])
        self.lib.gq_start(self.address, None if first is None else first.ctypes.data)

    def extend(self, stage: Stage) -> None:
        """Go on with the same chains up to the sweeps of `stage`, which differs in nothing else."""
        self.stage = stage
        self._struct.sweeps = stage.sweeps

    @property
    def sweeps(self) -> int:
        """Sweeps done."""
        return int(self._struct.sweep)

    @property
    def flips(self) -> int:
        """Accepted flips of all chains."""
        return int(self._struct.flips)

    @property
    def lowest(self) -> int:
        """The best energy any chain has visited, in integer units, without the constant."""
        return int(self._struct.lowest)

    @property
    def reached(self) -> int:
        """After how many sweeps `lowest` was visited."""
        return int(self._struct.reached)

    @property
    def reached_goal(self) -> bool:
        return self.lowest <= int(self._struct.goal)

    @property
    def finished(self) -> bool:
        return self.sweeps >= self.stage.sweeps or self.reached_goal

    @property
    def swaps(self) -> npt.NDArray[np.int64]:
        """(rungs - 1,) accepted exchanges."""
        return self._swaps

    @property
    def chain_at(self) -> npt.NDArray[np.int32]:
        """(chains,) which chain stands at slot = ladder * rungs + rung."""
        return self._chain_at

    @property
    def energies(self) -> npt.NDArray[np.int64]:
        return self._energy[: self.stage.chains]

    @property
    def best_energies(self) -> npt.NDArray[np.int64]:
        return self._best_energy[: self.stage.chains]

    def bits(self) -> npt.NDArray[np.uint8]:
        """(chains, n) current states."""
        return self._unpack(self._spins)

    def best_bits(self) -> npt.NDArray[np.uint8]:
        """(chains, n) best states visited."""
        return self._unpack(self._best_spins)

    def _unpack(self, words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        n, chains = self.layout.num_variables, self.stage.chains
        if self.layout.strategy is Strategy.WINDOW:
            return _from_words(words.reshape(chains, -1))[:, :n]
        lanes = _from_words(words.reshape(-1, n, 1))  # (warps, n, 32)
        return np.ascontiguousarray(lanes.transpose(0, 2, 1)).reshape(-1, n)[:chains]


def advance(ensembles: Sequence[Ensemble], sweeps: Sequence[int]) -> None:
    """Up to `sweeps[i]` more sweeps of each ensemble, in one crossing; ctypes lets other threads run meanwhile."""
    addresses = np.array([e.address for e in ensembles], np.uintp)
    counts = np.array(sweeps, np.int32)
    ensembles[0].lib.gq_advance(addresses.ctypes.data, counts.ctypes.data, len(counts))


def _to_words(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    rows, n = bits.shape
    padded = np.zeros((rows, -(-n // 32) * 32), np.uint8)
    padded[:, :n] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")


def _from_words(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    return np.unpackbits(words.astype("<u4").view(np.uint8), axis=-1, bitorder="little")
