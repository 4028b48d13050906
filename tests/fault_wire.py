"""The faults of `tests.fault_proxy` on the wire: stands between a client's sockets and a server's."""

from __future__ import annotations

import random
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from tests.fault_proxy import FAULTS

MOST_FAULTS = 3  # that one request meets: who tries it so often and once more has got through
MOST_DELAY = 0.2  # seconds


class FaultWire:
    """Attributes:
    port: the server's.
    met: how often each fault was met.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._faults: Counter[bytes] = Counter()  # by the request, which is sent again as it was

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Let clients in; the value is the address for them."""
        async with trio.open_nursery() as nursery:
            listen = partial(trio.serve_tcp, self._handle, 0, host="127.0.0.1")
            listeners: list[trio.SocketListener] = await nursery.start(listen)
            yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            nursery.cancel_scope.cancel()

    async def _handle(self, client: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with client, await trio.open_tcp_stream("127.0.0.1", self.port) as server:
                while (request := await _message(client)) is not None:
                    if not await self._pass_on(request, client, server):
                        return

    async def _pass_on(self, request: bytes, client: trio.SocketStream, server: trio.SocketStream) -> bool:
        """Whether the connection is kept."""
        fault = self._fault(request)
        if fault in ("429", "500", "503"):
            await client.send_all(f"HTTP/1.1 {fault} No\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        if fault == "refused":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
        if fault in ("refused", "lost request"):
            return False
        if fault == "delayed":
            await trio.sleep(self._random.uniform(0, MOST_DELAY))
        if fault == "duplicated":
            await server.send_all(request)
            await _message(server)
        await server.send_all(request)
        answer = await _message(server)
        if answer is None or fault == "lost answer":
            return False
        await client.send_all(answer[: len(answer) // 2] if fault == "truncated" else answer)
        return fault != "truncated"

    def _fault(self, request: bytes) -> str:
        (fault,) = self._random.choices([*FAULTS, ""], [*FAULTS.values(), 1000 - sum(FAULTS.values())])
        if self._faults[request] == MOST_FAULTS:
            fault = ""
        self._faults[request] += bool(fault)
        self.met[fault] += 1
        return fault


async def _message(stream: trio.SocketStream) -> bytes | None:
    """A request or an answer as it comes; None where the other end has closed. Nobody sends the next one before."""
    data = bytearray()
    size = None
    while size is None or len(data) < size:
        piece = await stream.receive_some()
        if not piece:
            return None
        data += piece
        head, end, _ = bytes(data).partition(b"\r\n\r\n")
        if size is None and end:
            assert b"transfer-encoding" not in head.lower()
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            size = len(head) + len(end) + (int(length[1]) if length else 0)
    return bytes(data)
