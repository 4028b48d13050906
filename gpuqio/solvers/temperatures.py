"""Temperature ranges and ladders, from the problem's own weights.

A constant range freezes weighted problems and boils unweighted ones, so both ends come from the energy rises that
single flips can make. Ladders are respaced so that neighbours exchange equally often: with rejection rates r_i the
communication barrier is Lambda = sum r_i, and about 2 Lambda rungs are best (Syed, Bouchard-Cote, Deligiannidis,
Doucet, "Non-reversible parallel tempering", JRSS-B 84, 2022).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout

__all__ = ["barrier", "geometric_ladder", "plain", "respaced", "rises", "temperature_range"]

Floats = npt.NDArray[np.float64]

LOWEST, HIGHEST = 2.0**-1020, 2.0**1020
"""Temperatures are kept between these, so that betas are finite and have all their digits."""


def rises(layout: Layout) -> tuple[Floats, Floats]:
    """Root mean square over random states of the rise that a variable's flip is, terms taken for independent, and the
    smallest coefficient step of each; both (n,), in integer units, the step infinite where there is no term."""
    spread = np.zeros(layout.num_variables)
    mean = np.zeros(layout.num_variables)
    step = np.full(layout.num_variables, np.inf)
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        degree = rows.shape[1]
        if layout.problem.is_ising:
            size, share = 2.0 * steps, 0.0
        else:  # a product of degree - 1 other bits is 1 in this share of random states
            size, share = 1.0 * steps, 0.5 ** (degree - 1)
        variance = size**2 * (share * (1 - share) if share else 1.0)
        smallest = np.where(size == 0, np.inf, np.abs(size))
        for column in rows.T:
            mean += np.bincount(column, weights=share * size, minlength=len(mean))
            spread += np.bincount(column, weights=variance, minlength=len(mean))
            np.minimum.at(step, column, smallest)
    _add_groups(layout, mean, spread, step)
    return np.sqrt(mean**2 + spread), step


def temperature_range(layout: Layout) -> tuple[float, float]:
    """Hottest and coldest temperature worth visiting, in the problem's cost units, hottest > coldest > 0.

    Hottest: 3/4 of the largest root-mean-square rise over random states (1.5 Tc for the SK model). Coldest: where all
    but the softest tenth of the variables are frozen. A variable is at a fifth of its smallest coefficient step; where
    coefficients have no smallest step, at a hundredth of its field over sqrt(n), the scale of the softest spins of a
    mean-field glass. In a squared sum the step is what its flip costs where the sum was 0.
    """
    rise, step = rises(layout)
    active = np.isfinite(step)
    if not active.any():
        return 1.0, 0.5
    unit, hottest = layout.fixed.unit, 0.75 * float(rise.max())
    frozen = np.maximum(0.2 * step, 0.02 / math.sqrt(len(step)) * rise)[active]
    coldest = float(np.quantile(frozen, 0.1, method="lower"))
    cold = min(max(min(coldest, hottest / 4) * unit, LOWEST), HIGHEST / 4)
    return min(max(hottest * unit, 4 * cold), HIGHEST), cold


def _add_groups(layout: Layout, mean: Floats, spread: Floats, step: Floats) -> None:
    """The squared sums' part of the rises' means and variances over random states, and of the smallest steps."""
    groups = layout.fixed.groups
    members, owners, weights = groups.members, groups.owners, groups.weights.astype(np.float64)
    others = groups.totals(weights**2)[owners] - weights**2
    constants, size = groups.constants.astype(np.float64)[owners], groups.coefficients[owners] * weights
    if layout.problem.is_ising:
        variance, steps = (4 * size) ** 2 * (constants**2 + others), 4 * size * weights
    else:
        np.add.at(mean, members, size * (2 * constants + groups.totals(groups.weights)[owners]))
        variance, steps = size**2 * others, size * weights
    np.add.at(spread, members, variance)
    np.minimum.at(step, members, np.where(steps == 0, np.inf, np.abs(steps)))


def geometric_ladder(hottest: npt.ArrayLike, coldest: npt.ArrayLike, rungs: int) -> Floats:
    """`rungs` betas from 1/hottest to 1/coldest in equal ratios; (N, rungs) of N ranges."""
    return plain(np.geomspace(1 / np.asarray(hottest), 1 / np.asarray(coldest), rungs, axis=-1))


def barrier(rejections: Floats) -> float:
    """Lambda, the sum of the rejection rates between neighbouring rungs."""
    return float(rejections.sum())


def respaced(betas: Floats, rejections: Floats, rungs: int) -> Floats:
    """`rungs` betas over the same range, such that each gap holds an equal share of the barrier.

    The cumulative barrier is interpolated linearly in log beta. A little is added to each gap, so that a range
    without rejections keeps its rungs apart.
    """
    share = rejections + 0.02
    cumulative = np.concatenate(([0.0], np.cumsum(share)))
    places = np.linspace(0.0, cumulative[-1], rungs)
    ladder: Floats = np.exp(np.interp(places, cumulative, np.log(betas)))
    ladder[0], ladder[-1] = betas[0], betas[-1]
    return plain(ladder)


def plain(betas: Floats) -> Floats:
    """The betas in 20 significant bits: exp and log differ in their last ones from machine to machine."""
    mantissa, exponent = np.frexp(betas)
    rounded: Floats = np.ldexp(np.rint(np.ldexp(mantissa, 20)), exponent - 20)
    return rounded
