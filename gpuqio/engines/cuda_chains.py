"""All chains of one problem in device memory, where they stay between slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuqio.engines.device_memory import Arena, Block
from gpuqio.engines.device_stream import DeviceStream
from gpuqio.engines.ensemble import Bits, Descriptor, EnsembleBase, first_words, inputs, state
from gpuqio.engines.kernels import narrowest
from gpuqio.errors import EngineUnavailable
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["CudaChains"]

LINE = 128
"""Alignment of an array within the chains' block: what a warp reads at once."""

RESULTS = ("best_spins", "best_energy", "swaps", "log")
"""What comes back when a stage has ended. The rest of the state never leaves the device."""

SAMPLES = ("spins", "chain_at")
"""What comes back besides from a stage that is sampled."""


class CudaChains(EnsembleBase):
    """All chains of one problem in one stage: a block of device memory, and a descriptor that is kept here.

    Made, they are all on the host: `move_in` takes device memory for them. `fetch` brings the results back, after
    which `release` may give up the memory. See `gpuqio.engines.solve.Chains` for the rest.

    Args:
        layout: the packed problem, at least one variable.
        stage: what the chains are to do.
        initial: first bits, (n,) of every chain or (chains, n); None for random ones.
        goal: stop after the sweep that brings a best energy to this or below.
    """

    _block: Block | None = None

    def __init__(
        self, layout: Layout, stage: Stage, initial: npt.NDArray[np.uint8] | None = None, goal: int | None = None
    ) -> None:
        kind = np.dtype(narrowest(layout))
        super().__init__(layout, stage, goal, weight_bytes=kind.itemsize)
        given = inputs(layout, stage)
        given["weights"] = given["weights"].astype(kind, copy=False)
        if initial is not None:
            given["initial"] = first_words(layout, stage, initial)
        self._given: dict[str, npt.NDArray[Any]] | None = given
        kept = {name: length * np.dtype(kind).itemsize for name, (kind, length) in state(layout, stage).items()}
        sizes = {name: array.nbytes for name, array in given.items()}
        results = RESULTS + (SAMPLES if stage.sampled else ())
        sizes |= {name: nbytes for name, nbytes in kept.items() if name not in results}
        self._state_at = _end({name: array.nbytes for name, array in given.items()})
        self._results_at = _end(sizes)
        sizes |= {name: kept[name] for name in results}
        self._places = _places(sizes)
        self.nbytes = _end(sizes)
        self._results: npt.NDArray[np.uint8] | None = None
        self._arena: Arena | None = None
        self.initial_address = 0
        self._spoilt = False

    def __del__(self) -> None:
        self.release()

    @property
    def on_device(self) -> bool:
        return self._block is not None

    @property
    def fresh(self) -> bool:
        """True until the first move in: the chains have no states yet."""
        return self._given is not None

    def check(self) -> None:
        """Raise if the states on the device are not those that the descriptor tells of."""
        if self._spoilt:
            raise EngineUnavailable("The job's state on the device was spoilt by an error. Submit it again.")

    def spoil(self) -> None:
        """A round broke off: nobody knows how far it came."""
        self._spoilt = True

    def move_in(self, arena: Arena) -> None:
        """Take device memory. Raises MemoryError."""
        block = arena.take(self.nbytes)
        self._arena, self._block = arena, block
        addresses = {name: block.address + place for name, place in self._places.items()}
        self.initial_address = addresses.pop("initial", 0)
        self._descriptor.point(addresses)

    def send(self, stream: DeviceStream) -> None:
        """Have the inputs copied to the device, and the state zeroed; the start kernel follows."""
        assert self._block is not None
        assert self._given is not None
        image = np.zeros(self._state_at, np.uint8)
        for name, array in self._given.items():
            place = self._places[name]
            image[place : place + array.nbytes] = array.reshape(-1).view(np.uint8)
        stream.send(self._block.address, image)
        stream.clear(self._block.address + self._state_at, self.nbytes - self._state_at)
        self._given = None

    def fetch(self, stream: DeviceStream) -> None:
        """Have the results copied from the device; they are here when the stream has finished."""
        self.check()
        assert self._block is not None
        self._results = np.empty(self.nbytes - self._results_at, np.uint8)
        stream.receive(self._block.address + self._results_at, self._results)

    def release(self) -> None:
        """Give up the device memory, if any. What was fetched stays."""
        if self._block is not None and self._arena is not None:
            self._arena.free(self._block)
            self._block = None

    @property
    def record(self) -> Descriptor:
        """What a kernel is given, and what has come back of it."""
        return self._descriptor

    @record.setter
    def record(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor

    @property
    def swaps(self) -> npt.NDArray[np.int64]:
        """(rungs - 1,) accepted exchanges, as fetched last."""
        return self._result("swaps", np.int64, max(self.stage.rungs - 1, 0))

    @property
    def log(self) -> npt.NDArray[np.int64]:
        """What the stage's move wrote down, as fetched last."""
        return self._result("log", np.int64, self.stage.move.log(self.stage))

    @property
    def best_energies(self) -> npt.NDArray[np.int64]:
        """(chains,) as fetched last."""
        return self._result("best_energy", np.int64, self.stage.chains)

    def best_bits(self) -> Bits:
        """(chains, n) best states visited, as fetched last."""
        _, length = state(self.layout, self.stage)["best_spins"]
        return self._unpack(self._result("best_spins", np.uint32, length))

    @property
    def chain_at(self) -> npt.NDArray[np.int32]:
        """(chains,) which chain stands at slot = ladder * rungs + rung, as fetched last; of a sampled stage alone."""
        return self._result("chain_at", np.int32, self.stage.chains)

    def bits(self) -> Bits:
        """(chains, n) current states, as fetched last; of a sampled stage alone."""
        _, length = state(self.layout, self.stage)["spins"]
        return self._unpack(self._result("spins", np.uint32, length))

    def _result(self, name: str, kind: type[np.generic], length: int) -> npt.NDArray[Any]:
        assert self._results is not None
        begin = self._places[name] - self._results_at
        return self._results[begin : begin + length * np.dtype(kind).itemsize].view(kind)


def _places(sizes: Mapping[str, int]) -> dict[str, int]:
    """Where each of some arrays begins, one after another."""
    places, end = {}, 0
    for name, nbytes in sizes.items():
        places[name] = end
        end += -(-nbytes // LINE) * LINE
    return places


def _end(sizes: Mapping[str, int]) -> int:
    return sum(-(-nbytes // LINE) * LINE for nbytes in sizes.values())
