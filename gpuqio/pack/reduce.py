"""Exact reductions: variables that need no search leave a problem before it is solved, and come back after.

The least cost over one variable, given its neighbours, is again a cost of these: a constant where it has none, a field
where it has one (a leaf), a pair and two fields where it has two. So a minimum of what is left, with each variable put
back at its best value, is a minimum of the whole; trees, rings and all series-parallel graphs vanish altogether.
(Non-serial dynamic programming: Bertele, Brioschi, 1972; for QUBO: Boros, Hammer, Tavares, RUTCOR RRR 10-2006.)

Components of what is left are known by their labels, and tiny ones are solved here, too (`gpuqio.pack.tiny`).

All arithmetic is on Python's whole numbers, multiples of one power of two. Bits make that possible: the four values
that a pair takes there give its coefficients without a division, which spins' need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from gpuqio.pack.canonical import Canonical, Floats, Ints, row_order
from gpuqio.pack.components import component_labels
from gpuqio.pack.fixed_point import fixed_point
from gpuqio.pack.grouped import fraction_bits
from gpuqio.pack.tiny import TINY, tiny_components

__all__ = ["Reduction", "Round", "reduced", "whole"]

Bits = npt.NDArray[np.uint8]

MOST_NEIGHBOURS = 2
"""Of a variable that leaves. With three, what is left has terms of three variables."""

SMALLEST = 1022
"""No float64 of all its digits is a finer multiple of one than of 2^-SMALLEST."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Variables that left together: none is a neighbour of another.

    Attributes:
        variables: (r,) their places in the whole problem.
        neighbours: (r, 2) places; a variable's own where it has fewer.
        best: (r,) bit x + 2 y is the best bit where the neighbours' are x and y; of equals 0.
    """

    variables: Ints
    neighbours: Ints
    best: Bits


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """A problem without the variables that need no search.

    Attributes:
        problem: what is left.
        labels: (n',) of each of its variables the first variable of its component; all 0 where it is to stay in one.
        kept: (n',) the places of its variables in the whole problem.
        rounds: how the others left, first to last.
        is_exact: no coefficient of `problem` is rounded: its minima are those of the whole.
    """

    problem: Canonical
    labels: Ints
    kept: Ints
    rounds: tuple[Round, ...]
    is_exact: bool

    @property
    def removed(self) -> int:
        """How many variables have left."""
        return sum(len(r.variables) for r in self.rounds)

    def restored(self, bits: Bits) -> Bits:
        """(k, n) states of the whole problem, from (k, n') bits of what is left: the others at their best."""
        if not self.rounds:
            return bits
        states = np.zeros((self.problem.num_variables + self.removed, len(bits)), np.uint8)
        states[self.kept] = bits.T
        for left in reversed(self.rounds):
            x, y = states[left.neighbours[:, 0]], states[left.neighbours[:, 1]]
            states[left.variables] = (left.best[:, None] >> (x + 2 * y)) & 1
        return np.ascontiguousarray(states.T)


def whole(problem: Canonical) -> Reduction:
    """`problem` as it is, in one."""
    n = problem.num_variables
    return Reduction(problem, np.zeros(n, np.int64), np.arange(n), (), True)


def reduced(problem: Canonical) -> Reduction:
    """`problem` without its variables of at most two neighbours, and without those that then have no more, and so on;
    and where what is left falls apart, without its tiny components.

    A function of the problem alone. Where it has squared sums or terms of more than two variables, only components
    leave; where exact coefficients would no longer be exact inside, no others do.
    """
    return _without_tiny(_eliminated(problem))


def _eliminated(problem: Canonical) -> Reduction:
    """`problem` without variables of few neighbours."""
    if len(problem.groups) or problem.degree > 2:
        return whole(problem)
    degrees = np.bincount(_pairs(problem)[0].ravel(), minlength=problem.num_variables)
    candidates = np.flatnonzero(degrees <= MOST_NEIGHBOURS)
    if not len(candidates):
        return whole(problem)
    elimination = _Elimination(problem)
    rounds = tuple(elimination.rounds(candidates.tolist()))
    left, is_exact = elimination.left()
    if not (is_exact and fixed_point(left).is_exact) and fixed_point(problem).is_exact:
        return whole(problem)
    kept = np.flatnonzero(elimination.stays)
    return Reduction(left, np.zeros(len(kept), np.int64), kept, rounds, is_exact)


def _without_tiny(reduction: Reduction) -> Reduction:
    """`reduction` with the components of what is left, tiny ones solved: where there is but one, bare variables only.

    A lone one is left to the solver, whose user may want to see the parameters it finds.
    """
    problem = reduction.problem
    labels = component_labels(problem)
    lone = np.count_nonzero(np.bincount(labels) > 1) == 1
    variables, bits, costs = tiny_components(problem, labels, 1 if lone else TINY)
    if not len(variables):
        return replace(reduction, labels=labels)
    stays = np.ones(len(labels), bool)
    stays[variables] = False
    places = np.cumsum(stays) - 1
    terms = [
        (degree, places[members[named]], coefficients[named])
        for degree, members, coefficients in zip(problem.degrees, problem.members, problem.coefficients, strict=True)
        if (named := stays[members[:, 0]]).any()
    ]
    left = replace(
        problem,
        variables=problem.variables[stays],
        constant=math.fsum([problem.constant, *costs.tolist()]),
        degrees=tuple(degree for degree, _, _ in terms),
        members=tuple(members for _, members, _ in terms),
        coefficients=tuple(coefficients for *_, coefficients in terms),
        groups=replace(problem.groups, members=places[problem.groups.members]),
    )
    gone = reduction.kept[variables]
    last = Round(gone, np.stack((gone, gone), axis=1), bits)
    return Reduction(left, places[labels[stays]], reduction.kept[stays], (*reduction.rounds, last), reduction.is_exact)


def _pairs(problem: Canonical) -> tuple[Ints, Floats]:
    """Members (m, 2) and coefficients (m,) of the terms of two variables."""
    if 2 in problem.degrees:
        return problem.members[-1], problem.coefficients[-1]
    return np.zeros((0, 2), np.int64), np.zeros(0)


class _Elimination:
    """Variables leave one after another; what they leave behind is added up in whole numbers, as bits' coefficients.

    Only rows that something happens to are written out, so where few variables leave, little is done.

    Attributes:
        stays: (n,) which variables have not left.
    """

    def __init__(self, problem: Canonical) -> None:
        self.stays = np.ones(problem.num_variables, bool)
        self._problem = problem
        self._members, self._weights = _pairs(problem)
        self._linear = np.zeros(problem.num_variables)
        if 1 in problem.degrees:
            self._linear[problem.members[0][:, 0]] = problem.coefficients[0]
        owners = self._members.T.ravel()
        order = np.argsort(owners, kind="stable")
        self._others = self._members.T[::-1].ravel()[order]
        self._values = np.tile(self._weights, 2)[order]
        self._offsets = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=problem.num_variables)))).tolist()
        self._scale = 1 << max([0, *(int(fraction_bits(c).max()) for c in problem.coefficients)])
        self._rows: dict[int, dict[int, int]] = {}
        self._fields: dict[int, int] = {}
        self._gained = 0  # constants that have come up, in units of 1 / scale

    def rounds(self, candidates: list[int]) -> Iterator[Round]:
        """Let variables leave: `candidates`, and those that come to as few neighbours.

        Whose neighbour has left waits for the next round. So rounds are few: a path loses half of what it has in each.
        """
        while candidates:
            left: list[tuple[int, int, int, int]] = []
            later: list[int] = []
            changed: set[int] = set()
            for variable in candidates:
                if variable in changed:
                    later.append(variable)
                    continue
                row = self._row(variable)
                degrees = [(other, len(self._row(other))) for other in row]
                left.append(self._leave(variable))
                changed.update(row)
                later += [v for v, before in degrees if before > MOST_NEIGHBOURS >= len(self._rows[v])]
            table = np.array(left, np.int64)
            self.stays[table[:, 0]] = False
            yield Round(table[:, 0], table[:, 1:3], table[:, 3].astype(np.uint8))
            candidates = later

    def left(self) -> tuple[Canonical, bool]:
        """The problem of those that stay, and whether its coefficients are exact."""
        stays, problem = self.stays, self._problem
        written = np.zeros(len(stays), bool)
        written[list(self._rows)] = True
        same_pairs = stays[self._members].all(axis=1) & ~written[self._members].all(axis=1)
        same_fields = stays & ~written
        rows = sorted(self._rows.items())
        pairs = [(v, w, weight) for v, row in rows for w, weight in row.items() if v < w and written[w]]
        if problem.is_ising:  # of bits, to spins: c b b' = c (1 - s)(1 - s') / 4
            scale = 4 * self._scale
            fields = [(v, -2 * self._fields[v] - sum(row.values())) for v, row in rows]
        else:
            scale = self._scale
            fields = [(v, self._fields[v]) for v, _ in rows]
        fields = [(v, field) for v, field in fields if field]
        new_pairs, new_fields = [weight for *_, weight in pairs], [field for _, field in fields]
        constant = Fraction(problem.constant) + Fraction(self._gained, self._scale)
        if problem.is_ising:  # costs are compared where all bits are 0
            gone = self._whole(self._weights[~same_pairs]) + self._whole(self._linear[~same_fields])
            constant += Fraction(sum(gone), self._scale) - Fraction(sum(new_pairs) + sum(new_fields), scale)

        kept = np.flatnonzero(stays)
        place = np.cumsum(stays) - 1
        linear = np.where(same_fields, self._linear, 0.0)
        linear[[v for v, _ in fields]] = [field / scale for field in new_fields]
        named = np.flatnonzero(linear)
        members = np.concatenate((self._members[same_pairs], np.array([p[:2] for p in pairs], np.int64).reshape(-1, 2)))
        weights = np.concatenate((self._weights[same_pairs], [weight / scale for weight in new_pairs]))
        order = row_order(members, len(stays))  # mostly in order: quick
        terms = [(1, place[named][:, None], linear[named]), (2, place[members[order]], weights[order])]
        terms = [term for term in terms if len(term[2])]
        left = replace(
            problem,
            variables=problem.variables[kept],
            constant=float(constant),
            degrees=tuple(degree for degree, _, _ in terms),
            members=tuple(places for _, places, _ in terms),
            coefficients=tuple(coefficients for *_, coefficients in terms),
        )
        return left, scale < 1 << SMALLEST and all(map(_is_float, new_pairs)) and all(map(_is_float, new_fields))

    def _row(self, variable: int) -> dict[int, int]:
        """The neighbours that a variable has now, with the bits' coefficients; written out if it was not."""
        row = self._rows.get(variable)
        if row is None:
            begin, end = self._offsets[variable : variable + 2]
            values = self._whole(self._values[begin:end])
            (field,) = self._whole(self._linear[variable : variable + 1])
            if self._problem.is_ising:
                field = -2 * (field + sum(values))
                values = [4 * value for value in values]
            row = self._rows[variable] = dict(zip(self._others[begin:end].tolist(), values, strict=True))
            self._fields[variable] = field
        return row

    def _whole(self, values: Floats) -> list[int]:
        """The values in units of 1 / scale."""
        scale = self._scale
        if scale == 1:
            return list(map(int, values.tolist()))
        return [p * (scale // q) for p, q in map(float.as_integer_ratio, values.tolist())]

    def _leave(self, variable: int) -> tuple[int, int, int, int]:
        """Have the least cost over the variable take its place: (variable, neighbour, neighbour, best) of its round."""
        fields, field = self._fields, self._fields.pop(variable)
        neighbours = self._rows.pop(variable)
        if not neighbours:
            self._gained += min(0, field)
            return variable, variable, variable, field < 0
        (x, to_x), (y, to_y) = [*neighbours.items(), (variable, 0)][:2]
        gains = field, field + to_x, field + to_y, field + to_x + to_y
        none, of_x, of_y, of_both = [min(0, gain) for gain in gains]
        self._gained += none
        del self._rows[x][variable]
        fields[x] += of_x - none
        if len(neighbours) == 2:
            del self._rows[y][variable]
            fields[y] += of_y - none
            self._join(x, y, of_both - of_x - of_y + none)
        return variable, x, y, sum((gain < 0) << place for place, gain in enumerate(gains))

    def _join(self, x: int, y: int, weight: int) -> None:
        rows = self._rows
        weight += rows[x].pop(y, 0)
        rows[y].pop(x, 0)
        if weight:
            rows[x][y] = rows[y][x] = weight


def _is_float(number: int) -> bool:
    """Whether a float64 holds this multiple of a power of two."""
    return (number // (number & -number or 1)).bit_length() <= 53
