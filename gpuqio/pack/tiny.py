"""Components of a few variables, all solved at once by trying every configuration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.pack.canonical import Canonical, Floats, Ints
from gpuqio.pack.grouped import fraction_bits

__all__ = ["TINY", "tiny_components"]

TINY = 8
"""Where 256 configurations cost about as much as making chains for a kernel does."""

COST_BITS = 62
"""Costs are whole numbers; of a component whose costs do not fit, none are tried."""

PARITY = np.array([mask.bit_count() & 1 for mask in range(1 << TINY)])


def tiny_components(problem: Canonical, labels: Ints, most: int) -> tuple[Ints, npt.NDArray[np.uint8], Floats]:
    """The variables of tiny components, in places (k,); their best bits (k,); and what each component then costs.

    Of equals the first configuration, where the first variable is the lowest bit. Exact; no squared sums.

    Args:
        labels: (n,) of each variable the first variable of its component.
        most: variables of a tiny one, at most `TINY`.
    """
    n = problem.num_variables
    sizes = np.bincount(labels, minlength=n)
    tiny = sizes <= most  # by label, as all that follows
    tiny[labels[problem.groups.members]] = False
    if not tiny[labels].any():
        return np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0)
    order = np.argsort(labels, kind="stable")
    inside = np.empty(n, np.int64)
    inside[order] = np.arange(n) - (np.cumsum(sizes) - sizes)[labels[order]]
    owner, mask, weight = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    for members, coefficients in zip(problem.members, problem.coefficients, strict=True):
        chosen = tiny[labels[members[:, 0]]]
        owner = np.concatenate((owner, labels[members[chosen, 0]]))
        mask = np.concatenate((mask, (1 << inside[members[chosen]]).sum(axis=1)))
        weight = np.concatenate((weight, coefficients[chosen]))
    digits = np.full(n, -1074)
    np.maximum.at(digits, owner, fraction_bits(weight))
    with np.errstate(over="ignore"):
        weight = np.ldexp(weight, digits[owner])
        tiny &= np.bincount(owner, np.abs(weight), n) < 2.0**COST_BITS
    best, lowest = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for size in range(1, most + 1):
        alike = tiny & (sizes == size)
        components, own = np.flatnonzero(alike), alike[owner]
        if not len(components):
            continue
        least, at = _enumerated(
            size,
            np.searchsorted(components, owner[own]),
            mask[own],
            weight[own].astype(np.int64),
            len(components),
            problem.is_ising,
        )
        lowest[components], best[components] = least, at
    variables = np.flatnonzero(tiny[labels])
    bits = (best[labels[variables]] >> inside[variables]) & 1
    roots = np.unique(labels[variables])
    return variables, bits.astype(np.uint8), np.ldexp(lowest[roots].astype(np.float64), -digits[roots])


def _enumerated(size: int, owner: Ints, mask: Ints, weight: Ints, count: int, spins: bool) -> tuple[Ints, Ints]:
    """(count,) the lowest cost of each component of `size` variables, and its first configuration that has it."""
    lowest, best = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    for state in range(1 << size):
        set_bits = mask & state
        values = weight * (1 - 2 * PARITY[set_bits]) if spins else weight * (set_bits == mask)
        costs = np.zeros(count, np.int64)
        np.add.at(costs, owner, values)
        lower = costs < lowest
        lowest[lower], best[lower] = costs[lower], state
    return lowest, best
