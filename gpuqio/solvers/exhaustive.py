"""Exhaustive search: every configuration, by Gray code; alone, or as the proof that ends a parameter-free search.

F. Gray, "Pulse code communication", US patent 2632058 (1953); Knuth, TAOCP 4A, 7.2.1.1: neighbours in the order differ
in one variable, so that each configuration costs one gain. Not the service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.pack import Layout, Strategy
from gpuqio.solvers.base import OneStage, Plan, Trial
from gpuqio.solvers.move import Bits, Int64s, Kind, Move
from gpuqio.solvers.settings import Settings, spelled
from gpuqio.solvers.stage import Stage

__all__ = [
    "CERTIFIED_VARIABLES",
    "MOST_OPTIMA",
    "MOST_VARIABLES",
    "Enumeration",
    "Exhaustive",
    "certified",
    "enumeration",
]

MOST_VARIABLES = 26
MOST_OPTIMA = 1024
"""So many optimal configurations are listed; how many there are is counted in any case."""

CERTIFIED_VARIABLES = 22
"""A parameter-free search of more is not proven: its 5 to 6 million attempts cost less than 2^23 configurations do."""

FIXED, BLOCK = 7, 5
"""128 chains, four warps; and 32 configurations a sweep, about as many steps as other sweeps have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustive(Settings):
    """Every configuration of a problem of up to 26 variables, with proof that none is better.

    With `reduce`, of what is left of a problem without the variables that need no search.

    `number_of_solutions`: the best configurations of parts of the space, not always the next best of all.

    Attributes:
        all_optima: return every optimal configuration, at most 1024, whatever `number_of_solutions` says;
            `Report.optima` has their number. Default False.
    """

    all_optima: bool | None = None

    walks_windows: ClassVar[bool] = False
    walks_groups: ClassVar[bool] = True
    target: ClassVar[str] = "gpuqio.exhaustive"

    def __post_init__(self) -> None:
        self.check_settings()
        if self.all_optima is not None and not isinstance(self.all_optima, bool):
            raise InvalidParameter(
                f"all_optima must be True or False; found all_optima={self.all_optima!r}.",
                field="all_optima",
                value=self.all_optima,
                code="AZQ107",
            )
        if self.all_optima and self.reduce:
            raise InvalidParameter(
                "reduce=True keeps one optimum of many; leave it out, or all_optima. Found all_optima=True.",
                field="reduce",
                value=True,
                code="AZQ107",
            )

    def parameters(self) -> Mapping[str, object]:
        given = {"all_optima": self.all_optima, "seed": self.seed, "timeout": self.timeout}
        return spelled(given, self.spelling)

    def plan(self, layout: Layout, seed: int) -> Plan:
        if layout.num_variables > MOST_VARIABLES:
            raise InvalidProblem(
                f"Exhaustive search takes at most {MOST_VARIABLES} variables; found {layout.num_variables}. Take "
                "ParallelTempering or SimulatedAnnealing without parameters: they search instead.",
                field="terms",
                value=layout.num_variables,
            )
        echo = replace(self, seed=seed).parameters()
        return OneStage(enumeration(layout, seed, MOST_OPTIMA if self.all_optima else 0), lambda stage: echo)


@dataclass(frozen=True, slots=True)
class Enumeration(Move):
    """A stretch of 2^block steps of a Gray code of all but the last `fixed` variables, which a chain's number gives.

    Attributes:
        fixed: chains are 2^fixed, half as many where mirrored.
        block: at most 5.
        listed: how many states of its lowest energy a chain lists; 0 neither lists nor counts them.
        mirrored: opposite states cost the same: the last variable stays at 0, since no chain has a number so large.
    """

    fixed: int
    block: int
    listed: int
    mirrored: bool

    kind: ClassVar[Kind] = Kind.EXHAUSTIVE

    @property
    def options(self) -> tuple[int, int, int, int]:
        return self.fixed, self.block, self.listed, 0

    def memory(self, layout: Layout, stage: Stage) -> int:
        return 0 if layout.groups else 32 * -(-stage.chains // 32)

    def log(self, stage: Stage) -> int:
        """Each chain's count, then each chain's list of states of its free variables."""
        return stage.chains * (1 + self.listed) if self.listed else 0

    def solutions(self, bits: Bits, energies: Int64s, log: Int64s, wanted: int) -> Bits:
        """With lists, all optima that they hold."""
        chains, free = len(bits), bits.shape[1] - self.fixed
        counts = self._counts(energies, log)
        if not self.listed or not counts.any():  # stopped before it came to the best of the first states
            if self.mirrored:
                bits, energies = np.concatenate((bits, 1 - bits)), np.tile(energies, 2)
            return Move.solutions(self, bits, energies, log, wanted)
        lists = log[chains:].reshape(chains, self.listed)
        chain, place = np.nonzero(np.arange(self.listed) < counts[:, None])
        states = lists[chain, place] | chain << free
        rows: Bits = ((states[: self.listed, None] >> np.arange(bits.shape[1])) & 1).astype(np.uint8)
        return np.concatenate((rows, 1 - rows))[: self.listed] if self.mirrored else rows

    def statistics(
        self, layout: Layout, stage: Stage, energies: Int64s, log: Int64s, sweeps: int
    ) -> Mapping[str, object]:
        """`optima`: how many configurations have the lowest cost, where they are listed."""
        found = int(self._counts(energies, log).sum()) << self.mirrored
        return {"optima": found} if found else {}

    def _counts(self, energies: Int64s, log: Int64s) -> Int64s:
        """(chains,) states of the lowest energy of all, where they are counted."""
        if not self.listed:
            return np.zeros(len(energies), np.int64)
        counts: Int64s = np.where(energies == energies.min(), log[: len(energies)], 0)
        return counts


def enumeration(layout: Layout, seed: int, listed: int = 0) -> Stage:
    """The stage that visits every configuration, or one of each two opposite ones that must cost the same.

    `seed`: of the first states, which it leaves at once.
    """
    mirrored = layout.problem.is_symmetric
    fixed = min(layout.num_variables, FIXED + mirrored)
    block = min(layout.num_variables - fixed, BLOCK)
    sweeps = 1 << (layout.num_variables - fixed - block)
    chains, move = 1 << (fixed - mirrored), Enumeration(fixed, block, listed, mirrored)
    return Stage(chains=chains, sweeps=sweeps, betas=np.zeros(0), exchange=False, seed=seed, move=move)


def certified(search: Plan, unfinished: Mapping[str, object], layout: Layout, seed: int) -> Plan:
    """`search`, with a proof where that costs less than the search it saves.

    Args:
        search: a plan whose first two stages have nothing of each other.
        unfinished: parameters that repeat the whole of it, proof included.
    """
    small = layout.num_variables <= CERTIFIED_VARIABLES and layout.strategy is not Strategy.WINDOW
    return Certified(search, unfinished, layout, seed) if small and layout.fixed.is_exact else search


class Certified:
    """A search whose first stage is followed by all configurations: it then knows where it may stop.

    So the best is mostly that of a stage of the search, whose parameters repeat it. Where the search never comes to
    the optimum, the enumeration's is returned, and the parameters are those of the search itself.
    """

    converged = True

    def __init__(self, search: Plan, unfinished: Mapping[str, object], layout: Layout, seed: int) -> None:
        self._search, self._unfinished = search, unfinished
        self._enumeration = enumeration(layout, seed)
        self._begun: Trial | None = None
        self._optimum: int | None = None

    def first(self) -> Stage:
        return self._search.first()

    def after(self, trial: Trial) -> Stage | None:
        if self._begun is None:
            self._begun = trial
            return self._enumeration
        if self._optimum is None:
            self._optimum, trial = trial.lowest, self._begun
        return None if trial.lowest == self._optimum else self._search.after(trial)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        return self._unfinished if stage is self._enumeration else self._search.parameters(stage)
