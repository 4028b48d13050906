"""What size costs: seconds and peak memory against terms, variables and problems, beside dwave-samplers' annealing.

Every point is a process of its own, whose peak memory the system tells; that of Python, NumPy and the arrays of the
problem itself is measured by a process that only makes them. Both anneal with the same sweeps, reads and
betas, from arrays through the public interface, on one thread. The batch goes through `solve_many` as one tensor,
which is more problems than are ever packed at once; the peer's loop is timed on every hundredth problem.

    pip install '.[bench]' && python -m benchmarks.bench_scale [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import instances
from benchmarks.instances import Instance
from benchmarks.peers import Settings, Solver, dwave, ours
from benchmarks.report import save

SOLVERS: dict[str, Solver | None] = {"gpuqio": ours.Annealing(), "dwave-samplers": dwave.Annealing(), "nothing": None}
TERMS_A_VARIABLE = 6
BATCH_VARIABLES = 16
SAMPLED = 100
"""The peer solves one problem in so many."""
MOST_MIB = 4096
"""No sparse point of ours may take more."""


class Topic(NamedTuple):
    """A curve: what grows, how far, what is solved at each size, and how."""

    grows: str
    sizes: tuple[int, ...]
    make: Callable[[int], Sequence[Instance]]
    settings: Settings


TOPICS = {
    "sparse": Topic(
        "variables, six terms each",
        (1_000, 10_000, 100_000, 1_000_000),
        lambda n: [instances.random_graph(n, TERMS_A_VARIABLE * n, 1)],
        Settings(10, 32, (0.1, 3.0), "linear"),
    ),
    "dense": Topic(
        "variables, all pairs",
        (1_000, 2_000, 5_000, 10_000),
        lambda n: [instances.sk(n, 1)],
        Settings(10, 4, (0.3, 6.0), "linear"),
    ),
    "batch": Topic(
        f"problems of {BATCH_VARIABLES} variables",
        (1_000, 10_000, 100_000),
        lambda number: [instances.sk(BATCH_VARIABLES, seed) for seed in range(number)],
        Settings(16, 16, (0.3, 6.0), "linear"),
    ),
}
QUICK = {"sparse": (1_000,), "dense": (200,), "batch": (200,)}


def point(topic: str, size: int, name: str) -> dict[str, Any]:
    """One point, measured in this process, which should do nothing else."""
    grows, _, make, settings = TOPICS[topic]
    solver, problems = SOLVERS[name], make(size)
    row: dict[str, Any] = {"topic": topic, "grows": grows, "size": size, "solver": name}
    row["terms"] = sum(len(instance.ids) for instance in problems)
    if solver is not None:
        solved = problems[::SAMPLED] if name != "gpuqio" and len(problems) > SAMPLED else problems
        solver.solve(instances.sk(8, 0), settings)  # whatever a first call does
        begun = time.perf_counter()
        run = solver.solve_all(solved, settings)
        row["seconds"] = float(f"{run.wall * len(problems) / len(solved):.4g}")
        row["seconds with costs checked"] = float(f"{time.perf_counter() - begun:.4g}")
        row["mean cost"] = float(f"{np.mean(run.costs):.6g}")
        row["problems solved"] = len(solved)
    row["peak MiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return row


def apart(topic: str, size: int, name: str) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bench_scale", "--point", topic, str(size), name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    if done.returncode:
        raise RuntimeError(f"{topic} {size} {name}: {done.stderr.strip() or done.returncode}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    parser.add_argument("--point", nargs=3, metavar=("TOPIC", "SIZE", "SOLVER"), help="one point, as JSON")
    arguments = parser.parse_args()
    if arguments.point:
        topic, size, name = arguments.point
        print(json.dumps(point(topic, int(size), name)))
        return
    names = [name for name, solver in SOLVERS.items() if solver is None or not solver.missing()]
    rows: list[dict[str, Any]] = []
    for topic, (_, sizes, _, _) in TOPICS.items():
        for size in QUICK[topic] if arguments.quick else sizes:
            added = {name: apart(topic, size, name) for name in names}
            for name, row in added.items():
                if "seconds" in row:
                    row["ratio"] = round(row["seconds"] / added["gpuqio"]["seconds"], 2)
                    row["MiB above the arrays"] = row["peak MiB"] - added["nothing"]["peak MiB"]
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
                rows.append(row)
                if (topic, name) == ("sparse", "gpuqio") and row["peak MiB"] > MOST_MIB:
                    print(f"TOO MUCH MEMORY: {row['peak MiB']} MiB, the limit is {MOST_MIB}", flush=True)
            if not arguments.quick:
                print("written to", save("scale", rows, ("dwave-samplers", "dimod")), flush=True)


if __name__ == "__main__":
    main()
