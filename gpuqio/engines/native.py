"""The CPU library: finding it, and one ensemble of chains as arrays it may write to.

Loading compares the size of its structs with that of ours.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gpuqio.engines.ensemble import Descriptor, EnsembleBase, first_words, inputs, state
from gpuqio.errors import EngineUnavailable
from gpuqio.pack import Layout
from gpuqio.pack.aligned import aligned_zeros
from gpuqio.solvers.stage import Stage

__all__ = ["Ensemble", "advance", "instruction_set", "instruction_sets", "library"]

_P = ctypes.c_void_p


_FLAGS = {
    "v3": {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


@cache
def instruction_sets() -> tuple[str, ...]:
    """The builds this processor can run, the best last: ``base``, ``v3`` (x86-64 with AVX2), ``v4`` (AVX-512)."""
    builds = ["base"]
    if platform.machine().lower() in ("x86_64", "amd64"):
        try:
            flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
        except (OSError, IndexError):
            flags = set()
        for name, needed in _FLAGS.items():  # each level has all of those before
            if not needed <= flags:
                break
            builds.append(name)
    return tuple(builds)


def instruction_set() -> str:
    """The best build this processor can run."""
    return instruction_sets()[-1]


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
    lib.gq_pack_dense.argtypes = (_P,)
    lib.gq_pack_dense.restype = None
    lib.gq_start_dense.argtypes = (_P, _P, _P, _P, _P, _P)
    lib.gq_start_dense.restype = None
    lib.gq_advance_dense.argtypes = (_P, ctypes.c_int32, ctypes.c_int32)
    lib.gq_advance_dense.restype = ctypes.c_int64
    lib.gq_read_dense.argtypes = (_P, _P, _P, _P)
    lib.gq_read_dense.restype = None
    lib.gq_philox.argtypes = (_P, _P, _P, ctypes.c_int32)
    lib.gq_philox.restype = None
    lib.gq_boltzmann.argtypes = (_P, _P, ctypes.c_int32)
    lib.gq_boltzmann.restype = None
    lib.gq_neg_log_uniform.argtypes = (_P, _P, ctypes.c_int32)
    lib.gq_neg_log_uniform.restype = None
    if lib.gq_ensemble_bytes() != ctypes.sizeof(Descriptor):
        raise EngineUnavailable(f"{path.name} was built from other sources than this package. Reinstall gpuqio.")
    return lib


class Ensemble(EnsembleBase):
    """All chains of one problem in one stage, in arrays of this process. Owned by one worker at a time.

    Args:
        layout: the packed problem, at least one variable.
        stage: what the chains are to do.
        initial: first bits, (n,) of every chain or (chains, n); None for random ones.
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
        super().__init__(layout, stage, goal, weight_bytes=4)
        self.lib = lib or library()
        self._arrays = inputs(layout, stage)
        self._arrays |= {name: aligned_zeros(length, kind) for name, (kind, length) in state(layout, stage).items()}
        self._descriptor.point({name: array.ctypes.data for name, array in self._arrays.items()})
        self.address = ctypes.addressof(self._descriptor)
        first = None if initial is None else first_words(layout, stage, initial)
        self.lib.gq_start(self.address, None if first is None else first.ctypes.data)

    @property
    def swaps(self) -> npt.NDArray[np.int64]:
        """(rungs - 1,) accepted exchanges."""
        return self._arrays["swaps"]

    @property
    def log(self) -> npt.NDArray[np.int64]:
        """What the stage's move wrote down."""
        return self._arrays["log"]

    @property
    def chain_at(self) -> npt.NDArray[np.int32]:
        """(chains,) which chain stands at slot = ladder * rungs + rung."""
        return self._arrays["chain_at"]

    @property
    def energies(self) -> npt.NDArray[np.int64]:
        return self._arrays["energy"][: self.stage.chains]

    @property
    def best_energies(self) -> npt.NDArray[np.int64]:
        return self._arrays["best_energy"][: self.stage.chains]

    def bits(self) -> npt.NDArray[np.uint8]:
        """(chains, n) current states."""
        return self._unpack(self._arrays["spins"])

    def best_bits(self) -> npt.NDArray[np.uint8]:
        """(chains, n) best states visited."""
        return self._unpack(self._arrays["best_spins"])


def advance(ensembles: Sequence[Ensemble], sweeps: Sequence[int]) -> None:
    """Up to `sweeps[i]` more sweeps of each ensemble, in one crossing; ctypes lets other threads run meanwhile."""
    addresses, most = np.array([e.address for e in ensembles], np.uintp), np.array(sweeps, np.int32)
    ensembles[0].lib.gq_advance(addresses.ctypes.data, most.ctypes.data, len(addresses))
