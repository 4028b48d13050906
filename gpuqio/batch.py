"""ProblemBatch: many problems as one value; a tensor stays a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidProblem
from gpuqio.matrices import read_ids, read_moderate, read_numbers
from gpuqio.problem import Problem, ProblemType

__all__ = ["CsrBatch", "DenseBatch", "ProblemBatch", "as_dense", "is_matrix"]


class ProblemBatch(Sequence[Problem]):
    """Problems in an order, of any types and sizes; a slice is a batch too."""

    __slots__ = ("_problems",)

    _problems: Sequence[Problem]

    @classmethod
    def from_problems(cls, problems: Iterable[Problem]) -> ProblemBatch:
        """These problems, in this order. Raises `InvalidProblem` for what is not a `Problem`."""
        listed = tuple(problems)
        for position, problem in enumerate(listed):
            if not isinstance(problem, Problem):
                field = f"problems[{position}]"
                raise InvalidProblem(
                    f"{field} must be a Problem; found a {type(problem).__name__}.", field=field, code="AZQ103"
                )
        batch = ProblemBatch()
        batch._problems = listed
        return batch

    @staticmethod
    def from_dense(J: Any, h: Any = None, problem_type: ProblemType = ProblemType.ising) -> DenseBatch:
        """N problems of n variables each, problem i as from ``Problem.from_arrays(J[i], h[i])``.

        So cost = v^T J[i] v + h[i]^T v: an upper triangular J holds the coefficients of the pairs as they are, and of
        a symmetric one both halves count. Nothing is done for a single problem until it is read. The arrays are
        kept, not copied: leave them as they are until the batch is solved.

        Args:
            J: (N, n, n), ints or floats of any width, finite.
            h: (N, n), likewise.
            problem_type: ising or pubo.

        Raises:
            InvalidProblem: naming the field and the index.
        """
        if not isinstance(problem_type, ProblemType) or problem_type not in (ProblemType.ising, ProblemType.pubo):
            raise InvalidProblem(
                f"problem_type of a batch of matrices must be ising or pubo; found {problem_type!r}.",
                field="problem_type",
                value=problem_type,
                code="AZQ103",
            )
        pairs, is_moderate = read_moderate(J, "J", 3)
        fields, others_are = (None, True) if h is None else read_moderate(h, "h", 2)
        if pairs.shape[1] != pairs.shape[2]:
            raise InvalidProblem(f"J must have shape (N, n, n); found {pairs.shape}.", field="J", value=pairs.shape)
        if fields is not None and fields.shape != pairs.shape[:2]:
            raise InvalidProblem(
                f"h must have shape {pairs.shape[:2]}, as J has {pairs.shape}; found {fields.shape}.",
                field="h",
                value=fields.shape,
            )
        return DenseBatch(pairs, fields, problem_type, is_moderate and others_are)

    @staticmethod
    def from_csr(
        data: Any, indices: Any, indptr: Any, h: Any = None, problem_type: ProblemType = ProblemType.ising
    ) -> CsrBatch:
        """N problems on one graph of n variables: one sparse matrix in compressed rows, N times other numbers in it.

        Problem i is that of ``Problem.from_arrays((rows, indices, data[i]), h[i])``, where row r has the columns
        ``indices[indptr[r] : indptr[r + 1]]``. The arrays are kept, not copied.

        Args:
            data: (N, m), ints or floats of any width, finite.
            indices: (m,) columns, ints from 0 to n - 1.
            indptr: (n + 1,) ints, not decreasing, from 0 to m.
            h: (N, n), like data.
            problem_type: ising or pubo.

        Raises:
            InvalidProblem: naming the field and the index.
        """
        values = read_numbers(data, "data", 2)
        fields = None if h is None else read_numbers(h, "h", 2)
        columns = read_ids(indices, "indices", values.shape[1])
        ends = read_numbers(indptr, "indptr", 1)
        ends = read_ids(ends, "indptr", len(ends))
        if not len(ends) or ends[0] != 0 or ends[-1] != len(columns) or (np.diff(ends) < 0).any():
            raise InvalidProblem(
                f"indptr must go from 0 to the {len(columns)} columns and never down.", field="indptr", code="AZQ107"
            )
        size = len(ends) - 1
        if len(columns) and columns.max() >= size:
            raise InvalidProblem(
                f"indices must be below {size}, the rows of indptr; found {columns.max()}.",
                field="indices",
                value=int(columns.max()),
                code="AZQ107",
            )
        if fields is not None and fields.shape != (len(values), size):
            raise InvalidProblem(
                f"h must have shape {(len(values), size)}; found {fields.shape}.", field="h", value=fields.shape
            )
        return CsrBatch(values, np.repeat(np.arange(size), np.diff(ends)), columns, fields, problem_type)

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> ProblemBatch: ...
    def __getitem__(self, index: int | slice) -> Problem | ProblemBatch:
        if isinstance(index, slice):
            return ProblemBatch.from_problems(self._problems[index])
        return self._problems[index]

    def __len__(self) -> int:
        return len(self._problems)

    def __repr__(self) -> str:
        return f"<ProblemBatch: {len(self)} problems>"


def as_dense(problems: Sequence[Problem]) -> DenseBatch | None:
    """The same problems as a tensor; None unless all are of one type and size, and nothing but matrices."""
    matrices = [p.matrices for p in problems if is_matrix(p) and p.matrices is not None]
    kinds = {(p.problem_type, m.J.shape, m.h is None) for p, m in zip(problems, matrices, strict=False)}
    if len(matrices) != len(problems) or len(kinds) != 1:
        return None
    fields = [m.h for m in matrices if m.h is not None]
    J = np.stack([m.J for m in matrices], dtype=np.float64)
    h = np.stack(fields, dtype=np.float64) if fields else None
    return DenseBatch(J, h, problems[0].problem_type, is_moderate=True)


def is_matrix(problem: Problem) -> bool:
    """Whether a problem is still the matrices it was made from, and nothing else."""
    return problem.matrices is not None and problem.init_config is None and not problem.terms_slc


class DenseBatch(ProblemBatch):
    """A batch that is a tensor; made by `ProblemBatch.from_dense`. Its problems are made when read.

    Attributes:
        J: (N, n, n), as given, finite.
        h: (N, n), or None.
        problem_type: ising or pubo.
        is_moderate: whether no sum of coefficients comes near the end of a float64's range.
    """

    __slots__ = ("J", "h", "is_moderate", "problem_type")

    def __init__(
        self, J: npt.NDArray[Any], h: npt.NDArray[Any] | None, problem_type: ProblemType, is_moderate: bool
    ) -> None:
        self.J = J
        self.h = h
        self.problem_type = problem_type
        self.is_moderate = is_moderate

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> DenseBatch: ...
    def __getitem__(self, index: int | slice) -> Problem | DenseBatch:
        J = self.J[index]
        h = None if self.h is None else self.h[index]
        if isinstance(index, slice):
            return DenseBatch(J, h, self.problem_type, self.is_moderate)
        return Problem.from_arrays(J, h, problem_type=self.problem_type)

    def __len__(self) -> int:
        return len(self.J)

    def __repr__(self) -> str:
        return f"<DenseBatch: {len(self)} {self.problem_type.name} problems of {self.J.shape[1]} variables>"


class CsrBatch(ProblemBatch):
    """A batch on one graph; made by `ProblemBatch.from_csr`. Its problems are made when read.

    Attributes:
        data: (N, m), as given, finite.
        rows, columns: (m,) of the numbers.
        h: (N, n), or None.
        problem_type: ising or pubo.
    """

    __slots__ = ("columns", "data", "h", "problem_type", "rows")

    def __init__(
        self,
        data: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        columns: npt.NDArray[np.int64],
        h: npt.NDArray[Any] | None,
        problem_type: ProblemType,
    ) -> None:
        self.data, self.rows, self.columns, self.h, self.problem_type = data, rows, columns, h, problem_type

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> CsrBatch: ...
    def __getitem__(self, index: int | slice) -> Problem | CsrBatch:
        data = self.data[index]
        h = None if self.h is None else self.h[index]
        if isinstance(index, slice):
            return CsrBatch(data, self.rows, self.columns, h, self.problem_type)
        return Problem.from_arrays((self.rows, self.columns, data), h, problem_type=self.problem_type)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<CsrBatch: {len(self)} {self.problem_type.name} problems of {self.data.shape[1]} entries>"
