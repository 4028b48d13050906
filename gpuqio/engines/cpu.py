"""The CPU engine: many solves advanced together, each crossing into native code once for all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gpuqio.batch import DenseBatch
from gpuqio.engines.base import StopFlag, Work
from gpuqio.engines.dense_run import DenseRun, dense_run
from gpuqio.engines.native import Ensemble, advance, instruction_set, library
from gpuqio.engines.parts import Parts, SolveRun
from gpuqio.engines.solve import Solve
from gpuqio.result import Result, StopReason

__all__ = ["CpuEngine", "CpuRun"]

CROSSING_SECONDS = 0.005
"""How long native code is left alone: so often the stop flag is looked at."""


CpuRun = SolveRun[Ensemble] | DenseRun


class CpuEngine:
    """Runs the compiled kernels on this processor; any number of workers may use one engine at a time.

    Raises:
        EngineUnavailable: the package was installed without its library.
    """

    name = "cpu"
    lost = ""

    def __init__(self) -> None:
        library()
        self.device = instruction_set()
        self.seconds_per_work = 2e-9  # a guess; each crossing corrects it

    def start(self, work: Work) -> CpuRun:
        """Check, pack and initialise. Raises `InputError` for a bad problem."""
        if isinstance(work.problems, DenseBatch):
            dense = dense_run(work.problems, work.solver, self.seconds_per_work)
            if dense is not None:
                return dense
        problems = [Parts(problem, work.solver, Ensemble) for problem in work.problems]
        return SolveRun(problems, lambda solve: solve.work_left * self.seconds_per_work)

    def advance(self, runs: Sequence[CpuRun], seconds: float, stop: StopFlag) -> None:
        """Advance all `runs` for about `seconds`, or until `stop` is set, or until all have finished.

        Unless `stop` is set there is always some progress.
        """
        deadline = time.monotonic() + seconds
        left = seconds
        dense = [run for run in runs if isinstance(run, DenseRun)]
        active = [s for run in runs if isinstance(run, SolveRun) for s in run.solves if s.stop_reason is None]
        while (active or dense) and not stop.is_set() and left > 0:
            if active:
                self._cross(active, min(left, CROSSING_SECONDS))
                for solve in active:
                    solve.take_stock()
                active = [s for s in active if s.stop_reason is None]
            for run in dense:
                run.advance(min(left, CROSSING_SECONDS) / len(dense))
            dense = [run for run in dense if not run.finished]
            left = deadline - time.monotonic()

    def outcome(self, run: CpuRun, reason: StopReason | None) -> Sequence[Result]:
        """One result a problem: the best found so far."""
        return run.results(self.name, self.device, reason)

    def _cross(self, solves: Sequence[Solve[Ensemble]], seconds: float) -> None:
        """One crossing of about `seconds`, shared out evenly; at least one sweep of each."""
        share = seconds / len(solves) / self.seconds_per_work
        sweeps = [max(1, min(s.sweeps_left, int(share / s.sweep_work))) for s in solves]
        chains = [s.chains for s in solves]
        before = [c.sweeps for c in chains]
        begun = time.monotonic()
        advance(chains, sweeps)
        took = time.monotonic() - begun
        done = [(c.sweeps - b) * s.sweep_work for c, b, s in zip(chains, before, solves, strict=True)]
        total = sum(done) or 1.0  # 0 where every goal was reached by the first states
        for solve, work in zip(solves, done, strict=True):
            solve.seconds += took * work / total
        if took > 1e-4:
            self.seconds_per_work += 0.5 * (took / total - self.seconds_per_work)
