"""Time to solution: the CPU time in which 99 % of runs find the target, TTS99 = t ln(0.01) / ln(1 - p), on one core.

A read of t seconds finds the target with probability p, of as many reads as a budget allows; no solver is told the
target. Time is that of the compiled function on a model made before. One search chooses each solver's length of a
read, schedule and betas on a few of the instances (the geometric mean of their TTS99, one without a hit counted as if
it had half of one), then all are measured. Where reads cost as much together as alone, TTS99 is at least that of such
a block. Quartiles are over the instances, an unsolved one last.

Targets are planted, or the lowest cost that anyone here found, long runs of ours included. XORSAT goes as it is to
those that take terms of three; to the others as pairs, of twice as many spins, and the rows say so.

    pip install '.[bench]' && python -m benchmarks.bench_tts [--quick] [--only SK] [--scan 0.4] [--budget 3]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import instances
from benchmarks.instances import Instance
from benchmarks.peers import OURS, PACKAGES, Settings, Solver, installed, suited
from benchmarks.report import save
from benchmarks.tuning import hits, lengths

Floats = npt.NDArray[np.float64]

INSTANCES = 20
SCANNED = 5
ENOUGH_HITS = 10
LONGEST = 1 << 14
MOST_READS = 1 << 15
"""In one call."""
LONG_RUNS = [Settings(4096, 256), Settings(4096, 8), Settings(1 << 16, 64)]
"""Of ours, one after the other, for targets that are not planted."""


class Family(NamedTuple):
    """Instances by seed, ranges of betas to try, and the same as pairs where they have longer terms."""

    make: Callable[[int], Instance]
    betas: tuple[tuple[float, float], ...]
    as_pairs: Callable[[int], Instance] | None = None


class Budget(NamedTuple):
    """Seconds of CPU for each instance and solver: of one scanned setting, and of the measurement."""

    scan: float
    measurement: float


# The numbers have 16 bits, so that a spin's field has a standard deviation of some 2e10 for n = 32.
FAMILIES = {
    "SK n = 100": Family(lambda seed: instances.sk(100, seed), ((0.3, 6.0), (0.5, 15.0))),
    "SK n = 200": Family(lambda seed: instances.sk(200, seed), ((0.3, 6.0), (0.5, 15.0))),
    "3D EA L = 6": Family(lambda seed: instances.lattice_3d(6, seed), ((0.2, 3.0),)),
    "3D EA L = 8": Family(lambda seed: instances.lattice_3d(8, seed), ((0.2, 3.0),)),
    "3-regular MAX-CUT n = 100": Family(lambda seed: instances.regular_maxcut(100, 3, seed), ((0.3, 4.0),)),
    "number partitioning n = 32": Family(
        lambda seed: instances.number_partitioning(32, 16, seed), ((4e-10, 4e-7), (1e-9, 1e-5))
    ),
    "bqp n = 250": Family(lambda seed: instances.random_qubo(250, 0.1, seed), ((0.003, 0.08), (0.003, 0.3))),
    "3-XORSAT n = 48": Family(
        lambda seed: instances.planted_xorsat(48, seed),
        ((0.3, 4.0), (0.1, 2.0)),
        lambda seed: instances.quadratic_xorsat(48, seed),
    ),
}
QUICK = {"SK n = 30": Family(lambda seed: instances.sk(30, seed), ((0.3, 6.0),))}


@dataclass
class Reads:
    """All reads of one solver on one instance under one setting."""

    costs: list[Floats] = field(default_factory=list)
    cpu: float = 0.0

    @property
    def number(self) -> int:
        return sum(map(len, self.costs))

    @property
    def lowest(self) -> float:
        return min((float(costs.min()) for costs in self.costs if len(costs)), default=math.inf)

    def hits(self, target: float) -> int:
        return sum(int(hits(costs, target).sum()) for costs in self.costs)

    def tts(self, target: float, block: int, *, least_hits: float = 0.0) -> float:
        """Seconds; infinite without a hit, which counts as `least_hits`."""
        share = max(self.hits(target), least_hits) / self.number
        if share == 0:
            return math.inf
        needed = 1.0 if share >= 0.99 else math.log(0.01) / math.log1p(-share)
        return self.cpu / self.number * max(block, needed)


class Entrant(NamedTuple):
    """A solver with what it made of each instance, and how many reads cost as much as one."""

    solver: Solver
    instances: Sequence[Instance]
    models: Sequence[Any]
    block: int


def enter(solver: Solver, made: Sequence[Instance]) -> Entrant:
    """Load all instances; run once, for whatever a first call does."""
    models = [solver.prepared(instance) for instance in made]
    block = solver.granularity(made[0])
    solver.anneal(made[0], models[0], Settings(16, block))
    return Entrant(solver, made, models, block)


def collect(entrant: Entrant, which: int, settings: Settings, target: float, seconds: float) -> Reads:
    """Reads until there are enough hits, or the seconds are used up; at least one block.

    What a call costs besides its reads is spread over so many of them that it takes a quarter of the seconds; calls
    too small for that only tell how many to make.
    """
    reads, number, seed = Reads(), entrant.block, settings.seed
    while True:
        asked = replace(settings, reads=number, seed=seed)
        run = entrant.solver.anneal(entrant.instances[which], entrant.models[which], asked)
        cpu, seed = max(run.cpu, 1e-7), seed + 1
        if cpu < seconds / 8 and number < MOST_READS:
            number = _blocks(number * max(2.0, seconds / 4 / cpu), entrant.block)
            continue
        reads.costs.append(run.costs)
        reads.cpu += cpu
        affordable = (seconds - reads.cpu) / (reads.cpu / reads.number)
        if affordable < entrant.block or reads.hits(target) >= ENOUGH_HITS:
            return reads
        number = min(number, _blocks(affordable, entrant.block))


def _blocks(number: float, block: int) -> int:
    """Rounded down to whole blocks, of one at least."""
    return min(MOST_READS, max(block, int(number) // block * block))


def candidates(solver: Solver, ranges: Sequence[tuple[float, float]]) -> Iterator[tuple[tuple[float, float], str]]:
    """Betas and shapes; one of each where the solver has no temperatures."""
    for betas in ranges if solver.shapes != ("-",) else ranges[:1]:
        for shape in solver.shapes:
            yield betas, shape


def scan(
    entrant: Entrant, scanned: Sequence[int], targets: Floats, ranges: Sequence[tuple[float, float]], seconds: float
) -> Settings:
    """The setting with the lowest geometric mean of TTS99. Lowers `targets` where a read is lower."""
    best, lowest = Settings(lengths(entrant.solver, LONGEST)[0], 1, ranges[0]), math.inf
    for betas, shape in candidates(entrant.solver, ranges):
        worse = 0
        for length in lengths(entrant.solver, LONGEST):
            settings = Settings(length, 1, betas, shape)
            logs, unpaid = [], False
            for which in scanned:
                reads = collect(entrant, which, settings, float(targets[which]), seconds)
                targets[which] = min(targets[which], reads.lowest)
                logs.append(math.log(reads.tts(float(targets[which]), entrant.block, least_hits=0.5)))
                unpaid |= reads.cpu > 2 * seconds
            score = math.exp(float(np.mean(logs)))
            if score < lowest:
                best, lowest = settings, score
            worse = worse + 1 if score > 4 * lowest else 0
            if unpaid or worse == 3:
                break
    return best


def initial_targets(made: Sequence[Instance], betas: tuple[float, float], long_runs: Sequence[Settings]) -> Floats:
    """Planted optima, else the best of long runs of ours."""
    targets = np.array([math.inf if one.optimum is None else one.optimum for one in made])
    for i, instance in enumerate(made):
        if math.isinf(targets[i]):
            for solver, settings in zip(OURS, long_runs, strict=True):
                run = solver.anneal(instance, solver.prepared(instance), replace(settings, betas=betas, shape="linear"))
                targets[i] = min(targets[i], run.costs.min())
    return targets


class Result(NamedTuple):
    """A solver's setting, and its reads of each instance."""

    entrant: Entrant
    settings: Settings
    reads: list[Reads]


def run_family(
    family: Family, peers: Sequence[Solver], number: int, budget: Budget, long_runs: Sequence[Settings] = LONG_RUNS
) -> Iterator[list[tuple[Result, Floats]]]:
    """After each solver, the results of all so far, each with its TTS99 by the targets of now."""
    made = [family.make(seed) for seed in range(number)]
    pairs = [family.as_pairs(seed) for seed in range(number)] if family.as_pairs else made
    targets = {id(form): initial_targets(form, family.betas[0], long_runs) for form in (made, pairs)}
    scanned = range(0, number, max(1, number // SCANNED))
    results: list[tuple[Result, Floats]] = []
    for solver in (*OURS, *peers):
        form = made if suited([solver], made[0]) else pairs
        if not suited([solver], form[0]):
            continue
        goals = targets[id(form)]
        entrant = enter(solver, form)
        settings = replace(scan(entrant, scanned, goals, family.betas, budget.scan), seed=1001)
        reads = [collect(entrant, i, settings, float(goals[i]), budget.measurement) for i in range(number)]
        np.minimum(goals, [one.lowest for one in reads], out=goals)
        results.append((Result(entrant, settings, reads), goals))
        yield results


def tts_of(result: Result, targets: Floats) -> Floats:
    """(instances,) seconds."""
    pairs = zip(result.reads, targets.tolist(), strict=True)
    return np.array([reads.tts(target, result.entrant.block) for reads, target in pairs])


def table(name: str, results: list[tuple[Result, Floats]]) -> list[dict[str, Any]]:
    """A row a solver. The ratio is theirs to our best solver's, the median over the instances."""
    times = [tts_of(*result) for result in results]
    own = [t for t, (result, _) in zip(times, results, strict=True) if result.entrant.solver in OURS]
    reference = min(own, key=lambda t: (float(np.median(t)), float(np.min(t))))
    rows = []
    for seconds, (result, targets) in zip(times, results, strict=True):
        solver, settings, made = result.entrant.solver, result.settings, result.entrant.instances
        quartiles = np.quantile(seconds, [0.25, 0.5, 0.75], method="lower").tolist()
        both = np.isfinite(reference)
        ratio = float(np.quantile(seconds[both] / reference[both], 0.5, method="lower")) if both.any() else math.inf
        rows.append(
            {
                "family": name,
                "solver": solver.name,
                "form": made[0].name.rsplit("-", 1)[0],
                "instances": len(made),
                "length": settings.sweeps,
                "unit": solver.unit,
                "shape": settings.shape,
                "betas": list(settings.betas),
                "TTS99 ms": [_finite(1000 * q) for q in quartiles],
                "unsolved": int(np.isinf(seconds).sum()),
                "hits": sum(one.hits(t) for one, t in zip(result.reads, targets.tolist(), strict=True)),
                "reads": sum(one.number for one in result.reads),
                "reads at once": result.entrant.block,
                "CPU s": round(sum(one.cpu for one in result.reads), 1),
                "target": "planted" if made[0].planted is not None else "consensus",
                "ratio": _finite(ratio),
            }
        )
    return rows


def _finite(value: float) -> float | None:
    return float(f"{value:.3g}") if math.isfinite(value) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small family, briefly; nothing is written")
    parser.add_argument("--only", default="", help="families whose name begins so")
    parser.add_argument("--scan", type=float, default=0.4, help="CPU seconds an instance and scanned setting")
    parser.add_argument("--budget", type=float, default=3.0, help="CPU seconds an instance of the measurement")
    arguments = parser.parse_args()
    budget = Budget(0.01, 0.1) if arguments.quick else Budget(arguments.scan, arguments.budget)
    peers = installed()
    print(f"at most {budget.scan} s a scanned setting, {budget.measurement} s a measurement, for each instance")
    for name, family in (QUICK if arguments.quick else FAMILIES).items():
        if not name.startswith(arguments.only):
            continue
        rows: list[dict[str, Any]] = []
        for results in run_family(family, peers, 4 if arguments.quick else INSTANCES, budget):
            rows = [row | budget._asdict() for row in table(name, results)]  # targets may have moved, so all rows
            print("  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
            if not arguments.quick:
                save(f"tts_{_slug(name)}", rows, PACKAGES)
        if not arguments.quick:
            print("written to", save(f"tts_{_slug(name)}", rows, PACKAGES), flush=True)


def _slug(name: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


if __name__ == "__main__":
    main()
