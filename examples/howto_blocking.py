"""Solve ten problems at once from ordinary code, by queueing all before waiting for any: the twin of howto_aio.py."""

from __future__ import annotations

from gpuqio import Workspace
from gpuqio.optimization import ParallelTempering, Problem, ProblemType, Term

workspace = Workspace(resource_id="", location="")
solver = ParallelTempering(workspace, timeout=100, seed=11)


def create_problem(n: int) -> Problem:
    terms = [
        Term(c=n - 9, indices=[0]),
        Term(c=n - 3, indices=[1, 0]),
        Term(c=n + 5, indices=[2, 0]),
    ]
    return Problem(name=f"Problem {n}", problem_type=ProblemType.ising, terms=terms)


def main() -> list[float]:
    jobs = [solver.submit(create_problem(n)) for n in range(10)]
    return [job.get_results()["cost"] for job in jobs]


if __name__ == "__main__":
    print(main())
