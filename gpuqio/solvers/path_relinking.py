"""Path relinking: a reference set of good states; tabu search from states on the paths between them.

Wang, Lu, Glover, Hao, "Path relinking for unconstrained binary quadratic programming", Eur. J. Oper. Res. 223, 595
(2012). The parameters are 1QBit's. What differs from the paper: up to 16 pairs are taken at once, both ways, so that
32 walkers go side by side; then the set is brought up to date. And where there is no timeout, the search ends when
rebuilding the set gains nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gpuqio.errors import InvalidParameter
from gpuqio.pack import Layout
from gpuqio.solvers.base import Plan, Trial
from gpuqio.solvers.oneqbit import OneQbitSettings
from gpuqio.solvers.paths import RANK_BITS, best_on_paths
from gpuqio.solvers.settings import number, whole
from gpuqio.solvers.stage import Stage
from gpuqio.solvers.tabu import TabuMove, default_tenure, tabu_stage

__all__ = ["PathRelinking"]

DEFAULT_DISTANCE_SCALE = 0.33
DEFAULT_REF_SET_COUNT = 10
PAIRS = 16
"""Of one stage; each is walked both ways."""

State = bytes
"""A state's bits: states are told apart by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRelinking(OneQbitSettings):
    """Tabu search from states between good states.

    Attributes:
        distance_scale: which share of the variables that two states differ in must lie between either of them and
            the state that is taken from the path, 0 to 0.5; default 0.33.
        greedy_path_relinking: whether a path always flips the best variable next; default False: a random one.
        ref_set_count: size of the reference set, 2 to 1000; default 10.
    """

    distance_scale: float | None = None
    greedy_path_relinking: bool | None = None
    ref_set_count: int | None = None

    target: ClassVar[str] = "1qbit.pathrelinking"
    solver_name: ClassVar[str] = "PathRelinking"
    own: ClassVar[tuple[str, ...]] = ("distance_scale", "greedy_path_relinking", "ref_set_count")

    def __post_init__(self) -> None:
        self.check_settings()
        whole("ref_set_count", self.ref_set_count, 2, 1000)
        if number("distance_scale", self.distance_scale) is not None and not 0 <= (self.distance_scale or 0) <= 0.5:
            raise InvalidParameter(
                f"distance_scale must be from 0 to 0.5; found distance_scale={self.distance_scale}.",
                field="distance_scale",
                value=self.distance_scale,
                code="AZQ107",
            )
        if not isinstance(self.greedy_path_relinking, bool | None):
            raise InvalidParameter(
                f"greedy_path_relinking must be True or False; found {self.greedy_path_relinking!r}.",
                field="greedy_path_relinking",
                value=self.greedy_path_relinking,
                code="AZQ107",
            )

    def plan(self, layout: Layout, seed: int) -> Plan:
        return Relinking(self, layout, seed)


class Relinking:
    """The reference set, and which of its pairs have not been tried yet."""

    PATIENCE = 4
    """Sets built anew without gaining anything, after which the search ends."""

    def __init__(self, solver: PathRelinking, layout: Layout, seed: int) -> None:
        self.converged = False
        self._solver, self._layout, self._seed = solver, layout, seed
        self._apart = DEFAULT_DISTANCE_SCALE if solver.distance_scale is None else float(solver.distance_scale)
        self._greedy = bool(solver.greedy_path_relinking)
        self._size = solver.ref_set_count or DEFAULT_REF_SET_COUNT
        # Its raw words are the same in every release of NumPy; what NumPy makes of them need not be.
        self._random = np.random.Philox(key=seed)
        tenure = default_tenure(layout)
        self._move = TabuMove(tenure, tenure // 2)
        self._moves = max(500, 10 * layout.num_variables)
        self._set: dict[State, int] = {}  # energies
        self._untried: deque[tuple[State, State]] = deque()
        self._building = True
        self._in_vain = 0

    def first(self) -> Stage:
        return self._stage(None)

    def after(self, trial: Trial) -> Stage | None:
        before = min(self._set.values(), default=None)
        rows = trial.states()
        for chain in np.argsort(trial.energies, kind="stable").tolist():
            self._offer(rows[chain].tobytes(), int(trial.energies[chain]))
        if before is None or min(self._set.values()) < before:
            self._in_vain = 0
        if self._building:
            self._untried = deque(combinations(self._set, 2))
        self._building = False
        pairs = self._take_pairs()
        if pairs:
            return self._stage(self._between(pairs))
        self._in_vain += 1
        if self._in_vain > self.PATIENCE:
            self.converged = True
            return None
        best = min(self._set, key=lambda state: self._set[state])
        self._set, self._building = {best: self._set[best]}, True
        return self._stage(None)

    def parameters(self, stage: Stage) -> Mapping[str, object]:
        return replace(
            self._solver,
            distance_scale=self._apart,
            greedy_path_relinking=self._greedy,
            ref_set_count=self._size,
            seed=self._seed,
        ).parameters()

    def _offer(self, state: State, energy: int) -> None:
        """Take a state into the set if there is room, or if it is better than the worst."""
        if state in self._set:
            return
        if len(self._set) >= self._size:
            worst = max(self._set, key=lambda member: self._set[member])
            if energy >= self._set[worst]:
                return
            del self._set[worst]
        self._untried += [(member, state) for member in self._set]
        self._set[state] = energy

    def _take_pairs(self) -> list[tuple[State, State]]:
        """The next pairs that are still in the set and have something between them."""
        pairs: list[tuple[State, State]] = []
        while self._untried and len(pairs) < PAIRS:
            a, b = self._untried.popleft()
            if a in self._set and b in self._set and sum(x != y for x, y in zip(a, b, strict=True)) > 1:
                pairs.append((a, b))
        return pairs

    def _between(self, pairs: list[tuple[State, State]]) -> npt.NDArray[np.uint8]:
        """A state on the path of each pair, and one on the way back."""
        ends = [np.frombuffer(b"".join(side), np.uint8).reshape(len(pairs), -1) for side in zip(*pairs, strict=True)]
        starts, guides = np.concatenate(ends), np.concatenate(ends[::-1])
        ranks = (self._random.random_raw(starts.size) >> np.uint64(64 - RANK_BITS)).astype(np.int64)
        return best_on_paths(self._layout, starts, guides, self._apart, self._greedy, ranks.reshape(starts.shape))

    def _stage(self, initial: npt.NDArray[np.uint8] | None) -> Stage:
        """Tabu search from `initial`, or from random states, with words of its own."""
        walkers = max(2 * PAIRS, self._size) if initial is None else len(initial)
        seed = int(self._random.random_raw())
        return replace(tabu_stage(self._move, walkers, self._moves, seed), initial=initial)
