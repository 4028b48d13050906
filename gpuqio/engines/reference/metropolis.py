"""Metropolis sweeps, annealed or on a ladder with exchange."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpuqio.engines.reference.outcome import Outcome, flip, rise
from gpuqio.engines.streams import TIE_BITS, Purpose, neg_log_uniform, philox, threshold
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Metropolis", "metropolis_sweep"]


class Metropolis:
    """The move of simulated annealing and of parallel tempering."""

    def __init__(self, layout: Layout, stage: Stage) -> None:
        self._layout, self._stage = layout, stage
        self._temperatures = stage.temperatures(layout)
        self._gaps = stage.gaps(layout)
        self.chain_at = np.arange(stage.chains)  # the chain at each slot = ladder * rungs + rung
        self._from = np.zeros(stage.chains, np.int64)  # 1: the chain was at the hottest rung last, 2: at the coldest

    def sweep(self, out: Outcome) -> None:
        stage = self._stage
        if stage.exchange:
            temperature = np.empty(stage.chains, np.float32)
            temperature[self.chain_at] = np.tile(self._temperatures, stage.chains // stage.rungs)
        else:
            temperature = np.full(stage.chains, self._temperatures[out.sweeps])
        metropolis_sweep(self._layout, stage, out, temperature)

    def after(self, out: Outcome) -> None:
        """Exchange: pairs (r, r+1) of each ladder, r = sweep mod 2, + 2, ...: hotter a, colder b change places when
        (beta_b - beta_a)(E_a - E_b) <= -log u."""
        if not self._stage.exchange:
            return
        rungs, chain_at = self._stage.rungs, self.chain_at
        for ladder in range(0, self._stage.chains, rungs):
            for r in range(out.sweeps & 1, rungs - 1, 2):
                slot = ladder + r
                draw = neg_log_uniform(philox(slot, out.sweeps, 0, Purpose.EXCHANGE, self._stage.seed)[0])
                a, b = chain_at[slot], chain_at[slot + 1]
                with np.errstate(over="ignore", invalid="ignore"):
                    accepted = self._gaps[r] * np.float32(out.energies[a] - out.energies[b]) <= draw
                if accepted:
                    chain_at[slot], chain_at[slot + 1] = b, a
                    out.swaps[r] += 1
        if self._stage.move.options[3]:
            self._count_flow(out)

    def _count_flow(self, out: Outcome) -> None:
        """At each rung the chains that were at the hottest rung last, and those that were at the coldest."""
        rungs = self._stage.rungs
        for slot, chain in enumerate(self.chain_at):
            r = slot % rungs
            if r in (0, rungs - 1):
                self._from[chain] = 1 if r == 0 else 2
            if self._from[chain]:
                out.log[2 * r + self._from[chain] - 1] += 1


def metropolis_sweep(layout: Layout, stage: Stage, out: Outcome, temperature: npt.NDArray[np.float32]) -> None:
    """Variables 0..n-1 in turn: Metropolis; a tie is rejected where its word's `TIE_BITS` are 0. Four share a call.

    Args:
        temperature: (chains,).
    """
    for v in range(layout.num_variables):
        words = philox(v // 4, out.sweeps, np.arange(stage.chains), Purpose.FLIP, stage.seed)[v % 4]
        rises = rise(layout, out.bits, v)
        heads = (words & TIE_BITS) != 0
        flip(out, v, (rises <= threshold(words, temperature, layout.rise_bits)) & ((rises != 0) | heads), rises)
