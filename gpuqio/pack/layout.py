"""Layouts: a problem as the arrays a kernel walks over, and the one function that chooses between them.

Every problem is written in bits b: flipping bit i changes the energy by (1 - 2 b_i) G_i with the gain
G_i = base_i + sum over i's entries of weight x combine(bits of the entry's other members). A spin is s = 1 - 2b, so
c s_i s_j ... adds -2c to each base and 4c to the weights, combined by parity; a pubo term c x_i x_j ... adds c,
combined by product. Terms are never expanded, squared sums neither (gpuqio/pack/grouped.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidProblem
from gpuqio.pack.aligned import aligned_zeros
from gpuqio.pack.bitsliced import Slices, slices
from gpuqio.pack.canonical import Canonical, Ints
from gpuqio.pack.fixed_point import FixedPoint, fixed_point
from gpuqio.pack.grouped import GroupWalk, walk
from gpuqio.pack.squares import as_square

__all__ = ["Layout", "Strategy", "choose", "lay_out"]

Int32s = npt.NDArray[np.int32]

MOST_MEMBERS = 2**31 - 1
"""In the table of all entries' other members: the kernels count them in 32 bits."""

DENSE_LIMIT = 10_240
"""Most variables of a dense layout: its matrix then takes 400 MiB."""

DENSE_DEGREE = 20.0
DENSE_SHARE = 0.15
"""Dense where a variable has more than 20 + 0.15 n neighbours: there updating a row at each accepted flip costs less
than walking the neighbours at each attempt. Read off one noisy run, n = 32..1024 (docs/design/trajectory.md)."""


class Strategy(Enum):
    """How a sweep is done; the values are those of cuda/layouts.cuh."""

    WINDOW = 0
    LANE_NEIGHBOUR = 1
    LANE_PARITY = 2
    LANE_PRODUCT = 3
    LANE_GROUPED = 4
    BITSLICED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A packed problem: immutable, shared by all runs on it.

    Attributes:
        strategy: which move walks it.
        num_variables: n.
        base: (n,) int32, WINDOW: padded to a multiple of 32; LANE_GROUPED: empty.
        weights: (n, padded n) int32 symmetric for WINDOW. Else (entries, 2) int32, entries in the order of their
            variables: the weight (LANE_GROUPED: 0), then for LANE_NEIGHBOUR the other member, else where the entry's
            members end. A variable of LANE_NEIGHBOUR has a positive even number of entries; weight 0 fills up.
        ends: (n,) int32, where the entries of each variable end; empty for WINDOW.
        members: int32, the other members of each entry; empty for WINDOW and LANE_NEIGHBOUR.
        groups: what LANE_GROUPED has besides, and in 64 bits; else None.
        slices: the small integers of BITSLICED, whose base, weights and ends are those of cuda/layouts.cuh; else None.
        planes: so many digits -128..127 to the base 256 hold any weight, for WINDOW; else 4.
        zero_energy: integer energy of the state of all bits 0 (all spins up), without the constant.
        fixed: the integer coefficients.
        problem: the canonical problem it was made from.
    """

    strategy: Strategy
    num_variables: int
    base: Int32s
    weights: Int32s
    ends: Int32s
    members: Int32s
    planes: int
    groups: GroupWalk | None
    slices: Slices | None
    zero_energy: int
    fixed: FixedPoint
    problem: Canonical

    @property
    def rise_bits(self) -> int:
        """No flip of one bit changes the integer energy by 2^rise_bits; thresholds are cut there."""
        return 30 if self.groups is None else 62

    @property
    def work(self) -> float:
        """Predicted cost of one sweep of one chain, in units of one cheap attempt."""
        if self.strategy is Strategy.WINDOW:
            return self.num_variables * (2.0 + 0.005 * self.num_variables)
        if self.slices is not None:
            return 0.1 * (self.num_variables * self.slices.digits + 0.05 * len(self.weights))
        if self.groups is not None:
            entries = 0.05 * len(self.groups.wide_weights) + 0.01 * len(self.members)
            return 1.5 * self.num_variables + 0.25 * len(self.groups.group) + entries
        return self.num_variables + 0.025 * len(self.weights) + 0.01 * (len(self.members) or len(self.weights))


def choose(problem: Canonical, windows: bool = True, bits: bool = False) -> tuple[Strategy, str]:
    """Which strategy walks `problem`, and why in a sentence. A function of the problem and of the solver's moves.

    Args:
        windows: whether the moves can walk a dense layout.
        bits: whether they can walk a bit-sliced one, and have chains enough for it.
    """
    n = problem.num_variables
    if len(problem.groups):
        return Strategy.LANE_GROUPED, f"{len(problem.groups)} squared sums, kept as sums: one chain a lane"
    if problem.degree > 2:
        strategy = Strategy.LANE_PARITY if problem.is_ising else Strategy.LANE_PRODUCT
        return strategy, f"terms of up to {problem.degree} variables: k-local, one chain a lane"
    if bits and (found := slices(problem, fixed_point(problem))):
        levels = int(found.sizes.max())
        return Strategy.BITSLICED, f"integers, at most {levels} units a variable: bit-sliced, one chain a bit"
    couplings = sum(len(c) for d, c in zip(problem.degrees, problem.coefficients, strict=True) if d == 2)
    neighbours = 2 * couplings / max(n, 1)
    bound = DENSE_DEGREE + DENSE_SHARE * n
    seen = f"{neighbours:.1f} neighbours a variable, {bound:.1f} is the bound"
    if not windows:
        return Strategy.LANE_NEIGHBOUR, "the solver's moves walk entries: one chain a lane"
    if n <= DENSE_LIMIT and neighbours > bound:
        return Strategy.WINDOW, f"{seen}: dense, 32 spins a window"
    return Strategy.LANE_NEIGHBOUR, f"{seen}: sparse, one chain a lane"


def lay_out(problem: Canonical, windows: bool = True, groups: bool = True, bits: bool = False) -> Layout:
    """The arrays for `problem` in the strategy that `choose` gives it; for what it is as a squared sum, if only that
    is exact and the solver's moves can walk it (`groups`)."""
    fixed = fixed_point(problem)
    if groups and not fixed.is_exact and (square := as_square(problem)) and (exact := fixed_point(square)).is_exact:
        problem, fixed = square, exact
    strategy, _ = choose(problem, windows, bits)
    sliced = slices(problem, fixed) if strategy is Strategy.BITSLICED else None
    if strategy is not Strategy.WINDOW:
        _refuse_too_many_members(problem)
    n = problem.num_variables
    base = np.zeros(-(-n // 32) * 32 if strategy is Strategy.WINDOW else n, dtype=np.int64)
    for rows, steps in zip(problem.members, fixed.coefficients, strict=True):
        if problem.is_ising:
            np.subtract.at(base, rows, 2 * steps[:, None])
        elif rows.shape[1] == 1:
            base[rows[:, 0]] += steps
    empty = np.zeros(0, dtype=np.int32)
    weights, ends, members = empty, empty, empty
    grouped = None
    zero_energy = sum(int(c.sum()) for c in fixed.coefficients) if problem.is_ising else 0
    if strategy is Strategy.WINDOW:
        weights = _matrix(problem, fixed, len(base))
    elif sliced is not None:
        start, weights, ends = sliced.arrays()
        base = start.astype(np.int64)
    elif strategy is Strategy.LANE_NEIGHBOUR:
        weights, ends = _pairs(problem, fixed)
    else:
        wide, ends, members, member_ends = _entries(problem, fixed)
        if strategy is Strategy.LANE_GROUPED:
            grouped = walk(fixed.groups, problem.is_ising, base, wide)
            base, wide = base[:0], np.zeros_like(wide)
            zero_energy += int(fixed.groups.coefficients @ grouped.zero_sums.astype(np.int64) ** 2)
        weights = np.stack([wide, member_ends], axis=1).astype(np.int32)
    return Layout(
        strategy=strategy,
        num_variables=n,
        base=base.astype(np.int32),
        weights=weights,
        ends=ends,
        members=members,
        planes=_planes(weights) if strategy is Strategy.WINDOW else 4,
        groups=grouped,
        slices=sliced,
        zero_energy=zero_energy,
        fixed=fixed,
        problem=problem,
    )


def _refuse_too_many_members(problem: Canonical) -> None:
    if sum(rows.size * (rows.shape[1] - 1) for rows in problem.members) > MOST_MEMBERS:
        raise InvalidProblem(
            "The terms name so many variables together that their table would not fit: a term of k variables takes "
            f"k (k - 1) entries of it, and it holds {MOST_MEMBERS}.",
            field="terms",
            code="AZQ001",
        )


def _planes(weights: Int32s) -> int:
    """How many digits -128..127 hold them: so many reach to 127 x 1, 257, 65793, ... on both sides."""
    largest = int(abs(weights).max(initial=0))
    return 1 + sum(largest > 127 * (256**digits - 1) // 255 for digits in (1, 2, 3))


def _matrix(problem: Canonical, fixed: FixedPoint, padded: int) -> Int32s:
    matrix = aligned_zeros((problem.num_variables, padded), np.int32)
    for rows, steps in zip(problem.members, fixed.coefficients, strict=True):
        if rows.shape[1] == 2:
            matrix[rows[:, 0], rows[:, 1]] = matrix[rows[:, 1], rows[:, 0]] = 4 * steps if problem.is_ising else steps
    return matrix


def _entries(problem: Canonical, fixed: FixedPoint) -> tuple[Ints, Int32s, Int32s, Ints]:
    """Each variable's terms with their other members: weights, ends of entries, members, ends of members."""
    terms = [(r, c) for r, c in zip(problem.members, fixed.coefficients, strict=True) if r.shape[1] > 1]
    none = [np.zeros(0, dtype=np.int64)]
    owner = np.concatenate(none + [rows.T.ravel() for rows, _ in terms])
    weights = np.concatenate(none + [np.tile(steps, rows.shape[1]) for rows, steps in terms])
    length = np.concatenate(none + [np.full(rows.size, rows.shape[1] - 1) for rows, _ in terms])
    order = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=problem.num_variables))
    member_offsets = np.concatenate(([0], np.cumsum(length[order])))
    begin = np.empty_like(length)  # where the members of each entry go
    begin[order] = member_offsets[:-1]
    members = np.empty(member_offsets[-1], dtype=np.int32)
    entry = 0
    for rows, _ in terms:
        others = np.arange(rows.shape[1] - 1)
        for place in range(rows.shape[1]):
            members[begin[entry : entry + len(rows), None] + others] = np.delete(rows, place, axis=1)
            entry += len(rows)
    steps = weights[order] * (4 if problem.is_ising else 1)
    return steps, ends.astype(np.int32), members, member_offsets[1:]


def _pairs(problem: Canonical, fixed: FixedPoint) -> tuple[Int32s, Int32s]:
    """As `_entries`, of one member each: weights with members, and their ends, in a third of the memory.

    A variable gets an even number of entries, and some: the rest are itself, weight 0.
    """
    pairs, steps = np.zeros((0, 2), dtype=np.int32), np.zeros(0, dtype=np.int32)
    if 2 in problem.degrees:
        pairs = problem.members[-1].astype(np.int32)
        steps = (fixed.coefficients[-1] * (4 if problem.is_ising else 1)).astype(np.int32)
    owner = pairs.T.ravel()
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=problem.num_variables)
    room = np.maximum(counts + counts % 2, 2)
    ends = np.cumsum(room)
    place = np.arange(len(order)) + np.repeat(ends - room - (np.cumsum(counts) - counts), counts)
    entries = np.zeros((room.sum(), 2), dtype=np.int32)
    entries[:, 1] = np.repeat(np.arange(len(ends), dtype=np.int32), room)
    entries[place, 0] = np.tile(steps, 2)[order]
    entries[place, 1] = pairs.T[::-1].ravel()[order]
    return entries, ends.astype(np.int32)
