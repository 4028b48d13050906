"""The server as a process of its own, which can be stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.a_server import OLD, WORKSPACE


class ServerProcess:
    """``gpuqio serve`` on a free port of loopback, with a client of it; killed at the end of the block.

    Attributes:
        url: where it listens.
        http: calls it.
    """

    def __init__(self, data: Path, *options: str, **client: Any) -> None:
        command = [sys.executable, "-m", "gpuqio", "serve", "--port", "0", "--data", str(data), "--engine", "cpu"]
        self._process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=_environment())
        assert self._process.stderr is not None
        self.said = self._process.stderr.readline()
        self.url = next((word for word in self.said.split() if "://" in word), "")
        self.http = httpx.Client(base_url=self.url, timeout=60, **client)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call to the workspace."""
        params = {**more.pop("params", {}), "api-version": OLD}
        return self.http.request(method, f"{WORKSPACE}{path}", params=params, **more)

    def send_and_kill(self, method: str, path: str, body: bytes) -> None:
        """Send a request, and kill the server while it may be in the middle of it."""
        url = httpx.URL(self.url)
        head = f"{method} {WORKSPACE}{path}?api-version={OLD} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        with socket.create_connection((url.host, url.port)) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.kill()

    def kill(self) -> None:
        """Stop it at once, wherever it is."""
        self._process.kill()
        self._process.wait()

    def signal(self) -> None:
        """Ask it to stop."""
        self._process.send_signal(signal.SIGTERM)

    def terminate(self) -> tuple[int, str]:
        """Ask it to stop; its exit code, and what it has said meanwhile."""
        self.signal()
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait until it has stopped; its exit code, and what it has said meanwhile."""
        _, said = self._process.communicate(timeout=60)
        return self._process.returncode, said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.kill()
        assert self._process.stderr is not None
        self._process.stderr.close()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GPUQIO_")}
