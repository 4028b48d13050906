"""The specification: every algorithm in plain sequential NumPy, slowly and readably.

It reads the canonical terms themselves, not the packed arrays, so it checks the packing too. Whatever an engine does
must give these states, energies and counts, `array_equal`, no tolerance. One array axis runs over the chains; within
a chain everything happens in the order of the loops below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpuqio.engines.streams import Purpose, neg_log_uniform, philox, threshold
from gpuqio.pack import Layout
from gpuqio.solvers.stage import Stage

__all__ = ["Outcome", "run"]

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Outcome:
    """All chains after a stage.

    Attributes:
        bits: (chains, n) current states; best_bits: the best at the end of any sweep, or the first.
        energies, best_energies: (chains,) integer energies of the two.
        swaps: (rungs - 1,) accepted exchanges between neighbouring rungs.
        flips: accepted flips of all chains.
        sweeps: sweeps done.
    """

    bits: Ints
    energies: Ints
    best_bits: Ints
    best_energies: Ints
    swaps: Ints
    flips: int = 0
    sweeps: int = 0


def run(layout: Layout, stage: Stage, initial: Ints | None = None, goal: int | None = None) -> Outcome:
    """One stage from first states (random, or `initial` bits (n,) for every chain) to its end, or to `goal`."""
    bits = _first_bits(layout, stage) if initial is None else np.tile(initial, (stage.chains, 1))
    energies = _energies(layout, bits)
    out = Outcome(bits, energies, bits.copy(), energies.copy(), np.zeros(max(stage.rungs - 1, 0), np.int64))
    temperatures = stage.temperatures(layout)
    chain_at = np.arange(stage.chains)  # the chain at each slot = ladder * rungs + rung
    while out.sweeps < stage.sweeps and (goal is None or out.best_energies.min() > goal):
        if stage.exchange:
            chain_temperature = np.empty(stage.chains, np.float32)
            chain_temperature[chain_at] = np.tile(temperatures, stage.chains // stage.rungs)
        else:
            chain_temperature = np.full(stage.chains, temperatures[out.sweeps])
        _sweep(layout, stage, out, chain_temperature)
        better = out.energies < out.best_energies
        out.best_bits[better] = out.bits[better]
        out.best_energies[better] = out.energies[better]
        if stage.exchange:
            _exchange(layout, stage, out, chain_at)
        out.sweeps += 1
    return out


def _first_bits(layout: Layout, stage: Stage) -> Ints:
    """Variable v starts with bit v & 31 of word (v >> 5) & 3 of its block of 128."""
    bits = np.empty((stage.chains, layout.num_variables), np.int64)
    for v in range(layout.num_variables):
        words = philox(v >> 7, 0, np.arange(stage.chains), Purpose.INIT, stage.seed)
        bits[:, v] = (words[(v >> 5) & 3] >> np.uint32(v & 31)) & np.uint32(1)
    return bits


def _values(layout: Layout, bits: Ints, rows: Ints) -> Ints:
    """Each term's product of variables, (chains, terms): spins 1 - 2b for ising, else bits."""
    variables = 1 - 2 * bits if layout.problem.is_ising else bits
    products: Ints = variables[:, rows].prod(axis=2)
    return products


def _energies(layout: Layout, bits: Ints) -> Ints:
    total = np.zeros(len(bits), np.int64)
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        total += _values(layout, bits, rows) @ steps
    return total


def _rise(layout: Layout, bits: Ints, v: int) -> Ints:
    """The energy change of flipping variable v in each chain."""
    flipped = bits.copy()
    flipped[:, v] ^= 1
    change = np.zeros(len(bits), np.int64)
    for rows, steps in zip(layout.problem.members, layout.fixed.coefficients, strict=True):
        mine = (rows == v).any(axis=1)
        change += (_values(layout, flipped, rows[mine]) - _values(layout, bits, rows[mine])) @ steps[mine]
    return change


def _sweep(layout: Layout, stage: Stage, out: Outcome, temperature: npt.NDArray[np.float32]) -> None:
    """Variables 0..n-1 in turn: Metropolis, a tie decided by the word's lowest bit. Four variables share a call."""
    for v in range(layout.num_variables):
        words = philox(v // 4, out.sweeps, np.arange(stage.chains), Purpose.FLIP, stage.seed)[v % 4]
        rise = _rise(layout, out.bits, v)
        heads = (words & np.uint32(1)) == 1
        accepted = (rise <= threshold(words, temperature)) & ((rise != 0) | heads)
        out.bits[accepted, v] ^= 1
        out.energies[accepted] += rise[accepted]
        out.flips += int(accepted.sum())


def _exchange(layout: Layout, stage: Stage, out: Outcome, chain_at: Ints) -> None:
    """Pairs (r, r+1) of each ladder, r = sweep mod 2, + 2, ...: hotter a, colder b change places when
    (beta_b - beta_a)(E_a - E_b) <= -log u."""
    gaps = stage.gaps(layout)
    for ladder in range(0, stage.chains, stage.rungs):
        for r in range(out.sweeps & 1, stage.rungs - 1, 2):
            slot = ladder + r
            draw = neg_log_uniform(philox(slot, out.sweeps, 0, Purpose.EXCHANGE, stage.seed)[0])
            a, b = chain_at[slot], chain_at[slot + 1]
            with np.errstate(over="ignore", invalid="ignore"):
                accepted = gaps[r] * np.float32(out.energies[a] - out.energies[b]) <= draw
            if accepted:
                chain_at[slot], chain_at[slot + 1] = b, a
                out.swaps[r] += 1
