"""A batch of dense quadratic problems packed by native code: `gpuqio.pack` for hundreds of matrices in one crossing.

Every problem gets the layout, and the temperatures, that it would get alone, bit for bit (cuda/cpu/dense.hpp).
"""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from gpuqio.batch import DenseBatch
from gpuqio.engines.native import library
from gpuqio.pack.aligned import Block
from gpuqio.pack.fixed_point import GAIN_BITS
from gpuqio.pack.layout import DENSE_DEGREE, DENSE_LIMIT, DENSE_SHARE

__all__ = ["DensePack", "pack_dense"]

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


class DensePack:
    """N packed problems of n variables.

    Attributes:
        batch: as given.
        arrays: int32 base, weights and ends (N, ...), as in `Layout`, each as long as any problem's needs, and int64
            zero_energy (N,).
        strategy: int32 (N,) values of `Strategy`: WINDOW or LANE_NEIGHBOUR.
        rounded: int32 (N,) whether coefficients were.
        unit: float64 (N,) the cost of an integer step.
        constant: float64 (N,), the constant term of each.
        hottest, coldest: float64 (N,), as `temperature_range` gives them.
    """

    def __init__(self, batch: DenseBatch) -> None:
        self.batch = batch
        N, n, padded = len(self), self.num_variables, -(-self.num_variables // 32) * 32
        stride = max(n * padded, 2 * n * (n + n % 2))
        stride += -stride % 16  # a cache line
        self.arrays = arrays = Block(
            {
                "coefficients": (np.float64, (n + _WORK_ROWS, padded)),
                "steps": (np.int32, (n, padded)),
                **dict.fromkeys(("others", "strategy", "rounded"), (np.int32, (N,))),
                **dict.fromkeys(("unit", "constant", "hottest", "coldest"), (np.float64, (N,))),
                "base": (np.int32, (N, padded)),
                "weights": (np.int32, (N, stride)),
                "ends": (np.int32, (N, n)),
                "zero_energy": (np.int64, (N,)),
            },
            zero=False,
        )
        self._given = [np.ascontiguousarray(given, np.float64) for given in (batch.J, batch.h) if given is not None]
        addresses = dict(zip("Jh", (given.ctypes.data for given in self._given), strict=False)) | arrays.addresses
        is_ising = batch.problem_type.spins
        self.descriptor = _Descriptor(
            N, n, is_ising, GAIN_BITS, DENSE_LIMIT, DENSE_DEGREE, DENSE_SHARE, stride, **addresses
        )
        library().gq_pack_dense(ctypes.addressof(self.descriptor))
        self.strategy, self.rounded = arrays["strategy"], arrays["rounded"]
        self.unit, self.constant = arrays["unit"], arrays["constant"]
        self.hottest, self.coldest = arrays["hottest"], arrays["coldest"]

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def num_variables(self) -> int:
        return int(self.batch.J.shape[1])

    def best(self, ensembles: int) -> tuple[npt.NDArray[np.int8], Floats]:
        """The best state of each problem's chains, int8 (N, n) as users see them, and its cost, correctly rounded (N,).

        Args:
            ensembles: the address of the first of N descriptors.
        """
        states, costs = np.empty((len(self), self.num_variables), np.int8), np.empty(len(self))
        library().gq_read_dense(ctypes.addressof(self.descriptor), ensembles, states.ctypes.data, costs.ctypes.data)
        for row in np.flatnonzero(self.arrays["others"]).tolist():  # coefficients of many magnitudes
            problem = self.batch[row]
            costs[row] = problem.evaluate_states(problem.variables, states[row : row + 1])[0]
        return states, costs


def pack_dense(batch: DenseBatch) -> DensePack | None:
    """Pack all problems of `batch`; None where one of them is out of the ordinary, and each must be packed alone.

    That is: no variables, coefficients beyond 2^500 or below 2^-500, or a square in disguise (`gpuqio.pack.squares`).
    """
    if batch.J.shape[1] == 0:
        return None
    pack = DensePack(batch)
    return None if pack.arrays["others"].any() else pack
