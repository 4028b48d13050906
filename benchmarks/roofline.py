"""Predicted spin updates a nanosecond on three GPUs, from the kernels' machine code. Nothing here was measured on one.

Dynamic counts times static costs. The counts come from the CPU engine, which walks the same trajectory: accepted flips
an attempt, on a ladder whose temperatures are scaled until its chains accept 0.17 of all attempts on average. The costs
are the instructions that a warp issues for a sweep in which nothing passes, for a call of the generator, for a flip, or
for a variable of 32 chains (tests/kernel_costs.py reads them from the disassembly).

An update is one attempt of one chain. The bounds, each alone and all in updates a nanosecond:

- issue: four warp instructions a clock and multiprocessor.
- pipes: integer and logic instructions go at half that rate, long and integer multiplications too; conversions and
  bit searches at an eighth; loads, stores and shuffles at a quarter. The busiest counts.
- latency: the warps that fit, each an instruction every five clocks at best. In the flip loop each instruction
  waits for the one before: a load, a search for the lowest bit, a shuffle, a ballot.
- memory: what must come from and go to L2, at 24 bytes a clock and multiprocessor: the row of each flip where the
  matrix does not fit into shared memory, and from nine windows on the gains, which then are in memory.

Predicted is 0.4 of the issue bound, but no more than any other. Published kernels of this kind reach 0.35 to 0.4 of
theirs.

    pip install '.[dev]' && python -m benchmarks.roofline
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import instances
from benchmarks.report import save
from gpuqio.engines.kernels import REGISTER_WINDOWS, Launch, advance_launch, block_sizes, narrowest
from gpuqio.engines.native import Ensemble, advance
from gpuqio.pack import Layout, Strategy, pack
from gpuqio.solvers import parse
from gpuqio.solvers.stage import Stage
from tests.kernel_costs import (
    CALL_MULTIPLIES,
    lane_path,
    lane_words,
    multiplies,
    occupancy,
    planes_path,
    window_paths,
)
from tests.nvrtc import Instruction, compiled, missing
from tests.sass import Flow

EFFICIENCY = 0.4
ACCEPTANCE = 0.17
CHAINS = 128
CLOCKS_AN_INSTRUCTION = 5
L2_BYTES_A_CLOCK = 24


@dataclass(frozen=True)
class Gpu:
    """`clock`: boost, GHz. `shared`: bytes that the engine lets one block have, half a multiprocessor's."""

    name: str
    architecture: int
    multiprocessors: int
    clock: float
    shared: int


GPUS = (
    Gpu("H100 SXM", 90, 132, 1.75, 113 * 1024),
    Gpu("RTX 4090", 89, 128, 2.52, 49 * 1024),
    Gpu("RTX 3060", 86, 28, 1.78, 49 * 1024),
)

# Instance and the figures wanted of an H100 and an RTX 3060. `qubo` has 8-bit weights, `sk` real ones: 32 bits.
CASES: list[tuple[instances.Instance, dict[str, float]]] = [
    (instances.random_qubo(32, 1.0, 0), {}),
    (instances.random_qubo(64, 1.0, 0), {"H100 SXM": 100, "RTX 3060": 20}),
    (instances.random_qubo(128, 1.0, 0), {}),
    (instances.random_qubo(256, 1.0, 0), {"H100 SXM": 50, "RTX 3060": 10}),
    (instances.random_qubo(1024, 1.0, 0), {}),
    (instances.sk(64, 0), {"H100 SXM": 100, "RTX 3060": 20}),
    (instances.sk(256, 0), {"H100 SXM": 50, "RTX 3060": 10}),
    (instances.sk(1024, 0), {}),
    (instances.regular_maxcut(512, 3, 0), {}),
    (instances.lattice_3d(8, 0), {"H100 SXM": 150, "RTX 3060": 30}),
]

# Warp instructions a clock and multiprocessor. What is not named is integer or logic, or costs an issue slot only.
RATES = {"multiply": 2.0, "integer": 2.0, "convert": 0.5, "memory": 1.0}
PIPES = {
    **dict.fromkeys(("IMAD", "IDP"), "multiply"),
    **dict.fromkeys(("FLO", "BREV", "POPC", "F2I", "I2F"), "convert"),
    **dict.fromkeys(("LD", "LDG", "LDS", "ST", "STG", "STS", "SHFL"), "memory"),
    **dict.fromkeys(("FADD", "FMUL", "HFMA2", "BRA", "BSSY", "BSYNC", "NOP", "UMOV", "WARPSYNC"), ""),
}


def flips_an_attempt(layout: Layout) -> float:
    """Of the default ladder, its temperatures scaled until this is near 0.17."""
    first = parse("microsoft.paralleltempering.cpu", {"sweeps": 1}).plan(layout, 1).first()
    low, high, share = -6.0, 6.0, 0.0
    for _ in range(12):
        middle = (low + high) / 2
        chains = Ensemble(layout, Stage(32, 100, first.betas * 2.0**middle, True, 1))
        advance([chains], [100])
        share = chains.flips / (32 * 100 * layout.num_variables)
        low, high = (middle, high) if share > ACCEPTANCE else (low, middle)
    return share


def planes_work(flow: Flow, layout: Layout, windows: int) -> tuple[Counter[Instruction], int]:
    """Instructions of eight variables of 32 chains, and their attempts."""
    return _times({"variables": planes_path(flow, windows, layout.planes)}, {"variables": 1.0}), 8 * 32


def window_work(flow: Flow, layout: Layout, flips: float) -> tuple[Counter[Instruction], int]:
    """Instructions of one chain's sweep, and its attempts."""
    n = layout.num_variables
    windows = -(-n // 32)
    paths = window_paths(flow, windows)
    sweeps = windows if windows > REGISTER_WINDOWS else 1
    drawn = sum(map(multiplies, paths["sweep"])) // CALL_MULTIPLIES * sweeps
    units = {
        "sweep": float(sweeps),
        "draw": max(0.0, windows / 4 - drawn),
        "flip" if narrowest(layout) == "int8" else "wide_flip": flips * n,
    }
    return _times(paths, units), n


def lane_work(flow: Flow, layout: Layout, name: str) -> tuple[Counter[Instruction], int]:
    """Instructions of eight variables of all chains that a warp walks at once, and their attempts."""
    entries = round(len(layout.weights) / layout.num_variables)
    return _times({"variables": lane_path(flow, name, entries)}, {"variables": 1.0}), 8 * 32 * lane_words(name)


def _times(paths: dict[str, list[Instruction]], units: dict[str, float]) -> Counter[Instruction]:
    """Counts are in thousandths, so that a Counter holds them."""
    total: Counter[Instruction] = Counter()
    for unit, times in units.items():
        for instruction, count in Counter(paths[unit]).items():
            total[instruction] += round(1000 * times * count)
    return total


def launch_of(gpu: Gpu, layout: Layout) -> Launch:
    """As the engine launches `CHAINS` chains."""
    return advance_launch(layout, CHAINS, gpu.shared)


def bounds(gpu: Gpu, layout: Layout, flips: float) -> dict[str, float]:
    """Updates a nanosecond, by each bound alone; and the warps a multiprocessor holds."""
    launch, n = launch_of(gpu, layout), layout.num_variables
    kernel = compiled(gpu.architecture)[launch.name]
    if launch.name.startswith("planes"):
        work, attempts = planes_work(Flow(kernel), layout, int(launch.name[-1]))
    elif layout.strategy is Strategy.WINDOW:
        work, attempts = window_work(Flow(kernel), layout, flips)
    else:
        work, attempts = lane_work(Flow(kernel), layout, launch.name)
    width = np.dtype(narrowest(layout)).itemsize
    matrix = layout.weights.size * width if layout.strategy is Strategy.WINDOW else 0
    shared = kernel.resources.shared + launch.shared_bytes
    sizes = block_sizes(launch.name, CHAINS)
    warps = max(occupancy(gpu.architecture, size, kernel.resources.registers, shared) for size in sizes)
    issued = sum(work.values()) / 1000 / attempts
    busy = dict.fromkeys(RATES, 0.0)
    for instruction, count in work.items():
        if pipe := PIPES.get(instruction.name, "integer"):
            busy[pipe] += count / 1000 / attempts
    clocks = gpu.multiprocessors * gpu.clock
    row = n * width if matrix and not launch.shared_bytes else 0
    gains = 4 * n if launch.name == "window" else 0
    moved = flips * (row + gains)
    return {
        "instructions": issued,
        "warps": warps,
        "issue": clocks * 4 / issued,
        "pipes": min(clocks * RATES[pipe] / count for pipe, count in busy.items() if count),
        "latency": clocks * warps / CLOCKS_AN_INSTRUCTION / issued,
        "memory": clocks * L2_BYTES_A_CLOCK / moved if moved else float("inf"),
    }


def predict(instance: instances.Instance, wanted: dict[str, float]) -> list[dict[str, Any]]:
    """One row a GPU."""
    layout = pack(instance.problem())
    flips = flips_an_attempt(layout)
    rows = []
    for gpu in GPUS:
        found = bounds(gpu, layout, flips)
        limits = {"issue": EFFICIENCY * found["issue"], **{k: found[k] for k in ("pipes", "latency", "memory")}}
        limited = min(limits, key=lambda bound: limits[bound])
        row: dict[str, Any] = {"instance": instance.name, "gpu": gpu.name, "kernel": launch_of(gpu, layout).name}
        row |= {"weights": narrowest(layout), "flips an attempt": round(flips, 3)}
        row |= {"instructions an attempt": round(found["instructions"], 2), "warps": int(found["warps"])}
        row |= {k: round(v, 1) for k, v in found.items() if k not in ("instructions", "warps") and v < float("inf")}
        row |= {"predicted updates/ns": round(limits[limited], 1), "limited by": limited}
        if gpu.name in wanted:
            row["wanted"] = wanted[gpu.name]
        rows.append(row)
    return rows


def main() -> None:
    if reason := missing():
        raise SystemExit(reason)
    rows = []
    for case in CASES:
        for row in predict(*case):
            rows.append(row)
            print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    print("predicted, not measured; written to", save("roofline", rows, ("nvidia-cuda-nvrtc",)))


if __name__ == "__main__":
    main()
