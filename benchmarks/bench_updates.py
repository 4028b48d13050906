"""Attempted spin updates a second against dwave-samplers' simulated annealing, on one thread.

Both anneal the same instance under the same betas, one sweep a beta, in turn, in one process; each repetition makes
a ratio, and the median of the ratios is reported. Setting up is left out on both sides: for the peer by the
difference between few and many reads, for us by timing the sweeps alone. Acceptance is ours; at equal temperatures
the peer's is the same up to its rule for ties.

    pip install '.[bench]' && python -m benchmarks.bench_updates
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import dimod
import numpy as np
from dwave.samplers import SimulatedAnnealingSampler

from benchmarks import instances
from benchmarks.report import save
from gpuqio.engines.native import Ensemble, advance, instruction_set
from gpuqio.pack import Layout, pack
from gpuqio.solvers.stage import Stage

REPETITIONS = 7
SWEEPS = 200
RESTARTS = 256
FEW, MANY = 8, 104  # the peer's reads; long enough to tell the difference

# The couplings of `sk` have variance 1/n, so that its critical temperature is 1.
CASES = [
    (instances.sk(64, 0), (0.5, 15.0), 6.0),
    (instances.sk(128, 0), (0.5, 15.0), 8.0),
    (instances.sk(512, 0), (0.5, 15.0), 10.0),
    (instances.regular_maxcut(200, 3, 0), (0.3, 5.0), 5.0),
    (instances.lattice_3d(8, 0), (0.3, 5.0), 5.0),
]
# As `SimulatedAnnealing` walks them with that many restarts.
BITSLICED_CASES = [
    (instances.lattice_3d(8, 0), (0.3, 5.0), 100.0),
    (instances.lattice_3d(10, 0), (0.3, 5.0), 100.0),
]


def ours(layout: Layout, betas: Any, seed: int) -> tuple[float, float]:
    """(updates a second, acceptance)."""
    chains = Ensemble(layout, Stage(RESTARTS, len(betas), betas, False, seed))
    begun = time.process_time()
    advance([chains], [len(betas)])
    took = time.process_time() - begun
    attempts = layout.num_variables * len(betas) * RESTARTS
    return attempts / took, chains.flips / attempts


def theirs(bqm: Any, betas: Any, seed: int) -> float:
    """Updates a second."""
    sampler: Any = SimulatedAnnealingSampler()  # type: ignore[no-untyped-call, unused-ignore]
    took = []
    for reads in (FEW, MANY):
        begun = time.process_time()
        sampler.sample(
            bqm,
            num_reads=reads,
            num_sweeps=len(betas),
            num_sweeps_per_beta=1,
            beta_schedule_type="custom",
            beta_schedule=betas,
            seed=seed,
        )
        took.append(time.process_time() - begun)
    return float(bqm.num_variables * len(betas) * (MANY - FEW) / (took[1] - took[0]))


def compare(
    instance: instances.Instance, betas: tuple[float, float], wanted: float, bits: bool = False
) -> dict[str, Any]:
    """One row: medians over the repetitions."""
    schedule = np.geomspace(*betas, SWEEPS)
    layout = pack(instance.problem(), bits=bits)
    bqm = dimod.BinaryQuadraticModel({}, {}, 0.0, dimod.SPIN)
    for c, (i, j) in zip(instance.coefficients.tolist(), instance.ids.tolist(), strict=True):
        bqm.add_quadratic(i, j, c)
    own, acceptance, peer = [], [], []
    for seed in range(REPETITIONS):
        rate, share = ours(layout, schedule, seed)
        own.append(rate)
        acceptance.append(share)
        peer.append(theirs(bqm, schedule, seed))
    return {
        "instance": instance.name,
        "betas": list(betas),
        "strategy": layout.strategy.name.lower(),
        "acceptance": round(statistics.median(acceptance), 3),
        "gpuqio M updates/s": round(statistics.median(own) / 1e6, 1),
        "dwave-samplers M updates/s": round(statistics.median(peer) / 1e6, 1),
        "ratio": round(statistics.median(a / b for a, b in zip(own, peer, strict=True)), 2),
        "wanted": wanted,
    }


def main() -> None:
    rows = []
    print(f"one thread, {instruction_set()}, median of {REPETITIONS}")
    for bits, case in [(False, case) for case in CASES] + [(True, case) for case in BITSLICED_CASES]:
        rows.append(compare(*case, bits))
        print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    print("written to", save("updates", rows, ("dwave-samplers", "dimod")))


if __name__ == "__main__":
    main()
