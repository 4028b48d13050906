"""For the type checker, never run: what a solver returns follows from its workspace's flavour."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

import gpuqio
import gpuqio.aio
import gpuqio.trio
from gpuqio import BatchResult, Result
from gpuqio.optimization import (
    OnlineProblem,
    ParallelTempering,
    Problem,
    SimulatedAnnealing,
    Solver,
    StreamingProblem,
)


def blocking(problem: Problem, workspace: gpuqio.Workspace) -> None:
    solver = ParallelTempering(workspace, timeout=100, seed=11)
    assert_type(solver, ParallelTempering[gpuqio.Workspace])
    assert_type(solver.workspace, gpuqio.Workspace)
    assert_type(solver.optimize(problem), Result)
    assert_type(solver.submit(problem), gpuqio.Job)
    assert_type(solver.submit(problem).get_results(), Result)
    assert_type(workspace.solve(problem, solver), Result)
    uri = problem.upload(workspace)
    assert_type(uri, str)
    assert_type(problem.download(workspace), Problem)
    assert_type(OnlineProblem("again", uri).download(workspace), Problem)
    assert_type(solver.optimize(uri), Result)
    assert_type(solver.submit(StreamingProblem(workspace)), gpuqio.Job)
    assert_type(gpuqio.Workspace.from_connection_string(uri), gpuqio.Workspace)
    assert_type(workspace.solve_many([problem], solver), BatchResult)


def general(problem: Problem, solver: Solver[gpuqio.Workspace]) -> None:
    assert_type(solver.optimize(problem, timeout_secs=5), Result)


def asynchronous(problem: Problem, workspace: gpuqio.aio.Workspace) -> list[object]:
    solver = SimulatedAnnealing(workspace)
    return [
        assert_type(solver.optimize(problem), Coroutine[Any, Any, Result]),
        assert_type(problem.upload(workspace), Coroutine[Any, Any, str]),
        assert_type(problem.download(workspace), Coroutine[Any, Any, Problem]),
        assert_type(solver.submit(problem), Coroutine[Any, Any, gpuqio.aio.Job]),
        assert_type(workspace.solve_many([problem], solver), Coroutine[Any, Any, BatchResult]),
    ]


async def awaited(problem: Problem) -> None:
    async with gpuqio.aio.Workspace() as workspace:
        assert_type(workspace, gpuqio.aio.Workspace)
        job = await ParallelTempering(workspace).submit(problem)
        assert_type(job, gpuqio.aio.Job)
        assert_type(await job.get_results(), Result)
    async with gpuqio.trio.Workspace() as native:
        assert_type(native, gpuqio.trio.Workspace)
        assert_type(await ParallelTempering(native).submit(problem), gpuqio.trio.Job)
        assert_type(await ParallelTempering(native).optimize(problem), Result)
