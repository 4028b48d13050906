"""The one tokeniser of the text formats: lines of numbers, and errors that say on which line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpuqio.errors import InvalidFile
from gpuqio.terms import MAX_FLOAT, MAX_ID

__all__ = ["Line", "headed_lines", "lines"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that holds something: its number, from 1, and its words."""

    number: int
    words: list[str]

    def error(self, reason: str) -> InvalidFile:
        """What to raise for this line."""
        text = " ".join(self.words)
        shown = text if len(text) <= 80 else text[:77] + "..."
        return InvalidFile(f"Line {self.number}: {reason}; found {shown!r}.", field=f"line {self.number}", value=shown)

    def expect(self, count: int, what: str) -> None:
        """Refuse a line that has not `count` words."""
        if len(self.words) != count:
            raise self.error(f"expected {what}")

    def value(self, place: int) -> int | float:
        """The word at `place` as a finite int or float."""
        word = self.words[place]
        if word.isascii() and "_" not in word:  # Python's own numbers admit both
            for read in (int, float):
                try:
                    value = read(word)
                except ValueError:
                    continue
                if -MAX_FLOAT <= value <= MAX_FLOAT:
                    return value
        raise self.error(f"column {place + 1} must be a finite number")

    def index(self, place: int, first: int = 0, last: int = MAX_ID) -> int:
        """The word at `place` as an int in `first`..`last`."""
        value = self.value(place)
        if not isinstance(value, int) or not first <= value <= last:
            raise self.error(f"column {place + 1} must be an int in {first}..{last}")
        return value


def lines(text: str, comment: str = "#") -> Iterator[Line]:
    """The lines that are neither blank nor comments."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith(comment):
            yield Line(number, words)


def headed_lines(text: str, spare: int = 0) -> tuple[int, list[Line]]:
    """The n of a header ``n m``, and the m lines that follow; up to `spare` more words may stand in the header."""
    rows = list(lines(text))
    if not rows:
        raise InvalidFile("The file is empty; expected a line 'n m', and m lines.", field="line 1")
    header, *body = rows
    if not 2 <= len(header.words) <= 2 + spare:
        raise header.error("expected 'n m', the numbers of variables and of lines")
    size, count = header.index(0), header.index(1)
    if len(body) > count:
        raise body[count].error(f"expected no more lines than the {count} that the header says")
    if len(body) < count:
        raise header.error(f"expected {count} lines after this one; there are {len(body)}")
    return size, body
