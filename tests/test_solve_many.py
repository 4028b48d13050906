"""Batches at the door: what is taken, and how a bad one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gpuqio import Workspace
from gpuqio.errors import InvalidProblem
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, Term


def problems(count: int) -> Iterator[Problem]:
    for i in range(count):
        yield Problem(f"{i}", [Term(c=1.0, indices=[0, i + 1])], problem_type=ProblemType.ising)


def test_any_iterable_is_a_batch() -> None:
    with Workspace() as workspace:
        solver = ParallelTempering(workspace, sweeps=10, seed=1)
        assert workspace.solve_many(problems(3), solver).costs.tolist() == [-1.0] * 3
        assert len(workspace.solve_many([], solver)) == 0


def test_a_bad_problem_is_refused_by_its_place() -> None:
    with Workspace() as workspace:
        solver = ParallelTempering(workspace, sweeps=10, seed=1)
        with pytest.raises(InvalidProblem, match=r"The problem has no terms.*This is problem 2 of the batch") as caught:
            workspace.solve_many([*problems(2), Problem("empty")], solver)
    assert caught.value.field == "problems[2].terms"


@pytest.mark.parametrize("wrong", [Problem("alone"), None, 7])
def test_what_is_no_batch_is_refused(wrong: Any) -> None:
    with Workspace() as workspace, pytest.raises(InvalidProblem, match="A batch is a ProblemBatch or a sequence"):
        workspace.solve_many(wrong, ParallelTempering(workspace, sweeps=10, seed=1))
