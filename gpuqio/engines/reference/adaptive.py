"""Population annealing by steps of beta that are chosen from the population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuqio.engines.reference.metropolis import metropolis_sweep
from gpuqio.engines.reference.outcome import Ints, Outcome
from gpuqio.engines.reference.population import resample
from gpuqio.engines.streams import boltzmann, inverse_root, neg_log_uniform, reciprocal
from gpuqio.pack import Layout
from gpuqio.solvers.adaptive_steps import AdaptiveReweighting, Pace
from gpuqio.solvers.stage import HOTTEST, Stage

__all__ = ["Adaptive"]

_ZERO, _HALF = np.float32(0), np.float32(0.5)


class Adaptive:
    """The move of population annealing with an adaptive strategy."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        assert isinstance(stage.move, AdaptiveReweighting)
        self._layout, self._stage, self._move = layout, stage, stage.move
        self._temperatures = stage.temperatures(layout)
        self._first, self._last, self._rate, self._share, self._least, self._most = stage.move.table(layout, stage)
        self._beta: np.float32 = _ZERO

    def sweep(self, out: Outcome) -> None:
        chains, t, each = self._stage.chains, out.sweeps, self._move.sweeps_per_step
        if t == 0:
            out.log[:chains] = np.arange(chains)
        if t % each == 0:
            record = out.log[chains + 3 * (t // each) :][:3]
            if t == 0 or self._beta < self._last:
                beta = self._first if t == 0 else self._next(out)
                record[:2] = resample(out, beta - self._beta, self._stage.seed)
                if t > 0 and beta < self._last:
                    hot = beta <= np.float32(1 / HOTTEST)
                    self._temperatures[t : t + each] = np.float32(HOTTEST) if hot else reciprocal(beta)
                self._beta = beta
                self._before = out.energies.copy()
            record[2] = self._beta.view(np.int32)
        metropolis_sweep(self._layout, self._stage, out, np.full(chains, self._temperatures[t]))

    def after(self, out: Outcome) -> None:
        """Nothing follows a sweep."""

    def _next(self, out: Outcome) -> np.float32:
        room: np.float32 = self._last - self._beta
        match self._move.pace:
            case Pace.CULLING:
                growth = self._by_culling(out.energies, room)
            case Pace.VARIANCE:
                growth = self._by_variance(out.energies, room)
            case Pace.FRICTION:
                growth = self._by_friction(self._before, out.energies, room)
        return min(self._beta + growth, self._last) if growth < room else self._last

    def _by_culling(self, energies: Ints, room: np.float32) -> np.float32:
        """The growth at which the expected fraction without a copy is reached, to 12 bits; at most `room`."""
        low, high = 0, int(room.view(np.int32))
        middle = high
        while high - low > 2**11:
            if self._culls_more(energies, np.int32(middle).view(np.float32)):
                high = middle
            else:
                low = middle
            middle = low + (high - low) // 2
        return np.int32(high).view(np.float32)

    def _culls_more(self, energies: Ints, growth: np.float32) -> bool:
        chains = len(energies)
        weights = boltzmann(growth * (energies - energies.min()).astype(np.float32))
        total = int(weights.sum())
        culled = int(np.maximum(total - chains * weights, 0).sum())
        return culled > total * chains * self._move.options[2] >> 31

    def _by_variance(self, energies: Ints, room: np.float32) -> np.float32:
        spread = _spread(energies, self._share)
        return room if spread is None else self._rate * spread.inverse * spread.scale

    def _by_friction(self, energies_before: Ints, energies: Ints, room: np.float32) -> np.float32:
        after = _spread(energies, self._share)
        if after is None:
            return room
        before, covariance = _spread(energies_before, self._share), _ZERO
        if before is None:
            before = after
        else:
            products = np.float32((before.q * after.q).sum()) * self._share
            covariance = products - before.mean * after.mean
        inverse = after.inverse * before.inverse
        correlation = min(max(abs(covariance) * inverse, self._least), self._most)
        word = np.array([int(correlation * np.float32(2**23)) << 9], np.uint32)
        decay: np.float32 = neg_log_uniform(word)[0]
        variance = inverse * (after.scale * before.scale)  # 1 / it
        growth: np.float32 = decay * inverse_root(decay) * (variance * inverse_root(variance)) * self._rate
        return growth


@dataclass(frozen=True, slots=True)
class _Spread:
    """Energies as whole numbers q = floor((E - lowest) / 2^shift) - middle, of 23 bits; middle is near the mean.

    Attributes:
        q: (chains,).
        mean: of q; what is left of it.
        inverse: 1 / the standard deviation of q.
        scale: 2^-shift.
    """

    q: Ints
    mean: np.float32
    inverse: np.float32
    scale: np.float32


def _spread(energies: Ints, share: np.float32) -> _Spread | None:
    """None where all energies are equal."""
    above = energies - energies.min()
    if not above.any():
        return None
    shift = max(int(above.max()).bit_length() - 22, 0)
    q = above >> shift
    q = q - int(np.float32(q.sum()) * share + _HALF)
    mean = np.float32(q.sum()) * share
    square = np.float32((q * q).sum()) * share
    return _Spread(q, mean, inverse_root(square - mean * mean), np.float32(2.0**-shift))
