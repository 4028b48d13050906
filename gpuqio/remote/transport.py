"""One request, and one answer as bytes: tried again where that may help, bounded in size, and never redirected.

A limiter stands in front of httpx: its pool loses connections for good when a request is cancelled that waits for one
(encode/httpcore #830), and gets slow where many wait.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count

import httpx
import trio

from gpuqio.errors import RemoteError
from gpuqio.remote.secrets import bare, quieten, scrub

__all__ = ["CONNECTIONS", "Answer", "Transport", "open_client", "read_number", "retry_after"]

CONNECTIONS = 32
"""Requests under way at once."""

TRIES = 8
FEW_TRIES = 3
FIRST_DELAY, MOST_DELAY = 0.5, 30.0
MOST_PATIENCE = 120.0
"""Seconds that a service may ask for before the next try; if it wants more, its answer is the answer."""

MOST_BYTES = 2**26
"""Of an answer."""

UNPACKED = {"Accept-Encoding": "identity"}
"""Nothing is inflated here, so nothing may come compressed that is not stored so."""

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

_LOST = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The body is as it was sent: httpx would inflate it, without a bound.

    Attributes:
        tries: how often the request was sent.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    tries: int


def open_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client of httpx, with timeouts and bounds that suit `Transport`.

    It heeds the environment's proxies, but not for this machine: what is plain http there must not leave it.
    """
    return httpx.AsyncClient(
        transport=transport,
        mounts=dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        timeout=httpx.Timeout(60.0, connect=10.0),
    )


class Transport:
    """Sends requests through a client of httpx, at most `CONNECTIONS` at a time.

    What is idempotent is tried up to `TRIES` times: when there was no answer, or a part of one, or one of `TRANSIENT`.
    Between tries it waits as the service asks, else twice as long each time, and never beyond the deadline of the
    cancel scope around the call: it then returns the answer it has, at once.

    Args:
        client: allows at least `CONNECTIONS` connections.
        seed: of the jitter in the delays.
        patient: False for giving up after `FEW_TRIES` without an answer, about a second where connections are refused.
    """

    def __init__(self, client: httpx.AsyncClient, seed: int | None = None, *, patient: bool = True) -> None:
        quieten()
        self._client = client
        self._unanswered = TRIES if patient else FEW_TRIES
        self._limiter = trio.CapacityLimiter(CONNECTIONS)
        self._random = random.Random(seed)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        content: bytes | memoryview = b"",
        idempotent: bool | None = None,
        whole: float | None = None,
    ) -> Answer:
        """Send a request, whatever its answer's status.

        Args:
            headers: besides those that every request has.
            content: the body.
            idempotent: it may be sent again; by default, all but POST.
            whole: seconds for a try, which cancellation does not cut short: after it, what became of the request is
                known. None: a try is cancelled as anything else.

        Raises:
            RemoteError: no answer, or one that is too large.
        """
        may_repeat = method != "POST" if idempotent is None else idempotent
        for tries in count(1):
            answer, failure = await self._try(method, url, headers, bytes(content), whole, tries)
            if answer is not None and answer.status not in TRANSIENT:
                return answer
            delay = self._delay(tries, None if answer is None else retry_after(answer.headers))
            most = self._unanswered if answer is None else TRIES
            too_late = trio.current_time() + delay >= trio.current_effective_deadline()
            if not may_repeat or tries >= most or delay > MOST_PATIENCE or too_late:
                break
            await trio.sleep(delay)
        if answer is None:
            raise RemoteError(f"{method} {bare(url)} got no answer in {tries} tries; of the last one: {failure}")
        return answer

    async def _try(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes,
        whole: float | None,
        tries: int,
    ) -> tuple[Answer | None, str]:
        """An answer, or why there is none; raises where another try would fail likewise."""
        fatal = ""
        async with self._limiter:
            with trio.move_on_after(math.inf if whole is None else whole, shield=whole is not None):
                try:
                    request = self._client.build_request(method, url, headers=UNPACKED | headers, content=content)
                    request.stream = _Body(content)
                    response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
                    try:
                        body = await _read(response)
                    finally:
                        with trio.move_on_after(1, shield=True):
                            await response.aclose()
                        response.stream = httpx.ByteStream(b"")  # refers to the response, and so keeps the request
                    if body is not None:
                        return Answer(response.status_code, response.headers, body, tries), ""
                    fatal = f"it is larger than {MOST_BYTES} bytes"
                except _LOST as error:
                    failure = scrub(f"{type(error).__name__}: {error}")
                    if "CERTIFICATE_VERIFY_FAILED" not in failure:
                        return None, failure
                    fatal = failure
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    fatal = scrub(f"{type(error).__name__}: {error}")
        if fatal:  # outside of the handler: the error's context would hold the URL and the headers
            raise RemoteError(f"{method} {bare(url)} got no answer that can be used: {fatal}")
        return None, f"none within {whole} seconds"

    def _delay(self, tries: int, asked: float | None) -> float:
        if asked is not None:
            return asked * self._random.uniform(1.0, 1.1)
        return float(min(FIRST_DELAY * 2 ** (tries - 1), MOST_DELAY)) * self._random.uniform(0.5, 1.0)


class _Body(httpx.AsyncByteStream):
    """The body of a request. That of httpx is a generator: left open, and warned about, where sending breaks off."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._left = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._left = True
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        self._left = False
        return self._content


async def _read(response: httpx.Response) -> bytes | None:
    """The whole body, as sent; None if it is larger than `MOST_BYTES`."""
    if response.is_stream_consumed:  # it was made in this process, and not sent at all
        return response.content if len(response.content) <= MOST_BYTES else None
    body = bytearray()
    excess = False
    try:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > MOST_BYTES:
                excess = True
                body.clear()
                await response.stream.aclose()  # type: ignore[union-attr]  # it is async; the next read fails
    except httpx.HTTPError:
        # Only so do the generators end that httpx has one inside the other: leaving the loop would leave them open.
        if not excess:
            raise
    if excess:
        return None
    length = read_number(response.headers.get("content-length", ""))
    if response.request.method != "HEAD" and length is not None and len(body) != length:
        raise httpx.RemoteProtocolError(f"{len(body)} bytes of {length}")
    return bytes(body)


def read_number(text: str) -> int | None:
    """The whole number that a header has; None for what is none, such as "²", or has more than 18 digits."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait for, in any of its spellings; None if it does not say."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := read_number(headers.get(name, ""))) is not None:
            return milliseconds / 1000
    text = headers.get("retry-after", "")
    if (seconds := read_number(text)) is not None:
        return float(seconds)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
