"""Hypothesis strategies for problems: small, of every layout, with integer and with float coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from gpuqio.pack import Layout, pack
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import MAX_ID, SlcTerm, Term

__all__ = [
    "coefficients",
    "configurations",
    "dense_problems",
    "grouped_problems",
    "klocal_problems",
    "packed",
    "problem_types",
    "problems",
    "sparse_problems",
]

problem_types = st.sampled_from([ProblemType.ising, ProblemType.pubo])


def coefficients(integers: bool) -> st.SearchStrategy[int] | st.SearchStrategy[float]:
    """Coefficients as users write them: small ints, or floats over some decades, zero included."""
    if integers:
        return st.integers(-20, 20)
    return st.one_of(st.just(0.0), st.floats(1e-4, 1e4), st.floats(-1e4, -1e-4))


def variable_ids(count: int) -> st.SearchStrategy[list[int]]:
    """`count` distinct ids: consecutive, or sparse and huge."""
    sparse = st.lists(st.integers(0, MAX_ID), min_size=count, max_size=count, unique=True)
    return st.one_of(st.just(list(range(count))), sparse)


@st.composite
def dense_problems(
    draw: st.DrawFn, max_variables: int = 8, problem_type: ProblemType | None = None, integers: bool | None = None
) -> Problem:
    """Problems from an n x n matrix and n fields; every variable 0..n-1 is there."""
    size = draw(st.integers(1, max_variables))
    numbers = coefficients(draw(st.booleans()) if integers is None else integers)
    values = draw(st.lists(numbers, min_size=size * (size + 1), max_size=size * (size + 1)))
    array = np.array(values).reshape(size + 1, size)
    return Problem.from_arrays(array[:size], array[size], problem_type=problem_type or draw(problem_types))


@st.composite
def klocal_problems(
    draw: st.DrawFn,
    max_variables: int = 8,
    max_degree: int = 4,
    max_terms: int = 24,
    problem_type: ProblemType | None = None,
    integers: bool | None = None,
) -> Problem:
    """Problems from terms of degree 0..max_degree, in any order, like terms included; sometimes with huge ids."""
    kind = problem_type or draw(problem_types)
    ids = draw(variable_ids(draw(st.integers(1, max_variables))))
    numbers = coefficients(draw(st.booleans()) if integers is None else integers)
    indices = st.lists(st.sampled_from(ids), max_size=max_degree, unique=kind.spins)
    pairs = draw(st.lists(st.tuples(numbers, indices), min_size=1, max_size=max_terms))
    return Problem("", [Term(c=c, indices=term) for c, term in pairs], problem_type=kind)


def sparse_problems(
    max_variables: int = 8,
    max_terms: int = 24,
    problem_type: ProblemType | None = None,
    integers: bool | None = None,
) -> st.SearchStrategy[Problem]:
    """Problems of at most two variables a term."""
    return klocal_problems(max_variables, 2, max_terms, problem_type, integers)


def problems(
    max_variables: int = 8, problem_type: ProblemType | None = None, integers: bool | None = None
) -> st.SearchStrategy[Problem]:
    """Problems of every kind that is not grouped."""
    return st.one_of(
        dense_problems(max_variables, problem_type, integers),
        sparse_problems(max_variables, problem_type=problem_type, integers=integers),
        klocal_problems(max_variables, problem_type=problem_type, integers=integers),
    )


@st.composite
def grouped_problems(draw: st.DrawFn, max_variables: int = 6) -> Problem:
    """Problems with squared linear combinations."""
    problem = draw(klocal_problems(max_variables))
    ids = [None, *problem.variables.tolist()]
    numbers = coefficients(draw(st.booleans()))
    for _ in range(draw(st.integers(1, 3))):
        chosen = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=len(ids), unique=True))
        linear = [Term(c=draw(numbers), indices=[] if i is None else [i]) for i in chosen]
        problem.add_terms([SlcTerm(linear, c=draw(numbers))])
    return problem


def configurations(problem: Problem) -> st.SearchStrategy[dict[int, int]]:
    """Configurations of a problem's variables."""
    values = st.sampled_from([-1, 1] if problem.problem_type.spins else [0, 1])
    return st.fixed_dictionaries(dict.fromkeys(problem.variables.tolist(), values))


def packed(problem: Problem, dense: bool) -> Layout:
    """Quadratic problems dense or sparse as said, whatever their size; those without couplings are sparse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuqio.pack.layout.DENSE_DEGREE", 0.0 if dense else 1e9)
        patch.setattr("gpuqio.pack.layout.DENSE_SHARE", 0.0)
        return pack(problem)
