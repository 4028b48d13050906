"""Stands between a client and a service, and does to requests what networks do, by a seed."""

from __future__ import annotations

import random
from collections import Counter

import httpx
import trio

from tests.fake_azure import raw

# What may happen to a request, and how many in a thousand meet it.
FAULTS = {
    "refused": 30,  # no connection
    "lost request": 30,  # nothing arrives
    "lost answer": 40,  # it arrives, and nobody is told
    "truncated": 30,  # a part of the answer comes
    "duplicated": 30,  # it arrives twice, and the second answer comes
    "delayed": 60,
    "429": 30,
    "500": 20,
    "503": 30,
}


class FaultProxy(httpx.AsyncBaseTransport):
    """Attributes:
    met: how often each fault was met.
    """

    def __init__(self, service: httpx.AsyncBaseTransport, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)
        self.met: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        (fault,) = self._random.choices([*FAULTS, ""], [*FAULTS.values(), 1000 - sum(FAULTS.values())])
        self.met[fault] += 1
        await trio.lowlevel.checkpoint()
        if fault == "refused":
            raise httpx.ConnectError("refused")
        if fault == "lost request":
            await trio.sleep(60)
            raise httpx.ReadTimeout("nothing came")
        if fault == "429":
            return httpx.Response(429, headers={"Retry-After": str(self._random.randrange(5))})
        if fault in ("500", "503"):
            return httpx.Response(int(fault))
        if fault == "delayed":
            await trio.sleep(self._random.uniform(0, 20))
        if fault == "duplicated":
            await self._service.handle_async_request(request)
        response = await self._service.handle_async_request(request)
        if fault == "lost answer":
            raise httpx.ReadError("reset")
        if fault == "truncated":
            whole = await response.aread()
            if len(whole) > 1:
                cut = raw(response.status_code, dict(response.headers), whole[: len(whole) // 2])
                cut.headers["Content-Length"] = str(len(whole))
                return cut
        return response
