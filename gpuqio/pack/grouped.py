"""Squared sums as arrays: what they mean, and how a kernel walks them. The square is never written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gpuqio.terms import SlcTerm, TermArrays

__all__ = ["GroupWalk", "Groups", "fraction_bits", "merged_groups", "walk"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

T = TypeVar("T", np.float64, np.int64)
V = TypeVar("V", np.float64, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Groups(Generic[T]):
    """g squared sums, each coefficient x (constant + sum of weight x variable)^2.

    Attributes:
        coefficients: (g,).
        constants: (g,).
        offsets: (g + 1,) where the members of each begin; none is without.
        members: (m,) places of variables, ascending and distinct in each group.
        weights: (m,) of the members.
    """

    coefficients: npt.NDArray[T]
    constants: npt.NDArray[T]
    offsets: Ints
    members: Ints
    weights: npt.NDArray[T]

    def __len__(self) -> int:
        return len(self.coefficients)

    @property
    def owners(self) -> Ints:
        """(m,) the group of each member."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def totals(self, values: npt.NDArray[V]) -> npt.NDArray[V]:
        """(g,) sums of values (m,) over the members of each group, in their order."""
        sums = np.zeros(len(self), values.dtype)
        np.add.at(sums, self.owners, values)
        return sums

    @property
    def spans(self) -> npt.NDArray[T]:
        """(g,) what no sum before the square can exceed."""
        spans: npt.NDArray[T] = np.abs(self.constants) + self.totals(np.abs(self.weights))
        return spans


def fraction_bits(values: Floats) -> Ints:
    """How many binary places each value has after the point (negative: multiples of 2, 4, ...)."""
    mantissa, exponent = np.frexp(values)
    digits = np.ldexp(mantissa, 53).astype(np.int64)
    trailing = np.frexp((digits & -digits).astype(np.float64))[1] - 1
    bits: Ints = 53 - exponent.astype(np.int64) - trailing
    return bits


def merged_groups(terms: Sequence[SlcTerm], linear: TermArrays, members: Ints) -> tuple[Groups[np.float64], Floats]:
    """The groups of `terms`, and the constants that are left of those without variables.

    A power of two is moved from the weights to the coefficient, so that the largest is in [1, 2), and the first weight
    is positive. Then equal sums are merged and sorted. Zero weights and zero coefficients are dropped.

    Args:
        linear: all their linear terms, one after another.
        members: (m,) the place of each of its ids.
    """
    owner = np.repeat(np.arange(len(terms)), [len(term.terms) for term in terms])
    named = np.diff(linear.offsets) == 1
    coefficients = np.array([term.c for term in terms], np.float64)
    constants = np.zeros(len(terms))
    constants[owner[~named]] = linear.coefficients[~named]  # one each, at most
    owner, weights = owner[named], linear.coefficients[named]

    largest = np.abs(constants)
    np.maximum.at(largest, owner, np.abs(weights))
    exponents = np.frexp(largest)[1] - 1
    coefficients, constants = np.ldexp(coefficients, 2 * exponents), np.ldexp(constants, -exponents)
    weights = np.ldexp(weights, -exponents[owner])
    order = np.lexsort((members, owner))
    order = order[weights[order] != 0]
    owner, members, weights = owner[order], members[order], weights[order]
    offsets = np.searchsorted(owner, np.arange(len(terms) + 1))
    first = np.zeros(len(members), bool)
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    negative = np.zeros(len(terms), bool)
    negative[owner[first]] = weights[first] < 0
    constants = np.where(negative, -constants, constants) + 0.0  # no -0.0
    weights = np.where(negative[owner], -weights, weights)

    merged: dict[tuple[bytes, bytes, float], list[int]] = {}
    for group in np.flatnonzero((np.diff(offsets) > 0) & (coefficients != 0)).tolist():
        begin, end = offsets[group], offsets[group + 1]
        key = members[begin:end].tobytes(), weights[begin:end].tobytes(), float(constants[group])
        merged.setdefault(key, []).append(group)
    sums = {key: float(np.sort(coefficients[groups]).sum()) for key, groups in sorted(merged.items())}
    kept = [(merged[key][0], c) for key, c in sums.items() if c]
    places = [np.arange(offsets[group], offsets[group + 1]) for group, _ in kept]
    chosen = np.concatenate([np.zeros(0, np.int64), *places])
    groups = Groups(
        coefficients=np.array([c for _, c in kept], np.float64),
        constants=constants[[group for group, _ in kept]],
        offsets=np.cumsum([0] + [len(p) for p in places]),
        members=members[chosen],
        weights=weights[chosen],
    )
    bare = np.diff(offsets) == 0
    return groups, coefficients[bare] * constants[bare] ** 2


@dataclass(frozen=True, slots=True, eq=False)
class GroupWalk:
    """What the kernels need beside the entries, named as in cuda/layouts.cuh; a membership is a variable in a group.

    Attributes:
        wide_base: (n,) int64, in place of the layout's base.
        wide_weights: (entries,) int64, in place of its weights.
        group_offsets: (n + 1,) int32, first membership of each variable.
        group: int32, the group of each membership.
        slope: int32, what its sum gains when the bit is set.
        factor: int64, the slope times the group's coefficient.
        zero_sums: (g,) int32, the sums in the state of all bits 0.
    """

    wide_base: Ints
    wide_weights: Ints
    group_offsets: Int32s
    group: Int32s
    slope: Int32s
    factor: Ints
    zero_sums: Int32s


def walk(groups: Groups[np.int64], is_ising: bool, base: Ints, weights: Ints) -> GroupWalk:
    """The groups variable by variable, in bits: a spin is 1 - 2b."""
    order = np.argsort(groups.members, kind="stable")
    slopes = -2 * groups.weights if is_ising else groups.weights
    owners = groups.owners
    zero = groups.constants + (groups.totals(groups.weights) if is_ising else 0)
    return GroupWalk(
        wide_base=base,
        wide_weights=weights,
        group_offsets=np.searchsorted(groups.members[order], np.arange(len(base) + 1)).astype(np.int32),
        group=owners[order].astype(np.int32),
        slope=slopes[order].astype(np.int32),
        factor=(slopes * groups.coefficients[owners])[order],
        zero_sums=zero.astype(np.int32),
    )
