"""Test equipment: what a kernel's work costs in instructions, read from its machine code.

The units are those that can be counted elsewhere, with numbers that do not depend on the machine:

==========  ======================  =================================================================================
kernel      unit                    instructions of
==========  ======================  =================================================================================
window_k    sweep                   one chain's sweep over its k windows in which nothing passes, without such calls of
                                    the generator as the code may leave out
window      sweep                   one window of it
both        draw                    one call of the generator, that is four windows' words; 0 where a sweep has all
both        flip                    an accepted flip, weights of 8 bits; ``window``: with 32 windows (n = 1024)
both        wide_flip               the same, weights of 32 bits
planes_k    variable                one variable of 32 chains, weights of 8 bits
planes_k    plane                   what 8 bits more add to it
lane_*      variable                one variable of 32 chains, with two entries; beyond quadratic each has two members
lane_*      entries                 what four more entries add to it
near_*_w    both                    the same for w times 32 chains at once, all from shared memory
            groups                  lane_grouped: what six groups add to a variable without them, without a flip
tabu_*      variable                one variable looked at by 32 walkers, where they keep gains
tabu_window window                  32 variables looked at by one walker
==========  ======================  =================================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.nvrtc import Instruction, Kernel
from tests.sass import Flow, Loop

__all__ = [
    "CALL_MULTIPLIES",
    "ENTRIES",
    "group_path",
    "lane_path",
    "lane_words",
    "multiplies",
    "occupancy",
    "planes_path",
    "unit_costs",
    "window_paths",
]

ENTRIES = 6
WINDOWS = 32
PLANES_VARIABLES = 8
CALL_MULTIPLIES = 18
"""Long multiplications that a call of the generator has at least: 20, but those of constants are taken out of loops."""

RATIOS = ("9e3779b9", "61c88647", "c6ef3720", "3910c8e0")
"""The golden ratio and 32 times it, each as an addition and as a subtraction."""

Path = list[Instruction]

# CUDA C++ Programming Guide, "Compute Capabilities": warps and blocks a multiprocessor may hold, its shared memory in
# KiB, what it keeps of that for itself a block.
_LIMITS = {
    75: (32, 16, 64, 0),
    80: (64, 32, 164, 1024),
    86: (48, 16, 100, 1024),
    89: (48, 24, 100, 1024),
    90: (64, 32, 228, 1024),
    100: (64, 32, 228, 1024),
    120: (48, 24, 100, 1024),
}


def occupancy(architecture: int, threads: int, registers: int, shared: int) -> int:
    """Warps that a multiprocessor holds at once. `shared`: bytes a block, static and dynamic together.

    Registers are handed out by 256 a warp, from four files of 16,384; shared memory by 128 bytes (Turing: 256).
    """
    most_warps, most_blocks, memory, reserved = _LIMITS[architecture]
    warps = -(-threads // 32)
    by_registers = 4 * (16384 // (-(-registers * 32 // 256) * 256)) // warps
    unit = 256 if architecture == 75 else 128
    taken = -(-(shared + reserved) // unit) * unit
    by_memory = memory * 1024 // taken if taken else most_blocks
    return min(most_blocks, most_warps // warps, by_registers, by_memory) * warps


def unit_costs(name: str, kernel: Kernel) -> dict[str, int]:
    """The table above for one kernel; empty for the entries that make first states and for moves of their own."""
    flow = Flow(kernel)
    if name.startswith("window"):
        return {unit: len(path) for unit, path in window_paths(flow, _windows(name)).items()}
    if name.startswith("planes"):
        one, two = (len(planes_path(flow, _windows(name), planes)) // PLANES_VARIABLES for planes in (1, 2))
        return {"variable": one, "plane": two - one}
    if name == "lane_grouped":
        none, some = (len(group_path(flow, groups)) for groups in (0, ENTRIES))
        return {"variable": none, "groups": some - none}
    if name.startswith(("lane", "near")):
        few, more = (len(lane_path(flow, name, entries)) // 8 for entries in (2, ENTRIES))
        return {"variable": few, "entries": more - few}
    if name.startswith("tabu") and name != "tabu_grouped":
        return {"window" if name == "tabu_window" else "variable": _looked_at(flow)}
    return {}


def _windows(name: str) -> int:
    return int(name.partition("_")[2] or WINDOWS)


def window_paths(flow: Flow, windows: int) -> dict[str, Path]:
    """The instructions of each unit of a window kernel.

    A flip is a turn of an innermost loop that passes an energy from one lane to all; a sweep is a turn of the loop
    around them all.
    """
    passing = [loop for loop in flow.loops if flow.has(loop, "SHFL")]
    flips = [a for a in passing if not any(b.body < a.body for b in passing)]
    sweep = next(loop for loop in passing if all(flip.body < loop.body for flip in flips))
    still = flow.turn(sweep, 0, lambda state, _: state, lambda _: True)
    multiplied = sum(map(multiplies, still))
    drawn = _at_least(flow, sweep, multiplied + CALL_MULTIPLIES, multiplies)
    narrow = [path for flip in flips if (path := _at_least(flow, flip, windows, _loads_byte))]
    wide = [path for flip in flips if (path := _at_least(flow, flip, windows, _loads_word))]
    return {
        "sweep": still,
        "draw": _without(drawn, still),
        "flip": max(narrow, key=len),
        "wide_flip": max(wide, key=len),
    }


def planes_path(flow: Flow, windows: int, planes: int) -> Path:
    """The instructions of eight variables of a planes kernel: its loop around eight thresholds and their products."""
    products = PLANES_VARIABLES * 8 * windows * planes + 2  # and two that count flips
    turns = [
        flow.turn(loop, (0, 0), partial(_products, most=products), lambda state: state == (PLANES_VARIABLES, products))
        for loop in flow.loops
    ]
    return min((turn for turn in turns if turn), key=len)


def _products(state: tuple[int, int], instruction: Instruction, most: int) -> tuple[int, int]:
    """State: variables whose threshold was passed, products of four bytes."""
    passed, multiplied = state
    passed = min(passed + (instruction.name == "F2I"), PLANES_VARIABLES)
    return passed, min(multiplied + (instruction.name == "IDP"), most)


def lane_words(name: str) -> int:
    """How many times 32 chains a warp of this kernel walks at once."""
    return 2 if name.endswith("_2") else 1


def lane_path(flow: Flow, name: str, entries: int) -> Path:
    """The instructions of eight variables of a lane kernel, each of so many entries.

    A variable ends with a ballot a word. What its entries take is told by the loads as wide as its words: of its own
    words; of a member's; beyond quadratic also of the member and, where words are pairs, of the entry.
    """
    words = lane_words(name)
    loads = 1 if "neighbour" in name else 6 - words - words // 2
    ballots = 8 * words
    around = next(loop for loop in flow.loops if flow.count(loop, "VOTE") >= ballots)
    step = partial(_variables, words=words, least=1 + entries * loads)
    return flow.turn(around, (0, 0), step, lambda state: state[0] == ballots)


def _looked_at(flow: Flow) -> int:
    """Of the loop that ranks variables by the golden ratio, or windows by 32 times it, with 3 loads each."""
    ranks = [i for i in flow.reachable if any(ratio in i.operands.lower() for ratio in RATIOS)]
    looks = (loop for loop in flow.loops if any(i in ranks for block in loop.body for i in flow.blocks[block]))
    path = flow.turn(next(looks), 0, lambda state, _: state, lambda _: True)
    return 3 * len(path) // sum(instruction.name == "LD" for instruction in path)


def _variables(state: tuple[int, int], instruction: Instruction, words: int, least: int) -> tuple[int, int] | None:
    """State: ballots passed, loads of the present variable. After the last variable nothing is asked."""
    passed, loaded = state
    if passed == 8 * words:
        return state
    if instruction.name == "VOTE":
        return (passed + 1, 0 if (passed + 1) % words == 0 else loaded) if loaded >= least else None
    widths = {"64", "128"} & set(instruction.opcode.split("."))
    wanted = instruction.name in ("LD", "LDS") and widths == ({"64"} if words == 2 else set())
    return passed, min(loaded + wanted, least)


def group_path(flow: Flow, groups: int) -> Path:
    """The instructions of a variable of lane_grouped, its words drawn before. Each group is a long multiplication."""
    around = next(loop for loop in flow.loops if flow.has(loop, "POPC"))
    own = sum(map(multiplies, flow.turn(around, 0, lambda state, _: state, lambda _: True)))
    return flow.turn(around, 0, partial(_no_more, most=own + groups), lambda state: state == own + groups)


def _no_more(state: int, instruction: Instruction, most: int) -> int | None:
    """State: long multiplications."""
    state += multiplies(instruction)
    return state if state <= most else None


def _at_least(flow: Flow, loop: Loop, wanted: int, counts: Callable[[Instruction], bool]) -> Path:
    """The shortest turn with so many instructions of a kind."""
    return flow.turn(loop, 0, lambda n, i: min(n + counts(i), wanted), lambda n: n == wanted)


def _without(path: Path, other: Path) -> Path:
    """What `path` has beyond `other`."""
    return list((Counter(path) - Counter(other)).elements())


def multiplies(instruction: Instruction) -> bool:
    """Whether it is a 32 x 32 -> 64 bit multiplication: apart from addresses, only the generator has them."""
    return instruction.opcode in ("IMAD.WIDE.U32", "IMAD.HI.U32")


def _loads_byte(instruction: Instruction) -> bool:
    return instruction.name == "LD" and "S8" in instruction.opcode.split(".")


def _loads_word(instruction: Instruction) -> bool:
    return instruction.name == "LD" and not {"S8", "S16"} & set(instruction.opcode.split("."))
