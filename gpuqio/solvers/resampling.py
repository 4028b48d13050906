"""What the moves that resample have in common: cuda/moves/resample.cuh seen from Python."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gpuqio.pack import Layout

__all__ = ["MOST_CHAINS", "UNIT_WEIGHT", "families", "float_table", "free_energies", "log_words", "memory_words"]

MOST_CHAINS = 2**18
"""Largest population: weights of 26 bits, added up and multiplied by it, fit in 63 bits."""

UNIT_WEIGHT = 2**26
"""The weight of the chain of lowest energy."""


def float_table(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """As the kernels see them: 0 below 2^-126, because they flush subnormal numbers."""
    table = values.astype(np.float32)
    return np.where(table < np.finfo(np.float32).tiny, np.float32(0), table)


def memory_words(chains: int) -> int:
    """int32 words of working space."""
    return 5 * (-(-chains // 32) * 32) + 32


def log_words(chains: int, records: int) -> int:
    """int64 words: the founder of each chain, and for each record the sum of weights and the lowest energy."""
    return chains + 2 * records


def free_energies(
    layout: Layout,
    chains: int,
    betas: npt.NDArray[np.float64],
    totals: npt.NDArray[np.int64],
    lowest: npt.NDArray[np.int64],
) -> dict[str, object]:
    """``betas``, each once, and ``ln_z``, the estimates of ln Z at them, from the records of reweightings.

    Args:
        betas: (k,) to which the population was reweighted, the first time from 0; not decreasing.
        totals: (k,) sums of weights; 0 where nothing was reweighted.
        lowest: (k,) lowest energies before.
    """
    ratio = np.zeros(len(betas))
    done = totals > 0
    ratio[done] = np.log(totals[done] / (chains * UNIT_WEIGHT))
    ratio -= np.diff(betas, prepend=0.0) * (lowest * layout.fixed.unit)
    ln_z = layout.num_variables * math.log(2) + np.cumsum(ratio) - betas * layout.problem.constant
    ends = np.flatnonzero(np.diff(betas, append=np.inf))  # the last one at each beta
    return {"betas": betas[ends].tolist(), "ln_z": ln_z[ends].tolist()}


def families(founders: npt.NDArray[np.int64]) -> dict[str, object]:
    """How much of a population descends from how many of its first members.

    ``families``: how many first members have descendants. ``rho_t``: the population times the sum of the squares of
    the families' shares of it (Wang, Machta, Katzgraber, Phys. Rev. E 92, 063307, 2015), 1 if all are equal and the
    population if there is only one. A population in equilibrium has many families: more than a hundred times rho_t.
    """
    _, sizes = np.unique(founders, return_counts=True)
    return {"families": len(sizes), "rho_t": float((sizes.astype(np.float64) ** 2).sum() / len(founders))}
