"""``microsoft.qio.v2``: a problem as JSON, both ways. Reading is strict: what is not a problem is refused by name.

A typed decoder (msgspec) refuses wrong types, numbers out of range and nesting bombs while it reads; what it made is
turned into arrays at once. Data that begins as gzip does is inflated, up to a bound; headers are not asked.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from gpuqio.errors import InvalidJson, InvalidProblem, InvalidTerm, MissingField
from gpuqio.term_store import TermBlock, make_block
from gpuqio.terms import MAX_FLOAT, MAX_ID, SlcTerm, Term

__all__ = ["MAX_BYTES", "Document", "decode", "encode", "encode_terms", "inflate", "read_variable"]

MAX_BYTES = 1 << 32  # of inflated text: a hundred million terms
# What is inflated more than so many times is a bomb, not a problem (those are about ten), except that a little of
# anything is taken.
_MAX_RATIO, _ANY_RATIO_BYTES = 100, 1 << 24
_EXPLAINED = 1 << 20  # bytes of text that is read a second time, with less care, to say what is wrong in it
_LONGEST_START = 32  # characters of a start value
_CHUNK = 1 << 16  # terms written at one time

_Id = Annotated[int, Meta(ge=0, le=MAX_ID)]


@dataclass(frozen=True, slots=True)
class Document:
    """What the JSON holds. `name` is None where it has none; `type` is the name of a `ProblemType`."""

    name: str | None
    type: str
    terms: TermBlock
    terms_slc: Sequence[SlcTerm]
    init_config: dict[int, int] | None


class _Term(Struct, gc=False):
    c: int | float
    ids: list[_Id]


class _SlcTerm(Struct):
    c: int | float
    terms: list[_Term]


class _CostFunction(Struct):
    type: Literal["pubo", "ising", "pubo_grouped", "ising_grouped"]
    version: str = "1.0"
    terms: list[_Term] = []
    terms_slc: list[_SlcTerm] = []
    initial_configuration: dict[str, msgspec.Raw] | None = None  # not Any, which can take much memory


class _Metadata(Struct):
    name: str | None = None


class _Problem(Struct):
    cost_function: _CostFunction
    metadata: _Metadata | None = None


_DECODER = msgspec.json.Decoder(_Problem)


def decode(data: str | bytes) -> Document:
    """Read JSON, plain or gzipped.

    Raises:
        InvalidProblem: with the path of the guilty part in `field` (``cost_function.terms[3].c``).
    """
    text = _read_bytes(data)
    try:
        problem = _DECODER.decode(text)
    except RecursionError:
        raise InvalidProblem("The JSON is nested too deeply to be a problem.", code="AZQ105") from None
    except msgspec.ValidationError as error:
        raise _bad_field(str(error), text) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad_json(str(error), text) from None
    cost = problem.cost_function
    config = cost.initial_configuration
    return Document(
        problem.metadata.name if problem.metadata else None,
        cost.type,
        _read_terms(cost.terms),
        [_read_slc(position, term) for position, term in enumerate(cost.terms_slc)],
        None if config is None else {read_variable(key): _read_start(key, value) for key, value in config.items()},
    )


def encode(document: Document) -> bytes:
    """Write a problem: version "1.1" where it has an initial configuration, else "1.0"."""
    cost: dict[str, Any] = {
        "version": "1.1" if document.init_config else "1.0",
        "type": document.type,
        "terms": msgspec.Raw(b"[" + encode_terms(document.terms) + b"]"),
    }
    if document.terms_slc:
        cost["terms_slc"] = [term.to_dict() for term in document.terms_slc]
    if document.init_config:
        cost["initial_configuration"] = {str(key): value for key, value in document.init_config.items()}
    return msgspec.json.encode({"metadata": {"name": document.name}, "cost_function": cost})


def encode_terms(block: TermBlock) -> bytes:
    """Terms as a JSON list without its brackets."""
    return b",".join(_write_terms(block))


def inflate(data: bytes, bound: int | None = None) -> bytes:
    """`data`, inflated if it begins as gzip does.

    Raises:
        InvalidProblem: it is broken, or a bomb, or beyond `bound` bytes, by default `MAX_BYTES`.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    bound = min(MAX_BYTES if bound is None else bound, max(_MAX_RATIO * len(data), _ANY_RATIO_BYTES))
    pieces: list[bytes] = []
    room = bound
    while data:
        stream = zlib.decompressobj(wbits=31)
        try:
            pieces.append(stream.decompress(data, room + 1))
        except zlib.error as error:
            raise InvalidProblem(f"The gzip data is broken: {error}.", code="AZQ105") from None
        room -= len(pieces[-1])
        if room < 0:
            raise InvalidProblem(f"The data inflates to more than {bound} bytes.", code="AZQ105")
        if not stream.eof:
            raise InvalidProblem("The gzip data ends too early.", code="AZQ105")
        data = stream.unused_data.lstrip(b"\0")  # a further member, or padding
    return b"".join(pieces)


def _read_bytes(data: str | bytes) -> bytes:
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError as error:
            raise InvalidProblem(f"The text is not Unicode: {error}.", code="AZQ105") from None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return inflate(bytes(data))
    raise InvalidProblem(
        f"A problem is read from a str or bytes of JSON; found {reprlib.repr(data)}.", value=data, code="AZQ103"
    )


def _read_terms(terms: list[_Term]) -> TermBlock:
    try:
        return make_block([term.c for term in terms], [term.ids for term in terms])
    except OverflowError:
        place = next(place for place, term in enumerate(terms) if not -MAX_FLOAT <= term.c <= MAX_FLOAT)
    field = f"cost_function.terms[{place}].c"
    raise InvalidProblem(
        f"{field} must be a number that a float64 holds; found {reprlib.repr(terms[place].c)}.",
        field=field,
        value=terms[place].c,
        code="AZQ107",
    )


def _read_slc(position: int, term: _SlcTerm) -> SlcTerm:
    try:
        return SlcTerm([Term(c=linear.c, indices=linear.ids) for linear in term.terms], c=term.c)
    except InvalidTerm as error:
        error.field = f"cost_function.terms_slc[{position}].{error.field}"
        raise


def read_variable(key: str) -> int:
    """A key of an initial configuration."""
    if key.isascii() and key.isdigit() and len(key) <= len(str(MAX_ID)) and int(key) <= MAX_ID:
        return int(key)
    raise InvalidProblem(
        f"cost_function.initial_configuration must have variables in 0..{MAX_ID} as keys; found {reprlib.repr(key)}.",
        field="cost_function.initial_configuration",
        value=key,
        code="AZQ104",
    )


def _read_start(key: str, raw: msgspec.Raw) -> int:
    text = memoryview(raw)
    value = bytes(text[:_LONGEST_START]) if len(text) > _LONGEST_START else msgspec.json.decode(text)
    if type(value) is int:
        return value
    field = f"cost_function.initial_configuration.{key}"
    raise InvalidProblem(
        f"{field} must be an int; found {reprlib.repr(value)}.", field=field, value=value, code="AZQ104"
    )


def _write_terms(block: TermBlock) -> Iterator[bytes]:
    """The terms as JSON without the brackets, in pieces."""
    coefficients, offsets = block.arrays.coefficients, block.arrays.offsets
    integral = block.integral & (np.abs(coefficients) < 2.0**63)  # larger ones read the same as floats
    for start in range(0, len(coefficients), _CHUNK):
        stop = min(start + _CHUNK, len(coefficients))
        ends = (offsets[start : stop + 1] - offsets[start]).tolist()
        ids = block.arrays.ids[offsets[start] : offsets[stop]].tolist()
        numbers = zip(coefficients[start:stop].tolist(), integral[start:stop].tolist(), strict=True)
        terms = [_Term(int(c) if whole else c, ids[ends[t] : ends[t + 1]]) for t, (c, whole) in enumerate(numbers)]
        yield msgspec.json.encode(terms)[1:-1]


def _bad_field(message: str, text: bytes) -> InvalidProblem:
    """The error for valid JSON with a wrong part; msgspec says where as ``... - at `$.cost_function.type```."""
    reason, _, place = message.partition(" - at ")
    reason = reason[:200]  # it may quote
    field = place.strip("`").removeprefix("$").removeprefix(".")
    missing = re.search(r"missing required field `(\w+)`", reason)
    if missing:
        field = f"{field}.{missing[1]}".lstrip(".")
    # Each is also what the SDK raises there.
    kind = InvalidTerm if "[" in field else MissingField if missing or field == "cost_function.type" else InvalidProblem
    if missing:
        return kind(f"{field} is missing.", field=field, code="AZQ102")
    if len(text) > _EXPLAINED:
        return kind(f"{field or 'The problem'}: {reason}.", field=field, code="AZQ103")
    value = _value_at(text, field)
    return kind(f"{field or 'The problem'}: {reason}; found {value}.", field=field, value=value, code="AZQ103")


def _bad_json(message: str, text: bytes) -> InvalidProblem:
    """The error for what is not JSON: NaN and infinities, which other writers let pass, are found and named."""
    if len(text) > _EXPLAINED:
        return InvalidProblem(f"This is not JSON: {message}.", code="AZQ105")
    if b"NaN" in text or b"Infinity" in text:
        for field, value in _numbers(_loads(text)):
            if not math.isfinite(value):
                return InvalidProblem(
                    f"{field} must be a finite number; found {value}.", field=field, value=value, code="AZQ107"
                )
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return InvalidJson(f"This is not JSON: {error.msg}", error.doc, error.pos)
    except (ValueError, RecursionError):
        pass
    return InvalidProblem(f"This is not JSON: {message}.", code="AZQ105")


def _loads(text: bytes) -> Any:
    """The JSON as the lenient standard library reads it, for the sake of an error message; None if it can't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _value_at(text: bytes, field: str) -> str:
    node = _loads(text)
    for key in re.findall(r"[^.\[\]]+", field):
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (LookupError, TypeError, ValueError):
            return "nothing"
    return reprlib.repr(node)


def _numbers(root: Any) -> Iterator[tuple[str, float]]:
    """Every float in the JSON, with its path."""
    rest = [("", root)]
    while rest:
        path, node = rest.pop()
        if isinstance(node, dict):
            rest.extend((f"{path}.{key}".lstrip("."), value) for key, value in reversed(node.items()))
        elif isinstance(node, list):
            rest.extend((f"{path}[{place}]", value) for place, value in reversed(list(enumerate(node))))
        elif isinstance(node, float):
            yield path, node
