"""Same seed, same answer: whatever the threads, the batch, the flavour or the company."""

from __future__ import annotations

import numpy as np
import pytest

import gpuqio
import gpuqio.trio
from gpuqio.batch_result import BatchResult
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, SimulatedAnnealing
from gpuqio.result import Result


def mixed(count: int) -> list[Problem]:
    """Dense, sparse and k-local problems of many sizes, integer and float."""
    random = np.random.default_rng(12)
    batch = []
    for i in range(count):
        n = int(random.integers(2, 45))
        matrix = np.triu(random.normal(size=(n, n)) if i % 2 else random.integers(-4, 5, (n, n)), 1)
        if i % 3 == 0:
            matrix *= random.random((n, n)) < 0.2
        kind = ProblemType.ising if i % 4 else ProblemType.pubo
        problem = Problem.from_arrays(matrix, random.integers(-2, 3, n), problem_type=kind)
        if i % 5 == 0 and n > 3:
            problem.add_term(c=2, indices=[0, 1, 2])
        batch.append(problem)
    return batch


def alike(a: Result, b: Result) -> bool:
    return (
        np.array_equal(a.states, b.states)
        and np.array_equal(a.costs, b.costs)
        and a.parameters == b.parameters
        and a.report.flips == b.report.flips
    )


@pytest.mark.parametrize("kind", [ParallelTempering, SimulatedAnnealing])
async def test_threads_batches_and_order_do_not_matter(kind: type) -> None:
    problems = mixed(40)
    results: list[list[Result]] = []
    for threads, order in ((1, range(40)), (2, range(40)), (2, range(39, -1, -1))):
        async with gpuqio.trio.Workspace(threads=threads) as workspace:
            solver = kind(workspace, sweeps=30, seed=2**31)
            solved = list(await workspace.solve_many([problems[i] for i in order], solver))
        results.append(solved if order[0] == 0 else solved[::-1])
    async with gpuqio.trio.Workspace() as workspace:
        solver = kind(workspace, sweeps=30, seed=2**31)
        results.append([await solver.optimize(problem) for problem in problems[:10]])
    for other in results[1:]:
        assert all(alike(a, b) for a, b in zip(results[0], other, strict=False))


def test_a_batch_from_a_tensor_is_the_same_problems_one_by_one() -> None:
    random = np.random.default_rng(5)
    couplings, fields = random.normal(size=(20, 12, 12)), random.normal(size=(20, 12))
    batch = gpuqio.ProblemBatch.from_dense(couplings, fields)
    with gpuqio.Workspace() as workspace:
        solver = ParallelTempering(workspace, sweeps=100, seed=7)
        together: BatchResult = workspace.solve_many(batch, solver)
        alone = [solver.optimize(Problem.from_arrays(j, h)) for j, h in zip(couplings, fields, strict=True)]
    assert together.costs.shape == (20,)
    assert np.asarray(together.configurations).shape == (20, 12)
    assert all(alike(a, b) for a, b in zip(alone, together, strict=True))
    np.testing.assert_array_equal(together.costs, [r.cost for r in alone])
