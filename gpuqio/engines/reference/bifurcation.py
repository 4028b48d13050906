"""Simulated bifurcation: one time step a sweep, in float32."""

from __future__ import annotations

from functools import reduce
from operator import mul

import numpy as np
import numpy.typing as npt

from gpuqio.engines.reference.outcome import Outcome, flip, rise
from gpuqio.engines.streams import Purpose, philox
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Bifurcation"]

Floats = npt.NDArray[np.float32]

_TENTH, _HALF, _ONE = np.float32(0.1), np.float32(0.5), np.float32(1)


class Bifurcation:
    """All momenta are driven by the forces at the old positions (discrete: at their signs), then all positions move,
    and bits follow their signs one variable after another. Heat comes last: a share of the old momenta."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout, self._stage = layout, stage
        self._discrete, self._heated, *_ = map(bool, stage.move.options)
        self._dt, self._scale, self._pressure, self._heat = stage.move.table(layout, stage)
        self._entries = [_entries(layout, v) for v in range(layout.num_variables)]

    def sweep(self, out: Outcome) -> None:
        n = self._layout.num_variables
        if out.sweeps == 0:
            self._place(out)
        spring = _ONE - np.float32(out.sweeps) * self._pressure
        before = self._momenta.copy()
        for v in range(n):
            gain = self._hard_gain(out, v) if self._discrete else self._soft_gain(v)
            self._momenta[:, v] += (gain * self._scale - self._positions[:, v] * spring) * self._dt
        for v in range(n):
            x = self._positions[:, v] + self._momenta[:, v] * self._dt
            self._momenta[abs(x) > 1, v] = 0
            if self._heated:
                self._momenta[:, v] += before[:, v] * self._heat
            self._positions[:, v] = np.clip(x, -_ONE, _ONE)
            flip(out, v, (x < 0) != (out.bits[:, v] == 1), rise(self._layout, out.bits, v))

    def after(self, out: Outcome) -> None:
        """Nothing: the runs are independent."""

    def _place(self, out: Outcome) -> None:
        n, chains = self._layout.num_variables, np.arange(self._stage.chains)
        self._positions, self._momenta = (np.empty((len(chains), n), np.float32) for _ in range(2))
        for v in range(n):
            far, momentum = philox(v >> 1, 0, chains, Purpose.MOTION, self._stage.seed)[2 * (v & 1) :][:2]
            far = (far >> np.uint32(8)) | np.uint32(1)
            side = np.where(out.bits[:, v] == 1, -_ONE, _ONE)
            self._positions[:, v] = side * far.astype(np.float32) * (_TENTH * np.float32(2**-24))
            around = (momentum >> np.uint32(8)).astype(np.float32) - np.float32(2**23)
            self._momenta[:, v] = around * (_TENTH * np.float32(2**-23))

    def _hard_gain(self, out: Outcome, v: int) -> Floats:
        rises = rise(self._layout, out.bits, v)
        return np.where(out.bits[:, v] == 1, -rises, rises).astype(np.float32)

    def _soft_gain(self, v: int) -> Floats:
        """The gain with (1 - x) / 2 for the bits of other variables."""
        x = self._positions
        base, entries = self._entries[v]
        gain = np.full(len(x), base, np.float32)
        for weight, members in entries:
            if self._layout.problem.is_ising:
                value = _soft(reduce(mul, x[:, members].T))
            else:
                value = reduce(mul, _soft(x[:, members]).T)
            gain += value * np.float32(weight)
        return gain


def _soft(x: Floats) -> Floats:
    return _HALF - x * _HALF


def _entries(layout: Layout, v: int) -> tuple[int, list[tuple[int, list[int]]]]:
    """What variable v gains by itself, and each of its terms: weight, other members.

    Terms are in the order of their degrees, then of v's place among their members, then as they are.
    """
    ising, base = layout.problem.is_ising, 0
    entries: list[tuple[int, list[int]]] = []
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        for place in range(rows.shape[1]):
            for row, step in zip(rows.tolist(), steps.tolist(), strict=True):
                if row[place] != v:
                    continue
                others = row[:place] + row[place + 1 :]
                if ising:
                    base -= 2 * step
                elif not others:
                    base += step
                if others:
                    entries.append((4 * step if ising else step, others))
    return base, entries
