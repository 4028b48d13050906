"""Time to solution on 3-regular 3-XORSAT with planted states, with and without isoenergetic cluster moves, on one core.

Every run goes on until it finds the planted energy. Times to it are close to exponentially distributed, so the time in
which 99 % of runs succeed is TTS99 = ln(100) x mean time of an instance's runs; where some were given up, total time
over successes stands for the mean. Quartiles are over instances; the fit is log10(median seconds) = alpha n + beta.

Published fits of the same family, n = 16 to 256 (Kowalsky, Albash, Hen, Lidar, arXiv:2103.08464, as tabulated with
arXiv:2312.08748), are printed beside ours. Machines differ, so the exponents compare, and the offsets do not.

    python -m benchmarks.bench_xorsat [--sizes 16 32 48 64 80 96] [--instances 10] [--runs 8]
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.instances import planted_xorsat
from benchmarks.report import save
from gpuqio.engines.native import Ensemble, advance
from gpuqio.pack import Layout, pack
from gpuqio.solvers import ParallelTempering

SIZES = (16, 32, 48, 64, 80, 96)
MOST_SWEEPS = 2_000_000
SOLVERS = {
    "PT": ParallelTempering(replicas=16, restarts=2),
    "PTICM": ParallelTempering(replicas=16, restarts=2, cluster_moves=True),
}
PUBLISHED = {  # alpha and beta of the median
    "SATonGPU": (0.0171, -5.9),
    "Fujitsu DAU": (0.0185, -3.56),
    "Toshiba SBM": (0.0217, -2.6),
    "PT, the authors'": (0.0248, -0.97),
    "MemComputing": (0.025, -0.6),
    "D-Wave Advantage": (0.08, -6.0),
}


def run(layout: Layout, optimum: float, solver: ParallelTempering, seed: int) -> tuple[bool, int, float]:
    """Whether the optimum was found, after how many sweeps, and in how many seconds of a core."""
    stage = replace(solver.plan(layout, seed).first(), sweeps=MOST_SWEEPS)
    goal = round((optimum - layout.problem.constant) / layout.fixed.unit)
    begun = time.process_time()
    chains = Ensemble(layout, stage, None, goal)
    advance([chains], [MOST_SWEEPS])
    return chains.reached_goal, chains.sweeps, time.process_time() - begun


def measure(n: int, name: str, instances: int, runs: int) -> dict[str, Any]:
    """One row: quartiles over instances of TTS99, in seconds and in sweeps."""
    seconds, sweeps, found = [], [], 0
    for seed in range(instances):
        made = planted_xorsat(n, seed)
        assert made.optimum is not None
        layout = pack(made.problem(), windows=False)
        done = [run(layout, made.optimum, SOLVERS[name], 1000 * seed + r) for r in range(runs)]
        hits = sum(hit for hit, _, _ in done)
        found += hits
        seconds.append(math.log(100) * sum(s for _, _, s in done) / hits if hits else math.inf)
        sweeps.append(math.log(100) * sum(s for _, s, _ in done) / hits if hits else math.inf)
    q25, q50, q75 = np.quantile(seconds, [0.25, 0.5, 0.75], method="lower").tolist()
    return {
        "n": n,
        "solver": name,
        "instances": instances,
        "runs": runs,
        "reached": found,
        "TTS99 s": [float(f"{q:.3g}") for q in (q25, q50, q75)],
        "TTS99 sweeps": round(float(np.median(sweeps))),
    }


def fit(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """alpha and beta of the median, by least squares over the sizes."""
    mine = [row for row in rows if row["solver"] == name]
    sizes, logs = [row["n"] for row in mine], [math.log10(row["TTS99 s"][1]) for row in mine]
    alpha, beta = np.polyfit(np.array(sizes), np.array(logs), 1).tolist()
    return {"fit": name, "alpha": round(alpha, 4), "beta": round(beta, 2), "sizes": sizes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--runs", type=int, default=8, help="of each instance")
    arguments = parser.parse_args()
    rows = []
    for n in arguments.sizes:
        for name in SOLVERS:
            rows.append(measure(n, name, arguments.instances, arguments.runs))
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    fits = [fit(rows, name) for name in SOLVERS] if len(set(arguments.sizes)) > 1 else []
    published = [{"fit": name, "alpha": a, "beta": b, "published": True} for name, (a, b) in PUBLISHED.items()]
    for row in (*fits, *published):
        print("  ".join(f"{k} {v}" for k, v in row.items()))
    if tuple(arguments.sizes) == SIZES:
        print("written to", save("xorsat", [*rows, *fits, *published]))


if __name__ == "__main__":
    main()
