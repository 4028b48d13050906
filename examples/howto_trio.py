"""Solve ten problems at once under trio: the twin of howto_aio.py."""

from __future__ import annotations

import trio

from gpuqio.optimization import ParallelTempering, Problem, ProblemType, Term
from gpuqio.trio import Workspace

workspace = Workspace(resource_id="", location="")
solver = ParallelTempering(workspace, timeout=100, seed=11)


def create_problem(n: int) -> Problem:
    terms = [
        Term(c=n - 9, indices=[0]),
        Term(c=n - 3, indices=[1, 0]),
        Term(c=n + 5, indices=[2, 0]),
    ]
    return Problem(name=f"Problem {n}", problem_type=ProblemType.ising, terms=terms)


async def main() -> list[float]:
    costs = [0.0] * 10

    async def optimize(n: int) -> None:
        result = await solver.optimize(create_problem(n))
        costs[n] = result["cost"]

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(optimize, n)
    return costs


if __name__ == "__main__":
    print(trio.run(main))
