"""A round: which kernel takes each of its problems, in how many parts, and how large the blocks are. Decided here, and
carried out in `gpuqio.engines.cuda_launch`.

A block sweeps one problem at a time. Where there are fewer problems than multiprocessors, each is cut into parts, a
block each: a ladder, like a restart, knows nothing of the others, and finds its random words by the problem's own
numbers, so a part's trajectory is what it would be uncut. Only a goal is for all chains together: it stops them all
after the same sweep. So a problem with a cost limit stays in one block, and so does every move but Metropolis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from gpuqio.engines.cuda_chains import CudaChains
from gpuqio.engines.ensemble import Descriptor
from gpuqio.engines.kernels import THREADS, Launch, block_sizes, chains_a_warp
from gpuqio.solvers.move import Kind

__all__ = ["MOST_PARTS", "Group", "Part", "Round", "arranged", "merged"]

MOST_PARTS = 4096
"""Of one round, and so problems too."""


class Part(NamedTuple):
    """Some chains of one problem of the round."""

    problem: int
    first: int
    chains: int

    def of(self, whole: Descriptor) -> Descriptor:
        """What a kernel is given for it. Parts add to the flips, which the first one therefore takes along."""
        part = Descriptor.from_buffer_copy(whole)
        part.first_chain, part.chains = self.first, self.chains
        if self.first:
            part.flips = 0
        return part


def merged(parts: Sequence[Descriptor]) -> Descriptor:
    """What all parts of a problem say together, after as many sweeps of each."""
    whole = Descriptor.from_buffer_copy(parts[0])
    whole.chains = sum(part.chains for part in parts)
    whole.flips = sum(part.flips for part in parts)
    whole.lowest, whole.reached = min((part.lowest, part.reached) for part in parts)
    return whole


@dataclass(frozen=True, slots=True)
class Group:
    """The blocks of one kernel. `resident`: how many the device holds; `busy`: threads of each that have chains."""

    launch: Launch
    parts: Sequence[Part]
    resident: int
    busy: int


@dataclass(frozen=True, slots=True)
class Round:
    """Problems that are advanced together, and how."""

    chains: Sequence[CudaChains]
    groups: Sequence[Group]

    def time(self, works: Sequence[float]) -> float:
        """How long it takes where problem i has `works[i]` to do, in units of what `THREADS` threads do.

        Kernels go one after another, the blocks of each side by side.
        """
        total = 0.0
        for group in self.groups:
            blocks = [works[p.problem] * p.chains / self.chains[p.problem].stage.chains for p in group.parts]
            total += max(max(blocks), sum(blocks) / group.resident) * THREADS / group.busy
        return total


def arranged(
    chains: Sequence[CudaChains],
    variant: Callable[[CudaChains], Launch],
    multiprocessors: int,
    held: Callable[[Launch], int],
) -> Round:
    """The round of these problems, at most `MOST_PARTS`.

    Args:
        variant: the kernel for a problem; those of equal ones share a launch.
        held: how many of a launch's blocks a multiprocessor holds at once.
    """
    members: dict[Launch, list[int]] = {}
    for problem, each in enumerate(chains):
        members.setdefault(variant(each), []).append(problem)
    groups = []
    for launch, problems in sorted(members.items()):
        most = min(multiprocessors // len(problems), MOST_PARTS // len(chains))
        parts = [part for p in problems for part in _cut(p, chains[p], launch.name, most)]
        blocks = -(-len(parts) // multiprocessors)
        largest = max(part.chains for part in parts)
        sizes = [replace(launch, threads=threads) for threads in block_sizes(launch.name, largest)]
        # As many threads at once as can be; of equals the smallest blocks, whose warps wait the least for each other.
        sized = max(sizes, key=lambda size: size.threads * min(blocks, held(size)))
        busy = min(sized.threads, 32 * -(-largest // chains_a_warp(launch.name)))
        groups.append(Group(sized, parts, held(sized) * multiprocessors, busy))
    return Round(chains, groups)


def _cut(problem: int, chains: CudaChains, name: str, most: int) -> list[Part]:
    """At most so many parts, as even as whole ladders and whole warps allow."""
    count = chains.stage.chains
    unit = math.lcm(chains.stage.rungs or 1, chains_a_warp(name))
    units = -(-count // unit)
    whole = chains.has_goal or chains.stage.move.kind is not Kind.METROPOLIS
    parts = 1 if whole else max(1, min(units, most))
    bounds = [min(count, units * part // parts * unit) for part in range(parts + 1)]
    return [Part(problem, begin, end - begin) for begin, end in pairwise(bounds)]
