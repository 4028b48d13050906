"""Which solver reaches the known optimum of which problem, how often, and how fast: a table of all solvers.

Every solver runs as a user would start it: no parameters of its own, a time limit, and the optimum as the cost at
which to stop. A run that gets there within the limit is a success; the median is over these, from call to result, and
the engine is the default one. Optima are planted, proven or best known. With GPUQIO_INSTANCES naming a folder of the
public files (Beasley's bqp, Gset, 3-XORSAT, SATLIB's uf20), those are tried too.

    python -m benchmarks.bench_solvers [--seeds 5] [--only bqp] [--solvers Tabu TabuSearch]
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import instances
from benchmarks.report import save
from gpuqio import Workspace
from gpuqio.formats import read_problem
from gpuqio.optimization import (
    Exhaustive,
    ParallelTempering,
    PopulationAnnealing,
    Problem,
    QuantumMonteCarlo,
    SimulatedAnnealing,
    SubstochasticMonteCarlo,
    Tabu,
    Term,
)
from gpuqio.target import PathRelinkingSolver, PticmSolver, SimulatedBifurcationMachine, TabuSearch

SOLVERS: dict[str, Any] = {
    solver.__name__: solver
    for solver in (
        ParallelTempering,
        SimulatedAnnealing,
        PopulationAnnealing,
        SubstochasticMonteCarlo,
        QuantumMonteCarlo,
        Tabu,
        TabuSearch,
        PathRelinkingSolver,
        PticmSolver,
        SimulatedBifurcationMachine,
        Exhaustive,
    )
}
MOST_EXHAUSTIVE = 26

# OR-Library and BiqMac (bqp), Gset: values of -cut.
BEST_KNOWN = {
    "bqp50-1": -2098,
    "bqp50-2": -3702,
    "bqp50-3": -4626,
    "bqp50-4": -3544,
    "bqp50-5": -4012,
    "bqp100-1": -7970,
    "bqp100-2": -11036,
    "bqp100-3": -12723,
    "bqp250-1": -45607,
    "bqp250-2": -44810,
    "bqp250-3": -49037,
    "G1": -11624,
    "G11": -564,
    "G14": -3063,
}
# Optimal energies of low-autocorrelation binary sequences (Packebusch, Mertens, J. Phys. A 49, 165001, 2016).
LABS = dict(
    enumerate(
        (1, 2, 2, 7, 3, 8, 12, 13, 5, 10, 6, 19, 15, 24, 32, 25, 29, 26, 26, 39, 47, 36, 36, 45, 37),
        start=3,
    )
)


def labs(n: int) -> Problem:
    """The sum over k of (sum over i of s[i] s[i + k])^2, written out: four-local, dense, with a bare landscape."""
    terms = [Term(c=n * (n - 1) // 2, indices=[])]  # the squares of the n - k terms of each k
    for k in range(1, n):
        for j in range(n - k):
            for i in range(j):
                ids = [i, i + 2 * k] if j == i + k else [i, i + k, j, j + k]
                terms.append(Term(c=2, indices=ids))
    return Problem(f"labs-{n}", terms)


class Case(NamedTuple):
    """A problem and the cost to reach, within so many seconds."""

    family: str
    name: str
    problem: Problem
    wanted: float
    limit: int = 3


def cases() -> Iterator[Case]:
    """What can be made, then what can be read."""
    for n in (16, 32, 48, 64):
        made = instances.planted_xorsat(n, 1)
        yield Case(f"3-XORSAT n = {n}", made.name, made.problem(), -n)
    tiles = instances.planted_tiles(12, 1)
    yield Case("planted tiles n = 144", tiles.name, tiles.problem(), -144)
    for n, energy in LABS.items():
        yield Case("LABS n = 3 to 20" if n <= 20 else "LABS n = 21 to 27", f"labs-{n}", labs(n), energy)
    if "GPUQIO_INSTANCES" not in os.environ:
        return
    for path in sorted(Path(os.environ["GPUQIO_INSTANCES"]).glob("*/*")):
        name, family = path.stem, path.stem.partition("-")[0]
        if name in BEST_KNOWN:
            yield Case(family, name, read_problem(path), BEST_KNOWN[name], 10 if name.startswith("G") else 3)
        elif name.startswith("xorsat3r3") and (n := int(name.split("_n")[1].split("_")[0])) <= 64:
            yield Case(f"3-XORSAT n = {n}", name, read_problem(path), -n)
        elif family == "uf20":
            yield Case(family, name, read_problem(path), 0)


def run(workspace: Workspace, kind: Any, case: Case, seed: int) -> float | None:
    """Seconds from call to result; None where the cost is above the wanted one."""
    settings = {"timeout": 1000 * case.limit if kind.__module__.endswith("oneqbit") else case.limit}
    stop = "target" if kind is SimulatedBifurcationMachine else "cost_limit"
    given = {name: settings.pop(name) for name in [*settings] if name in inspect.signature(kind).parameters}
    solver = kind(workspace, seed=seed, **given)
    for name, value in {**settings, stop: case.wanted}.items():  # parameters that its constructor does not name
        solver.set_one_param(name, value)
    begun = time.perf_counter()
    result = solver.optimize(case.problem)
    took = time.perf_counter() - begun
    return took if result.cost <= case.wanted else None


def measure(kind: Any, case: Case, seeds: int) -> dict[str, Any]:
    """One row."""
    with Workspace() as workspace:
        runs = [run(workspace, kind, case, seed) for seed in range(seeds)]
    took = [seconds for seconds in runs if seconds is not None]
    return {
        "family": case.family,
        "instance": case.name,
        "wanted": case.wanted,
        "solver": kind.__name__,
        "reached": len(took),
        "of": seeds,
        "median seconds": float(f"{statistics.median(took):.3g}") if took else None,
        "limit": case.limit,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Families of instances by solvers: successes, and the geometric mean of the instances' median seconds."""
    families: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        families.setdefault(row["family"], {}).setdefault(row["solver"], []).append(row)
    lines = ["| | " + " | ".join(SOLVERS) + " |", "|---" * (len(SOLVERS) + 1) + "|"]
    for family, solvers in families.items():
        cells = [_cell(solvers.get(solver, [])) for solver in SOLVERS]
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    share = f"{sum(row['reached'] for row in rows)}/{sum(row['of'] for row in rows)}"
    medians = [row["median seconds"] for row in rows if row["reached"]]
    mean = math.exp(sum(map(math.log, medians)) / len(medians)) if medians else None
    return share if mean is None else f"{share}, {mean:.2g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="instances whose name begins so")
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=list(SOLVERS))
    arguments = parser.parse_args()
    rows = []
    for case in cases():
        if not case.name.startswith(arguments.only):
            continue
        for solver in arguments.solvers:
            if solver == "Exhaustive" and case.problem.num_variables > MOST_EXHAUSTIVE:
                continue
            rows.append(measure(SOLVERS[solver], case, arguments.seeds))
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    print(table(rows))
    if not arguments.only and len(arguments.solvers) == len(SOLVERS):
        print("written to", save("solvers", rows))


if __name__ == "__main__":
    main()
