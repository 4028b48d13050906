"""A batch of dense quadratic problems packed by native code: `gpuqio.pack` for hundreds of matrices in one crossing.

Every problem gets the layout, and the temperatures, that it would get alone, bit for bit (cuda/cpu/dense.hpp).
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.batch import DenseBatch
from gpuqio.engines.native import library
from gpuqio.pack.aligned import aligned_zeros
from gpuqio.pack.fixed_point import GAIN_BITS
from gpuqio.pack.layout import DENSE_DEGREE, DENSE_LIMIT, DENSE_SHARE
from gpuqio.solvers.temperatures import temperature_ranges

__all__ = ["DensePack", "pack_dense"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_P = ctypes.c_void_p
_WORK_ROWS = 5  # of the scratch, besides the matrix: linear terms, and four sums a variable


class _Descriptor(ctypes.Structure):
    """gq::DenseBatch."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("count", "n", "spins", "gain_bits", "most_dense")),
        *((name, ctypes.c_double) for name in ("dense_degree", "dense_share")),
        ("stride", ctypes.c_int64),
        *((name, _P) for name in ("J", "h", "coefficients", "steps", "others", "strategy", "exponent", "rounded")),
        *((name, _P) for name in ("base", "weights", "ends", "zero_energy", "rise", "step")),
    )


@dataclass(frozen=True, slots=True, eq=False)
class DensePack:
    """N packed problems of n variables.

    Attributes:
        batch: as given.
        constants: float64 (N,), the constant term of each.
        strategies: int32 (N,) values of `Strategy`: WINDOW or LANE_NEIGHBOUR.
        units: float64 (N,) the cost of an integer step.
        rounded: bool (N,) whether coefficients were.
        base, weights, ends: int32 (N, ...), as in `Layout`; each as long as any problem's needs.
        zero_energies: int64 (N,).
    """

    batch: DenseBatch
    constants: Floats
    strategies: npt.NDArray[np.int32]
    units: Floats
    rounded: npt.NDArray[np.bool_]
    base: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    zero_energies: npt.NDArray[np.int64]
    _rises: Floats
    _steps: Floats
    _arrays: dict[str, Array]
    _descriptor: _Descriptor

    def __len__(self) -> int:
        return len(self.units)

    @property
    def num_variables(self) -> int:
        return int(self.batch.J.shape[1])

    def temperature_ranges(self) -> tuple[Floats, Floats]:
        """Hottest and coldest temperature of each, (N,) each."""
        return temperature_ranges(self._rises, self._steps, self.units)

    def best(self, addresses: npt.NDArray[np.uintp]) -> tuple[npt.NDArray[np.int8], Floats]:
        """The best state of each problem's chains, int8 (N, n) as users see them, and its cost, correctly rounded (N,).

        Args:
            addresses: (N,) of the ensembles.
        """
        states, parts = np.empty((len(self), self.num_variables), np.int8), np.empty((len(self), 4))
        library().gq_read_dense(
            ctypes.addressof(self._descriptor), addresses.ctypes.data, states.ctypes.data, parts.ctypes.data
        )
        costs = parts[:, 0] + self.constants  # correctly rounded where the first part is all there is
        for row in np.flatnonzero(parts[:, 1:].any(axis=1)).tolist():
            costs[row] = math.fsum([*parts[row].tolist(), float(self.constants[row])])
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
    arrays: dict[str, Array] = {
        "J": np.ascontiguousarray(batch.J, np.float64),
        "coefficients": np.empty((n + _WORK_ROWS, padded)),
        "steps": np.empty((n, padded), np.int32),
        **{name: np.empty(N, np.int32) for name in ("others", "strategy", "exponent", "rounded")},
        "base": aligned_zeros((N, padded), np.int32),
        "weights": aligned_zeros((N, stride), np.int32),
        "ends": np.empty((N, n), np.int32),
        "zero_energy": np.empty(N, np.int64),
        "rise": np.empty((N, n)),
        "step": np.empty((N, n)),
    }
    if batch.h is not None:
        arrays["h"] = np.ascontiguousarray(batch.h, np.float64)
    descriptor = _Descriptor(N, n, is_ising, GAIN_BITS, DENSE_LIMIT, DENSE_DEGREE, DENSE_SHARE, stride)
    for name, array in arrays.items():
        setattr(descriptor, name, array.ctypes.data)
    library().gq_pack_dense(ctypes.addressof(descriptor))
    if arrays["others"].any():
        return None
    return DensePack(
        batch=batch,
        constants=_constants(batch, arrays["J"]),
        strategies=arrays["strategy"],
        units=np.ldexp(1.0, -arrays["exponent"]),
        rounded=arrays["rounded"] != 0,
        base=arrays["base"],
        weights=arrays["weights"],
        ends=arrays["ends"],
        zero_energies=arrays["zero_energy"],
        _rises=arrays["rise"],
        _steps=arrays["step"],
        _arrays=arrays,
        _descriptor=descriptor,
    )


def _constants(batch: DenseBatch, J: Floats) -> Floats:
    """(N,): of spins the trace of J, because their squares are 1."""
    constants = np.zeros(len(J))
    diagonals = np.diagonal(J, axis1=1, axis2=2)
    if batch.problem_type.spins:
        for row in np.flatnonzero(diagonals.any(axis=1)).tolist():
            constants[row] = math.fsum(diagonals[row].tolist())
    return constants
