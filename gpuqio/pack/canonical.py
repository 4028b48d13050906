"""The canonical problem: what is left of a cost function when its spelling no longer matters.

Like terms merged, variables compacted in ascending id, terms sorted by degree and members, zero coefficients dropped,
the constant kept apart. Sums are taken in sorted order, so the order of the input can't change a bit of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.ma  # np.unique imports it when first called; a fork just then would leave the child hanging
import numpy.typing as npt

from gpuqio.errors import InvalidTerm
from gpuqio.pack.grouped import Groups, merged_groups
from gpuqio.problem import Problem
from gpuqio.term_store import pack_terms

__all__ = ["Canonical", "canonical", "row_order"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Canonical:
    """Terms of equal degree together, degrees ascending.

    Attributes:
        is_ising: variables are spins in {-1, 1}; otherwise bits in {0, 1}.
        variables: (n,) the original ids, ascending; members below are places in it.
        constant: the sum of all constant terms.
        degrees: one entry a degree, ascending, each at least 1.
        members: one (m_d, d) array a degree, each row ascending, rows sorted.
        coefficients: one (m_d,) array a degree, none zero.
        groups: the squared sums.
    """

    is_ising: bool
    variables: Ints
    constant: float
    degrees: tuple[int, ...]
    members: tuple[Ints, ...]
    coefficients: tuple[Floats, ...]
    groups: Groups[np.float64]

    @property
    def num_variables(self) -> int:
        return len(self.variables)

    @property
    def num_terms(self) -> int:
        """Counting each linear term of a squared sum."""
        return sum(len(c) for c in self.coefficients) + len(self.groups.members)

    @property
    def degree(self) -> int:
        """The locality k: most variables in one term, squares written out; 0 for a constant."""
        in_groups = np.diff(self.groups.offsets).max(initial=0)
        return max(*self.degrees, min(int(in_groups), 2), 0)

    @property
    def is_symmetric(self) -> bool:
        """Whether opposite states cost the same whatever they are: spins, an even number in each term."""
        return self.is_ising and not any(d % 2 for d in self.degrees) and not self.groups.constants.any()


def canonical(problem: Problem) -> Canonical:
    """The canonical form of `problem`.

    Raises:
        InvalidProblem: whatever `Problem.check` refuses.
        InvalidTerm: an ising term names a variable twice.
    """
    problem.check()
    arrays = problem.term_arrays()
    linear = pack_terms(term for group in problem.terms_slc for term in group.terms).arrays
    is_ising = problem.problem_type.spins
    variables, places = _compacted(np.concatenate((arrays.ids, linear.ids)) if len(linear.ids) else arrays.ids)
    places, in_groups = places[: len(arrays.ids)], places[len(arrays.ids) :]
    groups, constants = merged_groups(problem.terms_slc, linear, in_groups)
    places, degrees = _distinct_members(places, np.diff(arrays.offsets), variables, is_ising)

    constant = float(np.sort(np.concatenate((arrays.coefficients[degrees == 0], constants))).sum())
    terms: list[tuple[int, Ints, Floats]] = []
    for degree in np.unique(degrees[degrees > 0]):
        chosen, rows, coefficients = degrees == degree, places, arrays.coefficients
        if not chosen.all():
            rows, coefficients = rows[np.repeat(chosen, degrees)], coefficients[chosen]
        rows, coefficients = _merge(rows.reshape(-1, degree), coefficients, len(variables))
        if len(coefficients):
            terms.append((int(degree), rows, coefficients))
    return Canonical(
        is_ising=is_ising,
        variables=variables,
        constant=constant,
        degrees=tuple(t[0] for t in terms),
        members=tuple(t[1] for t in terms),
        coefficients=tuple(t[2] for t in terms),
        groups=groups,
    )


def _compacted(ids: Ints) -> tuple[Ints, Ints]:
    """The distinct ids, ascending, and the place of each id among them."""
    if len(ids) and ids.max() < 4 * len(ids):  # a table beats sorting, and takes no more memory than the ids
        table = np.zeros(int(ids.max()) + 1, np.int64)
        table[ids] = 1
        return np.flatnonzero(table), (np.cumsum(table) - 1)[ids]
    variables, places = np.unique(ids, return_inverse=True)
    return variables, places.astype(np.int64)


def _distinct_members(places: Ints, degrees: Ints, variables: Ints, is_ising: bool) -> tuple[Ints, Ints]:
    """Members sorted inside each term, each once: x x = x for bits; for spins a repetition is refused."""
    inside = np.ones(len(places), dtype=bool)  # the term goes on
    inside[(np.cumsum(degrees) - degrees)[degrees > 0]] = False
    if ((places[1:] > places[:-1]) | ~inside[1:]).all():  # as they should be: nothing to do
        return places, degrees
    places = places.copy()
    for degree in np.unique(degrees[degrees > 1]):
        chosen = np.repeat(degrees == degree, degrees)
        places[chosen] = np.sort(places[chosen].reshape(-1, degree), axis=1).ravel()
    repeated = inside
    repeated[1:] &= places[1:] == places[:-1]
    repeated[:1] = False
    if not repeated.any():
        return places, degrees
    term = np.repeat(np.arange(len(degrees)), degrees)
    if is_ising:
        at = int(np.flatnonzero(repeated)[0])
        raise InvalidTerm(
            f"Duplicated ids detected in term! Term {term[at]} names variable {variables[places[at]]} twice.",
            field=f"terms[{term[at]}].ids",
            value=int(variables[places[at]]),
            code="AZQ101",
        )
    return places[~repeated], degrees - np.bincount(term[repeated], minlength=len(degrees))


def row_order(rows: Ints, count: int) -> Ints:
    """The stable order that sorts rows of numbers below `count`, by their first column first."""
    if max(count, 1) ** rows.shape[1] < 1 << 63:  # one sort of one key takes a third of the time
        keys = rows[:, 0]
        for column in rows.T[1:]:
            keys = keys * count + column
        order: Ints = np.argsort(keys, kind="stable")
    else:
        order = np.lexsort(rows.T[::-1])
    return order


def _merge(rows: Ints, coefficients: Floats, count: int) -> tuple[Ints, Floats]:
    """Equal rows, of places below `count`, added up in the order of their coefficients; zero sums dropped."""
    if not _ascending(rows):
        order = row_order(rows, count)
        rows, coefficients = rows[order], coefficients[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    if not first.all():
        coefficients = coefficients[np.lexsort((coefficients, np.cumsum(first)))]
        starts = np.flatnonzero(first)
        rows, coefficients = rows[starts], np.add.reduceat(coefficients, starts)
    kept = coefficients != 0
    return (rows, coefficients) if kept.all() else (rows[kept], coefficients[kept])


def _ascending(rows: Ints) -> bool:
    """Whether each row comes strictly after the one before, column by column."""
    undecided = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for column in rows.T:
        before, after = column[:-1], column[1:]
        if (undecided & (after < before)).any():
            return False
        undecided &= after == before
    return not undecided.any()
