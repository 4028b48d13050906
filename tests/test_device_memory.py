"""Device memory: blocks never overlap, gaps grow together again, and what is not to be had is said with its size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio.engines.device_memory import ALIGNMENT, Arena, Block

PIECE = 16 * ALIGNMENT


@dataclass
class Region:
    ptr: int


class Driver:
    """Gives out addresses, side by side, up to so many bytes in all."""

    def __init__(self, limit: int) -> None:
        self.limit, self.given = limit, 0

    def __call__(self, nbytes: int) -> Region:
        if self.given + nbytes > self.limit:
            raise MemoryError("cudaError 2")
        self.given += nbytes
        return Region(2**32 + self.given - nbytes)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * PIECE)), max_size=60))
def test_blocks_are_aligned_and_apart(steps: list[tuple[bool, int]]) -> None:
    arena = Arena(Driver(2**40), PIECE)
    held: list[Block] = []
    for take, number in steps:
        if take or not held:
            held.append(arena.take(number))
            assert held[-1].nbytes >= max(number, 1)
        else:
            arena.free(held.pop(number % len(held)))
        assert arena.used == sum(block.nbytes for block in held)
    assert all(block.address % ALIGNMENT == 0 for block in held)
    ordered = sorted(held, key=lambda block: block.address)
    assert all(a.address + a.nbytes <= b.address for a, b in pairwise(ordered))


def test_what_is_freed_in_any_order_is_one_gap_again() -> None:
    arena = Arena(Driver(PIECE + ALIGNMENT), PIECE)
    blocks = [arena.take(ALIGNMENT) for _ in range(16)]
    for block in blocks[1::2] + blocks[::2]:
        arena.free(block)
    assert arena.take(PIECE).nbytes == PIECE


def test_no_block_lies_in_two_regions() -> None:
    arena = Arena(Driver(2**40), PIECE)
    blocks = [arena.take(PIECE), arena.take(PIECE)]
    for block in blocks:
        arena.free(block)
    assert arena.take(2 * PIECE).address not in {block.address for block in blocks}


def test_where_a_piece_is_too_much_it_asks_for_what_it_needs() -> None:
    arena = Arena(Driver(PIECE + 6 * ALIGNMENT), PIECE)
    arena.take(PIECE)
    assert arena.take(4 * ALIGNMENT).nbytes == 4 * ALIGNMENT


def test_a_shortage_names_the_sizes() -> None:
    arena = Arena(Driver(2 * PIECE), PIECE)
    arena.take(ALIGNMENT)
    with pytest.raises(MemoryError, match=r"^40,960 more bytes .* gpuqio holds 4,096, of which 256 are in use$"):
        arena.take(10 * PIECE)
    assert arena.used == ALIGNMENT
