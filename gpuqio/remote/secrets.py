"""What must not be seen: keys, tokens, and URIs that are keys themselves because they carry a signature.

Secrets leave this package in requests only. No log, representation, exception, pickle or file has them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import NoReturn

__all__ = ["Secret", "Unpickled", "bare", "quieten", "scrub"]

HIDDEN = "***"

_QUERY = re.compile(r"\?[^\s'\"<>()\[\]{}]*")
_PAIR = re.compile(
    r"(?i)((?:sig|signature|apikey|accountkey|sharedaccesssignature|password|(authorization)|x-ms-quantum-api-key)"
    r"[\"']?\s*[=:,]\s*b?[\"']?)(?(2)(?:[\w-]+ +)?)[^\s;&'\",)]+"  # a scheme may stand before an authorization's key
)
_BEARER = re.compile(r"(?i)bearer\s+[\w.~+/=-]+")

# httpcore has a logger for each of its parts, and a filter holds for its own logger alone.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


class Secret:
    """A text that only `reveal` shows. Two are equal if their texts are; it refuses to be pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled: read it again where it is needed.")


def bare(uri: str) -> str:
    """What a URI names, without what makes it a key: no query, no fragment, no user and password."""
    named = re.split(r"[?#]", uri, maxsplit=1)[0]
    return re.sub(r"^([^/@:]+://)[^/]*@", r"\1", named)


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """`text` without queries of URIs, without what stands after the name of a key, and without these secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), HIDDEN)
    return _PAIR.sub(rf"\1{HIDDEN}", _BEARER.sub(HIDDEN, _QUERY.sub(f"?{HIDDEN}", text)))


class Unpickled:
    """A class whose objects have secrets: they are not pickled."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} has secrets, and is not pickled.")


class _Scrubbing(logging.Filter):
    """Lets every record pass, scrubbed."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage()), ()
        return True


_FILTER = _Scrubbing()


def quieten() -> None:
    """See to it that httpx and httpcore, who log the URI of each request, log no secrets. May be called again."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
