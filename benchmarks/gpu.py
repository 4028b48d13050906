"""The GPU day: everything that needs a GPU to be known, in one command.

    python -m benchmarks.gpu [--device 0]

Results equal to the CPU engine's; spin updates a nanosecond beside the prediction (benchmarks/roofline.py) and the
CPU's; small problems a second; what is gained by several workers, who copy while others compute. Writes
results/gpu.json. It needs CuPy and no network, and takes a few minutes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import instances
from benchmarks.report import RESULTS, save
from gpuqio.engines.base import Work
from gpuqio.engines.cpu import CpuEngine
from gpuqio.errors import EngineUnavailable
from gpuqio.optimization import Problem
from gpuqio.result import Result
from gpuqio.solvers import parse

TARGET = "microsoft.paralleltempering.cpu"
REPETITIONS = 5
REPLICAS = 32

# Instance, and how many of it fill a large GPU several times over.
CASES = [
    (instances.random_qubo(32, 1.0, 0), 4096),
    (instances.random_qubo(64, 1.0, 0), 4096),
    (instances.random_qubo(128, 1.0, 0), 2048),
    (instances.random_qubo(256, 1.0, 0), 1024),
    (instances.random_qubo(1024, 1.0, 0), 256),
    (instances.sk(64, 0), 4096),
    (instances.sk(256, 0), 1024),
    (instances.regular_maxcut(512, 3, 0), 1024),
    (instances.lattice_3d(8, 0), 1024),
]

SANITIZER = """
Beyond the results, compute-sanitizer looks for faults. Each takes a while; each must say 0 errors:
    for tool in memcheck racecheck synccheck initcheck; do
        GPUQIO_REQUIRE_CUDA=1 compute-sanitizer --tool $tool --error-exitcode 1 \\
            python -m pytest -q -m cuda -k 'slices or goal or 100-8 or 700-32' tests/test_gpu_day.py
    done
"""


def solve(engine: Any, runs: list[Any]) -> float:
    """Seconds until all `runs` have ended, each in a worker of its own."""

    def work(run: Any) -> None:
        while not run.finished:
            engine.advance([run], 1.0, threading.Event())

    workers = [threading.Thread(target=work, args=(run,)) for run in runs]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - begun


def start(engine: Any, problem: Problem, copies: int, sweeps: int) -> Any:
    solver = parse(TARGET, {"sweeps": sweeps, "replicas": REPLICAS, "seed": 1})
    return engine.start(Work((problem,) * copies, solver))


def same(a: Result, b: Result) -> bool:
    equal = np.array_equal(a.states, b.states) and np.array_equal(a.costs, b.costs)
    return equal and (a.report.flips, a.report.exchanges) == (b.report.flips, b.report.exchanges)


def throughput(engine: Any, instance: instances.Instance, copies: int) -> dict[str, Any]:
    """One row: median of the repetitions, packing and first states left out by the difference of long and short."""
    problem = instance.problem()
    rates = []
    short, long = 20, 220
    for _ in range(REPETITIONS):
        took = [solve(engine, [start(engine, problem, copies, sweeps)]) for sweeps in (short, long)]
        rates.append(instance.num_variables * REPLICAS * copies * (long - short) / (took[1] - took[0]) / 1e9)
    cpu = CpuEngine()
    ours, theirs = (start(e, problem, 1, long) for e in (engine, cpu))
    solve(engine, [ours])
    slow = solve(cpu, [theirs])
    a, b = engine.outcome(ours, None)[0], cpu.outcome(theirs, None)[0]
    own = instance.num_variables * REPLICAS * long / slow / 1e9
    rate = float(np.median(rates))
    return {
        "instance": instance.name,
        "copies": copies,
        "strategy": a.report.strategy,
        "equal to the CPU engine's": same(a, b),
        "acceptance": round(a.report.flips / (instance.num_variables * REPLICAS * long), 3),
        "updates/ns": round(rate, 2),
        "slowest, fastest": [round(min(rates), 2), round(max(rates), 2)],
        "CPU thread updates/ns": round(own, 3),
        "ratio": round(rate / own, 1),
        **predicted(instance.name, engine.device),
    }


def predicted(name: str, device: str) -> dict[str, float]:
    """What the roofline says of this instance, for a device it speaks of."""
    path = RESULTS / "roofline.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    found = [r for r in rows if r["instance"] == name and r["gpu"].split()[1 if "RTX" in r["gpu"] else 0] in device]
    return {"predicted updates/ns": found[0]["predicted updates/ns"]} if found else {}


def problems_a_second(engine: Any) -> dict[str, Any]:
    """One row: 5,000 problems of 64 variables, from `Problem` to `Result`."""
    batch = [instances.random_qubo(64, 1.0, seed).problem() for seed in range(50)] * 100
    solver = parse(TARGET, {"sweeps": 200, "replicas": REPLICAS, "seed": 1})
    begun = time.perf_counter()
    run = engine.start(Work(tuple(batch), solver))
    packed = time.perf_counter() - begun
    advanced = solve(engine, [run])
    engine.outcome(run, None)
    took = time.perf_counter() - begun
    return {
        "problems": len(batch),
        "problems/s": round(len(batch) / took),
        "seconds to pack": round(packed, 2),
        "seconds to advance": round(advanced, 2),
        "seconds to results": round(took - packed - advanced, 2),
    }


def overlap(engine: Any) -> dict[str, Any]:
    """One row: the same runs by one worker after another, and by several at once, who copy while others compute."""
    problem = instances.random_qubo(256, 1.0, 0).problem()
    took: dict[int, float] = {}
    for workers in (1, engine.workers):
        runs = [start(engine, problem, 256, 40) for _ in range(4 * engine.workers)]
        begun = time.perf_counter()
        for i in range(0, len(runs), workers):
            solve(engine, runs[i : i + workers])
        took[workers] = time.perf_counter() - begun
    return {"workers": engine.workers, "times as fast as one": round(took[1] / took[engine.workers], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=int, default=0)
    device = parser.parse_args().device
    try:
        engine = importlib.import_module("gpuqio.engines.cuda").CudaEngine(device)
    except (EngineUnavailable, ImportError) as error:
        raise SystemExit(f"There is nothing to measure: {error}") from error
    print(engine.device)
    rows: list[dict[str, Any]] = []
    throughputs: list[Callable[[Any], dict[str, Any]]] = [
        partial(throughput, instance=instance, copies=copies) for instance, copies in CASES
    ]
    for measure in [*throughputs, problems_a_second, overlap]:
        rows.append(measure(engine))
        print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    print("written to", save("gpu", [{"device": engine.device}, *rows], ("cupy-cuda13x", "cupy-cuda12x")))
    print(SANITIZER)
    if not all(row.get("equal to the CPU engine's", True) for row in rows):
        raise SystemExit("Some results are not the CPU engine's.")


if __name__ == "__main__":
    main()
