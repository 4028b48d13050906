"""A server of HTTP/1.1 on a socket of this machine, in the test's own trio run, in front of a transport of httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import httpx
import trio


class Cut(Exception):
    """Raised by a transport that wants the connection broken off."""


@asynccontextmanager
async def served(app: httpx.AsyncBaseTransport) -> AsyncIterator[str]:
    """Serve `app`; the value is the server's address."""
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            try:
                await _serve(stream, app)
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, Cut):
                await trio.aclose_forcefully(stream)

        serve = trio.serve_tcp
        listeners = await nursery.start(lambda task_status: serve(handle, 0, host="127.0.0.1", task_status=task_status))
        host, port = listeners[0].socket.getsockname()[:2]
        yield f"http://{host}:{port}"
        nursery.cancel_scope.cancel()


async def _serve(stream: trio.SocketStream, app: httpx.AsyncBaseTransport) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:  # the client has gone
                await stream.aclose()
                return
        assert request is not None
        headers = [(name.decode(), value.decode()) for name, value in request.headers]
        url = "http://" + dict(headers)["host"] + request.target.decode()
        response = await app.handle_async_request(
            httpx.Request(request.method.decode(), url, headers=headers, content=body)
        )
        content = await response.aread()
        named = [(name, value) for name, value in response.headers.raw if name.lower() != b"transfer-encoding"]
        if b"content-length" not in {name.lower() for name, _ in named} and response.status_code != 204:
            named.append((b"Content-Length", str(len(content)).encode()))
        answer = h11.Response(status_code=response.status_code, headers=named)
        data = connection.send(answer) or b""
        data += connection.send(h11.Data(data=content)) or b""
        data += connection.send(h11.EndOfMessage()) or b""
        await stream.send_all(data)
        if connection.our_state is h11.MUST_CLOSE:
            await stream.aclose()
            return
        connection.start_next_cycle()
