"""Solve ten problems at once under asyncio: Microsoft's how-to program, with `azure.quantum` replaced by `gpuqio`."""

from __future__ import annotations

import asyncio

from gpuqio.aio import Workspace
from gpuqio.aio.optimization import ParallelTempering, Problem, ProblemType
from gpuqio.optimization import Term

workspace = Workspace(resource_id="", location="")
solver = ParallelTempering(workspace, timeout=100, seed=11)


def create_problem(n: int) -> Problem:
    terms = [
        Term(c=n - 9, indices=[0]),
        Term(c=n - 3, indices=[1, 0]),
        Term(c=n + 5, indices=[2, 0]),
    ]
    return Problem(name=f"Problem {n}", problem_type=ProblemType.ising, terms=terms)


async def optimize(n: int) -> float:
    result = await solver.optimize(create_problem(n))
    cost: float = result["cost"]
    return cost


async def main() -> list[float]:
    return await asyncio.gather(*(optimize(n) for n in range(10)))


if __name__ == "__main__":
    print(asyncio.run(main()))
