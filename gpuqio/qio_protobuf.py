"""A problem in protobuf, both ways, as the service took it: parts of at most 1,000 terms, in a tar archive, gzipped.

    message Problem {
      CostFunction cost_function = 1;
      google.protobuf.Struct metadata = 2;                       // {"name": ...}
      enum ProblemType { PUBO = 0; ISING = 1; MAXSAT = 2; SOFTSPIN = 3; }
      message Term { double c = 1; repeated int64 ids = 2; }
      message CostFunction { ProblemType type = 1; string version = 2; repeated Term terms = 3;
                             map<string, int64> init_config = 4; }
    }

The first part alone has what is not terms. Parts read one after another are what they would be in one, as protobuf
has it. There are no grouped terms. Coefficients come back as floats.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpuqio.archives import plain_files
from gpuqio.errors import InvalidProblem
from gpuqio.qio_json import MAX_BYTES, Document, inflate, read_variable
from gpuqio.term_store import TermBlock, freeze_block
from gpuqio.varints import VARINT, decode_varints, encode_varints, read_varint, varint, weave

__all__ = ["archive", "decode", "decode_archive", "encode"]

TERMS_A_PART = 1000
MAX_TERMS = 1 << 28
TYPES = ("pubo", "ising")

_FIXED64, _BYTES, _FIXED32 = 1, 2, 5
_DOUBLE = struct.Struct("<d")


def encode(document: Document) -> list[bytes]:
    """The parts of a problem, at least one. Raises `InvalidProblem` for a grouped one."""
    if document.type not in TYPES or document.terms_slc:
        raise InvalidProblem(
            f"Protobuf has no grouped terms, and this problem is of type {document.type}. Use ContentType.json.",
            field="problem_type",
            value=document.type,
            code="AZQ107",
        )
    arrays, start = document.terms.arrays, document.init_config or {}
    kind, version = TYPES.index(document.type), b"1.1" if start else b"1.0"
    head = _number(1, kind) + _bytes(2, version)
    tail = b"".join(_bytes(4, _bytes(1, str(i).encode()) + _number(2, value)) for i, value in start.items())
    name = _bytes(1, _bytes(1, b"name") + _bytes(2, _bytes(3, (document.name or "").encode())))
    parts = []
    for begin in range(0, max(len(arrays), 1), TERMS_A_PART):
        end = min(begin + TERMS_A_PART, len(arrays))
        offsets = arrays.offsets[begin : end + 1]
        terms = _encode_terms(
            arrays.coefficients[begin:end], offsets - offsets[0], arrays.ids[offsets[0] : offsets[-1]]
        )
        parts.append(_bytes(1, terms) if begin else _bytes(1, head + terms + tail) + _bytes(2, name))
    return parts


def archive(parts: Iterable[bytes]) -> bytes:
    """The parts as a gzipped tar archive: the same parts give the same bytes."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for place, part in enumerate(parts):
            info = tarfile.TarInfo(f"gzipinputfile_pb_{place}.pb")
            info.size = len(part)
            tar.addfile(info, io.BytesIO(part))
    return gzip.compress(data.getvalue(), compresslevel=6, mtime=0)


def decode_archive(data: bytes, bound: int = MAX_BYTES) -> Document:
    """Read an archive, gzipped or not.

    Raises:
        InvalidProblem: it is none, or broken, or inflates to more than `bound` bytes; or see `decode`.
    """
    return decode(plain_files(inflate(data, bound)))


@dataclass(slots=True)
class _Draft:
    """What has been read so far. The ids of a term stay varints, to be read all at once."""

    name: str | None = None
    kind: int = 0
    start: dict[int, int] = field(default_factory=dict)
    coefficients: list[float] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)


def decode(parts: Iterable[bytes]) -> Document:
    """Read the parts of a problem.

    Raises:
        InvalidProblem: what is there is no protobuf, or no problem of a known type; a coefficient that is not finite,
            a variable outside 0..2^63-1; more than `MAX_TERMS` terms.
    """
    draft = _Draft()
    for part in parts:
        if not isinstance(part, bytes):
            raise InvalidProblem(
                f"A protobuf problem is a list of bytes; found {type(part).__name__} in it.", code="AZQ103"
            )
        for number, value in _fields(part):
            if number == 1:
                _read_cost_function(draft, _as_bytes(value))
            elif number == 2:
                _read_metadata(draft, _as_bytes(value))
    if draft.kind >= len(TYPES):
        raise InvalidProblem(
            f"cost_function.type must be one of {', '.join(TYPES)}; found number {draft.kind}.",
            field="cost_function.type",
            value=draft.kind,
            code="AZQ107",
        )
    return Document(draft.name, TYPES[draft.kind], _block(draft.coefficients, draft.ids), [], draft.start or None)


def _read_cost_function(draft: _Draft, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 3:
            if len(draft.coefficients) == MAX_TERMS:
                raise InvalidProblem(f"The problem has more than {MAX_TERMS} terms.", code="AZQ107")
            _read_term(draft, _as_bytes(value))
        elif number == 1 and isinstance(value, int):
            draft.kind = value
        elif number == 4:
            entry = dict(_fields(_as_bytes(value)))
            key, state = _text(entry.get(1, b"")), entry.get(2, 0)
            if not isinstance(state, int):
                raise _broken("a start value is not a number")
            draft.start[read_variable(key)] = state - (1 << 64) if state >> 63 else state


def _read_metadata(draft: _Draft, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 1:
            entry = dict(_fields(_as_bytes(value)))
            if entry.get(1) == b"name":
                named = dict(_fields(_as_bytes(entry.get(2, b""))))
                if 3 in named:
                    draft.name = _text(named[3])


def _read_term(draft: _Draft, data: bytes) -> None:
    c, ids = 0.0, bytearray()  # it grows in place: ids one by one are many
    place, end = 0, len(data)
    while place < end:
        key = data[place]
        if key == 0x09:  # c, the double that every writer puts first
            if place + 9 > end:
                raise _broken("it ends within a coefficient")
            (c,) = _DOUBLE.unpack_from(data, place + 1)
            place += 9
        elif key == 0x12:  # ids, all in one piece
            length, place = read_varint(data, place + 1)
            if place + length > end:
                raise _broken("it ends within the variables of a term")
            ids += data[place : place + length]
            place += length
        elif key == 0x10:  # ids, one by one
            begin = place + 1
            _, place = read_varint(data, begin)
            ids += data[begin:place]
        else:
            _, _, place = _field(data, place)
    draft.coefficients.append(c)
    draft.ids.append(bytes(ids))


def _block(coefficients: Sequence[float], ids: Sequence[bytes]) -> TermBlock:
    numbers = np.array(coefficients, np.float64)
    ends = np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))
    variables, offsets = decode_varints(b"".join(ids), ends)
    for place in np.flatnonzero(~np.isfinite(numbers))[:1].tolist():
        where = f"cost_function.terms[{place}].c"
        raise InvalidProblem(
            f"{where} must be a finite number; found {numbers[place]}.",
            field=where,
            value=float(numbers[place]),
            code="AZQ107",
        )
    for place in np.flatnonzero(variables < 0)[:1].tolist():
        where = f"cost_function.terms[{int(np.searchsorted(offsets, place, side='right')) - 1}].ids"
        value = int(variables[place])
        raise InvalidProblem(
            f"{where} must have variables in 0..2^63-1; found {value}.", field=where, value=value, code="AZQ107"
        )
    return freeze_block(numbers, offsets, variables, np.zeros(len(numbers), np.bool_))


def _encode_terms(
    coefficients: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]
) -> bytes:
    variables, lengths = encode_varints(ids)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])[offsets]
    inner = np.diff(ends)
    some, given = (inner > 0).astype(np.int64), (coefficients != 0).astype(np.int64)
    sizes, size_lengths = encode_varints(inner[inner > 0])
    all_sizes = some.copy()
    all_sizes[inner > 0] = size_lengths
    numbers = coefficients[coefficients != 0].astype("<f8").view(np.uint8)
    term = 9 * given + some + all_sizes + inner
    frames, frame_lengths = encode_varints(term)
    key = np.ones_like(some)
    return weave(
        (np.full(len(term), 0x1A, np.uint8), key),
        (frames, frame_lengths),
        (np.full(given.sum(), 0x09, np.uint8), given),
        (numbers, 8 * given),
        (np.full(some.sum(), 0x12, np.uint8), some),
        (sizes, all_sizes),
        (variables, inner),
    )


def _number(number: int, value: int) -> bytes:
    """A field that is a varint; left out where it is 0, as all of protobuf's defaults are."""
    return varint(number << 3 | VARINT) + varint(value) if value else b""


def _bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number and value, an int of a varint and bytes of all else."""
    place = 0
    while place < len(data):
        number, value, place = _field(data, place)
        yield number, value


def _field(data: bytes, place: int) -> tuple[int, int | bytes, int]:
    key, place = read_varint(data, place)
    number, wire = key >> 3, key & 7
    if wire == VARINT:
        value, place = read_varint(data, place)
        return number, value, place
    if wire == _BYTES:
        length, place = read_varint(data, place)
    elif wire in (_FIXED64, _FIXED32):
        length = 8 if wire == _FIXED64 else 4
    else:
        raise _broken(f"wire type {wire}")
    if place + length > len(data):
        raise _broken("it ends too early")
    return number, data[place : place + length], place + length


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _broken("a number in the place of a message")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _as_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise _broken(f"a text is not Unicode ({error.reason})") from None


def _broken(why: str) -> InvalidProblem:
    return InvalidProblem(f"This is not a problem in protobuf: {why}.", code="AZQ105")
