"""MAX-CUT graphs as rudy writes them (Gset): ``n m``, then ``i j w`` for each edge, vertices from 1."""

from __future__ import annotations

from gpuqio.formats.lines import headed_lines
from gpuqio.problem import Problem

__all__ = ["read"]


def read(text: str, name: str) -> Problem:
    """An ising problem of cost -cut: an edge is cut by w * (1 - s_i s_j) / 2. Variables are vertices, from 0."""
    size, body = headed_lines(text, spare=1)  # Gset's G1 has a letter behind the header
    heads, tails, weights = [], [], []
    for line in body:
        line.expect(3, "'i j w'")
        heads.append(line.index(0, 1, size) - 1)
        tails.append(line.index(1, 1, size) - 1)
        weights.append(line.value(2) / 2)
        if heads[-1] == tails[-1]:
            raise line.error("an edge must join two vertices")
    return Problem.from_arrays((heads, tails, weights), c=-sum(weights), name=name)
