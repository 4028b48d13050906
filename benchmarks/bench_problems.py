"""Problems a second, end to end, on one core and on two: from arrays to states, through everyone's public interface.

Ours is `solve_many` of a batch; peers take one problem a call, so their users' loop is timed, on two cores in two
processes. One search tunes every solver's reads and their length on a calibration set, so that 99 % of the problems
end at the optimum; then fresh problems are solved, in rounds, the solvers in turn. A solver that falls short of 99 %
there is given a quarter more reads and measured again. A slow one gets fewer problems, as many as its time allows; a
quick one gets a round's problems several times over, so that a round takes half a second of a core. Counted is
all from arrays in memory to states in memory, for ours with the start and the end of a workspace each round; not
counted are imports, the start of the peers' processes, and the problems' way to them.

The optimum: of 16 variables from exhaustive search; else the lowest cost that long runs of ours, or anyone here, found.

    pip install '.[bench]' && python -m benchmarks.bench_problems [--quick] [--only 'SK n = 16']
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.pool import Pool
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import instances
from benchmarks.instances import Instance
from benchmarks.peers import OURS, PACKAGES, PEERS, Run, Settings, Solver, installed, jij, mqlib
from benchmarks.peers.ours import problem_of
from benchmarks.report import save
from benchmarks.tuning import Tuned, hits, tune_for_share
from gpuqio import ProblemBatch, Workspace
from gpuqio.optimization import Exhaustive

Floats = npt.NDArray[np.float64]

ROUNDS = 5
WANTED = 0.99
MOST_TRIES = 6
EXHAUSTIVE = 16
LONG_RUN = Settings(512, 512)


class Family(NamedTuple):
    """A maker of problems by seed, and the betas that all solvers get."""

    make: Callable[[int], Instance]
    betas: tuple[float, float]


class Extent(NamedTuple):
    """How much is done: problems to calibrate on and to measure; the longest read; seconds of a core that a length's
    hits and a solver's measurement take, and that a round takes at least."""

    calibration: int
    problems: int
    longest: int
    hits: float
    seconds: float
    round: float


FULL = Extent(40, 1000, 1024, 1.5, 12.0, 0.5)
QUICK = Extent(6, 20, 64, 0.05, 1.0, 0.0)

# A field of `random_qubo` has a standard deviation of some 29 sqrt(n) in spins.
FAMILIES = {
    "SK n = 16": Family(lambda seed: instances.sk(16, seed), (0.3, 6.0)),
    "SK n = 32": Family(lambda seed: instances.sk(32, seed), (0.3, 6.0)),
    "SK n = 64": Family(lambda seed: instances.sk(64, seed), (0.3, 6.0)),
    "dense QUBO n = 32": Family(lambda seed: instances.random_qubo(32, 1.0, seed), (0.001, 0.04)),
}


def optima(problems: Sequence[Instance], betas: tuple[float, float], long_run: Settings = LONG_RUN) -> Floats:
    """(problems,) exhaustive where it can be, else the best of two long runs of annealing and one of tempering."""
    if problems[0].num_variables <= EXHAUSTIVE:
        with Workspace(engine="cpu") as workspace:
            batch = ProblemBatch.from_problems(map(problem_of, problems))
            found = workspace.solve_many(batch, Exhaustive(workspace)).configurations
        return np.array([float(p.cost(state)) for p, state in zip(problems, found, strict=True)])
    settings = replace(long_run, betas=betas)
    runs = [OURS[0].solve_all(problems, replace(settings, seed=seed), os.cpu_count() or 1) for seed in (11, 12)]
    runs.append(OURS[1].solve_all(problems, replace(settings, reads=4, seed=13), os.cpu_count() or 1))
    return np.asarray(np.min([run.costs for run in runs], axis=0))


def pin(cores: int, first: int = 0) -> None:
    """Keep every thread of this process on so many cores, from the first on, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # it has ended since
                os.sched_setaffinity(int(thread), sorted(ALLOWED)[first : first + cores])


ALLOWED = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


@contextmanager
def processes(solvers: Sequence[Solver], cores: int) -> Iterator[Pool | None]:
    """A process a core for those that take one problem a call, each having imported what it needs; none for one."""
    if cores == 1:
        yield None
        return
    pool = multiprocessing.get_context("spawn").Pool(cores)
    try:
        first = instances.sk(8, 0)
        for solver in solvers:
            pool.map(_solve, [(solver.name, [first], Settings(16, 16))] * (4 * cores), chunksize=1)
        yield pool
    finally:
        pool.close()
        pool.join()


def solve(
    solver: Solver, problems: Sequence[Instance], settings: Settings, cores: int, pool: Pool | None
) -> tuple[Floats, float, float]:
    """Best costs, seconds on the clock, and seconds of all cores."""
    if pool is None:
        run = solver.solve_all(problems, settings, cores)
        return run.costs, run.wall, run.cpu
    done = pool.map(_solve, [(solver.name, problems[i::cores], settings) for i in range(cores)], chunksize=1)
    costs = np.empty(len(problems))
    for i, run in enumerate(done):
        costs[i::cores] = run.costs
    return costs, max(run.wall for run in done), sum(run.cpu for run in done)


def _solve(part: tuple[str, Sequence[Instance], Settings]) -> Run:
    name, problems, settings = part
    solver = next(peer for peer in PEERS if peer.name == name)
    return solver.solve_all(problems, settings)


class Measured(NamedTuple):
    """What a solver did in each round."""

    costs: list[Floats]
    walls: list[float]
    cpus: list[float]


def measure(
    solvers: Sequence[Solver],
    tuned: dict[Solver, Tuned],
    rounds: Sequence[Sequence[Instance]],
    cores: int,
    extent: Extent,
    pool: Pool | None,
) -> dict[Solver, Measured]:
    """All rounds of all solvers, in turn; a slow one solves the first problems of each round only, a quick one all
    several times."""
    done = {solver: Measured([], [], []) for solver in solvers}
    for number, problems in enumerate(rounds):
        for solver in solvers:
            each = max(tuned[solver].seconds, 1e-9)
            some = problems[: max(2, int(extent.seconds / len(rounds) / each))]
            times = max(1, round(extent.round / each / len(some)))
            settings = replace(tuned[solver].settings, seed=1 + number)
            costs, wall, cpu = solve(solver, [*some] * times, settings, cores, None if solver in OURS else pool)
            done[solver].costs.append(costs[: len(some)])
            done[solver].walls.append(wall / times)
            done[solver].cpus.append(cpu / times)
    return done


def share_solved(measured: Measured, best: Sequence[Floats]) -> float:
    """Of all problems that a solver was given."""
    solved = [
        hits(costs[i : i + 1], float(lowest[i]))[0]
        for costs, lowest in zip(measured.costs, best, strict=True)
        for i in range(len(costs))
    ]
    return float(np.mean(solved))


def run_family(name: str, family: Family, peers: list[Solver], extent: Extent, cores: Sequence[int]) -> list[Any]:
    """The rows of one family."""
    calibration = [family.make(10_000 + i) for i in range(extent.calibration)]
    base = Settings(1, 1, family.betas)
    pin(max(cores))
    known = optima(calibration, family.betas)
    tuned: dict[Solver, Tuned] = {}
    pin(1)
    for solver in (OURS[0], *peers):
        found = tune_for_share(solver, calibration, known, base, extent.longest, extent.hits)
        if found is None:
            print(f"without {solver.name} on {name}: no length reaches {WANTED:.0%}", flush=True)
        else:
            tuned[solver] = found
            print(f"  {name}: {solver.name} {found.settings}, {found.seconds:.2g} s a problem", flush=True)
    problems = [family.make(i) for i in range(extent.problems)]
    size = extent.problems // ROUNDS
    rounds = [problems[r * size : (r + 1) * size] for r in range(ROUNDS)]
    pin(max(cores))
    known = optima(problems[: size * ROUNDS], family.betas)
    best = [known[r * size : (r + 1) * size] for r in range(ROUNDS)]
    rows: list[dict[str, Any]] = []
    for count in cores:
        pin(count)
        with processes([s for s in tuned if s not in OURS], count) as pool:
            again = partial(measure, tuned=tuned, rounds=rounds, cores=count, extent=extent, pool=pool)
            done = again(list(tuned))
            if settle(tuned, done, best, again):
                done = again(list(tuned))
                lower(best, done)
        rows += table(name, tuned, done, best, count)
    pin(len(ALLOWED))
    return rows


def settle(
    tuned: dict[Solver, Tuned],
    done: dict[Solver, Measured],
    best: list[Floats],
    again: Callable[[list[Solver]], dict[Solver, Measured]],
) -> bool:
    """Give those that fall short a quarter more reads until they don't; whether any settings changed."""
    lower(best, done)
    changed = False
    for _ in range(MOST_TRIES):
        short = [solver for solver, measured in done.items() if share_solved(measured, best) < WANTED]
        if not short:
            break
        for solver in short:
            settings, seconds = tuned[solver]
            reads = max(settings.reads + 1, round(1.25 * settings.reads))
            tuned[solver] = Tuned(replace(settings, reads=reads), 1.25 * seconds)
        done = done | again(short)
        lower(best, done)
        changed = True
    return changed


def lower(best: list[Floats], done: dict[Solver, Measured]) -> None:
    """What anyone found counts for all."""
    for measured in done.values():
        for lowest, costs in zip(best, measured.costs, strict=True):
            np.minimum(lowest[: len(costs)], costs, out=lowest[: len(costs)])


def table(
    name: str, tuned: dict[Solver, Tuned], done: dict[Solver, Measured], best: list[Floats], cores: int
) -> list[dict[str, Any]]:
    """A row a solver; the ratio is ours to theirs, on the clock, the median over the rounds."""
    own = [len(c) / wall for c, wall in zip(done[OURS[0]].costs, done[OURS[0]].walls, strict=True)]
    rows: list[dict[str, Any]] = []
    for solver, (costs, walls, cpus) in done.items():
        rates = [len(c) / wall for c, wall in zip(costs, walls, strict=True)]
        settings, share = tuned[solver].settings, share_solved(done[solver], best)
        rows.append(
            {
                "problem": name,
                "solver": solver.name,
                "cores": cores,
                "problems": sum(map(len, costs)),
                "solved": round(share, 4),
                "length": settings.sweeps,
                "unit": solver.unit,
                "reads": settings.reads,
                "shape": settings.shape,
                "betas": list(settings.betas),
                "problems/s": float(f"{statistics.median(rates):.4g}"),
                "spread": [float(f"{r:.4g}") for r in (min(rates), max(rates))],
                "CPU ms a problem": float(f"{1000 * sum(cpus) / sum(map(len, costs)):.4g}"),
                "ratio": round(statistics.median(a / b for a, b in zip(own, rates, strict=True)), 2),
            }
        )
    enough = [row for row in rows if row["solver"] != OURS[0].name and row["solved"] >= WANTED]
    leader = min(enough, key=lambda row: float(row["ratio"]), default=None)
    for row in rows:
        row["best peer"] = leader is not None and row["solver"] == leader["solver"]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few problems of 16 variables; nothing is written")
    parser.add_argument("--only", default="", help="families whose name begins so; nothing is written")
    arguments = parser.parse_args()
    extent = QUICK if arguments.quick else FULL
    only = "SK n = 16" if arguments.quick else arguments.only
    peers = installed(tuple(p for p in PEERS if not isinstance(p, (mqlib.Burer, jij.HigherOrder))))
    cores = [1, 2][: len(ALLOWED)]
    rows: list[dict[str, Any]] = []
    for name, family in FAMILIES.items():
        if name.startswith(only):
            added = run_family(name, family, peers, extent, cores)
            rows += added
            for row in added:
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
            if not (arguments.quick or arguments.only):
                print("written to", save("problems", rows, PACKAGES), flush=True)


if __name__ == "__main__":
    main()
