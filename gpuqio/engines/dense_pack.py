"""A batch of dense quadratic problems packed by native code: `gpuqio.pack` for hundreds of matrices in one crossing.

Every problem gets the layout, and the temperatures, that it would get alone, bit for bit (cuda/cpu/dense.hpp).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.batch import DenseBatch
from gpuqio.engines.native import library
from gpuqio.pack.aligned import aligned_zeros
from gpuqio.pack.fixed_point import GAIN_BITS
from gpuqio.pack.layout import DENSE_DEGREE, DENSE_LIMIT, DENSE_SHARE

__all__ = ["DensePack", "pack_dense"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_P = ctypes.c_void_p
_WORK_ROWS = 7  # of the scratch, besides the matrix: linear terms, two rows of rises, and four for passing use


class _Descriptor(ctypes.Structure):
    """gq::DenseBatch."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("count", "n", "spins", "gain_bits", "most_dense")),
        *((name, ctypes.c_double) for name in ("dense_degree", "dense_share")),
        ("stride", ctypes.c_int64),
        *((name, _P) for name in ("J", "h", "coefficients", "steps", "others", "strategy", "rounded")),
        *((name, _P) for name in ("base", "weights", "ends", "zero_energy")),
        *((name, _P) for name in ("unit", "constant", "hottest", "coldest")),
    )


@dataclass(frozen=True, slots=True, eq=False)
class DensePack:
    """N packed problems of n variables.

    Attributes:
        batch: as given.
        constant: float64 (N,), the constant term of each.
        strategy: int32 (N,) values of `Strategy`: WINDOW or LANE_NEIGHBOUR.
        unit: float64 (N,) the cost of an integer step.
        rounded: int32 (N,) whether coefficients were.
        base, weights, ends: int32 (N, ...), as in `Layout`; each as long as any problem's needs.
        zero_energy: int64 (N,).
        hottest, coldest: float64 (N,), as `temperature_range` gives them.
    """

    batch: DenseBatch
    constant: Floats
    strategy: npt.NDArray[np.int32]
    unit: Floats
    rounded: npt.NDArray[np.int32]
    base: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    zero_energy: npt.NDArray[np.int64]
    hottest: Floats
    coldest: Floats
    _arrays: dict[str, Array]
    _descriptor: _Descriptor

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def num_variables(self) -> int:
        return int(self.batch.J.shape[1])

    def best(self, addresses: npt.NDArray[np.uintp]) -> tuple[npt.NDArray[np.int8], Floats]:
        """The best state of each problem's chains, int8 (N, n) as users see them, and its cost, correctly rounded (N,).

        Args:
            addresses: (N,) of the ensembles.
        """
        states, costs = np.empty((len(self), self.num_variables), np.int8), np.empty(len(self))
        library().gq_read_dense(
            ctypes.addressof(self._descriptor), addresses.ctypes.data, states.ctypes.data, costs.ctypes.data
        )
        for row in np.flatnonzero(self._arrays["others"]).tolist():  # coefficients of many magnitudes
            problem = self.batch[row]
            costs[row] = problem.evaluate_states(problem.variables, states[row : row + 1])[0]
        return states, costs


def pack_dense(batch: DenseBatch) -> DensePack | None:
    """Pack all problems of `batch`; None where one of them is out of the ordinary, and each must be packed alone.

    That is: no variables, coefficients beyond 2^500 or below 2^-500, or a square in disguise (`gpuqio.pack.squares`).
    """
    N, n = batch.J.shape[:2]
    if n == 0:
        return None
    is_ising, padded = batch.problem_type.spins, -(-n // 32) * 32
    stride = max(n * padded, 2 * n * (n + n % 2))
    stride += -stride % 16  # a cache line
    inputs: dict[str, Array] = {
        "J": np.ascontiguousarray(batch.J, np.float64),
        "coefficients": np.empty((n + _WORK_ROWS, padded)),
        "steps": np.empty((n, padded), np.int32),
        "others": np.empty(N, np.int32),
    }
    if batch.h is not None:
        inputs["h"] = np.ascontiguousarray(batch.h, np.float64)
    packed: dict[str, Array] = {
        **{name: np.empty(N, np.int32) for name in ("strategy", "rounded")},
        **{name: np.empty(N) for name in ("unit", "constant", "hottest", "coldest")},
        "base": aligned_zeros((N, padded), np.int32),
        "weights": aligned_zeros((N, stride), np.int32),
        "ends": np.empty((N, n), np.int32),
        "zero_energy": np.empty(N, np.int64),
    }
    descriptor = _Descriptor(N, n, is_ising, GAIN_BITS, DENSE_LIMIT, DENSE_DEGREE, DENSE_SHARE, stride)
    for name, array in (inputs | packed).items():
        setattr(descriptor, name, array.ctypes.data)
    library().gq_pack_dense(ctypes.addressof(descriptor))
    if inputs["others"].any():
        return None
    return DensePack(batch, **packed, _arrays=inputs, _descriptor=descriptor)
