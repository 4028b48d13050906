"""Attempted spin updates a second on one thread, beside the peers' at equal temperatures.

All anneal the same instance under the same betas, one sweep a beta (PySA: on a ladder of temperatures over the same
range), in turn, in one process. Each repetition gives a ratio, and medians of the ratios are reported. Setting up is
left out on all sides, by the difference between few reads and many. Acceptance is ours; at equal temperatures the
peers' is the same up to their rules for ties. Steps of simulated bifurcation are no attempted flips; they move all
particles whatever the energy, so they stand apart, as particles moved a second.

    pip install '.[bench]' && python -m benchmarks.bench_updates [--quick] [--only sk]
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks import instances
from benchmarks.instances import Instance
from benchmarks.peers import OURS, PACKAGES, PEERS, Settings, Solver, installed
from benchmarks.peers.bifurcation import Discrete
from benchmarks.peers.ours import Bitsliced, problem_of
from benchmarks.report import save
from gpuqio.engines.native import instruction_set
from gpuqio.pack import pack

REPETITIONS = 7
SWEEPS = 200
SECONDS = 0.7
"""How much longer many reads take than few."""
LONGEST_CALL = 10.0
"""Seconds of setting up and a few reads beyond which a peer is left out."""
MOST_READS = 4096

# The couplings of `sk` have variance 1/n, so that its critical temperature is 1.
CASES = [
    (instances.sk(64, 0), (0.5, 15.0)),
    (instances.sk(128, 0), (0.5, 15.0)),
    (instances.sk(512, 0), (0.5, 15.0)),
    (instances.sk(2000, 0), (0.5, 15.0)),
    (instances.regular_maxcut(200, 3, 0), (0.3, 5.0)),
    (instances.lattice_3d(8, 0), (0.3, 5.0)),
    (instances.lattice_3d(10, 0), (0.3, 5.0)),
    (instances.chimera(8, 0), (0.2, 3.0)),
    (instances.pegasus(6, 0), (0.15, 3.0)),
    (instances.random_maxcut(800, 0.06, 0), (0.05, 1.5)),
]
QUICK = [CASES[0], CASES[4]]
BITSLICED = Bitsliced()
WANTED = {
    "sk-64-0": 6.0,
    "sk-128-0": 8.0,
    "sk-512-0": 10.0,
    "regular-3-200-0": 5.0,
    "lattice3d-8-0": 5.0,
}
"""Ratios to dwave-samplers that this engine was built to reach."""


class Plan(NamedTuple):
    """What one solver does in each repetition."""

    solver: Solver
    model: Any
    few: Settings
    many: Settings


def plan(solver: Solver, instance: Instance, settings: Settings, seconds: float) -> Plan | None:
    """Sized so that many reads take `seconds` longer than few; None where setting up takes too long."""
    model, block = solver.prepared(instance), solver.granularity(instance)
    few = replace(settings, reads=block)
    solver.anneal(instance, model, few, costs=False)
    short = solver.anneal(instance, model, few, costs=False).cpu
    if short > LONGEST_CALL:
        print(f"without {solver.name} on {instance.name}: a call takes {short:.0f} s", flush=True)
        return None
    longer = solver.anneal(instance, model, replace(few, reads=3 * block), costs=False).cpu
    blocks = max(1, min(round(seconds / max((longer - short) / 2, 1e-6)), MOST_READS // block))
    return Plan(solver, model, few, replace(few, reads=block * (1 + blocks)))


def rate(planned: Plan, instance: Instance, seed: int) -> tuple[float, float | None]:
    """(attempts a second, share accepted where it is counted)."""
    solver, model, few, many = planned
    short = solver.anneal(instance, model, replace(few, seed=seed), costs=False)
    long = solver.anneal(instance, model, replace(many, seed=seed), costs=False)
    accepted = None if long.flips is None else long.flips / long.attempts
    return (long.attempts - short.attempts) / max(long.cpu - short.cpu, 1e-9), accepted


def compare(
    instance: Instance, betas: tuple[float, float], peers: list[Solver], seconds: float, repetitions: int
) -> dict[str, Any]:
    """One row: medians over the repetitions."""
    settings = Settings(SWEEPS, 1, betas, "geometric")
    ours, *others = (plan(solver, instance, settings, seconds) for solver in (OURS[0], *peers))
    assert ours is not None
    bits = plan(BITSLICED, instance, settings, seconds) if BITSLICED.suits(instance) else None
    sliced: list[float] = []
    own: list[float] = []
    acceptance: list[float] = []
    theirs: dict[Solver, list[float]] = {other.solver: [] for other in others if other is not None}
    for seed in range(1, repetitions + 1):
        speed, accepted = rate(ours, instance, seed)
        own.append(speed)
        acceptance.append(accepted or 0.0)
        if bits is not None:
            sliced.append(rate(bits, instance, seed)[0])
        for other in others:
            if other is not None:
                theirs[other.solver].append(rate(other, instance, seed)[0])
    rows = {
        solver.name: {
            "M updates/s": round(statistics.median(rates) / 1e6, 2),
            "ratio": round(statistics.median(a / b for a, b in zip(own, rates, strict=True)), 2),
        }
        for solver, rates in theirs.items()
        if solver.metropolis
    }
    apart = {
        solver.name: {"M particles/s": round(statistics.median(rates) / 1e6, 2)}
        for solver, rates in theirs.items()
        if not solver.metropolis
    }
    if bits is not None:
        for solver, rates in theirs.items():
            if solver.metropolis:
                ratios = (a / b for a, b in zip(sliced, rates, strict=True))
                rows[solver.name]["bit-sliced ratio"] = round(statistics.median(ratios), 1)
    best = min(rows, key=lambda name: float(rows[name]["ratio"]), default=None)
    return {
        "instance": instance.name,
        "betas": list(betas),
        "strategy": pack(problem_of(instance)).strategy.name.lower(),
        "acceptance": round(statistics.median(acceptance), 3),
        "gpuqio M updates/s": round(statistics.median(own) / 1e6, 1),
        "spread": [round(min(own) / 1e6, 1), round(max(own) / 1e6, 1)],
        "bit-sliced M updates/s": round(statistics.median(sliced) / 1e6) if sliced else None,
        "peers": rows,
        "not attempted flips": apart,
        "best peer": best,
        "ratio": rows[best]["ratio"] if best else None,
        "bit-sliced ratio": min((row["bit-sliced ratio"] for row in rows.values()), default=None) if sliced else None,
        "wanted of dwave-samplers": WANTED.get(instance.name),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two instances, briefly; nothing is written")
    parser.add_argument("--only", default="", help="instances whose name begins so; nothing is written")
    arguments = parser.parse_args()
    peers = installed(tuple(peer for peer in PEERS if peer.metropolis or isinstance(peer, Discrete)))
    repetitions, seconds = (3, 0.1) if arguments.quick else (REPETITIONS, SECONDS)
    rows = []
    print(f"one thread, {instruction_set()}, median of {repetitions}")
    for instance, betas in QUICK if arguments.quick else CASES:
        if instance.name.startswith(arguments.only):
            rows.append(compare(instance, betas, peers, seconds, repetitions))
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if not (arguments.quick or arguments.only):
        print("written to", save("updates", rows, PACKAGES))


if __name__ == "__main__":
    main()
