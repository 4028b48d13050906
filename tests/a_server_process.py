"""The server as a process of its own, which can be stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import httpx

from tests.a_server import OLD, WORKSPACE, blob_uri


class ServerProcess:
    """``gpuqio serve`` on a free port of loopback, with a client of it; killed at the end of the block.

    Attributes:
        url: where it listens.
        http: calls it.
    """

    def __init__(
        self, data: Path, *options: str, environment: Mapping[str, str] = MappingProxyType({}), **client: Any
    ) -> None:
        command = [sys.executable, "-m", "gpuqio", "serve", "--port", "0", "--data", str(data), "--engine", "cpu"]
        self._process = subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, text=True, env=_environment() | dict(environment)
        )
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

    def put_problem(self, container: str, name: str, data: bytes, **headers: str) -> str:
        """Upload a blob into a container that is there; its URI without a signature."""
        uri = blob_uri(container, name)
        assert self.http.put(uri, content=data, headers=headers).status_code == 201
        return uri.partition("?")[0]

    def container(self, name: str) -> str:
        """A container that is there, as a URI with a signature."""
        uri = str(self.call("POST", "/storage/sasUri", json={"containerName": name}).json()["sasUri"])
        assert self.http.put(f"{uri}&restype=container").status_code in (201, 409)
        return uri

    def solved(self, job_id: str, message: dict[str, Any]) -> dict[str, Any]:
        """Put a job, wait for its end, and get it."""
        assert self.call("PUT", f"/jobs/{job_id}", json=message).status_code == 200
        while (told := self.call("GET", f"/jobs/{job_id}").json())["status"] in ("Waiting", "Executing"):
            pass
        return dict(told)

    def raw(self, request: bytes, *, then_hang_up: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to bytes that no HTTP client would send; status 0 for none."""
        url = httpx.URL(self.url)
        with socket.create_connection((url.host, url.port), timeout=60) as connection:
            with suppress(OSError):  # it may have refused the request, and hung up, before it had all of it
                connection.sendall(request)
                if then_hang_up:
                    connection.shutdown(socket.SHUT_WR)
            answer = HTTPResponse(connection)
            try:
                answer.begin()
            except RemoteDisconnected:
                return 0, {}, b""
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    @property
    def peak_memory(self) -> int:
        """The most bytes that it has had in memory."""
        said = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in said.splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])

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
