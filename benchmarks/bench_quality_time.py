"""How good a cost is reached in equal time: 1 s and 10 s of one core, from arrays, mean and spread over seeds.

Ours run parameter-free through a workspace, again with another seed until the time is up. Annealing peers make reads
until then, of three lengths each on the betas below, so the best of the three is known only afterwards; tabu search
and MQLib are given the time. Building a model is inside the time, importing a package is not. The graphs have as many
vertices and edges as rudy's random graphs G1, G22 and G43, and bqp its density of 0.1; all are made here.

    pip install '.[bench]' && python -m benchmarks.bench_quality_time [--quick] [--only bqp]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks import instances
from benchmarks.bench_problems import pin
from benchmarks.instances import Instance
from benchmarks.peers import PACKAGES, Settings, Solver, installed, suited
from benchmarks.peers.base import costs_of
from benchmarks.peers.ours import problem_of
from benchmarks.report import save
from gpuqio import Workspace
from gpuqio.optimization import ParallelTempering, SimulatedAnnealing, Tabu

SEEDS = {1.0: 5, 10.0: 3}
"""How many, by the seconds."""
LENGTHS = {"sweeps": (100, 1000, 10_000), "steps": (1000,), "descents": (1,)}
"""By the unit of a solver; one that is given its time has none."""
STEP = 0.1
"""Share of the time that one call of a peer is sized for."""
OURS: dict[str, Any] = {f"gpuqio {solver.__name__}": solver for solver in (SimulatedAnnealing, ParallelTempering, Tabu)}


class Case(NamedTuple):
    """An instance, and the betas that the peers get."""

    instance: Instance
    betas: tuple[float, float]


CASES = [
    Case(instances.random_qubo(500, 0.1, 1), (0.002, 0.1)),
    Case(instances.random_qubo(1000, 0.1, 1), (0.0015, 0.1)),
    Case(instances.random_maxcut(800, 0.06, 1), (0.05, 1.5)),
    Case(instances.random_maxcut(2000, 0.01, 1), (0.07, 2.0)),
    Case(instances.random_maxcut(1000, 0.02, 1), (0.07, 2.0)),
]
QUICK = [Case(instances.random_qubo(60, 0.3, 1), (0.004, 0.2))]


class Reached(NamedTuple):
    """The lowest cost, and when the last run ended."""

    cost: float
    seconds: float


def ours(kind: Any, instance: Instance, seconds: float, seed: int) -> Reached:
    """Parameter-free runs, with what is left of the time as their limit."""
    begun, best = time.perf_counter(), float("inf")
    with Workspace(engine="cpu", threads=1) as workspace:
        problem = problem_of(instance)
        for run in range(1_000_000):
            left = seconds - (time.perf_counter() - begun)
            if left < 0.02 * seconds and run:
                break
            best = min(best, kind(workspace, timeout=max(left, 0.0), seed=1000 * seed + run).optimize(problem).cost)
    return Reached(best, time.perf_counter() - begun)


def theirs(peer: Solver, case: Case, length: int, seconds: float, seed: int) -> Reached:
    """Calls until the time is up: the first of one block of reads, then of as many as take a tenth of the time.

    Computing the costs of what was returned is left out of the time.
    """
    instance, block = case.instance, peer.granularity(case.instance)
    settings = Settings(length, block, case.betas, peer.shapes[0], 1000 * seed)
    if peer.unit == "ms":
        run = peer.solve(instance, replace(settings, sweeps=int(1000 * seconds), reads=1))
        return Reached(float(run.costs[0]), run.wall)
    begun = time.perf_counter()
    model = peer.load(instance)
    used, best = time.perf_counter() - begun, float("inf")
    while True:
        begun = time.perf_counter()
        returned = peer.call(model, settings)
        took = time.perf_counter() - begun
        used += took
        best = min(best, float(costs_of(instance, peer.states(model, returned)).min()))
        affordable = min(STEP * seconds, seconds - used) / (took / settings.reads)
        reads = int(affordable) // block * block
        if seconds - used < took / settings.reads * block:
            return Reached(best, used)
        settings = replace(settings, reads=max(block, reads), seed=settings.seed + 1)


def measure(name: str, length: int | None, runs: Sequence[Reached]) -> dict[str, Any]:
    """What one solver did, over the seeds."""
    costs = [run.cost for run in runs]
    return {
        "solver": name,
        "length": length,
        "mean": statistics.mean(costs),
        "spread": statistics.pstdev(costs),
        "best": min(costs),
        "seconds used": round(statistics.mean(run.seconds for run in runs), 2),
    }


def compare(case: Case, peers: Sequence[Solver], seconds: float, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A row a solver and length; seed by seed, the solvers in turn. The gap is of the mean to the best of all rows."""
    runs: dict[tuple[str, int | None], list[Reached]] = {}
    for seed in seeds:
        for name, kind in OURS.items():
            runs.setdefault((name, None), []).append(ours(kind, case.instance, seconds, seed))
        for peer in suited(list(peers), case.instance):
            for length in LENGTHS.get(peer.unit, (0,)):
                runs.setdefault((peer.name, length), []).append(theirs(peer, case, length, seconds, seed))
    rows = [measure(name, length, reached) for (name, length), reached in runs.items()]
    best = min(row["best"] for row in rows)
    own = min(row["mean"] for row in rows if row["solver"] in OURS)
    for row in rows:
        row["gap %"] = round(100 * (row["mean"] - best) / abs(best), 4)
        row["above our best %"] = round(100 * (row["mean"] - own) / abs(best), 4)
        row["mean"], row["spread"] = round(row["mean"], 3), round(row["spread"], 3)
    return [{"instance": case.instance.name, "seconds": seconds, "seeds": len(seeds)} | row for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small instance, 0.2 s, two seeds; nothing is written")
    parser.add_argument("--only", default="", help="instances whose name begins so; nothing is written")
    arguments = parser.parse_args()
    peers = installed()
    for peer in peers:
        peer.solve(instances.sk(8, 0), Settings(16, 16))  # whatever a first call does
    pin(1)
    rows: list[dict[str, Any]] = []
    for case in QUICK if arguments.quick else CASES:
        if not case.instance.name.startswith(arguments.only):
            continue
        for seconds, seeds in ({0.2: 2} if arguments.quick else SEEDS).items():
            added = compare(case, peers, seconds, range(1, seeds + 1))
            rows += added
            for row in added:
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
            if not (arguments.quick or arguments.only):
                print("written to", save("quality_time", rows, PACKAGES), flush=True)


if __name__ == "__main__":
    main()
