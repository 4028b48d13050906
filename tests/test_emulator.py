"""The CUDA emulator: every word of the language against NumPy, in every mode and under several schedules."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emulator import Kernel, KernelError, Memory, RawModule
from tests.emulator.build import cache
from tests.emulator.source import Entry, kernels
from tests.emulator_samples import MODES, TEMPLATES, WORDS, queue_of, schedules, words

pytestmark = pytest.mark.emulator

RANDOM = np.random.default_rng(7)
A = np.concatenate([[0, 1, 2**31, 2**32 - 1], RANDOM.integers(0, 2**32, 60)]).astype(np.uint32)
B = np.concatenate([[5, 2**32 - 1, 2**31, 0], RANDOM.integers(0, 2**32, 60)]).astype(np.uint32)


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    words(request.param)  # compiled here, not in a test's time
    return str(request.param)


def each(mode: str, name: str) -> list[Callable[..., Any]]:
    """The kernel, ready to be called under each schedule."""
    kernel = words(mode).get_function(name)
    return [functools.partial(kernel, **schedule) for schedule in schedules(mode)]


def bits(x: Any, width: int = 32) -> NDArray[np.uint8]:
    """Bit k of each number in column k."""
    return (np.asarray(x, np.uint64)[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)).astype(np.uint8)


def test_arithmetic(mode: str) -> None:
    x, y, sx, sy = A.astype(np.uint64), B.astype(np.uint64), A.view(np.int32).astype(np.int64), B.view(np.int32)
    big = [int(a) << 32 | int(b) for a, b in zip(A, B, strict=True)]
    bytes_ = [(v.view(np.int8).reshape(-1, 4).astype(int), v.view(np.uint8).reshape(-1, 4).astype(int)) for v in (A, B)]
    expected = [
        bits(x).sum(1),
        [int(a & -a).bit_length() for a in x.astype(object)],
        [32 - int(a).bit_length() for a in x],
        (bits(x)[:, ::-1].astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(1),
        x * y >> np.uint64(32),
        sx * sy >> 32,
        [v.bit_count() for v in big],
        [(v & -v).bit_length() for v in big],
        [64 - v.bit_length() for v in big],
        [v * v >> 96 for v in big],
        [((b << 32 | a) << (b & 31)) >> 32 & 0xFFFFFFFF for a, b in zip(A.tolist(), B.tolist(), strict=True)],
        [(b << 32 | a) >> (b & 31) & 0xFFFFFFFF for a, b in zip(A.tolist(), B.tolist(), strict=True)],
        np.minimum(A, B),
        np.maximum(sx, sy),
        (bytes_[0][0] * bytes_[1][0]).sum(1) + 7,
        (bytes_[0][1] * bytes_[1][1]).sum(1) + 7,
    ]
    want = np.array([np.asarray(row).astype(np.int64) & 0xFFFFFFFF for row in expected], np.uint32)
    for launch in each(mode, "arithmetic"):
        out = np.zeros((16, 64), np.uint32)
        launch((1,), (64,), (A, B, out))
        np.testing.assert_array_equal(out, want)


def test_conversions(mode: str) -> None:
    x = np.array([0.5, -0.5, 1.5, 2.5, -2.5, 3e9, -3e9, 5e9, np.nan, np.inf, -np.inf, 2147483520, 1e-20, 7], np.float32)
    wide = np.array([0, 1, -1, 2**24 + 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**62 + 3, -(2**63), 5, 6, 7, 8, 9])
    exact = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    ints = [np.clip(f(exact), -(2**31), 2**31 - 1) for f in (np.trunc, np.rint, np.floor, np.ceil)]
    want = [*ints, np.clip(np.trunc(exact), 0, 2**32 - 1).astype(np.uint32).view(np.int32), x.view(np.int32)]
    floats = [wide, wide.view(np.uint64), wide.astype(np.int32), np.fmin(x, 1), np.fmax(x, 1), x * 3]
    fused = exact * 3 + 1
    last = [np.where(np.isfinite(x), fused, x), np.where(np.isinf(x) | np.isnan(x), x, 0)]
    flushed = np.abs(x * np.float32(2.0**-100)) >= np.finfo(np.float32).tiny
    last[1] = np.where(flushed, x * np.float32(2.0**-100), last[1])
    for launch in each(mode, "conversions"):
        out, out_floats = np.zeros((7, x.size), np.int32), np.zeros((8, x.size), np.float32)
        launch((1,), (x.size,), (x, wide, out, out_floats))
        np.testing.assert_array_equal(out[:6], np.array(want, np.int64).astype(np.int32))
        np.testing.assert_array_equal(out[6], x.view(np.int32))
        np.testing.assert_array_equal(out_floats, np.array([row.astype(np.float32) for row in [*floats, *last]]))


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_shuffles(mode: str, dtype: type[Any]) -> None:
    lane = np.arange(64) % 32
    value = RANDOM.integers(-1000, 1000, 64).astype(dtype)
    name = {np.int32: "int", np.float64: "double"}[dtype]
    for width, by in [(32, 1), (32, 13), (32, 31), (16, 5), (8, 7), (8, 9), (1, 1)]:
        first = lane & -width
        last = first + width - 1
        sources = [first | (by & (width - 1)), lane ^ by, lane - by, lane + by]
        reach = [np.ones(64, bool), sources[1] <= last, sources[2] >= first, sources[3] <= last]
        warp = np.arange(64) & ~31
        want = [value[warp + np.where(ok, source, lane)] for ok, source in zip(reach, sources, strict=True)]
        for launch in each(mode, f"shuffles<{name}>"):
            out = np.zeros((4, 64), dtype)
            launch((1,), (64,), (value, out, np.int32(by), np.int32(width)))
            np.testing.assert_array_equal(out, np.array(want))


def test_votes(mode: str) -> None:
    x = RANDOM.integers(0, 256, 64).astype(np.int32)
    want = np.zeros((13, 64), np.uint32)
    for start in range(0, 64, 16):
        half, shift = x[start : start + 16], start % 32
        low, one = half.astype(np.int64) - 128, np.uint32(1)
        words_ = low.astype(np.int32).view(np.uint32)
        rows = [
            sum(1 << (shift + i) for i in range(16) if half[i] & 1),
            (half > 250).any(),
            (half < 250).all(),
            [sum(1 << (shift + j) for j in range(16) if half[j] & 3 == v & 3) for v in half],
            half.sum(),
            low.sum(),
            words_.min(),
            low.min(),
            words_.max(),
            low.max(),
            *(np.bitwise_and.reduce(half), np.bitwise_or.reduce(half), np.bitwise_xor.reduce(half)),
        ]
        for k, row in enumerate(rows):
            want[k, start : start + 16] = (np.asarray(row).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32) * one
    for launch in each(mode, "votes"):
        out = np.zeros((13, 64), np.uint32)
        launch((1,), (64,), (x, out))
        np.testing.assert_array_equal(out, want)


def test_block_votes(mode: str) -> None:
    x = RANDOM.integers(0, 250, (3, 48)).astype(np.int32)
    x[1, 7] = 255
    want = np.broadcast_to(
        np.array([(x & 1).sum(1), (x < 250).all(1), (x > 250).any(1)])[:, :, None], (3, 3, 48)
    ).astype(np.int32)
    for launch in each(mode, "block_votes"):
        out = np.zeros((3, 3, 48), np.int32)
        launch((3,), (48,), (x, out))
        np.testing.assert_array_equal(out, want)


def test_atomics(mode: str) -> None:
    x = RANDOM.integers(0, 256, 4 * 48).astype(np.int32)
    low = x - 100
    for launch in each(mode, "atomics"):
        i, u = np.zeros(4, np.int32), np.array([0, 2**32 - 1, 0, 0, 2**32 - 1, 0, 1000], np.uint32)
        w, f = np.array([0, 0, 0], np.uint64), np.zeros(2, np.float32)
        launch((4,), (48,), (x, i, u, w, f))
        assert i.tolist() == [low.sum(), -low.sum(), min(0, low.min()), max(0, low.max())]
        unsigned = low.view(np.uint32)
        reductions = [np.bitwise_or.reduce(x), np.bitwise_and.reduce(x), np.bitwise_xor.reduce(x)]
        assert u[:6].tolist() == [x.size, unsigned.min(), unsigned.max(), *reductions]
        assert w.tolist() == [int(x.sum()) << 30, int(x.max()) << 30, (min(0, int(low.min())) << 40) % 2**64]
        assert f[0] == x.sum()
        assert f[1] + u[6] == 1000 + x.sum()


def test_a_lock_is_handed_from_thread_to_thread(mode: str) -> None:
    for launch in each(mode, "locked"):
        lock, out = np.zeros(1, np.int32), np.zeros(1, np.int32)
        launch((2,), (5,), (lock, out))
        assert (lock[0], out[0]) == (0, (3**10 - 1) // 2)


def test_geometry(mode: str) -> None:
    for launch in each(mode, "geometry"):
        out = np.zeros((12, 30), np.uint32)
        launch((2, 3, 2), (5, 3, 2), (out,))
        np.testing.assert_array_equal(out, np.add.outer(np.arange(12) * 1000, np.arange(30)))


def test_static_and_dynamic_shared_memory(mode: str) -> None:
    x = RANDOM.integers(0, 100, (32, 32)).astype(np.float32)
    for launch in each(mode, "transposed<33>"):
        out = np.zeros_like(x)
        launch((1,), (32, 8), (x, out))
        np.testing.assert_array_equal(out, x.T)
    for launch in each(mode, "total"):
        sums = np.zeros(8, np.float32)
        launch((8,), (128,), (x, sums, np.int32(1000)), shared_mem=512)
        np.testing.assert_array_equal(sums, np.pad(x.ravel()[:1000], (0, 24)).reshape(8, 128).sum(1))


def test_structs_by_value(mode: str) -> None:
    pair = np.array([(3, 0.5)], [("a", "i4"), ("b", "f4")])[0]
    vector = np.array([(0, 0, 0, 100)], "f4,f4,f4,f4")[0]
    for launch in each(mode, "inside::by_value"):
        out = np.zeros(1, np.float32)
        launch((1,), (1,), (pair, np.True_, np.int8(-2), np.float64(0.25), np.uint16(7), vector, out))
        assert out[0] == 3 + 0.5 + 1 - 2 + 0.25 + 7 + 100


def test_structs_with_addresses_in_device_memory(mode: str) -> None:
    for launch in each(mode, "queue"):
        memory = Memory()
        pieces, targets, wanted = queue_of(memory, [1, 31, 0, 32, 7])
        following = np.zeros(1, np.int32)
        launch((3,), (32,), (pieces, np.int32(len(pieces)), following), memory=memory)
        assert following[0] == len(pieces) + 3
        for target, want in zip(targets, wanted, strict=True):
            np.testing.assert_array_equal(target, want)


def test_the_last_block_sees_what_the_others_left(mode: str) -> None:
    for launch in each(mode, "last_block"):
        left, arrived, out = np.full(5 * 40, -1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32)
        launch((5,), (40,), (left, arrived, out, np.int32(1)))
        assert out[0] == sum(range(5)) * sum(range(40))


def total() -> Kernel:
    return words("fast").get_function("total")


def test_counts() -> None:
    x, out = np.ones(256, np.float32), np.zeros(2, np.float32)
    stats = total()((2,), (128,), (x, out, np.int32(256)), shared_mem=512)
    assert stats.collectives == {"__syncthreads": 2 * 8}
    assert stats.switches >= 2 * 128 * 8
    assert stats.traffic == ()


def test_profile_counts_sectors_and_bank_conflicts() -> None:
    x, out = np.ones((32, 32), np.float32), np.zeros((32, 32), np.float32)
    conflicts = {}
    for width in (32, 33):
        kernel = words("race").get_function(f"transposed<{width}>")
        traffic = {(t.space, t.access): t for t in kernel((1,), (32, 8), (x, out), profile=True).traffic}
        load = traffic["global", "load"]
        assert load.line.startswith("kernel.cu:")
        assert (load.requests, load.lanes, load.units, load.least) == (32, 1024, 128, 128)
        shared = traffic["shared", "load"]
        assert (shared.requests, shared.least) == (32, 32)
        conflicts[width] = shared.units / shared.requests
    assert conflicts == {32: 32.0, 33: 1.0}


def test_the_random_schedule_is_its_seed() -> None:
    def seen(seed: int) -> Any:
        out = np.zeros(40 * 30, np.int32)
        kernel = words("race").get_function("last_block")
        arguments = (out, np.zeros(1, np.int32), np.zeros(1, np.int32), np.int32(1))
        return kernel((30,), (40,), arguments, order="random", seed=seed, preempt=3).switches

    assert seen(5) == seen(5)
    assert len({seen(s) for s in range(6)}) > 1


def test_threads_of_python_may_share_a_module() -> None:
    same = RawModule(WORDS, name_expressions=TEMPLATES).get_function("total")
    outs = [np.zeros(8, np.float32) for _ in range(4)]
    x = np.ones(1024, np.float32)
    launches = [
        threading.Thread(target=kernel, args=((8,), (128,), (x, out, np.int32(1024))), kwargs={"shared_mem": 512})
        for kernel, out in zip([total(), same] * 2, outs, strict=True)
    ]
    for launch in launches:
        launch.start()
    for launch in launches:
        launch.join()
    assert all((out == 128).all() for out in outs)


@pytest.mark.slow
def test_options_and_names(tmp_path: Path) -> None:
    code = 'extern "C" __global__ void f(int* out) { *out = VALUE; }'
    first = RawModule(code, ("-DVALUE=3", "-fmad=false", "-arch=sm_90"))
    assert RawModule(code, ("-DVALUE=3",)).path == first.path
    out = np.zeros(1, np.int32)
    RawModule(code, ("-DVALUE=4",)).get_function("f")((1,), (1,), (out,))
    assert out[0] == 4
    with pytest.raises(KernelError, match="kernel.cu:1:[0-9]+: error: 'VALUE' was not declared"):
        RawModule(code)
    with pytest.raises(KernelError, match="no kernel 'g'; there are f"):
        first.get_function("g")
    (tmp_path / "value.cuh").write_text("#define VALUE 5\n")
    included = RawModule('#include "value.cuh"\n' + code, (f"-I{tmp_path}",))
    (tmp_path / "value.cuh").write_text("#define VALUE 6\n")
    assert RawModule('#include "value.cuh"\n' + code, (f"-I{tmp_path}",)).path != included.path


def test_the_folder_of_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUQIO_EMULATOR_CACHE", str(tmp_path / "a" / "b"))
    assert cache() == tmp_path / "a" / "b"
    monkeypatch.delenv("GPUQIO_EMULATOR_CACHE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache().parent == tmp_path
    assert cache().stat().st_mode & 0o77 == 0


def test_which_kernels_are_found() -> None:
    code = """
    extern "C" __global__ void __launch_bounds__(32 * (2 + 2), 4) a(int x);
    namespace one::two { struct S { int x; }; extern "C" __launch_bounds__(64) __global__ void b() {} }
    extern "C" { namespace { } static __global__ void c() {} __device__ void not_this() {} }
    template <int N> __global__ void not_found_without_an_expression() {}
    """
    marked = code.replace("__launch_bounds__(32 * (2 + 2), 4)", "@32 * (2 + 2)@").replace(
        "__launch_bounds__(64)", "@64@"
    )
    assert kernels(marked) == [
        Entry("a", "a", "32 * (2 + 2)"),
        Entry("b", "one::two::b", "64"),
        Entry("c", "c", "1024"),
    ]
