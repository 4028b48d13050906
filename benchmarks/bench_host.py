"""What a small problem costs besides its sweeps: CPU time a problem on the way from arrays to results.

1,000 SK problems of 32 spins, `SimulatedAnnealing` of one restart and two sweeps, on one worker: nearly all is host
work. The steps are timed in the engine; the totals go through `Workspace.solve_many` and the scheduler. CPU time of the
process, least of several rounds. docs/design/host_path.md explains them.

    python -m benchmarks.bench_host [--problems 1000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks import instances
from benchmarks.report import save
from gpuqio import ProblemBatch, Workspace
from gpuqio.batch import DenseBatch
from gpuqio.engines.dense_pack import pack_dense
from gpuqio.engines.dense_run import DenseRun
from gpuqio.optimization import Problem, SimulatedAnnealing
from gpuqio.solvers import SimulatedAnnealing as Specification

SPINS = 32
PARAMETERS = {"sweeps": 2, "restarts": 1, "beta_start": 0.1, "beta_stop": 3.0, "seed": 1}


def steps(batch: DenseBatch) -> dict[str, float]:
    """Seconds of each step of one run in the engine."""
    solver: Any = Specification(**PARAMETERS)  # type: ignore[arg-type]  # PARAMETERS are ints and floats
    marks = [time.process_time()]
    packed = pack_dense(batch)
    marks.append(time.process_time())
    assert packed is not None
    run = DenseRun(packed, solver, solver.uniform, 1e-9)
    marks.append(time.process_time())
    while not run.finished:
        run.advance(1.0)
    marks.append(time.process_time())
    run.results("cpu", "", None)
    marks.append(time.process_time())
    return dict(zip(("pack", "chains", "sweeps", "results"), np.diff(marks).tolist(), strict=True))


def totals(batch: DenseBatch) -> dict[str, float]:
    """Seconds from a tensor to its costs, and from arrays: making the problems, and solving them."""
    with Workspace(engine="cpu", threads=1) as workspace:
        solver = SimulatedAnnealing(workspace, **PARAMETERS)  # type: ignore[arg-type]
        workspace.solve_many(batch[:10], solver)  # starts the worker
        marks = [time.process_time()]
        workspace.solve_many(ProblemBatch.from_dense(batch.J), solver).costs.sum()
        marks.append(time.process_time())
        problems = [Problem.from_arrays(matrix) for matrix in batch.J]
        marks.append(time.process_time())
        workspace.solve_many(problems, solver).costs.sum()
        marks.append(time.process_time())
    return dict(zip(("from a tensor", "making problems", "from problems"), np.diff(marks).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    batch = ProblemBatch.from_dense(np.stack([instances.sk(SPINS, seed).dense() for seed in range(arguments.problems)]))
    rounds = [steps(batch) | totals(batch) for _ in range(arguments.rounds)]
    rows = [
        {"step": step, "CPU us a problem": round(1e6 * min(found[step] for found in rounds) / len(batch), 1)}
        for step in rounds[0]
    ]
    for row in rows:
        print("  ".join(f"{k} {v}" for k, v in row.items()))
    print("written to", save("host", rows))


if __name__ == "__main__":
    main()
