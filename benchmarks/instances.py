"""Makers of benchmark problems: seeded, in plain arrays, with the optimum where it is planted.

Every maker returns an `Instance`; the same arguments and NumPy release give the same one everywhere. Planted optima
are attained by `Instance.planted`; for up to 20 variables `brute_force` finds the optimum of any instance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from gpuqio.optimization import Problem, ProblemType, Term

__all__ = [
    "Instance",
    "brute_force",
    "chimera",
    "lattice_3d",
    "number_partitioning",
    "pegasus",
    "planted_tiles",
    "planted_xorsat",
    "quadratic_xorsat",
    "random_graph",
    "random_maxcut",
    "random_qubo",
    "regular_maxcut",
    "sk",
    "toroidal_grid",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
States = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Instance:
    """A cost function whose terms all have the same locality k: the sum of c·v[a]·v[b]·...

    Attributes:
        name: maker, size and seed.
        kind: ``"ising"``, where variables are -1 or 1, or ``"pubo"``, where they are 0 or 1.
        num_variables: n; the variables are 0..n-1.
        coefficients: float64 (m,).
        ids: int64 (m, k). In a pubo a repeated variable stands for itself: (i, i) is linear.
        planted: int8 (n,), an optimal state, where one was planted.
    """

    name: str
    kind: Literal["ising", "pubo"]
    num_variables: int
    coefficients: Floats
    ids: Integers
    planted: States | None = None

    @property
    def optimum(self) -> float | None:
        """The lowest cost, where it was planted."""
        return None if self.planted is None else float(self.cost(self.planted))

    def cost(self, states: States) -> Floats:
        """The cost of each state: (..., n) to (...)."""
        products = np.prod(states[..., self.ids], axis=-1, dtype=np.float64)
        return np.asarray(products @ self.coefficients)

    def cut(self, cost: float) -> float:
        """The weight of the cut whose ising cost this is, where the terms are a graph's edges."""
        return float(self.coefficients.sum() - cost) / 2

    def problem(self) -> Problem:
        """The same as gpuqio's problem, whose ids are the variables."""
        terms = [Term(c=c, indices=ids) for c, ids in zip(self.coefficients.tolist(), self.ids.tolist(), strict=True)]
        return Problem(self.name, terms, problem_type=ProblemType[self.kind])

    def dense(self) -> Floats:
        """The couplings of a quadratic instance as an upper triangular matrix (n, n)."""
        matrix = np.zeros((self.num_variables, self.num_variables))
        np.add.at(matrix, (self.ids.min(axis=1), self.ids.max(axis=1)), self.coefficients)
        return matrix


def sk(n: int, seed: int) -> Instance:
    """Sherrington-Kirkpatrick: every pair coupled, normally distributed with variance 1/n."""
    ids = _pairs(n)
    coefficients = _random(seed).standard_normal(len(ids)) / math.sqrt(n)
    return Instance(f"sk-{n}-{seed}", "ising", n, coefficients, ids)


def random_qubo(n: int, density: float, seed: int) -> Instance:
    """A QUBO as in OR-Library: each entry of the triangle present with probability `density`, in [-100, 100]."""
    random = _random(seed)
    rows, columns = np.triu_indices(n)
    present = random.random(len(rows)) < density
    ids = np.stack([rows, columns], axis=1)[present]
    coefficients = random.integers(-100, 100, len(ids), endpoint=True)
    return Instance(f"qubo-{n}-{density}-{seed}", "pubo", n, coefficients.astype(np.float64), ids)


def random_maxcut(n: int, density: float, seed: int) -> Instance:
    """MAX-CUT on a graph with that share of all edges, all of weight 1. G1 has n = 800 and density 0.06."""
    pairs = _pairs(n)
    chosen = _random(seed).choice(len(pairs), round(density * len(pairs)), replace=False)
    ids = pairs[np.sort(chosen)]
    return Instance(f"maxcut-{n}-{density}-{seed}", "ising", n, np.ones(len(ids)), ids)


def regular_maxcut(n: int, degree: int, seed: int) -> Instance:
    """MAX-CUT on a random `degree`-regular graph, all edges of weight 1."""
    if n * degree % 2 or not 0 <= degree < n:
        raise ValueError(f"There is no {degree}-regular graph of {n} vertices.")
    random = _random(seed)
    edges: set[tuple[int, int]] | None = None
    while edges is None:
        edges = _pairing(n, degree, random)
    ids = np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)
    return Instance(f"regular-{degree}-{n}-{seed}", "ising", n, np.ones(len(ids)), ids)


def random_graph(n: int, edges: int, seed: int) -> Instance:
    """A glass on that many different random edges, couplings -1 or 1; for very large n, and few of all edges."""
    if edges > n * (n - 1) // 4:
        raise ValueError(f"{edges} random edges of {n} vertices are more than half of all.")
    random = _random(seed)
    keys = np.zeros(0, dtype=np.int64)
    while len(keys) < edges:
        ends = np.sort(random.integers(0, n, (edges + edges // 8 + 8, 2)), axis=1)
        keys = np.unique(np.concatenate([keys, (ends[:, 0] * n + ends[:, 1])[ends[:, 0] != ends[:, 1]]]))
    keys = np.sort(random.choice(keys, edges, replace=False))
    return _glass(f"random-{n}-{edges}-{seed}", n, np.stack([keys // n, keys % n], axis=1), random)


def chimera(size: int, seed: int) -> Instance:
    """A glass on D-Wave's Chimera graph: size x size cells K4,4, couplings -1 or 1.

    Each vertex of the left side of a cell is also joined to its like in the cells above and below, each of the right
    side to its like in the cells beside (Bunyk et al., IEEE Trans. Appl. Supercond. 24, 1700110, 2014).
    """
    vertex = np.arange(8 * size * size).reshape(size, size, 2, 4)  # row, column, side, place
    left, right = np.broadcast_arrays(vertex[:, :, 0, :, None], vertex[:, :, 1, None, :])
    edges = [(left, right), (vertex[:-1, :, 0], vertex[1:, :, 0]), (vertex[:, :-1, 1], vertex[:, 1:, 1])]
    ids = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in edges])
    return _glass(f"chimera-{size}-{seed}", vertex.size, ids, _random(seed))


def pegasus(size: int, seed: int) -> Instance:
    """A glass on the main fabric of D-Wave's Pegasus graph P(size), of up to 15 neighbours, couplings -1 or 1.

    Qubits are segments of length 12 on lines one apart: (u, w, k, z) is on line 12 w + k, vertical for u = 0, and
    begins at 12 z + SHIFT[u][k]. Two that cross are joined, as are two that follow each other on one line, and
    the first and second of each pair of lines (Boothby et al., arXiv:2003.00133). Those that cross none are left out.
    """
    shift = np.repeat([[2, 10, 6], [6, 2, 10]], 4, axis=1)
    w, k, z = (a.ravel() for a in np.indices((size, 12, size - 1)))
    line = 12 * w + k
    begins = 12 * z + shift[:, k]  # (2, qubits of one orientation)
    across = (begins[0][:, None] <= line) & (line < begins[0][:, None] + 12)
    along = (begins[1] <= line[:, None]) & (line[:, None] < begins[1] + 12)
    vertical, horizontal = np.nonzero(across & along)
    number = np.arange(len(line)).reshape(size, 12, size - 1)
    same = [(number[:, :, :-1], number[:, :, 1:]), (number[:, 0::2], number[:, 1::2])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in same])
    crossing = np.stack([vertical, horizontal + len(line)], axis=1)
    fabric = np.unique(crossing)
    ids = np.concatenate([crossing, pairs, pairs + len(line)])
    ids = np.searchsorted(fabric, ids[np.isin(ids, fabric).all(axis=1)])
    return _glass(f"pegasus-{size}-{seed}", len(fabric), ids, _random(seed))


def lattice_3d(size: int, seed: int) -> Instance:
    """The Edwards-Anderson glass: a periodic cube of size³ spins, couplings -1 or 1."""
    return _lattice(f"lattice3d-{size}-{seed}", (size, size, size), seed)


def toroidal_grid(rows: int, columns: int, seed: int) -> Instance:
    """MAX-CUT on a periodic grid, weights -1 or 1. G11 is of this kind, with 800 vertices."""
    return _lattice(f"torus-{rows}x{columns}-{seed}", (rows, columns), seed)


def number_partitioning(n: int, bits: int, seed: int) -> Instance:
    """Split n numbers, all but the last below 2**bits, into halves of equal sum: such a split is planted.

    The cost is (sum of a·s)² less its constant, the sum of a²: the optimum is minus that sum.
    """
    random = _random(seed)
    numbers = random.integers(1, 2**bits, n)
    planted = random.choice(np.array([-1, 1], dtype=np.int8), n)
    rest = int(numbers[:-1] @ planted[:-1])
    if rest == 0:  # the last number would be none
        numbers[0] += 1
        rest = int(planted[0])
    numbers[-1], planted[-1] = abs(rest), -np.sign(rest)
    ids = _pairs(n)
    coefficients = (2 * numbers[ids[:, 0]] * numbers[ids[:, 1]]).astype(np.float64)
    return Instance(f"partition-{n}-{bits}-{seed}", "ising", n, coefficients, ids, planted)


def planted_xorsat(n: int, seed: int) -> Instance:
    """3-regular 3-XORSAT: n triples, each variable in three, all satisfied by the planted state; optimum -n.

    Easy for linear algebra, hard for local search: every other state has no slope towards the planted one.
    """
    if n < 4:
        raise ValueError(f"Three distinct triples a variable need at least 4 variables, not {n}.")
    random = _random(seed)
    while True:  # about one shuffle in eight has no variable twice in a triple
        triples = np.sort(random.permutation(np.repeat(np.arange(n), 3)).reshape(n, 3), axis=1)
        if np.all(triples[:, :-1] < triples[:, 1:]) and len(np.unique(triples, axis=0)) == n:
            break
    planted = random.choice(np.array([-1, 1], dtype=np.int8), n)
    coefficients = -np.prod(planted[triples], axis=1, dtype=np.float64)
    return Instance(f"xorsat-{n}-{seed}", "ising", n, coefficients, triples, planted)


def quadratic_xorsat(n: int, seed: int) -> Instance:
    """`planted_xorsat` as pairs: 2n + 1 spins; optimum -4n, and a cost c stands for c + 3n there.

    With its signs a satisfied triple sums to 3 or -1, any other to 1 or -3. So half of (sum - g - 2a)², less its
    constant 4, is -4 or -2 for the better a, a spin of the triple's own. g is one spin for all, so that there are no
    fields.
    """
    triples = planted_xorsat(n, seed)
    assert triples.planted is not None
    signs = np.ones((n, 3), dtype=np.int64)
    signs[:, 0] = -triples.coefficients
    members = np.concatenate([triples.ids, np.stack([np.full(n, 2 * n), np.arange(n, 2 * n)], axis=1)], axis=1)
    weights = np.concatenate([signs, np.tile([-1, -2], (n, 1))], axis=1)
    first, second = np.triu_indices(5, 1)
    ids = np.sort(np.stack([members[:, first], members[:, second]], axis=-1).reshape(-1, 2), axis=1)
    pairs, where = np.unique(ids, axis=0, return_inverse=True)
    coefficients = np.bincount(where.ravel(), (weights[:, first] * weights[:, second]).ravel())
    sums = (signs * triples.planted[triples.ids]).sum(axis=1)
    planted = np.concatenate([triples.planted, np.where(sums == 3, 1, -1), [1]]).astype(np.int8)
    kept = coefficients != 0
    return Instance(f"xorsat-pairs-{n}-{seed}", "ising", 2 * n + 1, coefficients[kept], pairs[kept], planted)


def planted_tiles(size: int, seed: int) -> Instance:
    """A periodic size x size grid of frustrated plaquettes (tile planting, Hamze et al. 2018); optimum -size².

    Every second plaquette, as on a checkerboard, owns its four edges, one of them of the wrong sign. No state of
    a plaquette is below -2, and the planted one has -2 in each of the size²/2. A random gauge hides it.
    """
    if size < 4 or size % 2:
        raise ValueError(f"A periodic checkerboard of plaquettes has an even size of at least 4, not {size}.")
    random = _random(seed)
    site = np.arange(size * size).reshape(size, size)
    right, down = np.roll(site, -1, axis=1), np.roll(site, -1, axis=0)
    corner = np.roll(right, -1, axis=0)
    owners = np.add.outer(np.arange(size), np.arange(size)) % 2 == 0
    edges = np.stack([[site, right], [down, corner], [site, down], [right, corner]])[:, :, owners]
    ids = edges.transpose(2, 0, 1)  # plaquette, edge, end
    couplings: Floats = -np.ones(ids.shape[:2])
    couplings[np.arange(len(ids)), random.integers(4, size=len(ids))] = 1
    ids, couplings = np.sort(ids.reshape(-1, 2), axis=1), couplings.ravel()
    planted = random.choice(np.array([-1, 1], dtype=np.int8), size * size)
    couplings *= planted[ids[:, 0]] * planted[ids[:, 1]]
    return Instance(f"tiles-{size}-{seed}", "ising", size * size, couplings, ids, planted)


def brute_force(instance: Instance) -> tuple[float, States]:
    """The lowest cost of up to 20 variables, and a state that has it, by trying every state."""
    n = instance.num_variables
    if n > 20:
        raise ValueError(f"Trying 2**{n} states takes too long; the most is 20 variables.")
    block = 2 ** min(n, 12)
    bits = np.arange(n)
    best, best_state = np.inf, np.zeros(n, dtype=np.int8)
    for first in range(0, 2**n, block):
        states = ((np.arange(first, first + block)[:, None] >> bits) & 1).astype(np.int8)
        if instance.kind == "ising":
            states = 2 * states - 1
        costs = instance.cost(states)
        lowest = int(np.argmin(costs))
        if costs[lowest] < best:
            best, best_state = float(costs[lowest]), states[lowest]
    return best, best_state


def _random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _pairs(n: int) -> Integers:
    return np.stack(np.triu_indices(n, 1), axis=1)


def _lattice(name: str, shape: tuple[int, ...], seed: int) -> Instance:
    if min(shape) < 3:
        raise ValueError(f"A periodic lattice shorter than 3 has an edge twice; this one is {shape}.")
    site = np.arange(np.prod(shape)).reshape(shape)
    edges = [np.stack([site, np.roll(site, -1, axis)], axis=-1).reshape(-1, 2) for axis in range(len(shape))]
    return _glass(name, site.size, np.sort(np.concatenate(edges), axis=1), _random(seed))


def _glass(name: str, n: int, ids: Integers, random: np.random.Generator) -> Instance:
    """Couplings -1 or 1 on the edges `ids`."""
    coefficients: Floats = random.choice(np.array([-1.0, 1.0]), len(ids))
    return Instance(name, "ising", n, coefficients, ids)


def _pairing(n: int, degree: int, random: np.random.Generator) -> set[tuple[int, int]] | None:
    """Steger and Wormald 1999: pair half-edges at random, those that clash again; None where they can't be paired."""
    edges: set[tuple[int, int]] = set()
    loose = np.repeat(np.arange(n), degree)
    while len(loose):
        clashes: list[int] = []
        for a, b in random.permutation(loose).reshape(-1, 2).tolist():
            edge = (min(a, b), max(a, b))
            if a == b or edge in edges:
                clashes += (a, b)
            else:
                edges.add(edge)
        if all(a == b or (a, b) in edges for a, b in itertools.combinations(sorted(set(clashes)), 2)):
            return None if clashes else edges
        loose = np.array(clashes)
    return edges
