"""The parameter-free searches beside the linear search of the service's engine, both on gpuqio's kernels.

The service tried sweeps from a list of points, each as a fresh solve with fixed rules for all else, moved the points
up or down by half after each pass, and stopped after 8 solves that gained nothing, or after 5 s. Here the same rules
drive gpuqio's parameterised solvers, with the 72 threads that its machine had, so what differs is the search alone.
All optima are planted. A run counts as a success where it ends at the optimum, and is timed from call to end: neither
search is told what there is to find.

    python -m benchmarks.bench_search [--seeds 10]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import instances
from benchmarks.instances import Instance
from benchmarks.report import save
from gpuqio import Workspace
from gpuqio.optimization import ParallelTempering, SimulatedAnnealing

THREADS = 72
SECONDS = 5.0
PATIENCE = 8
INSTANCES = [
    *(instances.planted_xorsat(n, seed) for n in (32, 48, 64) for seed in (1, 2)),
    *(instances.planted_tiles(size, seed) for size in (12, 24) for seed in (1, 2)),
    *(instances.number_partitioning(n, 10, 1) for n in (24, 48)),
]


def end_betas(instance: Instance) -> tuple[float, float]:
    """From where half of the largest rises by a flip pass to where one in 10,000 of the smallest does.

    The largest: twice a variable's sum of absolute coefficients. The smallest: twice what is left of them when the two
    largest are replaced by their difference until there is one; where that is 0 for all variables, 0.2.
    """
    most, least = 0.0, math.inf
    for v in range(instance.num_variables):
        weights = sorted(abs(instance.coefficients[(instance.ids == v).any(axis=1)]).tolist())
        most = max(most, 2 * sum(weights))
        while len(weights) > 1:
            weights = sorted([*weights[:-2], weights[-1] - weights[-2]])
        if weights and weights[0] > 0:
            least = min(least, 2 * weights[0])
    if least == math.inf:
        least = 0.2
    return -math.log(0.5) / most, -math.log(1e-4) / (least + 0.001 * (most - least))


def anneal(ends: tuple[float, float], sweeps: int, longest: int) -> dict[str, Any]:
    """As many sweeps in all restarts together at every point of a pass."""
    return {"beta_start": ends[0], "beta_stop": ends[1], "sweeps": sweeps, "restarts": THREADS * longest // sweeps}


def temper(ends: tuple[float, float], sweeps: int, longest: int) -> dict[str, Any]:
    """Geometric ladders of 4, 9, 14, ... rungs one after another, until there are as many as threads."""
    rungs: list[float] = []
    for size in range(4, THREADS, 5):
        rungs += np.geomspace(*ends, size).tolist()
    return {"all_betas": sorted(rungs[:THREADS]), "sweeps": sweeps}


SOLVERS: dict[str, tuple[Any, Callable[..., dict[str, Any]]]] = {
    "SimulatedAnnealing": (SimulatedAnnealing, anneal),
    "ParallelTempering": (ParallelTempering, temper),
}


def linear_search(workspace: Workspace, solver: str, instance: Instance, seed: int) -> float:
    """The lowest cost that the service's search ends with."""
    kind, settings = SOLVERS[solver]
    problem, ends = instance.problem(), end_betas(instance)
    points = [10.0, 20.0, 30.0, 50.0]
    deadline, best, idle, solves = time.perf_counter() + SECONDS, math.inf, 0, 0
    while True:
        costs = []
        for point in points:
            left = deadline - time.perf_counter()
            if left <= 0 or idle == PATIENCE:
                return best
            given = settings(ends, int(point), int(points[-1]))
            cost = kind(workspace, seed=seed + 1000 * solves, timeout=left, **given).optimize(problem).cost
            costs.append(cost)
            solves, idle, best = solves + 1, 0 if cost < best else idle + 1, min(best, cost)
        at = costs.index(min(costs))
        if at == len(points) - 1:
            points = [1.5 * point for point in points]
        elif at == 0 and points[0] >= 15:
            points = [point / 1.5 for point in points]


def own_search(workspace: Workspace, solver: str, instance: Instance, seed: int) -> float:
    """The lowest cost that gpuqio's search ends with."""
    return float(SOLVERS[solver][0](workspace, seed=seed, timeout=SECONDS).optimize(instance.problem()).cost)


SEARCHES = {"the service's": linear_search, "gpuqio's": own_search}


def measure(solver: str, search: str, instance: Instance, seeds: int) -> dict[str, Any]:
    """One row."""
    took, reached = [], 0
    with Workspace() as workspace:
        for seed in range(seeds):
            begun = time.perf_counter()
            cost = SEARCHES[search](workspace, solver, instance, seed)
            took.append(time.perf_counter() - begun)
            reached += cost == instance.optimum
    median = float(f"{statistics.median(took):.3g}")
    return {"instance": instance.name, "solver": solver, "search": search, "reached": reached, "of": seeds, "s": median}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    rows = []
    for instance in INSTANCES:
        for solver in SOLVERS:
            for search in SEARCHES:
                rows.append(measure(solver, search, instance, arguments.seeds))
                print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    print("written to", save("search", rows))


if __name__ == "__main__":
    main()
