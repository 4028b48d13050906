"""Test equipment: the flow of a compiled kernel, and what a turn of one of its loops costs.

Counted are the instructions that a converged warp issues. The compiler adds ways round for warps whose lanes lie at
different places; `Flow` leaves those out, because control flow is uniform in these kernels.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count, pairwise
from typing import TypeVar

from tests.nvrtc import Instruction, Kernel

__all__ = ["Flow", "Loop", "is_call"]

State = TypeVar("State", bound=Hashable)
_ENDS = ("BRA", "EXIT", "RET", "JMP", "CALL")


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: the block where it begins, and all its blocks."""

    head: int
    body: frozenset[int]


class Flow:
    """Basic blocks that a converged warp can reach, and their loops, innermost first."""

    def __init__(self, kernel: Kernel) -> None:
        instructions, labels = kernel.instructions, kernel.labels
        cuts = {0, len(instructions), *labels.values()}
        cuts |= {i + 1 for i, instruction in enumerate(instructions) if instruction.name in _ENDS}
        starts = sorted(cuts)
        index = {start: block for block, start in enumerate(starts)}
        self.blocks = [instructions[a:b] for a, b in pairwise(starts)]
        self._next = {0: self._successors(0, index, labels)}
        waiting = [0]
        while waiting:
            for block in self._next[waiting.pop()]:
                if block not in self._next:
                    self._next[block] = self._successors(block, index, labels)
                    waiting.append(block)
        self.loops = sorted(self._find_loops(), key=lambda loop: len(loop.body))

    @property
    def reachable(self) -> list[Instruction]:
        """What a converged warp can come to execute, in order."""
        return [instruction for block in sorted(self._next) for instruction in self.blocks[block]]

    def has(self, loop: Loop, name: str) -> bool:
        return self.count(loop, name) > 0

    def count(self, loop: Loop, name: str) -> int:
        return sum(instruction.name == name for block in loop.body for instruction in self.blocks[block])

    def turn(
        self,
        loop: Loop,
        start: State,
        step: Callable[[State, Instruction], State | None],
        done: Callable[[State], bool],
    ) -> list[Instruction]:
        """The shortest way once round `loop` that ends `done`.

        `step` follows what has been passed; where it gives None, the way is closed. An inner loop is gone round as
        often as `done` needs. Empty where there is no such way.
        """
        order = count()
        heap: list[tuple[int, int, int, State, tuple[int, ...]]] = [(0, next(order), loop.head, start, ())]
        seen: set[tuple[int, State]] = set()
        while heap:
            cost, _, block, state, path = heapq.heappop(heap)
            if (block, state) in seen:
                continue
            if path:
                seen.add((block, state))
            if path and block == loop.head and done(state):
                return [instruction for b in path for instruction in self.blocks[b]]
            after: State | None = state
            for instruction in self.blocks[block]:
                after = None if after is None else step(after, instruction)
            if after is None:
                continue
            longer = cost + len(self.blocks[block])
            for following in self._next[block]:
                if following in loop.body:
                    heapq.heappush(heap, (longer, next(order), following, after, (*path, block)))
        return []

    def _successors(self, block: int, index: dict[int, int], labels: dict[str, int]) -> tuple[int, ...]:
        last = self.blocks[block][-1] if self.blocks[block] else None
        following = (block + 1,) if block + 1 < len(self.blocks) else ()
        if last is None or last.name not in _ENDS or is_call(last) or last.opcode == "BRA.DIV":
            return following  # BRA.DIV: taken by a diverged warp
        jump = () if last.target is None else (index[labels[last.target]],)
        if last.opcode == "BRA.CONV":  # taken by a converged warp
            return jump
        return (*following, *jump) if last.predicated else jump

    def _find_loops(self) -> list[Loop]:
        before: dict[int, list[int]] = {block: [] for block in self._next}
        for block, following in self._next.items():
            for other in following:
                before[other].append(block)
        everything = sum(1 << block for block in self._next)
        dominators = dict.fromkeys(self._next, everything)
        dominators[0] = 1
        changed = True
        while changed:
            changed = False
            for block in sorted(self._next.keys() - {0}):
                common = everything
                for other in before[block]:
                    common &= dominators[other]
                changed |= dominators[block] != common | 1 << block
                dominators[block] = common | 1 << block
        bodies: dict[int, set[int]] = {}
        for block, following in self._next.items():
            for head in following:
                if dominators[block] >> head & 1:
                    body, waiting = bodies.setdefault(head, {head}), [block]
                    while waiting:
                        if (inner := waiting.pop()) not in body:
                            body.add(inner)
                            waiting += before[inner]
        return [Loop(head, frozenset(body)) for head, body in bodies.items()]


def is_call(instruction: Instruction) -> bool:
    """To another function: a CALL to a label of this one is a jump that Ampere leaves loops by."""
    return instruction.name == "CALL" and instruction.target is None
