"""What more cores bring: problems a second of `solve_many` with a worker a core, beside each core alone.

Cores need not be alike, least of all where other machines share them, so one core is the mean rate of each alone.
As many processes that know nothing of each other say what the machine gives. All in turn, from a tensor in memory to
states in memory, with the start and the end of a workspace; restarts and sweeps are those that `bench_problems` found.
Reported are medians of the rounds' ratios. A round in which a hypervisor gave more than one per cent of the CPUs' time
to others says something about them, and is made again, up to twice as many times as there are to be rounds.

    python -m benchmarks.bench_cores [--quick]
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import statistics
import time
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.bench_problems import ALLOWED, FAMILIES, pin
from benchmarks.report import save
from gpuqio import ProblemBatch, Workspace
from gpuqio.optimization import ProblemType, SimulatedAnnealing

ROUNDS = 21
CALM = 0.01
"""Of the CPUs' time: the most that a hypervisor may give to others in a round."""
DIFFERENT = 100
"""Problems that are made; a batch has each of them many times."""


class Load(NamedTuple):
    """Problems of a batch, a multiple of `DIFFERENT`, and what is done to each."""

    problems: int
    sweeps: int
    restarts: int


LOADS = {
    "SK n = 16": Load(40_000, 8, 12),
    "SK n = 32": Load(6_000, 8, 53),
    "SK n = 64": Load(1_600, 32, 38),
    "dense QUBO n = 32": Load(12_000, 16, 10),
}


@functools.cache
def tensor(name: str, problems: int) -> npt.NDArray[np.float64]:
    """(problems, n, n)"""
    made = [FAMILIES[name].make(seed).dense() for seed in range(DIFFERENT)]
    return np.tile(np.array(made), (problems // DIFFERENT, 1, 1))


def seconds(name: str, load: Load, workers: int) -> float:
    """On the clock."""
    J, kind = tensor(name, load.problems), ProblemType[FAMILIES[name].make(0).kind]
    first, last = FAMILIES[name].betas
    begun = time.perf_counter()
    batch = ProblemBatch.from_dense(J, problem_type=kind)
    with Workspace(engine="cpu", threads=workers) as workspace:
        solver = SimulatedAnnealing(
            workspace, beta_start=first, beta_stop=last, sweeps=load.sweeps, restarts=load.restarts, seed=1
        )
        assert len(workspace.solve_many(batch, solver).configurations) == load.problems
    return time.perf_counter() - begun


def stolen() -> float:
    """Seconds of all CPUs that a hypervisor gave to others, since the start of the machine; 0 where there is none."""
    counts = Path("/proc/stat")
    return int(counts.read_text().split()[8]) / os.sysconf("SC_CLK_TCK") if counts.exists() else 0.0


class Round(NamedTuple):
    """Problems a second."""

    alone: list[float]  # of each core
    workers: float
    processes: float

    @property
    def one(self) -> float:
        return statistics.mean(self.alone)


def measure(name: str, load: Load, cores: int, pool: Pool) -> Round:
    part = (name, load._replace(problems=load.problems // cores), 1)
    alone = []
    for core in range(cores):
        pin(1, core)
        alone.append(load.problems / seconds(name, load, 1))
    pin(cores)
    workers = load.problems / seconds(name, load, cores)
    return Round(alone, workers, load.problems / max(pool.starmap(seconds, [part] * cores, chunksize=1)))


def compare(name: str, load: Load, cores: int, rounds: int, pool: Pool) -> dict[str, Any]:
    """A family's row."""
    measure(name, load, cores, pool)  # makes the tensors
    made: list[Round] = []
    disturbed = 0
    while len(made) < rounds:
        lost, began = stolen(), time.perf_counter()
        latest = measure(name, load, cores, pool)
        if stolen() - lost > CALM * cores * (time.perf_counter() - began) and disturbed < 2 * rounds:
            disturbed += 1
        else:
            made.append(latest)
    return {
        "problem": name,
        "cores": cores,
        **load._asdict(),
        "rounds": rounds,
        "made again": disturbed,
        "problems/s of each core": [
            round(statistics.median(rates)) for rates in zip(*(r.alone for r in made), strict=True)
        ],
        "workers, times one core": round(statistics.median(r.workers / r.one for r in made), 3),
        "processes, times one core": round(statistics.median(r.processes / r.one for r in made), 3),
        "workers : processes": round(statistics.median(r.workers / r.processes for r in made), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small batches, briefly; nothing is written")
    arguments = parser.parse_args()
    cores = len(ALLOWED)
    rows = []
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for name, load in LOADS.items():
            if arguments.quick:
                load = load._replace(problems=cores * DIFFERENT)
            rows.append(compare(name, load, cores, 2 if arguments.quick else ROUNDS, pool))
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if not arguments.quick:
        print("written to", save("cores", rows))


if __name__ == "__main__":
    main()
