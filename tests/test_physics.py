"""Physics tested as physics: the kernels sample the Boltzmann distribution.

Each sample is the last state of a chain of its own, so samples are independent and chi-square is what it says. Seeds
are fixed; thresholds are for one test in ten thousand by chance, or four standard errors.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from gpuqio.engines.native import Ensemble, advance
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers.stage import Stage
from gpuqio.terms import Term

LEAST_P = 1e-4


def ising(terms: list[tuple[float, tuple[int, ...]]], problem_type: ProblemType = ProblemType.ising) -> Problem:
    return Problem("physics", [Term(c=c, indices=list(ids)) for c, ids in terms], problem_type=problem_type)


def glass(n: int, seed: int) -> Problem:
    random = np.random.default_rng(seed)
    fields = [(float(random.normal()) / 2, (i,)) for i in range(n)]
    return ising([*fields, *((float(random.normal()), p) for p in itertools.combinations(range(n), 2))])


def bond_ring(n: int, seed: int) -> Problem:
    random = np.random.default_rng(seed)
    return ising([(float(random.choice([-1, 1])), (i, (i + 1) % n)) for i in range(n)])


def triangles(n: int, seed: int, problem_type: ProblemType) -> Problem:
    random = np.random.default_rng(seed)
    members = list(itertools.combinations(range(n), 3))[:: max(1, n - 4)]
    return ising([(float(random.integers(-2, 3)) + 0.5, m) for m in members], problem_type)


def states_of(n: int) -> npt.NDArray[np.int8]:
    """(2^n, n) bits; the row's number is its bits, the first variable the lowest."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.int8)


def energies_of(problem: Problem, layout: Layout) -> npt.NDArray[np.float64]:
    bits = states_of(layout.num_variables)
    return problem.evaluate_states(layout.problem.variables, 1 - 2 * bits if layout.problem.is_ising else bits)


def chi_square_p(seen: npt.NDArray[np.int64], chances: npt.NDArray[np.float64]) -> float:
    """p of the counts `seen` under `chances`, rare outcomes put together so that each bin expects at least 8."""
    order = np.argsort(chances)
    expected = chances[order] * seen.sum()
    bins = np.minimum(np.floor(np.cumsum(expected) / 8).astype(int), 10**9)
    _, bins = np.unique(bins, return_inverse=True)
    got, wanted = np.bincount(bins, weights=seen[order]), np.bincount(bins, weights=expected)
    assert len(wanted) > 3
    return float(stats.chi2.sf(((got - wanted) ** 2 / wanted).sum(), len(wanted) - 1))


def rung_samples(layout: Layout, betas: list[float], ladders: int, sweeps: int, seed: int) -> npt.NDArray[np.int64]:
    """(rungs, ladders) numbers of the states that stand on each rung in the end."""
    chains = Ensemble(layout, Stage(len(betas) * ladders, sweeps, np.array(betas), True, seed))
    advance([chains], [sweeps])
    assert (chains.swaps > 0).all()
    numbers = chains.bits().astype(np.int64) @ (1 << np.arange(layout.num_variables))
    return numbers[chains.chain_at].reshape(ladders, len(betas)).T


CASES = [
    (glass(7, 1), Strategy.WINDOW),
    (glass(7, 1), Strategy.LANE_NEIGHBOUR),
    (bond_ring(12, 2), Strategy.LANE_NEIGHBOUR),
    (triangles(8, 3, ProblemType.ising), Strategy.LANE_PARITY),
    (triangles(8, 4, ProblemType.pubo), Strategy.LANE_PRODUCT),
]


def packed(problem: Problem, strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Problems this small are sparse by choice; taken as dense, they test the other strategy."""
    if strategy is Strategy.WINDOW:
        monkeypatch.setattr("gpuqio.pack.layout.DENSE_DEGREE", -1.0)
    layout = pack(problem)
    assert layout.strategy is strategy
    return layout


@pytest.mark.parametrize(("problem", "strategy"), CASES, ids=[f"{p.num_variables}-{s.name}" for p, s in CASES])
def test_each_rung_samples_its_boltzmann_distribution(
    problem: Problem, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = packed(problem, strategy, monkeypatch)
    energies = energies_of(problem, layout)
    betas = [0.2, 0.6, 1.1]
    for beta, samples in zip(betas, rung_samples(layout, betas, 5000, 150, seed=7), strict=True):
        weights = np.exp(-beta * (energies - energies.min()))
        seen = np.bincount(samples, minlength=len(energies))
        assert chi_square_p(seen, weights / weights.sum()) > LEAST_P


@pytest.mark.parametrize("strategy", [Strategy.WINDOW, Strategy.LANE_NEIGHBOUR])
def test_without_exchange_too(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = bond_ring(10, 6)
    layout = packed(problem, strategy, monkeypatch)
    energies = energies_of(problem, layout)
    chains = Ensemble(layout, Stage(6000, 200, np.full(200, 0.7), False, 3))
    advance([chains], [200])
    seen = np.bincount(chains.bits().astype(np.int64) @ (1 << np.arange(layout.num_variables)), minlength=len(energies))
    weights = np.exp(-0.7 * (energies - energies.min()))
    assert chi_square_p(seen, weights / weights.sum()) > LEAST_P


def test_the_ferromagnetic_ring_has_its_exact_energy() -> None:
    """Sequential Metropolis that takes every tie gives about -0.07 a bond here; exact at beta 1 is -0.7616."""
    n, beta = 64, 1.0
    layout = pack(ising([(-1.0, (i, (i + 1) % n)) for i in range(n)]))
    t = np.tanh(beta)
    exact = -(t + t ** (n - 1)) / (1 + t**n)
    chains = Ensemble(layout, Stage(2048, 400, np.full(400, beta), False, 5))
    advance([chains], [400])
    per_bond = chains.energies * layout.fixed.unit / n
    assert abs(per_bond.mean() - exact) < 4 * per_bond.std() / np.sqrt(len(per_bond))


def test_free_spins_follow_their_fields() -> None:
    """<s> = -tanh(beta h), each spin for itself."""
    fields = np.linspace(-1.5, 1.5, 40)
    layout = pack(ising([(float(h), (i,)) for i, h in enumerate(fields)]))
    chains = Ensemble(layout, Stage(8192, 60, np.full(60, 0.8), False, 6))
    advance([chains], [60])
    mean = (1 - 2.0 * chains.bits()).mean(axis=0)
    exact = -np.tanh(0.8 * fields)
    assert (np.abs(mean - exact) < 4.5 * np.sqrt((1 - exact**2) / 8192)).all()


def test_exchange_rates_are_those_of_the_overlapping_distributions() -> None:
    """For two rungs in equilibrium the share of accepted exchanges is the mean of min(1, exp(dbeta dE))."""
    problem = glass(8, 8)
    layout = pack(problem)
    energies = energies_of(problem, layout)
    hot, cold = 0.3, 0.8
    p = [np.exp(-b * (energies - energies.min())) for b in (hot, cold)]
    p = [w / w.sum() for w in p]
    gain = (cold - hot) * (energies[:, None] - energies[None, :])
    exact = float((p[0][:, None] * p[1][None, :] * np.exp(-np.maximum(gain, 0))).sum())
    ladders, burn = 4000, 60
    stage = Stage(2 * ladders, burn, np.array([hot, cold]), True, 4)
    chains = Ensemble(layout, stage)
    advance([chains], [burn])
    before = chains.swaps.copy()
    chains.extend(Stage(2 * ladders, burn + 1, stage.betas, True, 4))
    advance([chains], [1])
    share = float((chains.swaps - before)[0]) / ladders
    assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / ladders)
