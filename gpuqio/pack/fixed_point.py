"""Coefficients as integers: every gain, energy and comparison in the kernels is then exact.

All coefficients become multiples of one unit, a power of two. Where they are such multiples already (integers,
halves, ...) nothing is rounded. Otherwise the unit is chosen so that the largest gain takes 27 bits, and each
coefficient is rounded by at most half a unit: about what float32 fields would lose, but once, not at every flip.
Costs given to the user never pass through here: they are recomputed from the configuration in float64.

With squared sums the largest energy takes 59 bits instead: a sum is squared as an integer, and squares are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuqio.pack.canonical import Canonical, Ints
from gpuqio.pack.grouped import Groups, fraction_bits

__all__ = ["ENERGY_BITS", "GAIN_BITS", "FixedPoint", "fixed_point"]

Bools = npt.NDArray[np.bool_]

GAIN_BITS = 27
"""|gain| < 2^27 before rounding, so below 2^28 after it: eight rises add up within 32 bits (lane.cuh)."""

ENERGY_BITS = 59
"""With groups: |energy| and |rise| < 2^59 before rounding, so below 2^60 after it. A group's sum is then below 2^30,
and twice that fits in 32 bits (grouped.cuh)."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """Attributes:
    exponent: coefficients are integers times 2**-exponent.
    resolution: twice the most that rounding one coefficient or weight can change a cost; 0.0 if nothing was rounded.
    coefficients: one (m_d,) integer array for each degree of the canonical problem.
    groups: its squared sums, each in a unit of its own: integers whose squares are multiples of 2**-exponent.
    """

    exponent: int
    resolution: float
    coefficients: tuple[Ints, ...]
    groups: Groups[np.int64]

    @property
    def unit(self) -> float:
        """The cost of one integer step."""
        return float(np.ldexp(1.0, -self.exponent))

    @property
    def is_exact(self) -> bool:
        return self.resolution == 0


def fixed_point(problem: Canonical) -> FixedPoint:
    """The coefficients of `problem` in integer steps."""
    groups = problem.groups
    grids = _grids(groups)
    room = ENERGY_BITS - _energy_exponent(problem) if len(groups) else GAIN_BITS - _gain_exponent(problem)
    of_terms = [int(fraction_bits(c).max()) for c in problem.coefficients]
    of_groups = fraction_bits(groups.coefficients) + 2 * grids
    exponent = min(room, max([*of_terms, *of_groups.tolist()], default=0))
    steps = tuple(np.rint(np.ldexp(c, exponent)).astype(np.int64) for c in problem.coefficients)
    rounded, rounding = _rounded(groups, grids, of_groups <= exponent, exponent)
    if max(of_terms, default=exponent) > exponent:
        rounding = max(rounding, 1.0)
    return FixedPoint(exponent, float(np.ldexp(rounding, -exponent)), steps, rounded)


def _gain_exponent(problem: Canonical) -> int:
    """The least e such that no flip changes the energy by 2^e: by the sum of its terms' magnitudes, for spins twice."""
    total = np.zeros(problem.num_variables)
    for rows, coefficients in zip(problem.members, problem.coefficients, strict=True):
        magnitude = np.repeat(np.abs(coefficients), rows.shape[1])
        total += np.bincount(rows.ravel(), weights=magnitude, minlength=problem.num_variables)
    return int(np.frexp(total.max(initial=0.0))[1]) + problem.is_ising


def _energy_exponent(problem: Canonical) -> int:
    """The least e such that no two energies are 2^e apart, nor any that far from 0; halves, lest they overflow."""
    halves = [np.abs(problem.groups.coefficients) * problem.groups.spans**2 / 2]
    halves += [np.abs(c) * (1.0 if problem.is_ising else 0.5) for c in problem.coefficients]
    return math.frexp(math.fsum(np.concatenate(halves).tolist()))[1] + 1


def _rounded(groups: Groups[np.float64], grids: Ints, exact: Bools, exponent: int) -> tuple[Groups[np.int64], float]:
    """The groups as integers, and the resolution in units of 2^-exponent.

    Where not all digits fit, either the coefficient is rounded and the weights are exact, which a sum L can turn into
    L^2 half steps; or the root of the coefficient goes into the weights, and those are rounded: 2 L half steps each.
    """
    root = np.sqrt(np.ldexp(np.abs(groups.coefficients), exponent))
    with np.errstate(over="ignore"):
        of_coefficient, of_weight = np.ldexp(groups.spans, grids) ** 2, 2 * root * groups.spans
    rooted = ~exact & (of_weight < of_coefficient)
    scale = np.where(rooted, root, np.ldexp(1.0, np.where(rooted, 0, grids)))
    kept = np.rint(np.ldexp(groups.coefficients, exponent - 2 * np.where(rooted, 0, grids)))
    integers = Groups(
        coefficients=np.where(rooted, np.sign(groups.coefficients), kept).astype(np.int64),
        constants=np.rint(groups.constants * scale).astype(np.int64),
        offsets=groups.offsets,
        members=groups.members,
        weights=np.rint(groups.weights * scale[groups.owners]).astype(np.int64),
    )
    return integers, float(np.minimum(of_coefficient, of_weight)[~exact].max(initial=0.0))


def _grids(groups: Groups[np.float64]) -> Ints:
    """(g,) binary places that the constant and the weights of each group have after the point."""
    grids = np.where(groups.constants == 0, 0, fraction_bits(groups.constants))
    np.maximum.at(grids, groups.owners, fraction_bits(groups.weights))
    return grids
