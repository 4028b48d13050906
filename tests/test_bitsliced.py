"""Bit-sliced chains: the reference's path bit for bit, Boltzmann's distribution, and chains that know nothing of each
other, with a variant that shares its random bits as the control."""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt
import pytest

from gpuqio import Workspace, explain
from gpuqio.engines import reference
from gpuqio.engines.levels import levels
from gpuqio.engines.native import Ensemble, advance
from gpuqio.engines.reference.bitsliced import Bitsliced
from gpuqio.engines.reference.outcome import energies
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.pack.bitsliced import BOUNDS, Slices
from gpuqio.problem import Problem, ProblemType
from gpuqio.solvers.simulated_annealing import SimulatedAnnealing as Annealing
from gpuqio.solvers.stage import Stage
from gpuqio.target.microsoft import SimulatedAnnealing
from tests.test_physics import LEAST_P, bond_ring, chi_square_p, energies_of, ising
from tests.test_trajectory import BUILDS, assert_same, run_native


def graph(
    n: int, degree: int, seed: int, largest: int = 1, field: int = 0, kind: ProblemType = ProblemType.ising
) -> Problem:
    """Integer couplings, none zero, on a graph of about this degree and at most 30; fields up to `field`."""
    random = np.random.default_rng(seed)
    problem = Problem("graph", problem_type=kind)
    pairs = list(itertools.combinations(range(n), 2))
    degrees = np.zeros(n, int)
    for k in random.permutation(len(pairs))[: n * degree // 2]:
        if degrees[list(pairs[k])].max() < 30:
            degrees[list(pairs[k])] += 1
            problem.add_term(c=int(random.choice([-1, 1]) * random.integers(1, largest + 1)), indices=list(pairs[k]))
    for i in range(n):
        if field or degrees[i] == 0:
            problem.add_term(c=int(random.integers(-field, field + 1)) or 1, indices=[i])
    return problem


def torus(length: int, seed: int) -> Problem:
    """Couplings of -1 and 1 on a square lattice: all rises are even."""
    random = np.random.default_rng(seed)
    at = np.arange(length**2).reshape(length, length)
    pairs = np.concatenate([np.stack([at, np.roll(at, 1, axis)], -1).reshape(-1, 2) for axis in (0, 1)])
    return ising([(float(random.choice([-1, 1])), tuple(pair)) for pair in pairs.tolist()])


def three_regular() -> Problem:
    """A ring with opposite variables joined: all rises are odd."""
    return ising([(float((-1) ** i), (i, (i + k) % 24)) for k, most in ((1, 24), (12, 12)) for i in range(most)])


def sliced(problem: Problem) -> Layout:
    layout = pack(problem, bits=True)
    assert layout.strategy is Strategy.BITSLICED
    return layout


CASES = {  # problem, binary digits of the largest rise, chains
    "even rises": (torus(6, 1), 2, 257),
    "degrees 2 to 8": (graph(30, 3, 2), 3, 40),
    "odd rises": (three_regular(), 2, 70),
    "degrees mixed": (graph(33, 5, 3), 3, 300),
    "a field": (graph(20, 4, 4, field=2), 2, 31),
    "weights to 3": (graph(24, 6, 5, largest=3), 6, 64),
    "weights to 7": (graph(25, 9, 6, largest=7, field=7), 6, 530),
    "degree to 30": (graph(40, 29, 7, largest=7, field=7), 9, 130),
    "bits": (graph(24, 4, 8, largest=3, field=5, kind=ProblemType.pubo), 6, 70),
    "bits, weights to 7": (graph(24, 9, 9, largest=7, field=7, kind=ProblemType.pubo), 6, 256),
    "no couplings": (ising([(3.0, (0,)), (-1.0, (1,))]), 2, 33),
    "one unit of 1/4": (ising([(0.75, (0, 1)), (-0.25, (1, 2)), (0.5, (2,))]), 2, 5),
}


@pytest.mark.parametrize("hot", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_native_equals_reference(name: str, hot: bool) -> None:
    problem, bits, chains = CASES[name]
    layout = sliced(problem)
    assert layout.slices is not None
    assert layout.slices.bits == bits
    betas = np.linspace(0, 0.3, 3) if hot else np.linspace(0.2, 2, 3)
    stage = Stage(chains, 3, betas, False, 2**40 + 5)
    first = None if hot else np.random.default_rng(1).integers(0, 2, (chains, layout.num_variables), np.uint8)
    expected = reference.run(layout, stage, None if first is None else first.astype(np.int64))
    assert expected.flips
    for build in BUILDS:
        for slices in ([], [1]):
            assert_same(expected, run_native(layout, stage, slices, build, first))


def test_more_variables_than_are_added_up_at_once() -> None:
    layout = sliced(torus(46, 3))
    stage = Stage(64, 2, np.array([0.3, 0.9]), False, 4)
    expected = energies(layout, run(layout, stage).bits().astype(np.int64))
    np.testing.assert_array_equal(run(layout, stage).energies, expected)


def run(layout: Layout, stage: Stage, goal: int | None = None) -> Ensemble:
    chains = Ensemble(layout, stage, None, goal)
    advance([chains], [stage.sweeps])
    return chains


def test_more_chains_leave_the_first_ones_as_they_are() -> None:
    layout = sliced(graph(40, 4, 1))
    few, many = (run(layout, Stage(chains, 20, np.linspace(0, 2, 20), False, 9)) for chains in (50, 320))
    np.testing.assert_array_equal(few.bits(), many.bits()[:50])
    np.testing.assert_array_equal(few.best_bits(), many.best_bits()[:50])


def test_a_goal_stops_all_chains_at_the_sweep_that_reaches_it() -> None:
    layout, stage = sliced(torus(8, 5)), Stage(256, 200, np.linspace(0, 1.5, 200), False, 3)
    lowest = run(layout, stage).lowest
    found = run(layout, stage, goal=lowest + 16)
    assert found.reached_goal
    assert found.reached == found.sweeps < stage.sweeps
    shorter = run(layout, Stage(256, found.sweeps - 1, stage.betas, False, 3))
    assert shorter.lowest > lowest + 16


# Thresholds.


@pytest.mark.parametrize("bits", BOUNDS)
@pytest.mark.parametrize("step", [0.0, 1e-6, 0.01, 0.3, 1.0, 5.0, 40.0])
def test_thresholds_give_each_rise_its_probability(bits: int, step: float) -> None:
    """P(M >= X) from the digits' own probabilities, against exp by decimals, to 2^-29: a rounding of 2^-33 a level."""
    none = np.zeros(0, np.int64)
    slices = Slices(1, bits, none, none.reshape(0, 2), none)
    found = levels(slices, np.array([1 / step if step else 2.0**90], np.float32))[0].astype(float) / 2**32
    exact_step = Decimal(1) / Decimal(float(np.float32(1 / step if step else 2.0**90)))
    base, digits = slices.base, slices.digits
    for odd, target in itertools.product((0, 1), range(BOUNDS[bits])):
        reaches = 1.0  # that what has been drawn so far is enough
        for digit in range(digits):
            row = found[digit + 1 if digit or odd else 0]
            chance = np.append(row, 0.0)
            if digit or not odd:
                chance[0] = 1.0
            level = target // base**digit % base
            reaches = reaches * chance[level] + (1 - reaches) * chance[level + 1]
        with localcontext() as context:
            context.prec = 30
            wanted = float((-exact_step * (Decimal(target) + Decimal(odd) / 2)).exp())
        assert abs(reaches - wanted) < 2.0**-29


# Physics.

SMALL = [
    bond_ring(10, 2),
    graph(8, 3, 3),
    graph(9, 5, 4, largest=2, field=1),
    graph(8, 6, 5, largest=7, field=7),
    graph(9, 4, 6, largest=3, field=4, kind=ProblemType.pubo),
]


@pytest.mark.parametrize("problem", SMALL)
@pytest.mark.parametrize("beta", [0.25, 0.6])
def test_chains_sample_their_boltzmann_distribution(problem: Problem, beta: float) -> None:
    layout = sliced(problem)
    scaled = beta / np.abs(np.concatenate(layout.problem.coefficients)).mean()
    costs = energies_of(problem, layout)
    chains = run(layout, Stage(2**14, 150, np.full(150, scaled), False, 3))
    seen = np.bincount(chains.bits().astype(np.int64) @ (1 << np.arange(layout.num_variables)), minlength=len(costs))
    weights = np.exp(-scaled * (costs - costs.min()))
    assert chi_square_p(seen, weights / weights.sum()) > LEAST_P


def test_the_ferromagnetic_ring_has_its_exact_energy() -> None:
    """Sequential Metropolis that takes every tie gives about -0.07 a bond here; exact at beta 1 is -0.7616."""
    n, beta = 64, 1.0
    layout = sliced(ising([(-1.0, (i, (i + 1) % n)) for i in range(n)]))
    t = np.tanh(beta)
    exact = -(t + t ** (n - 1)) / (1 + t**n)
    chains = run(layout, Stage(2048, 400, np.full(400, beta), False, 5))
    per_bond = chains.energies * layout.fixed.unit / n
    assert abs(per_bond.mean() - exact) < 4 * per_bond.std() / np.sqrt(len(per_bond))


# Independence. Free spins in a field of 1: what a flip does beyond its probability, given the state before, has mean 0
# and is uncorrelated with all others, whatever the past. A sum of products of such, over its standard error, is normal.

Floats = npt.NDArray[np.float64]
FREE = 128


def free_spins() -> Layout:
    return sliced(ising([(1.0, (i,)) for i in range(FREE)]))


def surprises(states: npt.NDArray[np.int64], chance: float) -> tuple[Floats, Floats]:
    """(sweeps, variables, chains) flips less their probabilities, and the variances; states: one more sweep."""
    low = states[:-1] == 1  # a spin down
    return (states[1:] != states[:-1]) - np.where(low, chance, 1.0), np.where(low, chance * (1 - chance), 0.0)


def between_chains(surprise: Floats, variance: Floats) -> Floats:
    """The normal number of each pair of chains."""
    surprise, variance = (x.reshape(-1, x.shape[-1]) for x in (surprise, variance))
    of_pairs = (surprise.T @ surprise) / np.sqrt(variance.T @ variance)
    return np.asarray(of_pairs[np.triu_indices(len(of_pairs), 1)])


def shifted(surprise: Floats, variance: Floats, by: tuple[int, int, int]) -> float:
    """The normal number of what is so many sweeps, variables and chains apart (chains by exclusive or)."""
    sweeps, variables, partner = by
    chains = np.arange(surprise.shape[2]) ^ partner

    def total(x: Floats) -> float:
        later = x[sweeps:, variables:, chains]
        return float((x[: x.shape[0] - sweeps, : x.shape[1] - variables] * later).sum())

    return total(surprise) / float(np.sqrt(total(variance)))


def kernel_states(beta: float, sweeps: int) -> npt.NDArray[np.int64]:
    chains = Ensemble(free_spins(), Stage(256, sweeps, np.full(sweeps, beta), False, 8))
    states = [chains.bits().T]
    for _ in range(sweeps):
        advance([chains], [1])
        states.append(chains.bits().T)
    return np.stack(states).astype(np.int64)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 2.9, 3.3])
def test_chains_and_neighbouring_decisions_are_independent(beta: float) -> None:
    """With beta 2.9 and 3.3 (0.003 and 0.0014 pass) no flip is decided by the first 8 bits of a number: all use the
    spare bits of 16 variables, or philox's."""
    sweeps = 60
    surprise, variance = surprises(kernel_states(beta, sweeps), float(np.exp(-2 * beta)))
    assert abs(surprise.sum()) < 5 * np.sqrt(variance.sum())
    numbers = between_chains(surprise, variance)
    # 32,640 pairs, pairwise uncorrelated. A product of rare events has heavy tails: its square's spread is measured.
    assert abs((numbers**2).mean() - 1) < 5 * (numbers**2).std() / np.sqrt(len(numbers))
    assert abs(numbers.sum()) < 5 * np.sqrt(len(numbers))
    apart = [by for by in itertools.product(range(2), range(3), (0, 1, 16, 128)) if any(by)]
    assert max(abs(shifted(surprise, variance, by)) for by in apart) < 5


class Shared(Bitsliced):
    """All chains of a word have its first chain's bits."""

    def _bits(self, words: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        own = super()._bits(words)
        return np.asarray(own[..., np.arange(own.shape[-1]) & ~31])


def reference_states(kind: type[Bitsliced], beta: float, sweeps: int) -> npt.NDArray[np.int64]:
    layout, stage = free_spins(), Stage(64, sweeps, np.full(sweeps, beta), False, 8)
    out, move = reference.run(layout, Stage(64, 0, stage.betas[:0], False, 8)), kind(layout, stage)
    states = [out.bits.T.copy()]
    for _ in range(sweeps):
        move.sweep(out)
        out.sweeps += 1
        states.append(out.bits.T.copy())
    return np.stack(states)


@pytest.mark.slow
def test_shared_bits_are_found_out() -> None:
    """The control: the same statistics of a variant whose chains share words, as multispin codes have it."""
    for kind, shares in ((Bitsliced, False), (Shared, True)):
        surprise, variance = surprises(reference_states(kind, 0.5, 6), float(np.exp(-1)))
        numbers = between_chains(surprise, variance)
        spread = (numbers**2).std() / np.sqrt(len(numbers))
        assert bool(abs((numbers**2).mean() - 1) > 5 * spread) is shares
        assert bool(abs(shifted(surprise, variance, (0, 0, 16))) > 5) is shares


# The choice, and what a user sees of it.


def test_the_choice_is_the_solvers_and_the_problems() -> None:
    few, enough = Annealing(sweeps=5, restarts=255), Annealing(sweeps=5, restarts=256)
    small = torus(6, 1)
    assert explain(small).strategy is Strategy.LANE_NEIGHBOUR
    assert explain(small, few).strategy is Strategy.LANE_NEIGHBOUR
    said = explain(small, enough)
    assert said.strategy is Strategy.BITSLICED
    assert "bit-sliced" in said.reason


@pytest.mark.parametrize(
    "problem",
    [
        ising([(1.0, (0, 1, 2))]),
        ising([(8.0, (0, 1)), (1.0, (1, 2))]),
        ising([(0.1, (0, 1)), (0.3, (1, 2))]),
        ising([(1.0, (0, i)) for i in range(1, 33)]),
        ising([(900.0, (0,)), (1.0, (0, 1))]),
    ],
    ids=["three together", "a weight of 8", "not of one unit", "degree 32", "a large field"],
)
def test_other_problems_are_walked_otherwise(problem: Problem) -> None:
    assert pack(problem, bits=True).strategy is not Strategy.BITSLICED


def test_a_result_says_what_was_done() -> None:
    with Workspace() as workspace:
        sliced = SimulatedAnnealing(workspace, sweeps=300, restarts=256, seed=3).optimize(torus(6, 1))
        others = SimulatedAnnealing(workspace, sweeps=300, restarts=64, seed=3).optimize(torus(6, 1))
    assert sliced.report.strategy == "bitsliced"
    assert sliced.report.replicas == 256
    assert sliced.cost == others.cost
