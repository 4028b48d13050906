"""A batch of dense problems on its way from matrices to results, all in one set of arrays.

For a solver whose one stage all problems go through alike, nothing is done for a single problem in Python: not on the
way in, not between slices, and on the way out only for results that somebody looks at. The chains are those that
`gpuqio.engines.native.Ensemble` would make of each problem, and so are the answers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.batch import DenseBatch
from gpuqio.batch_result import DenseResults
from gpuqio.engines.dense_pack import DensePack, pack_dense
from gpuqio.engines.ensemble import NO_GOAL, NOTHING_FOUND, Descriptor, ProblemDescriptor
from gpuqio.engines.native import advance_addresses, library
from gpuqio.pack import Strategy
from gpuqio.pack.aligned import aligned_zeros
from gpuqio.result import StopReason
from gpuqio.solvers.base import Solver, Uniform
from gpuqio.solvers.stage import integer_gaps, integer_temperatures

__all__ = ["DenseRun", "dense_run"]

Array = npt.NDArray[Any]

_RECORD = np.dtype(Descriptor)
_NAMES = {strategy.value: strategy.name.lower().replace("_", "-") for strategy in Strategy}


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
        words, warps = -(-n // 32), -(-chains // 32)
        is_matrix = pack.strategy == Strategy.WINDOW.value
        some, all_ = bool(is_matrix.any()), bool(is_matrix.all())
        spins = max(chains * words if some else 0, 0 if all_ else warps * n)
        rungs = self._betas.shape[1] if uniform.exchange else 0
        units = pack.unit[:, None]
        self._swaps = np.zeros((N, max(rungs - 1, 0)), np.int64)
        self._arrays: dict[str, Array] = {
            "base": pack.base,
            "weights": pack.weights,
            "ends": pack.ends,
            "temperature": integer_temperatures(self._betas, units),
            "gap": integer_gaps(self._betas, units) if uniform.exchange else np.zeros((N, 0), np.float32),
            "chain_temperature": np.zeros((N, 32 * warps), np.float32),
            "chain_at": np.zeros((N, chains), np.int32),
            "energy": np.zeros((N, 32 * warps), np.int64),
            "best_energy": np.zeros((N, 32 * warps), np.int64),
            "gains": aligned_zeros((N, chains * words * 32 if some else 0), np.int32),
            "spins": np.zeros((N, spins), np.uint32),
            "best_spins": np.zeros((N, spins), np.uint32),
            "swaps": self._swaps,
        }
        parity = pack.batch.problem_type.spins
        first = Descriptor(
            ProblemDescriptor(n=n, parity=parity),
            chains=chains,
            rungs=rungs,
            sweeps=uniform.sweeps,
            weight_bytes=4,
            lowest=NOTHING_FOUND,
        )
        self._records = records = _records(first, self._arrays, N)
        records["problem"]["strategy"] = pack.strategy
        records["problem"]["zero_energy"] = pack.zero_energy
        records["seed_low"], records["seed_high"] = self._seeds & 0xFFFFFFFF, self._seeds >> 32
        records["goal"] = self._goals()
        self._addresses = records.ctypes.data + np.arange(N, dtype=np.uintp) * np.uintp(_RECORD.itemsize)
        library().gq_start_many(self._addresses.ctypes.data, N)
        self._begun = 0  # the first problem that has not ended
        self._sweep_seconds = seconds_per_work * chains * n * (2 + 0.005 * n)

    @property
    def finished(self) -> bool:
        return self._begun == len(self._pack)

    @property
    def predicted_seconds(self) -> float:
        """Of all that is left."""
        left = len(self._pack) - self._begun
        return left * self._uniform.sweeps * self._sweep_seconds

    def advance(self, seconds: float) -> None:
        """About `seconds` of work, one problem to its end after another; at least one sweep of one."""
        records, begin = self._records, self._begun
        left = self._uniform.sweeps - int(records["sweep"][begin])
        affordable = seconds / self._sweep_seconds
        if affordable < left:
            end, sweeps = begin + 1, max(1, int(affordable))
        else:
            end = begin + 1 + int((affordable - left) / self._uniform.sweeps)
            end, sweeps = min(end, len(records)), self._uniform.sweeps
        before = int(records["sweep"][begin:end].sum())
        began = time.monotonic()
        advance_addresses(self._addresses[begin:end], np.full(end - begin, sweeps, np.int32))
        took = time.monotonic() - began
        self._seconds += took
        done = int(records["sweep"][begin:end].sum()) - before
        if took > 1e-4 and done:
            self._sweep_seconds += 0.5 * (took / done - self._sweep_seconds)
        ended = (records["sweep"] >= self._uniform.sweeps) | (records["lowest"] <= records["goal"])
        self._begun = int(np.argmin(ended)) if not ended.all() else len(ended)

    def results(self, engine: str, device: str, reason: StopReason | None) -> DenseResults:
        """The best of each problem so far. `reason` says why those that have not ended by themselves did."""
        records, pack = self._records, self._pack
        states, costs = pack.best(self._addresses)
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
            exchanges=self._swaps.sum(axis=1),
            strategies=[_NAMES[value] for value in pack.strategy.tolist()],
            resolutions=pack.unit * pack.rounded,
            seconds=self._seconds / len(pack),
            engine=engine,
            device=device,
            replicas=self._uniform.chains,
            shape=self._solver.shape,
            parameters=_Echo(self._uniform, self._betas if self._uniform.exchange else ends, self._seeds),
        )

    def _goals(self) -> npt.NDArray[np.int64] | int:
        limit = self._solver.cost_limit
        if limit is None:
            return NO_GOAL
        with np.errstate(over="ignore"):
            goals = (limit - self._pack.constant) / self._pack.unit
        return np.floor(np.clip(goals, -(2.0**62), 2.0**62)).astype(np.int64)


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


def _records(first: Descriptor, arrays: dict[str, Array], count: int) -> Array:
    """`count` descriptors as records: as the first, but each points to its own rows of `arrays`."""
    first.point({name: array.ctypes.data for name, array in arrays.items()})
    step = Descriptor(ProblemDescriptor())
    step.point({name: array.strides[0] for name, array in arrays.items()})
    words = np.arange(count, dtype=np.uint64)[:, None] * np.frombuffer(step, np.uint64)
    words += np.frombuffer(first, np.uint64)
    return words.view(_RECORD)[:, 0]


def _place(reason: StopReason) -> int:
    return list(StopReason).index(reason)
