"""What values do to terms: the cost of configurations, and the problem left when some variables are fixed.

Costs are correctly rounded: the float64 next to the exact sum. So they don't depend on the order of the terms, on how
many configurations are evaluated together, or on the machine, and integer problems have integer costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidProblem, UnknownVariable
from gpuqio.term_store import TermBlock, freeze_block, pack_terms
from gpuqio.terms import SlcTerm, TermArrays

__all__ = ["evaluate", "evaluate_states", "fix_variables", "refuse_overflow"]

_ENTRIES = 1 << 22  # of the largest temporary array: 32 MiB as float64


def evaluate(
    arrays: TermArrays,
    grouped: Sequence[SlcTerm],
    variables: npt.NDArray[np.int64],
    configuration: Mapping[int, float],
) -> float:
    """The cost of one configuration of the variables (n,), ascending; its values may be any finite numbers."""
    refuse_overflow(arrays, grouped)
    for variable in variables.tolist():
        if variable not in configuration:
            raise _unknown(variable)
    values = np.fromiter((configuration[i] for i in variables.tolist()), np.float64, len(variables))
    costs: list[float] = [term.evaluate(configuration) for term in grouped]
    for part in _chunks(arrays, _ENTRIES):
        row = values[np.searchsorted(variables, part.ids)][None, :]
        costs.extend((_products(part, row)[0] * part.coefficients).tolist())
    return math.fsum(costs)


def evaluate_states(
    arrays: TermArrays,
    grouped: Sequence[SlcTerm],
    variables: npt.NDArray[np.int64],
    states: npt.NDArray[np.int8],
) -> npt.NDArray[np.float64]:
    """The costs, float64 (k,), of states (k, n) whose columns are the variables (n,), in any order."""
    refuse_overflow(arrays, grouped)
    count = len(states)
    sums = list(_exact_sums(arrays, variables, states))
    for term in grouped:
        inner = list(_exact_sums(pack_terms(term.terms).arrays, variables, states))
        sums.append(float(term.c) * _round(inner, count) ** 2)
    return _round(sums, count)


def fix_variables(block: TermBlock, fixed: Mapping[int, float]) -> tuple[TermBlock, int | float]:
    """Terms with some variables fixed: those with variables left, and the sum of the others.

    A term that a fixed value makes zero is dropped; a term that was zero before stays.
    """
    arrays = block.arrays
    keys = np.array(sorted(fixed), np.int64)
    values = np.array([fixed[key] for key in keys.tolist()], np.float64)
    places = np.minimum(np.searchsorted(keys, arrays.ids), len(keys) - 1)
    hit = keys[places] == arrays.ids
    factors = _products(arrays, np.where(hit, values[places], 1.0)[None, :])[0]
    with np.errstate(over="ignore"):
        coefficients = arrays.coefficients * factors
    if not np.isfinite(coefficients).all():
        raise InvalidProblem(
            "These fixed values make a coefficient infinite; use smaller ones.", field="fixed_variables"
        )
    integral = block.integral & all(type(value) is int for value in fixed.values())

    kept_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(~hit)])
    degrees = kept_before[arrays.offsets[1:]] - kept_before[arrays.offsets[:-1]]
    touched = degrees < np.diff(arrays.offsets)
    remains = (degrees > 0) & ~(touched & (coefficients == 0))
    left = freeze_block(
        coefficients[remains],
        np.concatenate([np.zeros(1, np.int64), np.cumsum(degrees[remains])]),
        arrays.ids[~hit & np.repeat(remains, np.diff(arrays.offsets))],
        integral[remains],
    )
    constant = degrees == 0
    total = math.fsum(coefficients[constant].tolist())
    return left, int(total) if integral[constant].all() else total


def refuse_overflow(arrays: TermArrays, grouped: Sequence[SlcTerm] = ()) -> None:
    """Raise where a cost could be infinite: the absolute coefficients must have a finite sum."""
    with np.errstate(over="ignore"):
        total = float(np.abs(arrays.coefficients).sum())
        for term in grouped:
            total += abs(term.c) * float(np.square(sum(abs(float(linear.c)) for linear in term.terms)))
    if not math.isfinite(total):
        raise InvalidProblem(
            "The coefficients are so large that their sum is beyond a float64; divide all of them by a common factor.",
            field="terms",
            value=total,
            code="AZQ107",
        )


def _exact_sums(
    arrays: TermArrays, variables: npt.NDArray[np.int64], states: npt.NDArray[np.int8]
) -> Iterator[npt.NDArray[np.float64]]:
    """Float64 arrays (k,), each without rounding error, that add up to the costs.

    Coefficients are cut into digits on a common grid, so coarse that a sum of m of them stays an integer below 2^53:
    then a matrix product is exact in whatever order it adds. Integers and other short numbers need one cut, the
    mantissas of real numbers two or three. (Demmel and Nguyen, Fast reproducible floating-point summation, 2013.)
    """
    if states.ndim != 2 or states.shape[1] != len(variables):
        raise InvalidProblem(
            f"states must have one column for each of the {len(variables)} variables; found shape {states.shape}.",
            field="states",
            value=states.shape,
        )
    if states.size and not -1 <= int(states.min()) <= int(states.max()) <= 1:
        raise InvalidProblem("states must hold -1 and 1, or 0 and 1.", field="states")
    find = _finder(variables)
    for part in _chunks(arrays, _ENTRIES // max(1, len(states))):
        columns = find(part.ids)
        if len(columns) and columns.min() < 0:
            raise _unknown(int(part.ids[columns < 0][0]))
        signs = _products(part, states[:, columns]).astype(np.float64)
        width = 53 - len(part).bit_length()
        rest = part.coefficients
        while rest.any():
            grid = int(np.frexp(np.abs(rest).max())[1]) - width
            digits = np.rint(np.ldexp(rest, -grid))
            yield np.ldexp(signs @ digits, grid)
            rest = rest - np.ldexp(digits, grid)


def _finder(variables: npt.NDArray[np.int64]) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
    """Gives the column of each of many ids, -1 for what is no variable."""
    count = len(variables)
    if count and variables.max() < 4 * count:  # a table: thirty times as fast as searching among a million
        table = np.full(4 * count, -1)
        table[variables] = np.arange(count)
        return lambda ids: np.where(ids < len(table), table[np.minimum(ids, len(table) - 1)], -1)
    order = np.argsort(variables, kind="stable")

    def search(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if not count:
            return np.full(len(ids), -1)
        columns = order[np.minimum(np.searchsorted(variables, ids, sorter=order), count - 1)]
        return np.where(variables[columns] == ids, columns, -1)

    return search


def _products(arrays: TermArrays, rows: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The product over each term (k, m), of values (k, len(ids)) that stand in the order of the ids."""
    result = np.ones((len(rows), len(arrays)), rows.dtype)
    nonempty = np.flatnonzero(np.diff(arrays.offsets))
    if len(nonempty):
        result[:, nonempty] = np.multiply.reduceat(rows, arrays.offsets[nonempty], axis=1, dtype=rows.dtype)
    return result


def _chunks(arrays: TermArrays, entries: int) -> Iterator[TermArrays]:
    """The terms in parts of at most `entries` terms and ids, or of one term where that is larger."""
    weight = arrays.offsets + np.arange(len(arrays) + 1)
    start = 0
    while start < len(arrays):
        stop = max(start + 1, int(np.searchsorted(weight, weight[start] + entries, side="right")) - 1)
        low, high = arrays.offsets[start], arrays.offsets[stop]
        yield TermArrays(arrays.coefficients[start:stop], arrays.offsets[start : stop + 1] - low, arrays.ids[low:high])
        start = stop


def _round(sums: Sequence[npt.NDArray[np.float64]], count: int) -> npt.NDArray[np.float64]:
    """The correctly rounded sum of exact parts."""
    if len(sums) < 2:
        return np.zeros(count) + sum(sums)
    return np.fromiter((math.fsum(parts) for parts in zip(*sums, strict=True)), np.float64, count)


def _unknown(variable: int) -> UnknownVariable:
    return UnknownVariable(
        f"Variable {variable} is in the problem, but not in the supplied configuration.",
        field="configuration",
        value=variable,
    )
