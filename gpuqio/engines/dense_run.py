"""A batch of dense problems on its way from matrices to results, all in one set of arrays.

For a solver whose one stage all problems go through alike, nothing is done for a single problem in Python: not on the
way in, not between slices, and on the way out only for results that somebody looks at. The chains are those that
`gpuqio.engines.native.Ensemble` would make of each problem, and so are the answers.
"""

from __future__ import annotations

import ctypes
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gpuqio.batch import DenseBatch
from gpuqio.batch_result import DenseResults
from gpuqio.engines.dense_pack import DensePack, pack_dense
from gpuqio.engines.ensemble import NO_GOAL, NOTHING_FOUND, Descriptor
from gpuqio.engines.native import library
from gpuqio.pack import Strategy
from gpuqio.pack.aligned import Block
from gpuqio.result import StopReason
from gpuqio.solvers.base import Solver, Uniform
from gpuqio.solvers.stage import integer_gaps, integer_temperatures

__all__ = ["DenseRun", "dense_run"]

Floats = npt.NDArray[np.float64]

_RECORD = np.dtype(Descriptor)
_NAMES = np.array([strategy.name.lower().replace("_", "-") for strategy in Strategy], object)


def dense_run(batch: DenseBatch, solver: Solver, work: float) -> DenseRun | None:
    """The run of `solver` on `batch`; None where its problems must go one by one.

    Args:
        work: seconds that a unit of `Layout.work` is expected to take.
    """
    uniform = solver.uniform
    alone = solver.number_of_solutions > 1 or solver.timeout is not None or solver.reduce is not None
    if uniform is None or alone or solver.walks_bits:
        return None
    pack = pack_dense(batch)
    return None if pack is None else DenseRun(pack, solver, uniform, work)


class DenseRun:
    """All problems of a batch under one stage. Owned by one worker at a time.

    Args:
        seconds_per_work: a guess at the speed; each crossing corrects it.
    """

    def __init__(self, pack: DensePack, solver: Solver, uniform: Uniform, seconds_per_work: float) -> None:
        N, n, chains = len(pack), pack.num_variables, uniform.chains
        self._pack, self._solver, self._uniform = pack, solver, uniform
        self._seconds = 0.0
        self._betas = np.ascontiguousarray(uniform.betas(pack.hottest, pack.coldest))  # one problem after another
        self._seeds = _seeds(solver.seed, N)
        self._records = np.empty(N, _RECORD)
        self._address = self._records.ctypes.data
        self._start()
        self._begun = 0  # the first problem that has not ended
        self._sweep_seconds = seconds_per_work * chains * n * (2 + 0.005 * n)

    def _start(self) -> None:
        """Make the chains, and their descriptors: each like the first, with pointers to its own rows of the arrays."""
        pack, uniform = self._pack, self._uniform
        N, n, chains = len(pack), pack.num_variables, uniform.chains
        words, warps = -(-n // 32), -(-chains // 32)
        is_matrix = pack.strategy == Strategy.WINDOW.value
        matrices = int(np.count_nonzero(is_matrix))
        spins = max(chains * words if matrices else 0, warps * n if matrices < N else 0)
        rungs = self._betas.shape[1] if uniform.exchange else 0
        units = pack.unit[:, None]
        self._state = state = Block(
            {
                "chain_temperature": (np.float32, (N, 32 * warps)),
                "chain_at": (np.int32, (N, chains)),
                "energy": (np.int64, (N, 32 * warps)),
                "best_energy": (np.int64, (N, 32 * warps)),
                "gains": (np.int32, (N, chains * words * 32 if matrices else 0)),
                "spins": (np.uint32, (N, spins)),
                "best_spins": (np.uint32, (N, spins)),
                "swaps": (np.int64, (N, max(rungs - 1, 0))),
            },
            zero=True,
        )
        self._tables = {"temperature": integer_temperatures(self._betas, units)}
        if uniform.exchange:
            self._tables["gap"] = integer_gaps(self._betas, units)
        first, step = Descriptor(), Descriptor()
        for block, names in ((state, state.addresses), (pack.arrays, ("base", "weights", "ends"))):
            first.point({name: block.addresses[name] for name in names})
            step.point({name: block.row_bytes[name] for name in names})
        first.point({name: table.ctypes.data for name, table in self._tables.items()})
        step.point({name: table.strides[0] for name, table in self._tables.items()})
        first.problem.n, first.problem.parity = n, pack.batch.problem_type.spins
        first.chains, first.rungs, first.sweeps = chains, rungs, uniform.sweeps
        first.weight_bytes, first.lowest = 4, NOTHING_FOUND
        goals = self._goals()
        library().gq_start_dense(
            ctypes.addressof(pack.descriptor),
            ctypes.addressof(first),
            ctypes.addressof(step),
            self._seeds.ctypes.data,
            goals.ctypes.data,
            self._address,
        )

    @property
    def finished(self) -> bool:
        return self._begun == len(self._pack)

    @property
    def lowest_cost(self) -> None:
        return None  # of several problems

    @property
    def predicted_seconds(self) -> float:
        """Of all that is left."""
        left = len(self._pack) - self._begun
        return left * self._uniform.sweeps * self._sweep_seconds

    def advance(self, seconds: float) -> None:
        """About `seconds` of work, one problem to its end after another; at least one sweep of one."""
        begin, sweeps = self._begun, self._uniform.sweeps
        first = self._records[begin]
        left = sweeps - int(first["sweep"])
        affordable = seconds / self._sweep_seconds
        if affordable < left:
            end, sweeps = begin + 1, max(1, int(affordable))
        else:
            end = min(begin + 1 + int((affordable - left) / sweeps), len(self._records))
        began = time.monotonic()
        done = library().gq_advance_dense(self._address + begin * _RECORD.itemsize, end - begin, sweeps)
        took = time.monotonic() - began
        self._seconds += took
        if took > 1e-4 and done:
            self._sweep_seconds += 0.5 * (took / done - self._sweep_seconds)
        if affordable >= left or first["sweep"] == self._uniform.sweeps or first["lowest"] <= first["goal"]:
            self._begun = end

    def results(self, engine: str, device: str, reason: StopReason | None) -> DenseResults:
        """The best of each problem so far. `reason` says why those that have not ended by themselves did."""
        records, pack = self._records, self._pack
        states, costs = pack.best(self._address)
        ends = self._betas[:, [0, -1]]
        reasons = np.full(len(pack), _place(reason or StopReason.COMPLETED), np.int8)
        reasons[records["sweep"] >= self._uniform.sweeps] = _place(StopReason.COMPLETED)
        reasons[records["lowest"] <= records["goal"]] = _place(StopReason.COST_LIMIT)
        return DenseResults(
            states=states,
            costs=costs,
            reasons=reasons,
            sweeps=records["sweep"].copy(),
            flips=records["flips"].copy(),
            exchanges=self._state["swaps"].sum(axis=1),
            strategies=_NAMES[pack.strategy].tolist(),
            resolutions=pack.unit * pack.rounded,
            seconds=self._seconds / len(pack),
            engine=engine,
            device=device,
            replicas=self._uniform.chains,
            shape=self._solver.shape,
            parameters=_Echo(self._uniform, self._betas if self._uniform.exchange else ends, self._seeds),
        )

    def _goals(self) -> npt.NDArray[np.int64]:
        limit = self._solver.cost_limit
        if limit is None:
            return np.full(len(self._pack), NO_GOAL, np.int64)
        with np.errstate(over="ignore"):
            goals: Floats = np.floor((limit - self._pack.constant) / self._pack.unit)
        return goals.clip(-(2.0**62), 2.0**62).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Echo:
    """The parameters that repeat a problem's run: of an anneal's betas (N, 2) the first and the last say it all."""

    uniform: Uniform
    betas: npt.NDArray[np.float64]
    seeds: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        return self.betas.nbytes + self.seeds.nbytes

    def __call__(self, place: int, sweeps: int) -> Mapping[str, object]:
        stage = self.uniform.stage(self.betas[place], int(self.seeds[place]))
        if stage.exchange:  # a ladder stopped early is a shorter run on the same ladder
            stage = replace(stage, sweeps=max(sweeps, 1))
        return self.uniform.echo(stage)


def _seeds(seed: int | None, count: int) -> npt.NDArray[np.int64]:
    """(count,): the seed given, or a fresh one of 32 bits each."""
    if seed is not None:
        return np.full(count, seed, np.int64)
    return np.frombuffer(secrets.token_bytes(4 * count), np.uint32).astype(np.int64)


def _place(reason: StopReason) -> int:
    return list(StopReason).index(reason)
