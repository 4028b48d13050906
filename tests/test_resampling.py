"""Reweighting a population: the exponential, how many descendants each chain has, and who takes whose place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gpuqio.engines.native import instruction_sets, library
from gpuqio.engines.reference.outcome import Outcome
from gpuqio.engines.reference.population import resample
from gpuqio.engines.streams import boltzmann
from gpuqio.solvers.resampling import MOST_CHAINS, UNIT_WEIGHT, families, float_table

BUILDS = instruction_sets()


def exponents() -> npt.NDArray[np.float32]:
    """0, and every 499th float from 2^-30 to 64."""
    first, last = np.array([2.0**-30, 64], np.float32).view(np.int32).tolist()
    bits = np.arange(first, last, 499, dtype=np.int32)
    return np.concatenate((np.zeros(1, np.float32), bits.view(np.float32)))


def test_the_exponential_is_within_its_stated_error() -> None:
    x = exponents()
    exact = UNIT_WEIGHT * np.exp(-x.astype(np.float64))
    weights = boltzmann(x)
    assert (weights <= exact * (1 + 1.4e-6)).all()
    assert (weights > exact * (1 - 1.4e-6) - 1).all()
    assert weights[0] == UNIT_WEIGHT
    assert boltzmann(np.array([1e38, np.inf], np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize("build", BUILDS)
def test_the_exponentials_agree_bit_for_bit(build: str) -> None:
    x = np.append(exponents(), np.array([1e38, np.inf], np.float32))
    out = np.empty(len(x), np.int64)
    library(build).gq_boltzmann(x.ctypes.data, out.ctypes.data, len(x))
    np.testing.assert_array_equal(out, boltzmann(x))


def test_the_largest_population_s_products_fit_in_63_bits() -> None:
    total = MOST_CHAINS * UNIT_WEIGHT
    assert total * MOST_CHAINS + total < 2**63


def population(energies: npt.ArrayLike, sweep: int = 0) -> Outcome:
    """Chain i has founder i, and its bits spell i."""
    values = np.array(energies, np.int64)
    chains = np.arange(len(values))
    bits = (chains[:, None] >> np.arange(8)) & 1
    empty = np.zeros(0, np.int64)
    return Outcome(bits, values, bits.copy(), values.copy(), empty, chains.copy(), sweeps=sweep)


def test_each_chain_has_either_number_of_descendants_next_to_its_expectation() -> None:
    energies = np.random.default_rng(1).integers(-50, 50, 100)
    expected = np.exp(-0.05 * (energies - energies.min()))
    expected *= len(energies) / expected.sum()
    drawn = np.zeros(len(energies))
    for seed in range(400):
        out = population(energies)
        resample(out, np.float32(0.05), seed)
        copies = np.bincount(out.log, minlength=len(energies))
        assert (np.abs(copies - expected) < 1 + 1e-4).all()
        drawn += copies
        np.testing.assert_array_equal(out.bits @ (1 << np.arange(8)), out.log)
        np.testing.assert_array_equal(out.energies, energies[out.log])
    share = expected % 1
    assert (np.abs(drawn / 400 - expected) < 4.5 * np.sqrt(share * (1 - share) / 400) + 1e-4).all()


def test_survivors_keep_their_places_and_best_states_stay() -> None:
    energies = np.random.default_rng(2).integers(-50, 50, 60)
    out = population(energies)
    total, lowest = resample(out, np.float32(0.1), 5)
    alive = np.isin(np.arange(60), out.log)
    assert 0 < alive.sum() < 60
    assert (out.log[alive] == np.flatnonzero(alive)).all()
    np.testing.assert_array_equal(out.best_bits @ (1 << np.arange(8)), np.arange(60))
    assert lowest == energies.min()
    assert total == boltzmann(np.float32(0.1) * (energies - lowest).astype(np.float32)).sum()


def test_one_chain_of_the_lowest_energy_takes_over_a_frozen_population() -> None:
    out = population([3, 9, -(2**40), 7])
    resample(out, np.float32(1), 0)
    assert out.log.tolist() == [2, 2, 2, 2]


def test_families_are_counted_and_weighed() -> None:
    assert families(np.arange(8)) == {"families": 8, "rho_t": 1.0}
    assert families(np.full(8, 3)) == {"families": 1, "rho_t": 8.0}
    assert families(np.array([0, 0, 0, 5])) == {"families": 2, "rho_t": 2.5}


def test_what_a_kernel_would_flush_is_0_for_the_reference_too() -> None:
    least = 2.0**-126
    assert float_table(np.array([0, least / 2, least, 1])).tolist() == [0, 0, least, 1]
