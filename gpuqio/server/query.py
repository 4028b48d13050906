"""The filters and orders of the service's lists, as conditions of SQL.

    startswith(Name, 'ship') and (State eq 'Failed' or State eq 'Cancelled') and CreationTime ge 2026-11-01

A small part of OData: what the SDK writes, and what follows from it. Values are bound, never pasted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from gpuqio.server.items import as_text
from gpuqio.server.refusal import Refusal

__all__ = ["condition", "order"]

COMPARISONS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
TIMES = frozenset({"created"})  # expressions whose values are compared as times, whatever their spelling
MOST_TOKENS = 1000

_TOKEN = re.compile(r"\s*(?:([(),])|'((?:[^']|'')*)'|([\w.:+-]+))", re.ASCII)


def condition(text: str, columns: Mapping[str, str]) -> tuple[str, list[str]]:
    """The condition in SQL, and the values for its question marks.

    Args:
        text: the filter.
        columns: property names in lower case, and the expressions of SQL that they stand for.

    Raises:
        Refusal: 400, it is no filter.
    """
    reader = _Reader(text, columns)
    sql = reader.alternatives()
    if reader.left:
        raise _refused(text)
    return sql, reader.values


def order(text: str, columns: Mapping[str, str]) -> str:
    """The list after ORDER BY. Raises `Refusal`: 400, it is none."""
    terms = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(" ")
        if name.lower() not in columns or direction.strip().lower() not in ("", "asc", "desc"):
            raise Refusal(400, "InvalidOrderBy", f"A list can't be ordered by {part.strip()!r}.")
        terms.append(f"{columns[name.lower()]} {direction.strip().upper()}".strip())
    return ", ".join(terms)


def _refused(text: str) -> Refusal:
    return Refusal(400, "InvalidFilter", f"This filter can't be read: {text[:200]!r}.")


class _Reader:
    def __init__(self, text: str, columns: Mapping[str, str]) -> None:
        self.text = text
        self.columns = columns
        self.values: list[str] = []
        self.left = list(reversed(_tokens(text)))
        self.depth = 0

    def alternatives(self) -> str:
        parts = [self.conjunction()]
        while self.takes("or"):
            parts.append(self.conjunction())
        return f"({' OR '.join(parts)})"

    def conjunction(self) -> str:
        parts = [self.comparison()]
        while self.takes("and"):
            parts.append(self.comparison())
        return f"({' AND '.join(parts)})"

    def comparison(self) -> str:
        if self.takes("("):
            self.depth += 1
            if self.depth > 50:
                raise _refused(self.text)
            inner = self.alternatives()
            self.depth -= 1
            self.needs(")")
            return inner
        if self.takes("startswith"):
            self.needs("(")
            column = self.column()
            self.needs(",")
            start = self.value()
            self.needs(")")
            self.values += [start, start]
            return f"substr({column}, 1, length(?)) = ?"
        column = self.column()
        sign = COMPARISONS.get(self.take()[1].lower())
        if sign is None:
            raise _refused(self.text)
        self.values.append(self.time() if column in TIMES else self.value())
        return f"{column} {sign} ?"

    def take(self) -> tuple[str, str]:
        if not self.left:
            raise _refused(self.text)
        return self.left.pop()

    def takes(self, word: str) -> bool:
        if not self.left or self.left[-1] != ("word", self.left[-1][1]) or self.left[-1][1].lower() != word:
            return False
        self.left.pop()
        return True

    def needs(self, word: str) -> None:
        if not self.takes(word):
            raise _refused(self.text)

    def column(self) -> str:
        column = self.columns.get(self.take()[1].lower())
        if column is None:
            raise _refused(self.text)
        return column

    def value(self) -> str:
        return self.take()[1]

    def time(self) -> str:
        try:
            return as_text(datetime.fromisoformat(self.value()))
        except (ValueError, OverflowError):  # no time, or none of the years 1 to 9999 in UTC
            raise _refused(self.text) from None


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each token, where kind is "word" or "value"."""
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) == MOST_TOKENS:
            raise _refused(text)
        sign, quoted, word = found.groups()
        tokens.append(("value", quoted.replace("''", "'")) if quoted is not None else ("word", sign or word))
        at = found.end()
    return tokens
