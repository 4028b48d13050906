"""Protobuf, held against bytes that Google's protobuf wrote for the same messages."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuqio import qio_protobuf
from gpuqio.errors import InvalidProblem
from gpuqio.optimization import Problem, ProblemType, Term
from gpuqio.problem import ContentType
from gpuqio.varints import decode_varints, encode_varints, read_varint, varint
from tests.strategies import problems

# Made by protobuf 3.20 from the SDK's message classes: terms (c, ids) in order, the init_config, the name.
GOLDEN = (
    b'\nX\x08\x01\x12\x031.1\x1a\x0c\t\x00\x00\x00\x00\x00\x00"\xc0\x12\x01\x00\x1a\x17\t\x00\x00\x00\x00\x00\x00\xe0?'
    b"\x12\x0c\x01\xac\x02\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x1a\x04\x12\x02\x05\x06\x1a\t\t\x00\x00\x00\x00\x00\x00"
    b'\x1d@"\x05\n\x010\x10\x01"\x10\n\x03300\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x11\n\x0f\n\x04name\x12'
    b"\x07\x1a\x05\xc3\x9cn\xc3\xaf"
)
PUBO = b'\n"\x12\x031.0\x1a\x0c\t\x00\x00\x00\x00\x00\x00"\xc0\x12\x01\x00\x1a\r\t\x00\x00\x00\x00\x00\x00\x14@\x12\x02'
PUBO += b"\x02\x00\x12\x0f\n\r\n\x04name\x12\x05\x1a\x03sdk"
EMPTY = b"\n\x05\x12\x031.0\x12\r\n\x0b\n\x04name\x12\x03\x1a\x01p"
# A name of 200 bytes beside other metadata, and 150 variables, so that lengths take two bytes.
LONG = (
    b"\n\xc2\x01\x08\x01\x12\x031.0\x1a\xb8\x01\t\x00\x00\x00\x00\x00\x00\xf8?\x12\xac\x01"
    + bytes(range(128))
    + b"".join(bytes([i, 1]) for i in range(128, 150))
    + b"\x12\x86\x02\n\xd4\x01\n\x04name\x12\xcb\x01\x1a\xc8\x01"
    + b"x" * 200
    + b"\n\x11\n\x04more\x12\t\x11\x00\x00\x00\x00\x00\x00\x0c@\n\x1a\n\x04list\x12\x122\x10\n\t\x11\x00\x00\x00"
    b"\x00\x00\x00\xf0?\n\x03\x1a\x01a"
)


def golden() -> Problem:
    terms = [
        Term(c=-9.0, indices=[0]),
        Term(c=0.5, indices=[1, 300, 2**63 - 1]),
        Term(c=0.0, indices=[5, 6]),
        Term(c=7.25, indices=[]),
    ]
    return Problem("Ünï", terms, init_config={0: 1, 300: -1}, content_type=ContentType.protobuf)


def same(a: Problem, b: Problem) -> bool:
    return (a.name, a.problem_type, a.init_config or None, list(a.terms)) == (
        b.name,
        b.problem_type,
        b.init_config or None,
        list(b.terms),
    )


def test_the_bytes_are_those_of_protobuf() -> None:
    assert golden().to_proto() == [GOLDEN]
    assert golden().serialize() == [GOLDEN]
    pubo = Problem("sdk", [Term(c=-9, indices=[0]), Term(c=5, indices=[2, 0])], problem_type=ProblemType.pubo)
    assert pubo.to_proto() == [PUBO]
    assert Problem("p", problem_type=ProblemType.pubo).to_proto() == [EMPTY]


def test_protobuf_s_bytes_are_read() -> None:
    assert same(Problem.from_proto([GOLDEN]), golden())
    assert Problem.deserialize([GOLDEN], "other").name == "other"
    pubo = Problem.deserialize([PUBO])
    assert (pubo.name, pubo.problem_type, pubo.evaluate({0: 1, 2: 1})) == ("sdk", ProblemType.pubo, -4.0)
    long = Problem.from_proto([LONG])
    assert (long.name, long.num_variables, long.terms[0].c) == ("x" * 200, 150, 1.5)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_all_terms_come_back_whatever_their_number(count: int) -> None:
    """The SDK wrote the first terms again in the place of the last ones, from 1,001 on."""
    terms = [Term(c=t + 0.5, indices=[t, 3 * t + 1]) for t in range(count)]
    problem = Problem("many", terms, init_config={7: -1}, content_type=ContentType.protobuf)
    parts = problem.serialize()
    assert isinstance(parts, list)
    assert len(parts) == max(1, -(-count // 1000))
    assert same(Problem.deserialize(parts), problem)
    assert same(Problem.deserialize(problem.to_blob()), problem)
    assert problem.to_blob() == problem.to_blob()


@given(problems())
def test_any_problem_comes_back(problem: Problem) -> None:
    if problem.is_grouped:
        with pytest.raises(InvalidProblem, match="no grouped terms"):
            problem.to_proto()
        problem.content_type = ContentType.protobuf
        assert same(Problem.deserialize(problem.to_blob()), problem)  # written as JSON
        return
    found = Problem.from_proto(problem.to_proto())
    assert same(found, problem)
    assert found.content_type is ContentType.protobuf


def test_the_archive_has_the_service_s_names() -> None:
    problem = Problem("", [Term(c=1, indices=[t]) for t in range(1001)], content_type=ContentType.protobuf)
    with tarfile.open(fileobj=io.BytesIO(problem.to_blob()), mode="r:gz") as tar:
        assert tar.getnames() == ["gzipinputfile_pb_0.pb", "gzipinputfile_pb_1.pb"]


def test_ids_one_by_one_and_unknown_fields_are_read() -> None:
    term = b"\x10\x03\x09" + np.float64(2.5).tobytes() + b"\x10\x81\x01\x18\x07\x2a\x01z\x35abcd"
    problem = Problem.from_proto([b"\x0a" + varint(len(term) + 2) + b"\x1a" + varint(len(term)) + term + b"\x18\x01"])
    assert list(problem.terms) == [Term(c=2.5, indices=[3, 129])]


def framed(term: bytes) -> bytes:
    inner = b"\x08\x01\x1a" + varint(len(term)) + term
    return b"\x0a" + varint(len(inner)) + inner


NAN = b"\x09" + np.float64(np.nan).tobytes()
BROKEN: dict[str, tuple[list[Any], str]] = {
    "a text": (["x"], "found str"),
    "a cut message": ([GOLDEN[:-1]], "ends too early"),
    "a cut coefficient": ([framed(b"\x09\x00")], "within a coefficient"),
    "a cut list": ([framed(b"\x12\x05\x01")], "within the variables"),
    "a cut variable": ([framed(b"\x12\x02\x01\x80")], "has no end"),
    "a cut variable, healed by the next term": ([framed(b"\x12\x01\x80") + framed(b"\x12\x01\x01")], "has no end"),
    "a long variable": ([framed(b"\x12\x0b" + b"\x80" * 10 + b"\x00")], "has no end"),
    "a long number": ([b"\xff" * 11], "has no end"),
    "a group": ([b"\x0b"], "wire type 3"),
    "a number for a message": ([b"\x08\x01"], "place of a message"),
    "a negative variable": ([framed(b"\x12\x0a" + varint(-1))], r"terms\[0\].ids must have variables"),
    "not finite": ([framed(NAN)], r"terms\[0\].c must be a finite number"),
    "another type": ([b"\x0a\x02\x08\x03"], "one of pubo, ising"),
    "no text": ([b"\x12\x0c\x0a\x0a\x0a\x04name\x12\x02\x1a\x01\xff"[:-1] + b"\xff"], "too early|not Unicode"),
    "a wrong start": ([b"\x0a\x05\x22\x03\x0a\x01x"], "0..9223372036854775807 as keys"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused(name: str) -> None:
    parts, words = BROKEN[name]
    with pytest.raises(InvalidProblem, match=words):
        Problem.from_proto(parts)


@given(st.binary(max_size=60))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (lambda: Problem.from_proto([data]), lambda: qio_protobuf.decode_archive(data)):
        with suppress(InvalidProblem):
            read()


def test_archives_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = golden().to_blob()
    with pytest.raises(InvalidProblem, match="archive is broken"):
        qio_protobuf.decode_archive(gzip.compress(gzip.decompress(blob)[:600]))
    with pytest.raises(InvalidProblem, match="inflates to more"):
        qio_protobuf.decode_archive(blob, bound=1000)
    monkeypatch.setattr(qio_protobuf, "MAX_TERMS", 3)
    with pytest.raises(InvalidProblem, match="more than 3 terms"):
        qio_protobuf.decode_archive(blob)


def test_a_link_in_an_archive_is_not_followed() -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        link = tarfile.TarInfo("gzipinputfile_pb_0.pb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(InvalidProblem, match="not a plain file"):
        qio_protobuf.decode_archive(data.getvalue())


@given(st.lists(st.lists(st.integers(0, 2**63 - 1), max_size=4), max_size=6))
def test_varints_come_back_in_their_rows(rows: list[list[int]]) -> None:
    flat = [number for row in rows for number in row]
    data, lengths = encode_varints(np.array(flat, np.int64))
    assert data.tobytes() == b"".join(map(varint, flat))
    assert [read_varint(varint(number), 0) for number in flat] == list(zip(flat, lengths.tolist(), strict=True))
    ends = np.cumsum([sum(len(varint(number)) for number in row) for row in rows], dtype=np.int64)
    numbers, offsets = decode_varints(data.tobytes(), ends)
    assert [numbers[a:b].tolist() for a, b in pairwise(offsets)] == rows
