"""The plain files of a tar archive, read with no more trust than it needs.

What is not a plain file is refused, sizes are believed as far as the data goes, and nothing is kept of what has been
read. (The standard library's reader can be led in circles, and follows extended headers as deep as they are chained.)

Source: POSIX.1-2017, pax, "ustar Interchange Format".
"""

from __future__ import annotations

from collections.abc import Iterator

from gpuqio.errors import InvalidProblem

__all__ = ["is_archive", "plain_files"]

BLOCK = 512
_SIZE, _CHECKSUM, _KIND, _MAGIC = slice(124, 136), slice(148, 156), slice(156, 157), slice(257, 262)
_PLAIN = (b"0", b"\0")
_REMARKS = (b"x", b"g", b"L")  # on the next file, or on all: times, long names


def is_archive(data: bytes) -> bool:
    """Whether it begins as a tar archive does."""
    return data[_MAGIC] == b"ustar"


def plain_files(data: bytes) -> Iterator[bytes]:
    """The files' data, in order. Raises `InvalidProblem` for what is broken, and for links, folders and holes."""
    place = 0
    while any(header := data[place : place + BLOCK]):
        if len(header) < BLOCK or _number(header[_CHECKSUM]) != _sum(header):
            raise _broken("a header is damaged or cut")
        size, begin = _number(header[_SIZE]), place + BLOCK
        if begin + size > len(data):
            raise _broken("it ends within a file")
        kind = header[_KIND]
        if kind in _PLAIN:
            yield data[begin : begin + size]
        elif kind not in _REMARKS:
            raise InvalidProblem("There is something in the tar archive that is not a plain file.", code="AZQ105")
        place = begin + -(-size // BLOCK) * BLOCK
    if place == 0:
        raise _broken("there is nothing in it")


def _number(text: bytes) -> int:
    """A number in octal, which ends with a space or a zero byte."""
    digits = text.strip(b" \0")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise _broken("a header has no numbers")
    return int(digits, 8)


def _sum(header: bytes) -> int:
    """The checksum, which counts its own bytes as spaces."""
    return sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")


def _broken(why: str) -> InvalidProblem:
    return InvalidProblem(f"The tar archive is broken: {why}.", code="AZQ105")
