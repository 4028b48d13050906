"""Problems from matrices, coordinates and .npz files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from gpuqio.errors import InvalidFile, InvalidProblem
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term

NAN = float("nan")


def square(J: np.ndarray[Any, Any], h: np.ndarray[Any, Any], state: np.ndarray[Any, Any]) -> float:
    return float(state @ J @ state + h @ state)


@pytest.mark.parametrize("kind", [ProblemType.ising, ProblemType.pubo])
@pytest.mark.parametrize("make", ["dense", "coordinates", "coo", "csr", "csc", "array"])
def test_every_square_matrix_means_the_same(kind: ProblemType, make: str) -> None:
    rng = np.random.default_rng(3)
    J = rng.integers(-9, 10, (7, 7)).astype(float)
    J[:, 4] = J[4] = 0
    h = rng.integers(-9, 10, 7).astype(float)
    h[4] = 0
    rows, cols = np.nonzero(J)
    given_J: Any = {
        "dense": J,
        "coordinates": (rows, cols, J[rows, cols]),
        "coo": scipy.sparse.coo_matrix(J),
        "csr": scipy.sparse.csr_matrix(J),
        "csc": scipy.sparse.csc_matrix(J),
        "array": scipy.sparse.csr_array(J),
    }[make]
    problem = Problem.from_arrays(given_J, h, c=2, problem_type=kind, name="a")
    assert problem.name == "a"
    assert problem.variables.tolist() == list(range(7))  # 4 too, of which nothing is said
    for values in rng.choice((-1, 1) if kind.spins else (0, 1), (20, 7)):
        assert problem.evaluate(dict(enumerate(values.tolist()))) == square(J, h, values) + 2


def test_an_upper_triangle_is_its_coefficients_and_a_symmetric_matrix_counts_twice() -> None:
    upper = np.array([[0, 3, 0], [0, 0, -1], [0, 0, 0]])
    assert Problem.from_arrays(upper).terms == [Term(c=3, indices=[0, 1]), Term(c=-1, indices=[1, 2])]
    twice = [Term(c=6, indices=[0, 1]), Term(c=-2, indices=[1, 2])]
    assert Problem.from_arrays(upper + upper.T).terms == twice


def test_the_diagonal_is_a_constant_or_linear() -> None:
    J = np.diag([1, 2, 0])
    assert Problem.from_arrays(J).evaluate({0: 1, 1: -1, 2: 1}) == 3
    assert Problem.from_arrays(J).num_variables == 3
    pubo = Problem.from_arrays(J, problem_type=ProblemType.pubo)
    assert pubo.terms == [Term(c=1, indices=[0]), Term(c=2, indices=[1]), Term(c=0, indices=[2])]
    named = Problem.from_arrays(([5], [5], [2.0]))
    assert named.terms == [Term(c=0, indices=[5]), Term(c=2.0, indices=[])]


def test_fields_alone() -> None:
    problem = Problem.from_arrays(h=[1, 0, -2], c=0.5)
    assert [(term.c, term.ids) for term in problem.terms] == [(1, [0]), (-2, [2]), (0, [1]), (0.5, [])]
    assert len(Problem.from_arrays(h=np.ones(100_000)).terms) == 100_000
    assert Problem.from_arrays().terms == []


def test_ints_stay_ints() -> None:
    for J in (np.array([[0, 1], [0, 0]]), ([0], [1], [1])):
        assert [type(term.c) for term in Problem.from_arrays(J, [1, 2], c=3).terms] == [int] * 4
        assert type(Problem.from_arrays(J, [1.0, 2]).terms[0].c) is float


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"J": [[0, NAN], [0, 0]]}, "J[0, 1]"),
        ({"J": [[0, 1], [0, math.inf]]}, "J[1, 1]"),
        ({"J": [[0, 1e308], [1e308, 0]]}, "J + J.T[0, 1]"),
        ({"J": [[0, 1]]}, "J"),
        ({"J": [0, 1]}, "J"),
        ({"J": [[0, 1], [0]]}, "J"),
        ({"J": [["a"]]}, "J"),
        ({"J": [[1j]]}, "J"),
        ({"J": [[True]]}, "J"),
        ({"J": [[10**30]]}, "J"),
        ({"J": ([0], [1])}, "J"),
        ({"J": ([0], [1], [NAN])}, "J values[0]"),
        ({"J": ([0], [1, 2], [1.0])}, "J cols"),
        ({"J": ([0], [-1], [1.0])}, "J cols[0]"),
        ({"J": ([0], np.array([2**63], np.uint64), [1.0])}, "J cols[0]"),
        ({"J": ([0.0], [1], [1.0])}, "J rows"),
        ({"J": ([0], [3], [1.0]), "h": [1, 2]}, "h"),
        ({"J": np.zeros((2, 2)), "h": [1]}, "h"),
        ({"J": scipy.sparse.coo_matrix((3, 2))}, "J"),
        ({"J": scipy.sparse.coo_matrix((3, 3)), "h": [1.0]}, "h"),
        ({"h": [1, math.inf]}, "h[1]"),
        ({"h": [[1]]}, "h"),
        ({"h": [1.0], "c": NAN}, "c"),
        ({"J": np.array([[np.longdouble(10) ** 400]])}, "J[0, 0]"),
        ({"J": [[1e308]], "h": [1e308], "problem_type": ProblemType.pubo}, "J + h[0]"),
    ],
)
def test_arrays_that_are_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        Problem.from_arrays(**arguments)
    assert caught.value.field == field
    assert field in str(caught.value)


# npz files


def test_terms_from_npz(tmp_path: Path) -> None:
    problem = Problem("", [Term(c=9, indices=[9])])
    np.savez(tmp_path / "a.npz", np.array([0, 1]), np.array([1, 2], np.uint8), np.array([1.5, -2.0]))
    terms = problem.terms_from_npz(tmp_path / "a.npz")
    assert terms == [Term(c=1.5, indices=[0, 1]), Term(c=-2.0, indices=[1, 2])]
    assert len(problem.terms) == 1
    problem.terms = terms
    assert problem.terms == terms
    np.savez(tmp_path / "b.npz", x=np.array([4]), y=np.array([5]), z=np.array([6]), c=np.array([1]))
    named = problem.terms_from_npz(str(tmp_path / "b.npz"), ["x", "y", "z"], "c")
    assert named == [Term(c=1.0, indices=[4, 5, 6])]
    assert problem.is_valid_npz(["arr_2", "arr_0", "arr_1"])
    assert not problem.is_valid_npz(["arr_0", "arr_1"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([0], [1]), "Error in validating NPZ file."),
        (([0], [1], [NAN]), "Unable to read NPZ file.*arr_2"),
        (([0], [-1], [1.0]), "Unable to read NPZ file.*arr_1"),
        (([0.5], [1], [1.0]), "Unable to read NPZ file.*arr_0 must hold ints"),
        (([0, 1], [1], [1.0]), "Unable to read NPZ file.*arr_0 must be as many"),
        (([0], [1], np.array([None])), "Unable to read NPZ file"),
    ],
)
def test_npz_files_that_are_refused(arrays: Any, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", *arrays)
    with pytest.raises(InvalidFile, match=message):
        Problem("").terms_from_npz(tmp_path / "a.npz")


def test_npz_files_that_are_not_there_or_no_npz(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "array.npy", np.ones(3))
    for name in ("none.npz", "text.npz", "array.npy"):
        with pytest.raises(InvalidFile, match=r"^Unable to read NPZ file\. Please check the file path"):
            Problem("").terms_from_npz(tmp_path / name)
