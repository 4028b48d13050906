"""The instance makers: what is planted is attained and optimal, and the graphs are what they claim to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import instances
from benchmarks.instances import Instance, brute_force

SMALL: dict[str, Callable[[int], Instance]] = {
    "sk": lambda seed: instances.sk(9, seed),
    "random_qubo": lambda seed: instances.random_qubo(10, 0.5, seed),
    "random_maxcut": lambda seed: instances.random_maxcut(10, 0.4, seed),
    "regular_maxcut": lambda seed: instances.regular_maxcut(10, 3, seed),
    "lattice_3d": lambda seed: instances.lattice_3d(3, seed),
    "random_graph": lambda seed: instances.random_graph(12, 20, seed),
    "chimera": lambda seed: instances.chimera(2, seed),
    "pegasus": lambda seed: instances.pegasus(2, seed),
    "toroidal_grid": lambda seed: instances.toroidal_grid(3, 4, seed),
    "number_partitioning": lambda seed: instances.number_partitioning(10, 6, seed),
    "planted_xorsat": lambda seed: instances.planted_xorsat(11, seed),
    "quadratic_xorsat": lambda seed: instances.quadratic_xorsat(7, seed),
    "planted_tiles": lambda seed: instances.planted_tiles(4, seed),
}
PLANTED = ["number_partitioning", "planted_xorsat", "quadratic_xorsat", "planted_tiles"]


def test_every_maker_is_in_the_table() -> None:
    assert {*SMALL, "Instance", "brute_force"} == set(instances.__all__)


@pytest.mark.parametrize("maker", SMALL)
def test_an_instance_is_well_formed_and_fixed_by_its_seed(maker: str) -> None:
    first, again, other = SMALL[maker](1), SMALL[maker](1), SMALL[maker](2)
    assert first.ids.dtype == np.int64
    assert first.coefficients.dtype == np.float64
    assert first.ids.min() >= 0
    assert first.ids.max() < first.num_variables
    assert len(np.unique(np.sort(first.ids, axis=1), axis=0)) == len(first.ids) == len(first.coefficients)
    assert np.array_equal(first.ids, again.ids)
    assert np.array_equal(first.coefficients, again.coefficients)
    assert not (np.array_equal(first.ids, other.ids) and np.array_equal(first.coefficients, other.coefficients))


@pytest.mark.parametrize("maker", SMALL)
def test_the_problem_has_the_cost_of_the_arrays(maker: str) -> None:
    instance = SMALL[maker](1)
    _, state = brute_force(instance) if instance.num_variables <= 12 else (0, np.ones(instance.num_variables, np.int8))
    problem = instance.problem()
    assert problem.evaluate(dict(enumerate(state.tolist()))) == pytest.approx(float(instance.cost(state)), rel=1e-12)


@pytest.mark.parametrize("maker", PLANTED)
@pytest.mark.parametrize("seed", range(3))
def test_no_state_is_below_the_planted_one(maker: str, seed: int) -> None:
    instance = SMALL[maker](seed)
    lowest, state = brute_force(instance)
    assert instance.optimum == lowest == instance.cost(state)


def test_planted_optima_have_the_stated_values() -> None:
    assert instances.planted_xorsat(48, 5).optimum == -48
    assert instances.planted_tiles(8, 5).optimum == -64
    halves = instances.number_partitioning(30, 12, 5)
    assert halves.planted is not None
    split = np.sqrt(halves.dense().diagonal(1)[0] * halves.dense()[0, 2] / halves.dense()[1, 2] / 2)
    assert split == round(split)  # a[0]: 2·a0·a1 · 2·a0·a2 / (2·a1·a2) / 2
    assert halves.cost(halves.planted) < halves.cost(-np.abs(halves.planted))


def test_a_partition_that_balances_too_early_still_has_a_last_number() -> None:
    two = [instances.number_partitioning(3, 1, seed) for seed in range(20)]  # the first two numbers are 1 and 1
    assert all(np.all(instance.coefficients > 0) for instance in two)
    assert all(instance.optimum == brute_force(instance)[0] for instance in two)


def test_graphs_have_their_degrees() -> None:
    for instance, degree in [
        (instances.regular_maxcut(200, 3, 0), 3),
        (instances.regular_maxcut(20, 6, 0), 6),
        (instances.regular_maxcut(4, 3, 0), 3),
        (instances.lattice_3d(4, 0), 6),
        (instances.toroidal_grid(100, 8, 0), 4),
        (instances.planted_tiles(6, 0), 4),
        (instances.planted_xorsat(32, 0), 3),
    ]:
        assert np.all(np.bincount(instance.ids.ravel(), minlength=instance.num_variables) == degree), instance.name


def test_chimera_is_a_grid_of_complete_bipartite_cells() -> None:
    cells = instances.chimera(8, 0)
    assert (cells.num_variables, len(cells.ids)) == (512, 64 * 16 + 2 * 8 * 7 * 4)
    degrees = np.bincount(cells.ids.ravel()).reshape(8, 8, 2, 4)
    assert np.all(degrees[1:-1, 1:-1] == 6)
    assert np.all(degrees[0, :, 0] == 5)  # a left side at the edge has one neighbour less above
    assert np.all(degrees[0, 1:-1, 1] == 6)


@pytest.mark.parametrize(("size", "edges"), [(2, 164), (6, 4484), (16, 40484)])
def test_pegasus_has_the_published_numbers(size: int, edges: int) -> None:
    fabric = instances.pegasus(size, 0)
    assert (fabric.num_variables, len(fabric.ids)) == (8 * (size - 1) * (3 * size - 1), edges)
    degrees = np.bincount(fabric.ids.ravel())
    assert degrees.max() == (15 if size > 3 else 13)
    assert size < 16 or np.mean(degrees == 15) > 0.7


def test_a_random_graph_has_its_edges() -> None:
    graph = instances.random_graph(1000, 3000, 1)
    assert len(np.unique(graph.ids, axis=0)) == 3000
    assert np.all(graph.ids[:, 0] < graph.ids[:, 1])
    assert np.bincount(graph.ids.ravel()).max() < 25  # Poisson with mean 6


def test_xorsat_as_pairs_has_the_energies_of_the_triples() -> None:
    pairs, triples = instances.quadratic_xorsat(4, 3), instances.planted_xorsat(4, 3)
    spins = 1 - 2 * ((np.arange(2**9)[:, None] >> np.arange(9)) & 1).astype(np.int8)
    costs = pairs.cost(spins)
    for state in np.unique(spins[:, :4], axis=0):
        best = costs[(spins[:, :4] == state).all(axis=1) & (spins[:, 8] == 1)].min()
        assert best + 3 * 4 == triples.cost(state)


def test_the_gset_shapes() -> None:
    assert len(instances.random_maxcut(800, 0.06, 0).ids) == 19176  # G1
    assert len(instances.random_maxcut(2000, 0.01, 0).ids) == 19990  # G22
    assert len(instances.random_maxcut(1000, 0.02, 0).ids) == 9990  # G43
    assert len(instances.toroidal_grid(100, 8, 0).ids) == 1600  # G11


def test_the_cut_of_a_square() -> None:
    square = Instance("square", "ising", 4, np.ones(4), np.array([[0, 1], [1, 2], [2, 3], [0, 3]]))
    cost, state = brute_force(square)
    assert (cost, square.cut(cost)) == (-4, 4)
    assert list(state * state[0]) == [1, -1, 1, -1]


def test_the_dense_matrix_is_the_same_cost() -> None:
    instance = SMALL["random_qubo"](3)
    state = np.array([0, 1] * 5, dtype=np.int8)
    assert state @ instance.dense() @ state == instance.cost(state)


def test_brute_force_knows_the_three_variable_example() -> None:
    ids = np.array([[0, 3], [1, 0], [2, 0]])  # -9·v0·v3 - 3·v1·v0 + 5·v2·v0
    example = Instance("example", "ising", 4, np.array([-9.0, -3.0, 5.0]), ids)
    assert brute_force(example)[0] == -17


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: instances.regular_maxcut(5, 3, 0), "no 3-regular graph of 5"),
        (lambda: instances.regular_maxcut(3, 4, 0), "no 4-regular graph of 3"),
        (lambda: instances.lattice_3d(2, 0), "shorter than 3"),
        (lambda: instances.random_graph(10, 40, 0), "more than half"),
        (lambda: instances.planted_xorsat(3, 0), "at least 4 variables, not 3"),
        (lambda: instances.planted_tiles(5, 0), "even size of at least 4, not 5"),
        (lambda: brute_force(instances.sk(21, 0)), "the most is 20"),
    ],
)
def test_what_cannot_be_made_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
