from __future__ import annotations

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio.archives import is_archive, plain_files
from gpuqio.errors import InvalidProblem


def written(files: list[bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive as the standard library writes it, with a long name and a time that takes an extended header."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=format) as tar:
        for number, content in enumerate(files):
            info = tarfile.TarInfo(f"{number}" * 120)
            info.size, info.mtime = len(content), 1.5
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def header(kind: bytes = b"0", size: bytes = b"00000000000") -> bytes:
    """One block, with a good checksum."""
    block = bytearray(512)
    block[0:1], block[124 : 124 + len(size)], block[156:157], block[257:265] = b"a", size, kind, b"ustar\x0000"
    block[148:156] = b"%06o\0 " % (sum(block) + 256)
    return bytes(block)


END = bytes(1024)


def negative(size: int) -> bytes:
    """GNU's way to write what has no room in octal."""
    return b"\xff" + (size + (1 << 88)).to_bytes(11, "big")


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_come_back(format: int) -> None:
    files = [b"", b"x", b"y" * 511, b"z" * 512, b"w" * 513]
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=format) as tar:
        for content in files:
            info = tarfile.TarInfo("it")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    assert is_archive(data.getvalue())
    assert list(plain_files(data.getvalue())) == files


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_remarks_on_files_are_passed_over(format: int) -> None:
    data = written([b"abc", b"d" * 600], format)
    assert len(data) > 10 * 512
    assert list(plain_files(data)) == [b"abc", b"d" * 600]


@pytest.mark.parametrize("kind", [bytes([kind]) for kind in b"1234567SDKVX"])
def test_what_is_no_plain_file_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidProblem, match="not a plain file") as refused:
        list(plain_files(header() + header(kind) + END))
    assert refused.value.code == "AZQ105"


@pytest.mark.parametrize(
    "data",
    [
        header() + header(size=negative(-512)) + END,  # where the standard library's reader goes round for ever
        header() + header(size=negative(-1024)) + END,
        header(size=b"\x80" + (1 << 80).to_bytes(11, "big")) + END,
        header(size=b"77777777777") + b"x",
        header(size=b"-0000000512") + END,
        header(size=b"zzzzzzzzzzz") + END,
        header(size=b"00000000008") + END,
        header()[:511],
        header().replace(b"a", b"b", 1) + END,
        bytes(1024),
        b"",
    ],
)
def test_what_is_broken_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidProblem, match="The tar archive is broken") as refused:
        list(plain_files(data))
    assert refused.value.code == "AZQ105"


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_chains_of_remarks_are_walked_and_not_climbed(kind: bytes) -> None:
    assert list(plain_files(header(kind) * 3000 + header() + END)) == [b""]


@given(st.data())
def test_damage_is_refused_or_does_no_harm(data: st.DataObject) -> None:
    archive = bytearray(written([b"abc", b"def"]))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidProblem):
        assert sum(map(len, plain_files(bytes(archive)))) <= len(archive)
