"""Ising problems of any degree: ``n m``, then ``a b c ... J`` for each term, variables from 0; # begins a comment."""

from __future__ import annotations

from gpuqio.formats.lines import headed_lines
from gpuqio.problem import Problem
from gpuqio.terms import Term

__all__ = ["read"]


def read(text: str, name: str) -> Problem:
    """An ising problem of cost sum of J * s_a * s_b * s_c * ..."""
    size, body = headed_lines(text)
    terms = []
    for line in body:
        indices = [line.index(place, 0, size - 1) for place in range(len(line.words) - 1)]
        if len(set(indices)) < len(indices):
            raise line.error("a variable must stand once in a term")
        terms.append(Term(c=line.value(-1), indices=indices))
    return Problem(name, terms)
