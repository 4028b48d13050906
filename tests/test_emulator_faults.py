"""The emulator tests itself: each fault is caught by the mode that is for it, and the same kernel without it passes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.emulator import KernelError, Memory
from tests.emulator_samples import FAULTS, MODES, faults, queue_of, schedules, words

pytestmark = pytest.mark.emulator

ENUM = re.search(r"enum Fault \{(.*?)\}", FAULTS, re.DOTALL)
assert ENUM
NAMES = re.findall(r"^ +(\w+),", ENUM[1], re.MULTILINE)

# The kernel, the fault and the mode, and what is said of it; the source line is found by the fault's name.
CASES = {
    "meetings": [
        (
            "BARRIER_DIVERGENCE",
            "fast",
            r"barrier divergence: thread 0 is at __syncthreads at kernel.cu:\d+, thread 32 at",
        ),
        (
            "EXITED_LANE",
            "fast",
            r"lane 5 has exited, or does not exist, but lane \d+ waits for it in __syncwarp\(ffffffff\)",
        ),
        (
            "LATE_LANE",
            "fast",
            r"deadlock: no thread can go on\n  threads 0 to 4: __syncwarp\(ffffffff\) .*\n  thread 5: __sy",
        ),
        ("NOT_IN_MASK", "fast", r"lane 3 is not in its own mask: __ballot_sync\(fffffff7\)"),
        ("DIFFERENT_WORDS", "fast", r"warp divergence: .*lane 7 (is )?at __shfl_sync\(ffffffff\)"),
        ("DIFFERENT_MASKS", "fast", r"warp divergence: lane \d+ is at .*, lane \d+ at __ballot_sync"),
        ("DEADLOCK", "fast", r"deadlock: no thread can go on\n  threads 0 to 31: __syncthreads at "),
        ("LIVELOCK", "fast", r"a thread waits in vain: thread \(\d+,0,0\) of block \(0,0,0\) keeps trying"),
        ("ASSERTION", "fast", r"assert\(fault != ASSERTION\) by thread"),
        ("TRAP", "fast", r"__trap by thread"),
    ],
    "shared": [
        ("READ_AFTER_WRITE", "race", r"race on shared memory \(read after write\)|read of uninitialised"),
        ("WRITE_AFTER_READ", "race", r"race on shared memory \(write after read\)"),
        ("WRITE_AFTER_WRITE", "race", r"race on shared memory \(write after write\)"),
        ("SAME_VALUE", "race", r"race on shared memory \(write after write\)"),
        ("NEIGHBOUR_BYTES", "race", r"race on shared memory \(write after write\)"),
        ("SHUFFLE_IS_NO_FENCE", "race", r"race on shared memory \(read after write\)"),
        ("OTHER_WARP", "race", r"race on shared memory"),
        ("UNINITIALISED_STATIC", "race", r"read of uninitialised shared memory: thread \d+ of block \d"),
        ("UNINITIALISED_DYNAMIC", "race", r"read of uninitialised shared memory: thread 8 of block \d"),
        ("PAST_DYNAMIC", "race", r"out-of-bounds write of 1 bytes"),
        ("PAST_DYNAMIC", "asan", r"out-of-bounds write of 1 bytes"),
        ("PAST_STATIC", "asan", r"out-of-bounds write of 4 bytes of the static array b"),
    ],
    "global": [
        ("PLAIN_COUNTER", "race", r"race on global memory \(\w+ after write\): thread \d+ of block \d"),
        ("PLAIN_BESIDE_ATOMIC", "race", r"race on global memory \(write after write\)"),
        ("READ_PAST_END", "race", r"out-of-bounds read of 4 bytes"),
        ("READ_PAST_END", "asan", r"out-of-bounds read of 4 bytes"),
        ("WRITE_PAST_END", "race", r"out-of-bounds write of 4 bytes"),
        ("WRITE_PAST_END", "asan", r"out-of-bounds write of 4 bytes"),
        ("WRITE_BEFORE_START", "race", r"out-of-bounds write of 4 bytes"),
        ("WRITE_TO_CONST", "race", r"write to memory that was passed as const"),
    ],
    "language": [
        ("PAST_LOCAL", "asan", r"out-of-bounds read of 4 bytes of a local array"),
        ("PAST_LOCAL", "ubsan", r"index outside an array"),
        ("PAST_STRUCT", "ubsan", r"index outside an array"),
        ("SHIFT", "ubsan", r"shift by more bits than there are"),
        ("OVERFLOW", "ubsan", r"signed overflow of \+"),
        ("FLOAT_TO_INT", "ubsan", r"float too large for the integer"),
        ("MISALIGNED", "ubsan", r"misaligned"),
        ("DIVISION", "ubsan", r"division by zero"),
    ],
}
FLAT = [(kernel, *case) for kernel, cases in CASES.items() for case in cases]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    for mode in MODES:
        faults(mode)
        words(mode)


def launch(kernel: str, mode: str, fault: str, **schedule: Any) -> list[Any]:
    number = np.int32(NAMES.index(fault))
    call: Callable[..., Any] = functools.partial(faults(mode).get_function(kernel), **schedule)
    if kernel == "meetings":
        out = np.zeros(65, np.int32)
        call((1,), (64,), (out, number))
        return [out]
    if kernel == "shared":
        out = np.zeros(128, np.int32)
        call((2,), (64,), (np.arange(64, dtype=np.int32) % 7, out, number), shared_mem=64)
        return [out]
    if kernel == "global":
        x, out, counter = np.arange(50, dtype=np.int32), np.zeros(50, np.int32), np.zeros(1, np.int32)
        call((2,), (32,), (x, out, counter, np.int32(x.size), number))
        return [x, out, counter]
    floats = np.ones(64, np.float32)
    call((1,), (32,), (floats, np.int32(8), np.int32(2**31 - 1), np.float32(3e9), number))
    return [floats]


def test_every_fault_is_a_case() -> None:
    assert {case[1] for case in FLAT} == set(NAMES) - {"NONE"}


@pytest.mark.parametrize(("kernel", "fault", "mode", "said"), FLAT, ids=[f"{c[1]}-{c[2]}" for c in FLAT])
def test_a_planted_fault_is_caught_and_its_line_named(kernel: str, fault: str, mode: str, said: str) -> None:
    lines = [i for i, line in enumerate(FAULTS.splitlines(), 1) if re.search(rf"// .*\b{fault}\b", line)]
    for schedule in schedules(mode):
        with pytest.raises(KernelError, match=said) as caught:
            launch(kernel, mode, fault, **schedule)
        if fault != "LIVELOCK":
            assert any(re.search(rf"kernel\.cu:{line}\b", str(caught.value)) for line in lines)


@pytest.mark.parametrize("kernel", CASES)
@pytest.mark.parametrize("mode", MODES)
def test_the_clean_twin_passes_with_one_result(mode: str, kernel: str) -> None:
    want = launch(kernel, "fast", "NONE")
    for schedule in schedules(mode):
        for got, expected in zip(launch(kernel, mode, "NONE", **schedule), want, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_a_kernel_is_fit_to_run_after_one_that_failed() -> None:
    for mode in MODES:
        for kernel, fault, in_mode, _ in FLAT:
            if in_mode == mode and kernel == "language":
                with pytest.raises(KernelError):
                    launch(kernel, mode, fault)
                launch(kernel, mode, "NONE")


def test_a_lost_update_shows_under_preemption() -> None:
    x, out, counter = np.arange(50, dtype=np.int32), np.zeros(50, np.int32), np.zeros(1, np.int32)
    number = np.int32(NAMES.index("PLAIN_COUNTER"))
    with pytest.raises(KernelError):
        faults("race").get_function("global")((1,), (50,), (x, out, counter, np.int32(50), number), preempt=2)
    assert counter[0] < 50


def test_a_fence_that_is_missing_between_blocks() -> None:
    kernel = words("race").get_function("last_block")
    left, arrived, out = np.zeros(5 * 40, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32)
    with pytest.raises(
        KernelError, match=r"race on global memory \(read after write\): thread 0 of block 0 at kernel.cu"
    ):
        kernel((5,), (40,), (left, arrived, out, np.int32(0)))


@pytest.mark.parametrize("mode", ["race", "asan"])
def test_an_arena_is_bounded_piece_by_piece(mode: str) -> None:
    kernel = words(mode).get_function("queue")

    def run(spoil: str) -> None:
        memory = Memory()
        pieces, *_ = queue_of(memory, [3, 5])
        if spoil == "padding":
            pieces["count"][1] += 1
        elif spoil == "input":
            pieces["target"][0] = pieces["source"][1]
        elif spoil == "freed":
            lost = memory.allocate(64)
            pieces["source"][0] = lost.address
            lost.free()
        kernel((1,), (32,), (pieces, np.int32(2), np.zeros(1, np.int32)), memory=memory)

    run("nothing")
    for spoil, said in [("padding", "out-of-bounds read"), ("input", "passed as const"), ("freed", "out-of-bounds")]:
        with pytest.raises(KernelError, match=said):
            run(spoil)
    memory = Memory()
    pieces, *_ = queue_of(memory, [3])
    with pytest.raises(KernelError, match="out-of-bounds"):  # the launch was not told of the memory
        kernel((1,), (32,), (pieces, np.int32(1), np.zeros(1, np.int32)))


GOOD = {
    "from": np.zeros(4, np.float32),
    "to": np.zeros(1, np.float32),
    "n": np.int32(4),
}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"n": 4}, "argument 2 of total is a int; the kernel takes int32, as a NumPy scalar"),
    ({"n": 4.0}, "argument 2 of total is a float"),
    ({"n": np.int64(4)}, "argument 2 of total is a int64; the kernel takes int32"),
    ({"n": np.uint32(4)}, "argument 2 of total is a uint32"),
    ({"n": np.zeros(1, np.int32)}, "argument 2 of total is a ndarray"),
    ({"from": np.zeros(4)}, r"argument 0 of total is an array of float64; the kernel takes const float32\*"),
    ({"from": np.zeros(4, np.int32)}, "argument 0 of total is an array of int32"),
    ({"from": np.zeros(8, np.float32)[::2]}, "argument 0 of total is not contiguous"),
    ({"from": [0.0, 1.0]}, "argument 0 of total is a list"),
    ({"from": 0}, "argument 0 of total is a int"),
    ({"from": np.zeros(4, ">f4")}, "argument 0 of total is an array of >f4"),
    ({"to": np.broadcast_to(np.float32(1), (1,))}, r"argument 1 of total is read-only; the kernel takes float32\*"),
    ({"extra": np.int32(1)}, "total takes 3 arguments, not 4"),
]


@pytest.mark.parametrize(("change", "said"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_arguments_of_the_wrong_type(change: dict[str, Any], said: str) -> None:
    kernel = words("fast").get_function("total")
    assert repr(kernel) == "<Kernel: total(const float32*, float32*, int32)>"
    with pytest.raises(TypeError, match=said):
        kernel((1,), (4,), tuple({**GOOD, **change}.values()), shared_mem=16)


def test_pointers_to_structs_and_addresses() -> None:
    kernel = words("fast").get_function("queue")
    assert kernel.parameters[0].element_nbytes == 24
    memory = Memory()
    pieces, targets, wanted = queue_of(memory, [4])
    following = memory.place(np.zeros(1, np.int32))
    wrong = np.zeros(1, [("a", "i4")])
    for descriptors in (pieces, pieces.view(np.uint8), np.uint64(memory.address_of(pieces))):
        following[0] = 0
        targets[0][...] = 0
        kernel((1,), (32,), (descriptors, np.int32(1), np.uint64(following.ctypes.data)), memory=memory)
        np.testing.assert_array_equal(targets[0], wanted[0])
    with pytest.raises(TypeError, match=r"the kernel takes const struct of 24 bytes\*"):
        kernel((1,), (32,), (wrong, np.int32(1), following), memory=memory)
    with pytest.raises(ValueError, match="address 0x7, which is not in the launch's memory"):
        kernel((1,), (32,), (np.uint64(7), np.int32(1), following), memory=memory)


def test_launches_that_no_gpu_takes() -> None:
    kernel = words("fast").get_function("total")
    arguments = tuple(GOOD.values())
    for grid, block in [
        ((0,), (1,)),
        ((1, 65536), (1,)),
        ((1,), (0,)),
        ((1,), (1, 1, 65)),
        ((1,), (1025,)),
        ((), (1,)),
    ]:
        with pytest.raises(ValueError, match="a GPU takes|takes blocks|one to three"):
            kernel(grid, block, arguments)
    with pytest.raises(ValueError, match="arithmetic takes blocks of at most 256 threads"):
        words("fast").get_function("arithmetic")((1,), (257,), ())
    with pytest.raises(ValueError, match="shared_mem of 49153 bytes is more than total.max_dynamic_shared_size_bytes"):
        kernel((1,), (4,), arguments, shared_mem=49153)
    large = faults("fast").get_function("shared")
    large.max_dynamic_shared_size_bytes = 227 * 1024
    large((1,), (64,), (np.zeros(64, np.int32), np.zeros(64, np.int32), np.int32(0)), shared_mem=227 * 1024)
    for wrong in ({"order": "sideways"}, {"preempt": 2}, {"profile": True}):
        with pytest.raises(ValueError, match="order is one of|need mode 'race'"):
            kernel((1,), (4,), arguments, shared_mem=16, **wrong)


def test_device_memory_describes_itself() -> None:
    memory = Memory()
    buffer = memory.allocate(100)
    assert buffer.address % 256 == 0
    assert (buffer.view(np.uint8, 100) == 0xFF).all()
    placed = memory.place(np.arange(3, dtype=np.int16))
    assert (memory.address_of(placed[1:]) - memory.address_of(placed), placed.tolist()) == (2, [0, 1, 2])
    assert (memory.in_use, repr(memory)) == (106, "<Memory: 106 bytes in 2 buffers>")
    assert repr(buffer) == f"<Buffer: 100 bytes at {buffer.address:#x}>"
    buffer.free()
    assert not memory.holds(buffer.address)
    with pytest.raises(ValueError, match="does not lie in this memory"):
        memory.address_of(np.zeros(1))
    with pytest.raises(ValueError, match="at least one byte"):
        memory.allocate(0)
    with pytest.raises(ValueError, match="overlaps the one before"):
        memory.allocate(10).only((0, 4, True), (3, 2, True))
