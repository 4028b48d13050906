"""Matrices and vectors to terms: what `Problem.from_arrays` reads.

The one rule, for any square J: cost = v^T J v + h^T v + c. So an upper triangular J holds the coefficients of
the pairs as they are, and of a symmetric one both halves count: a pair's coefficient is J[i, j] + J[j, i]. On the
diagonal v*v is 1 for spins, a constant, and v for bits, a linear term.

An index is a variable of the problem where a dense J or h has a row for it, or a coordinate names it. One that no
nonzero coefficient reaches gets a linear term of 0, so a problem from n x n numbers always has n variables.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidProblem
from gpuqio.term_store import TermBlock, freeze_block
from gpuqio.terms import MAX_FLOAT, MAX_ID, read_coefficient

__all__ = ["Matrices", "block_from_arrays", "moderate", "read_ids", "read_matrices", "read_moderate", "read_numbers"]


MODERATE = 2.0**900
"""Coefficients below it have sums, in their thousands, that a float64 holds."""


class Matrices(NamedTuple):
    """A dense problem as it was given, checked and copied: J (n, n) and h (n,) or None, all below `MODERATE`."""

    J: npt.NDArray[Any]
    h: npt.NDArray[Any] | None


class _Parts(NamedTuple):
    """Linear terms (l,), pairs (p, 2) and (p,), and what the diagonal adds to the constant."""

    linear_ids: npt.NDArray[np.int64]
    linear: npt.NDArray[np.float64]
    pair_ids: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.float64]
    trace: float


def read_matrices(J: Any, h: Any) -> Matrices | None:
    """J and h as they are kept until their terms are asked for; None for what is not dense or not moderate."""
    if type(J) is not np.ndarray or J.dtype.kind not in "iuf" or J.ndim != 2 or not len(J) or not moderate(J):
        return None
    fields = None if h is None else read_numbers(h, "h", 1)
    matrix = _read_dense(J, fields)
    if fields is None:
        return Matrices(matrix.copy(), None)
    return Matrices(matrix.copy(), fields.copy()) if moderate(fields) else None


def moderate(numbers: npt.NDArray[Any]) -> bool:
    """Whether all are below `MODERATE`, and none is no number."""
    if numbers.dtype.kind != "f":
        return True
    flat = numbers.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = float(np.einsum("i,i", flat, flat))  # one pass, no array in between, and no threads as in dot
    return squares < MODERATE or float(np.abs(flat).max(initial=0)) < MODERATE


def block_from_arrays(J: Any, h: Any, c: Any, spins: bool) -> TermBlock:
    """The terms of v^T J v + h^T v + c; `spins` says that v is -1 or 1, else 0 or 1."""
    constant = read_coefficient(c)
    fields = None if h is None else read_numbers(h, "h", 1)
    integral = fields is None or fields.dtype.kind != "f"
    if J is None:
        J = ((), (), ())
    if isinstance(J, tuple) or hasattr(J, "tocoo"):
        rows, cols, values = _read_coordinates(J, fields)
        integral = integral and (values.dtype.kind != "f" or not len(values))
        parts = _from_coordinates(rows, cols, _float64(values), fields, spins)
    else:
        matrix = _read_dense(J, fields)
        integral = integral and matrix.dtype.kind != "f"
        parts = _from_dense(_float64(matrix), fields, spins)
    _refuse_infinite(parts.linear, "J + h")
    if parts.trace:
        total = math.fsum([constant, parts.trace])
        constant = int(total) if integral and type(constant) is int else total

    linear, pairs, constants = len(parts.linear), len(parts.pairs), int(constant != 0)
    degrees = np.repeat((1, 2, 0), (linear, pairs, constants))
    whole = np.full(len(degrees), integral)
    whole[linear + pairs :] = type(constant) is int
    return freeze_block(
        np.concatenate((parts.linear, parts.pairs, np.full(constants, constant, np.float64))),
        np.concatenate(((0,), np.cumsum(degrees))),
        np.concatenate((parts.linear_ids, parts.pair_ids.ravel())),
        whole,
    )


def _from_dense(matrix: npt.NDArray[np.float64], fields: npt.NDArray[Any] | None, spins: bool) -> _Parts:
    with np.errstate(over="ignore"):
        both = np.triu(matrix + matrix.T, 1)
        linear = np.zeros(len(matrix)) if spins else matrix.diagonal()
        linear = linear if fields is None else linear + fields
    _refuse_infinite(both, "J + J.T")
    pair_ids = np.stack(both.nonzero(), axis=1)
    reached = both.any(axis=0) | both.any(axis=1)
    linear_ids = np.flatnonzero((linear != 0) | ~reached)
    trace = math.fsum(matrix.diagonal().tolist()) if spins else 0.0
    return _Parts(linear_ids, linear[linear_ids], pair_ids, both[pair_ids[:, 0], pair_ids[:, 1]], trace)


def _from_coordinates(
    rows: npt.NDArray[np.int64],
    cols: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    fields: npt.NDArray[Any] | None,
    spins: bool,
) -> _Parts:
    same = rows == cols
    pairs = ~same & (values != 0)
    pair_ids = np.stack((rows[pairs], cols[pairs]), axis=1)
    trace = math.fsum(values[same].tolist()) if spins else 0.0
    linear_ids, linear = rows[same], np.where(spins, 0.0, values[same])
    if fields is not None:
        linear_ids = np.concatenate((np.arange(len(fields)), linear_ids))
        linear = np.concatenate((fields.astype(np.float64), linear))
    nonzero = linear != 0
    named = np.unique(np.concatenate((linear_ids[~nonzero], rows[values == 0], cols[values == 0])))
    if len(named):
        named = named[np.isin(named, np.concatenate((linear_ids[nonzero], pair_ids.ravel())), invert=True)]
    return _Parts(
        np.concatenate((linear_ids[nonzero], named)),
        np.concatenate((linear[nonzero], np.zeros(len(named)))),
        pair_ids,
        values[pairs],
        trace,
    )


def read_numbers(value: Any, name: str, dimensions: int) -> npt.NDArray[Any]:
    """`value` as an array of finite ints or floats, in its own dtype, not copied where it is one already."""
    return read_moderate(value, name, dimensions)[0]


def read_moderate(value: Any, name: str, dimensions: int) -> tuple[npt.NDArray[Any], bool]:
    """The same, and whether it is `moderate`."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidProblem(f"{name} is not an array of numbers: {error}.", field=name, code="AZQ103") from None
    if array.dtype.kind not in "iuf":
        raise InvalidProblem(
            f"{name} must hold ints or floats; found dtype {array.dtype}.", field=name, value=array.dtype, code="AZQ103"
        )
    if array.ndim != dimensions:
        raise InvalidProblem(
            f"{name} must have {dimensions} dimension{'s' if dimensions > 1 else ''}; found shape {array.shape}.",
            field=name,
            value=array.shape,
            code="AZQ107",
        )
    is_moderate = moderate(array)
    if not is_moderate:
        _refuse_infinite(array, name)
    return array, is_moderate


def read_ids(value: Any, name: str, count: int) -> npt.NDArray[np.int64]:
    """`value` as an array (count,) of variables."""
    array = read_numbers(value, name, 1)
    if len(array) != count:
        raise InvalidProblem(
            f"{name} must be as many as the coefficients, {count}; found {len(array)}.", field=name, value=len(array)
        )
    if len(array) and array.dtype.kind == "f":  # an empty list makes an array of floats
        raise InvalidProblem(
            f"{name} must hold ints; found dtype {array.dtype}.", field=name, value=array.dtype, code="AZQ103"
        )
    bad = np.flatnonzero((array < 0) | (array > MAX_ID))
    if len(bad):
        field = f"{name}[{bad[0]}]"
        raise InvalidProblem(
            f"{field} must be in 0..{MAX_ID}; found {array[bad[0]]}.",
            field=field,
            value=int(array[bad[0]]),
            code="AZQ107",
        )
    return array.astype(np.int64)


def _read_dense(J: Any, fields: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """J as a finite square matrix, of the size of the fields."""
    matrix = read_numbers(J, "J", 2)
    _refuse_not_square(matrix.shape)
    if fields is not None and len(fields) != len(matrix):
        raise _other_size(len(matrix), len(fields))
    return matrix


def _read_coordinates(
    J: Any, fields: npt.NDArray[Any] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[Any]]:
    """The rows, columns and finite values of coordinates, or of a sparse matrix."""
    if isinstance(J, tuple):
        if len(J) != 3:
            raise InvalidProblem(
                f"J as coordinates must be (rows, cols, values); found {len(J)} parts.", field="J", code="AZQ103"
            )
        rows, cols, values = J
    else:
        _refuse_not_square(J.shape)
        if fields is not None and len(fields) != J.shape[0]:
            raise _other_size(J.shape[0], len(fields))
        coordinates = J.tocoo()
        rows, cols, values = coordinates.row, coordinates.col, coordinates.data
    numbers = read_numbers(values, "J values", 1)
    rows, cols = read_ids(rows, "J rows", len(numbers)), read_ids(cols, "J cols", len(numbers))
    if fields is not None and len(numbers) and max(rows.max(), cols.max()) >= len(fields):
        raise _other_size(int(max(rows.max(), cols.max())) + 1, len(fields))
    return rows, cols, numbers


def _float64(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return array.astype(np.float64, copy=False)


def _refuse_infinite(array: npt.NDArray[Any], name: str) -> None:
    finite = np.isfinite(array) if array.dtype.itemsize <= 8 else abs(array) <= MAX_FLOAT  # a long double has more
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), array.shape)
        field = f"{name}[{', '.join(map(str, map(int, place)))}]"
        raise InvalidProblem(
            f"{field} must be a finite number that a float64 holds; found {array[place]}.",
            field=field,
            value=float(array[place]),
            code="AZQ107",
        )


def _refuse_not_square(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise InvalidProblem(f"J must be square; found shape {shape}.", field="J", value=shape, code="AZQ107")


def _other_size(variables: int, fields: int) -> InvalidProblem:
    return InvalidProblem(
        f"h must have a field for each of the {variables} variables of J; found {fields}.",
        field="h",
        value=fields,
        code="AZQ107",
    )
