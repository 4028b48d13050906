"""How often, and how fast, parameter-free solvers reach the best-known value, through the public interface.

Planted and proven optima come from the makers. With GPUQIO_INSTANCES naming a folder of the public files (Beasley's
bqp, Gset, 3-XORSAT), those are tried too; the best-known values are below.

    python -m benchmarks.bench_quality [--seeds 10] [--only bqp]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import instances
from benchmarks.report import save
from gpuqio import Workspace
from gpuqio.formats import read_problem
from gpuqio.optimization import ParallelTempering, Problem, SimulatedAnnealing

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
}
SECONDS = {"bqp": 5.0, "xor": 30.0, "G": 30.0}
SOLVERS = {"parallel tempering": ParallelTempering, "simulated annealing": SimulatedAnnealing}


def cases() -> Iterator[tuple[str, Problem, float, float]]:
    """Name, problem, value to reach, timeout in seconds."""
    for made in (*(instances.planted_xorsat(n, 1) for n in (16, 32, 48)), instances.planted_tiles(12, 1)):
        assert made.optimum is not None
        yield made.name, made.problem(), made.optimum, 30.0
    if "GPUQIO_INSTANCES" not in os.environ:
        return
    folder = Path(os.environ["GPUQIO_INSTANCES"])
    for path in sorted(folder.glob("*/*")):
        seconds = next((s for prefix, s in SECONDS.items() if path.stem.startswith(prefix)), 0.0)
        if path.stem in BEST_KNOWN:
            yield path.stem, read_problem(path), BEST_KNOWN[path.stem], seconds
        elif path.stem.startswith(("xorsat3r3_n16", "xorsat3r3_n32", "xorsat3r3_n48")):
            size = int(path.stem.split("_n")[1].split("_")[0])
            yield path.stem, read_problem(path), -size, seconds


def measure(problem: Problem, wanted: float, seconds: float, seeds: int, kind: Any) -> dict[str, Any]:
    """One row: successes of `seeds` runs, and seconds each took from call to result."""
    took, reached = [], 0
    with Workspace() as workspace:
        for seed in range(seeds):
            begun = time.perf_counter()
            result = kind(workspace, timeout=seconds, seed=seed).optimize(problem)
            took.append(time.perf_counter() - begun)
            reached += result.cost <= wanted
    return {
        "reached": reached,
        "of": seeds,
        "median seconds": round(statistics.median(took), 2),
        "longest seconds": round(max(took), 2),
        "timeout": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="instances whose name begins so")
    arguments = parser.parse_args()
    rows = []
    for name, problem, wanted, seconds in cases():
        if not name.startswith(arguments.only):
            continue
        for solver, kind in SOLVERS.items():
            row = {"instance": name, "wanted": wanted, "solver": solver}
            rows.append(row | measure(problem, wanted, seconds, arguments.seeds, kind))
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if not arguments.only:
        print("written to", save("quality", rows))


if __name__ == "__main__":
    main()
