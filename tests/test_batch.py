"""ProblemBatch: tensors and lists of problems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from gpuqio.batch import DenseBatch, ProblemBatch, as_dense, is_matrix
from gpuqio.errors import InvalidProblem
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term

RNG = np.random.default_rng(5)
J = RNG.normal(size=(5, 4, 4)).astype(np.float32)
H = RNG.integers(-3, 4, (5, 4))


@pytest.mark.parametrize("kind", [ProblemType.ising, ProblemType.pubo])
@pytest.mark.parametrize("h", [H, None])
def test_items_of_a_tensor_are_problems(kind: ProblemType, h: Any) -> None:
    batch = ProblemBatch.from_dense(J, h, kind)
    assert len(batch) == 5
    assert batch.J is J
    assert batch.h is h
    for place, problem in enumerate(batch):
        alone = Problem.from_arrays(J[place], None if h is None else h[place], problem_type=kind)
        assert problem.to_json() == alone.to_json()
        assert problem.num_variables == 4
    assert batch[-1].to_json() == batch[4].to_json()
    assert repr(batch) == f"<DenseBatch: 5 {kind.name} problems of 4 variables>"


def test_making_a_batch_makes_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Problem, "from_arrays", None)
    assert len(ProblemBatch.from_dense(J, H)[1:]) == 4


def test_a_slice_of_a_tensor_is_a_tensor() -> None:
    part = ProblemBatch.from_dense(J, H)[1:4:2]
    assert isinstance(part, DenseBatch)
    assert np.array_equal(part.J, J[1:4:2])
    assert part.h is not None
    assert np.array_equal(part.h, H[1:4:2])


def test_a_batch_of_problems() -> None:
    problems = [Problem("", [Term(c=1, indices=[i])]) for i in range(3)]
    batch = ProblemBatch.from_problems(iter(problems))
    assert list(batch) == problems
    assert batch[2] is problems[2]
    assert isinstance(batch[1:], ProblemBatch)
    assert list(batch[1:]) == problems[1:]
    assert repr(batch) == "<ProblemBatch: 3 problems>"
    with pytest.raises(IndexError):
        batch[3]
    with pytest.raises(InvalidProblem, match=r"problems\[1\] must be a Problem; found a str"):
        ProblemBatch.from_problems([problems[0], "x"])  # type: ignore[list-item]


def test_empty_batches() -> None:
    assert list(ProblemBatch.from_problems([])) == []
    assert list(ProblemBatch.from_dense(np.zeros((0, 3, 3)))) == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"J": np.full((2, 2, 2), np.nan)}, "J[0, 0, 0]"),
        ({"J": J, "h": np.where(np.arange(20).reshape(5, 4) == 7, np.inf, 0)}, "h[1, 3]"),
        ({"J": J[0]}, "J"),
        ({"J": J[:, :3]}, "J"),
        ({"J": J, "h": H[:4]}, "h"),
        ({"J": J.astype(complex)}, "J"),
        ({"J": J, "problem_type": ProblemType.ising_grouped}, "problem_type"),
    ],
)
def test_tensors_that_are_refused(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        ProblemBatch.from_dense(**arguments)
    assert caught.value.field == field
    assert field in str(caught.value)


def test_problems_from_matrices_go_as_a_tensor() -> None:
    problems = [Problem.from_arrays(j, h) for j, h in zip(J, H, strict=True)]
    tensor = as_dense(problems)
    assert tensor is not None
    assert [problem.to_json() for problem in tensor] == [
        Problem.from_arrays(j.astype(np.float64), h.astype(np.float64)).to_json() for j, h in zip(J, H, strict=True)
    ]
    assert as_dense([*problems, Problem.from_arrays(J[0])]) is None  # no fields
    assert as_dense([*problems, Problem.from_arrays(np.eye(3), H[0][:3])]) is None
    assert as_dense([*problems, Problem.from_arrays(J[0], H[0], problem_type=ProblemType.pubo)]) is None
    assert as_dense([*problems, Problem.from_arrays(J[0], H[0], c=1)]) is None
    assert as_dense([]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda problem: problem.add_term(c=1, indices=[0, 1]),
        lambda problem: problem.add_slc_term([(1, 0), (2, 1)]),
        lambda problem: setattr(problem, "init_config", dict.fromkeys(range(4), 1)),
        lambda problem: setattr(problem, "problem_type", ProblemType.pubo),
        lambda problem: setattr(problem, "terms", [Term(c=1, indices=[0])]),
    ],
)
def test_a_problem_that_was_changed_is_no_matrix_any_more(change: Any) -> None:
    problem = Problem.from_arrays(J[0], H[0])
    before = Problem.from_arrays(J[0], H[0])
    assert len(before.terms) == 6 + 4  # whose terms are asked for first
    assert is_matrix(problem)
    assert not is_matrix(before)
    change(problem)
    change(before)
    assert not is_matrix(problem)
    assert problem.to_json() == before.to_json()


def test_matrices_are_copied() -> None:
    matrix, fields = J[0].copy(), H[0].copy()
    problem = Problem.from_arrays(matrix, fields)
    matrix[:], fields[:] = 0, 0
    assert problem.to_json() == Problem.from_arrays(J[0], H[0]).to_json()


@pytest.mark.parametrize("h", [H, None])
def test_one_graph_with_many_numbers(h: Any) -> None:
    graph = sparse.csr_matrix(np.triu(np.ones((4, 4)), 1) * [[1, 1, 0, 1]])
    data = RNG.normal(size=(5, graph.nnz))
    batch = ProblemBatch.from_csr(data, graph.indices, graph.indptr, h)
    assert repr(batch) == f"<CsrBatch: 5 ising problems of {graph.nnz} entries>"
    for place, problem in enumerate(batch):
        alone = sparse.csr_matrix((data[place], graph.indices, graph.indptr))
        fields = None if h is None else h[place]
        assert problem.to_json() == Problem.from_arrays(alone, fields).to_json()
    assert [problem.to_json() for problem in batch[1:3]] == [batch[1].to_json(), batch[2].to_json()]


@pytest.mark.parametrize(
    ("field", "arrays"),
    [
        ("indices", ([[1.0]], [2], [0, 1, 1])),
        ("indices", ([[1.0]], [0, 1], [0, 1, 1])),
        ("indptr", ([[1.0]], [1], [0, 2, 1])),
        ("indptr", ([[1.0]], [1], [1, 1])),
        ("indptr", ([[1.0]], [1], [])),
        ("indptr", ([[1.0]], [1], 3)),
        ("data[0, 0]", ([[np.nan]], [1], [0, 1, 1])),
        ("h", ([[1.0]], [1], [0, 1, 1], [[1.0]])),
    ],
)
def test_a_graph_is_checked(field: str, arrays: Any) -> None:
    with pytest.raises(InvalidProblem) as caught:
        ProblemBatch.from_csr(*arrays)
    assert caught.value.field == field


def test_a_matrix_of_numpy_is_a_matrix() -> None:
    array = np.array([[0, 1.5], [0, 0]])
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(array)
    assert Problem.from_arrays(matrix).to_json() == Problem.from_arrays(array).to_json()


def test_a_type_is_a_problem_type() -> None:
    with pytest.raises(InvalidProblem, match="must be ising or pubo; found '1'"):
        ProblemBatch.from_dense(J, problem_type="1")  # type: ignore[arg-type]
