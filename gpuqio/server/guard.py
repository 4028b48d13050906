"""Who may call, and how often."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from gpuqio.errors import InvalidParameter
from gpuqio.remote.addresses import is_loopback
from gpuqio.remote.protocol import API_KEY_HEADER
from gpuqio.remote.secrets import Unpickled
from gpuqio.server.refusal import Refusal

__all__ = ["Guard", "Throttle", "read_keys"]

KEY_VARIABLE = "GPUQIO_SERVER_KEY"
SHORTEST_KEY = 16
MOST_PEERS = 10_000


def read_keys(path: Path | None) -> tuple[str, ...]:
    """The API keys: one a line of a file that only its owner can read, else that of ``GPUQIO_SERVER_KEY``, or none.

    Raises:
        InvalidParameter: others can read the file, or a key is too short to be one.
    """
    if path is not None:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise InvalidParameter(
                f"Others than its owner can use the key file {path}. Do: chmod 600 {path}", field="key_file"
            )
        keys = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
        if not keys:
            raise InvalidParameter(f"There is no key in {path}.", field="key_file")
    else:
        keys = tuple(filter(None, [os.environ.get(KEY_VARIABLE)]))
    if any(len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() for key in keys):
        raise InvalidParameter(
            f"A key has {SHORTEST_KEY} printable characters or more, such as: openssl rand -hex 24",
            field=KEY_VARIABLE if path is None else "key_file",
        )
    return keys


class Throttle:
    """Token buckets, one a name: `rate` calls a second for long, twice as many at once.

    It remembers the names that called last; one that has been forgotten begins with a full bucket.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # calls left, and when

    def take(self, name: str) -> float:
        """Count a call: 0 if it may be answered, else the seconds until the next one may."""
        now = trio.current_time()
        left, then = self._buckets.pop(name, (2 * self._rate, now))
        left = min(2 * self._rate, left + (now - then) * self._rate)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MOST_PEERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


@dataclass(frozen=True, slots=True)
class Guard(Unpickled):
    """Lets calls through, or raises `Refusal`.

    Attributes:
        keys: any of which opens everything; none at all leaves it open.
        throttle: counts calls, by key or by peer.
        local_only: refuse calls to other names than this machine's own. What is open to all programs of this machine
            would otherwise be open to web pages too, whose names may be given any address.
    """

    keys: tuple[str, ...] = field(repr=False)
    throttle: Throttle
    local_only: bool = False

    def admit(self, peer: str, headers: Mapping[str, str], *, needs_key: bool) -> None:
        """Let a call through. 429 if its key or its peer has made too many, 401 if it has no key, 403 by its name."""
        key = self._key(headers) if self.keys and needs_key else ""
        if wait := self.throttle.take(f"key {self.keys.index(key)}" if key else f"peer {peer}"):
            raise Refusal(429, "TooManyRequests", "There were too many calls; make fewer a second.", retry_after=wait)
        host = headers.get("host", "")
        if self.local_only and not is_loopback(re.sub(r":\d+$", "", host).strip("[]")):
            raise Refusal(403, "ForeignHost", f"This server is for this machine, and not called {host[:100]!r}.")
        if key is None:
            raise Refusal(401, "Unauthorized", f"This server wants a key, as {API_KEY_HEADER} or as a bearer token.")

    def _key(self, headers: Mapping[str, str]) -> str | None:
        """The key that a call has; None if it has none. Which of them it is takes the same time."""
        given = [headers.get(API_KEY_HEADER, "")]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given.append(token.strip())
        found = None
        for text in given:
            for key in self.keys:
                if hmac.compare_digest(text.encode(), key.encode()):
                    found = key
        return found
