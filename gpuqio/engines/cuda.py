"""The CUDA engine: many solves advanced together on one GPU, each round a few kernels for all of them."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gpuqio.engines.base import StopFlag, Work
from gpuqio.engines.cuda_chains import CudaChains
from gpuqio.engines.cuda_launch import ORDERS_BYTES, Launcher
from gpuqio.engines.cuda_round import MOST_PARTS
from gpuqio.engines.device_memory import Arena
from gpuqio.engines.device_stream import DeviceStream
from gpuqio.engines.parts import Parts, SolveRun
from gpuqio.engines.solve import Solve
from gpuqio.errors import EngineUnavailable
from gpuqio.result import Result, StopReason

__all__ = ["STREAMS", "CudaEngine", "CudaRun", "device_count"]

STREAMS = 3
"""Workers of a device: while the kernels of one run, another copies and a third decides what comes next."""

ROUND_SECONDS = 0.010
"""How long the device is left alone: so often the stop flag is looked at."""

SLICE_SECONDS = 0.040
"""The scheduler's slice, about: no problem can make use of more of one."""

PIECE = 64 << 20
"""Bytes of device memory asked of the driver at once."""

INSTALL = "Install it with `pip install 'gpuqio[cuda13]'`, or 'gpuqio[cuda12]' for a driver before 580"

CudaRun = SolveRun[CudaChains]


class CudaEngine:
    """Runs the kernels on one NVIDIA GPU; up to `STREAMS` workers may use one engine at a time.

    Results are those of the CPU engine, bit for bit. What needs more device memory than there is waits until others
    have ended, and fails with a MemoryError if there is not enough even then. After an error of the device all that
    was on it is lost: the engine then refuses everything, with the reason.

    Args:
        device: its number, as CUDA counts (`CUDA_VISIBLE_DEVICES` has a say).

    Raises:
        EngineUnavailable: CuPy, the driver or the device is missing, or the kernels can't be compiled for it.
    """

    name = "cuda"

    def __init__(self, device: int = 0) -> None:
        self._cupy = cupy = _cupy_with(device)
        self._number = device
        self.lost = ""
        self._faults = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)
        self._streams: queue.SimpleQueue[tuple[DeviceStream, int]] = queue.SimpleQueue()
        try:
            with cupy.cuda.Device(device) as current:
                name = cupy.cuda.runtime.getDeviceProperties(device)["name"].decode()
                self.device = f"cuda:{device} {name} (sm_{current.compute_capability})"
                self._launcher = Launcher(cupy, device)
                self._arena = Arena(self._allocate, PIECE)
                for _ in range(STREAMS):
                    self._streams.put((DeviceStream(cupy), self._arena.take(ORDERS_BYTES).address))
        except Exception as error:  # CuPy's, NVRTC's and the driver's have no common base
            raise EngineUnavailable(f"cuda:{device} is there, but can't be used: {_text(error)}") from error
        self._overhead = self._arena.used
        self.seconds_per_work = 2e-8  # of one block: a guess; each round corrects it

    def start(self, work: Work) -> CudaRun:
        """Check and pack. Raises `InputError` for a bad problem."""
        self._check()
        problems = [Parts(problem, work.solver, CudaChains) for problem in work.problems]
        return CudaRun(problems, self._predict)

    def advance(self, runs: Sequence[CudaRun], seconds: float, stop: StopFlag) -> None:
        """Advance all `runs` for about `seconds`, or until `stop` is set, or until all have finished.

        Waiting for a stream does not count, and unless `stop` is set there is always some progress.
        """
        active = [s for run in runs for s in run.solves if s.stop_reason is None]
        with self._stream() as (stream, orders):
            deadline = time.monotonic() + seconds
            left = seconds
            while active and not stop.is_set() and left > 0:
                placed, others = self._place(active)
                if placed:
                    self._round(stream, orders, placed, min(left, ROUND_SECONDS))
                else:
                    self._arena.wait(min(left, ROUND_SECONDS))
                active = others + [s for s in placed if s.stop_reason is None]
                left = deadline - time.monotonic()

    def outcome(self, run: CudaRun, reason: StopReason | None) -> tuple[Result, ...]:
        """One result a problem: the best found so far."""
        chains = [solve.chains for solve in run.solves if solve.stop_reason is None]
        if chains:
            with self._stream() as (stream, orders):
                for begin in range(0, len(chains), MOST_PARTS):
                    self._fetch(stream, orders, chains[begin : begin + MOST_PARTS])
        return run.results(self.name, self.device, reason)

    def _predict(self, solve: Solve[CudaChains]) -> float:
        """A block's time, as far as it is worth a slice: problems run side by side, so that long ones share one."""
        return min(solve.work_left * self.seconds_per_work, SLICE_SECONDS) / self._launcher.width

    def _place(self, solves: Sequence[Solve[CudaChains]]) -> tuple[list[Solve[CudaChains]], list[Solve[CudaChains]]]:
        """Those with device memory, at most a round's worth, and the others.

        None of the first if all memory is in use elsewhere. Raises MemoryError if it is not, and yet too little.
        """
        placed: list[Solve[CudaChains]] = []
        others: list[Solve[CudaChains]] = []
        shortage: MemoryError | None = None
        for solve in solves:
            chains = solve.chains
            if not chains.on_device and shortage is None and len(placed) < MOST_PARTS:
                try:
                    chains.move_in(self._arena)
                except MemoryError as error:
                    shortage = error
            (placed if chains.on_device and len(placed) < MOST_PARTS else others).append(solve)
        if shortage is not None and not placed and self._arena.used <= self._overhead:
            self._move_in(others[0].chains)
            return [others[0]], others[1:]
        return placed, others

    def _move_in(self, chains: CudaChains) -> None:
        """Take device memory, on a second try if need be: others, of this program or not, give theirs back."""
        try:
            chains.move_in(self._arena)
        except MemoryError:
            self._arena.wait(ROUND_SECONDS)
            try:
                chains.move_in(self._arena)
            except MemoryError as error:
                raise MemoryError(
                    f"The {chains.stage.chains} chains of a problem of {chains.layout.num_variables} variables need "
                    f"{chains.nbytes:,} bytes of device memory: {error}. Fewer replicas or restarts need less, and "
                    "engine='cpu' has the machine's main memory."
                ) from error

    def _round(self, stream: DeviceStream, orders: int, solves: list[Solve[CudaChains]], seconds: float) -> None:
        """About `seconds` of sweeps, shared out evenly; at least one of each. Who ended takes the next stage."""
        chains = [solve.chains for solve in solves]
        arranged = self._launcher.arrange(chains)
        share = seconds / self.seconds_per_work / arranged.time([1.0] * len(solves))
        sweeps = [max(1, min(s.sweeps_left, int(share / s.sweep_work))) for s in solves]
        before = [c.sweeps for c in chains]
        took = self._launcher.advance(stream, orders, arranged, sweeps)
        done = [(c.sweeps - b) * s.sweep_work for c, b, s in zip(chains, before, solves, strict=True)]
        total = sum(done) or 1.0
        for solve, work in zip(solves, done, strict=True):
            solve.seconds += took * work / total
        units = arranged.time(done)
        if took > 1e-4 and units:
            self.seconds_per_work += 0.5 * (took / units - self.seconds_per_work)
        for c in chains:
            if c.finished:
                c.fetch(stream)
        stream.finish()
        for solve, c in zip(solves, chains, strict=True):
            solve.take_stock()
            if solve.chains is not c or solve.stop_reason is not None:
                c.release()

    def _fetch(self, stream: DeviceStream, orders: int, chains: list[CudaChains]) -> None:
        """The results so far; of chains that have no states yet, those of the first."""
        fresh = [c for c in chains if c.fresh]
        for c in fresh:
            if not c.on_device:
                self._move_in(c)
        if fresh:
            self._launcher.advance(stream, orders, self._launcher.arrange(fresh), [0] * len(fresh))
        for c in chains:
            c.fetch(stream)
        stream.finish()

    def _check(self) -> None:
        if self.lost:
            raise EngineUnavailable(self.lost)

    @contextmanager
    def _stream(self) -> Iterator[tuple[DeviceStream, int]]:
        """A stream that nobody else uses, and its orders' address. An error of the device ends the engine's life."""
        self._check()
        stream, orders = self._streams.get()
        try:
            self._check()
            with self._cupy.cuda.Device(self._number):
                yield stream, orders
        except self._faults as error:
            self.lost = (
                f"{self.device} was lost ({_text(error)}), and with it all that was on it. Start the program anew; "
                "engine='cpu' needs no GPU."
            )
            raise EngineUnavailable(self.lost) from error
        except BaseException:
            stream.finish()  # what was asked of it still uses the memory of those who are about to free theirs
            raise
        finally:
            stream.forget()
            self._streams.put((stream, orders))

    def _allocate(self, nbytes: int) -> Any:
        """Memory from the driver. CuPy's own pool is not used: it knows one stream's order and not another's."""
        runtime = self._cupy.cuda.runtime
        try:
            with self._cupy.cuda.Device(self._number):
                return self._cupy.cuda.Memory(nbytes)
        except runtime.CUDARuntimeError as error:
            if error.status != runtime.errorMemoryAllocation:
                raise
            raise MemoryError(str(error)) from error


def device_count() -> int:
    """How many GPUs CuPy sees, at least one. Raises EngineUnavailable, as `CudaEngine` does."""
    return int(_cupy_with(0).cuda.runtime.getDeviceCount())


def _cupy_with(device: int) -> Any:
    """CuPy, if it sees that device."""
    try:
        import cupy  # here alone, and only when asked for: it takes a second
    except ImportError as error:
        raise EngineUnavailable(f"CUDA needs CuPy, which can't be imported ({error}). {INSTALL}.") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise EngineUnavailable(
            f"CuPy {cupy.__version__} finds no NVIDIA driver and GPU that it can use ({error}). `nvidia-smi` says "
            f"whether there is a driver, and which CUDA it is for. {INSTALL}, to match it."
        ) from error
    if device >= count:
        there = f"It has cuda:0{f' to cuda:{count - 1}' if count > 1 else ''}." if count else "It has no NVIDIA GPU."
        raise EngineUnavailable(f"There is no cuda:{device} on this machine. {there}")
    return cupy


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
