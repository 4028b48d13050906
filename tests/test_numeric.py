"""Random words, the logarithm and Newton's reciprocals: known answers, the Python twins, and their errors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gpuqio.engines.native import instruction_sets, library
from gpuqio.engines.streams import Purpose, SmallGenerator, inverse_root, neg_log_uniform, philox, reciprocal

ROOT = Path(__file__).parent.parent
BUILDS = instruction_sets()


def native_philox(counters: npt.NDArray[np.uint32], seed: int, build: str) -> npt.NDArray[np.uint32]:
    words = np.empty_like(counters)
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    library(build).gq_philox(counters.ctypes.data, key.ctypes.data, words.ctypes.data, counters.shape[1])
    return words


# Known-answer vectors of Philox4x32-10 published with Random123 (Salmon et al., SC 2011).
@pytest.mark.parametrize(
    ("counter", "seed", "words"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, 0xFFFFFFFFFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
@pytest.mark.parametrize("build", BUILDS)
def test_philox_gives_the_published_words(
    build: str, counter: tuple[int, ...], seed: int, words: tuple[int, ...]
) -> None:
    counters = np.repeat(np.array(counter, np.uint32)[:, None], 32, axis=1)
    np.testing.assert_array_equal(native_philox(counters, seed, build)[:, 7], np.array(words, np.uint32))


@pytest.mark.parametrize("build", BUILDS)
def test_philox_twins_agree(build: str) -> None:
    position = np.arange(64, dtype=np.uint32) * 67_108_863
    for purpose in Purpose:
        counters = np.stack([position, np.full(64, 9), np.full(64, 5), np.full(64, purpose)]).astype(np.uint32)
        twin = philox(position, 9, 5, purpose, 2**63 - 77)
        np.testing.assert_array_equal(native_philox(counters, 2**63 - 77, build), twin)


def test_a_step_of_the_small_generator_can_be_undone() -> None:
    """So its states never run together, and a random first state stays equally distributed. In plain integers; that the
    kernels' steps are these, their trajectories say."""
    seeds = philox(np.arange(50), 1, 2, Purpose.STREAM, 3)
    generator = SmallGenerator(seeds)
    drawn = np.stack([generator.next() for _ in range(4)])

    def turned(x: int, by: int) -> int:
        return (x << by | x >> (32 - by)) & 0xFFFFFFFF

    for a, b, c, d, *words in np.concatenate([seeds, drawn]).T.tolist():
        first = (a, b, c, d)
        for word in words:
            e = (a - turned(b, 27)) % 2**32
            a, b, c = b ^ turned(c, 17), (c + d) % 2**32, (d + e) % 2**32
            d = (e + a) % 2**32
            assert d == word
        for _ in words:
            e = (d - a) % 2**32
            d = (c - e) % 2**32
            c = (b - d) % 2**32
            b = a ^ turned(c, 17)
            a = (e + turned(b, 27)) % 2**32
        assert (a, b, c, d) == first


def test_purposes_are_those_of_the_kernels() -> None:
    text = (ROOT / "cuda" / "streams.cuh").read_text()
    assert {name: int(value) for name, value in re.findall(r"^    ([A-Z]+) = (\d+),", text, re.MULTILINE)} == {
        p.name: p.value for p in Purpose
    }


def every_word() -> npt.NDArray[np.uint32]:
    """One word for each of the 2^23 values of u."""
    return np.arange(2**23, dtype=np.uint32) << np.uint32(9)


def test_the_logarithm_is_within_its_stated_error_everywhere() -> None:
    words = every_word()
    u = ((words >> np.uint32(8)) | np.uint32(1)).astype(np.float64) / 2**24
    exact = -np.log(u)
    error = np.abs(neg_log_uniform(words) - exact)
    assert u.min() > 0
    assert u.max() < 1
    assert error.max() < 1.4e-6
    assert (error / exact).max() < 1.3e-6


@pytest.mark.parametrize("build", BUILDS)
def test_the_logarithms_agree_bit_for_bit(build: str) -> None:
    words = every_word()
    out = np.empty(len(words), np.float32)
    library(build).gq_neg_log_uniform(words.ctypes.data, out.ctypes.data, len(words))
    np.testing.assert_array_equal(out.view(np.uint32), neg_log_uniform(words).view(np.uint32))


def test_reciprocals_are_within_3_parts_in_2_to_the_24() -> None:
    """All mantissas of 7 bits, at both parities of the exponent and near the ends of the range."""
    mantissas = 1 + np.arange(2**7) / 2**7
    for exponent in (-120, -1, 0, 1, 2, 61, 120):
        for x in np.ldexp(mantissas, exponent).astype(np.float32):
            assert abs(reciprocal(x) * np.float64(x) - 1) < 3 * 2.0**-24
            assert abs(inverse_root(x) * np.sqrt(np.float64(x)) - 1) < 3 * 2.0**-24
