"""The server as users run it: signals, TLS, and what it refuses to start with."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tests.a_server import CHAIN, ENDLESS, blob_of, blob_uri, job
from tests.a_server_process import ServerProcess

pytestmark = pytest.mark.slow

KEY = "k" * 24


def put(server: ServerProcess, job_id: str, **fields: object) -> None:
    """Upload a problem and put a job for it."""
    container = server.call("POST", "/storage/sasUri", json={"containerName": f"job-{job_id}"}).json()["sasUri"]
    server.http.put(f"{container}&restype=container")
    assert server.http.put(blob_uri(container, "inputData"), content=blob_of(CHAIN)).status_code == 201
    assert server.call("PUT", f"/jobs/{job_id}", json=job(container, **fields)).status_code == 200


def test_a_server_that_is_asked_to_stop_does_and_goes_on_at_the_next_start(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        put(server, "endless", inputParams=ENDLESS)
        assert server.terminate() == (0, "")
    with ServerProcess(tmp_path) as server:
        assert server.call("GET", "/jobs/endless").json()["status"] in ("Waiting", "Executing")
        assert server.call("DELETE", "/jobs/endless").status_code == 204
        assert server.call("GET", "/jobs/endless").json()["status"] == "Cancelled"


def test_a_request_on_its_way_is_answered_before_the_server_stops(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        container = server.call("POST", "/storage/sasUri", json={"containerName": "abc"}).json()["sasUri"]
        server.http.put(f"{container}&restype=container")
        server.http.close()  # an idle connection would be waited for
        url = httpx.URL(blob_uri(container, "it"))
        with socket.create_connection((url.host, url.port or 0)) as connection:
            head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Length: 8\r\n\r\n"
            connection.sendall(head.encode() + b"half")
            while not list(tmp_path.glob("blobs/*/.new/*")):  # until it is being written
                pass
            server.signal()
            with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
                while True:  # until it listens no more
                    socket.create_connection((url.host, url.port or 0)).close()
            connection.sendall(b"half")
            assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")
        assert server.ended() == (0, "")
    with ServerProcess(tmp_path) as server:
        path, _, query = str(url).partition("?")
        again = server.http.get(f"{server.url}{httpx.URL(path).path}?{query}")
        assert again.content == b"halfhalf"


def test_a_folder_and_a_port_are_for_one_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "a") as server:
        with ServerProcess(tmp_path / "a") as second:
            assert (second.said, second.ended()[0]) == (f"gpuqio: Another server uses {tmp_path / 'a'}.\n", 2)
        port = server.url.rpartition(":")[2]
        with ServerProcess(tmp_path / "b", "--port", port) as second:
            assert second.said.startswith(f"gpuqio: This can't listen at 127.0.0.1:{port}: ")
            assert second.ended() == (2, "")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "0.0.0.0"], "so this needs an API key and TLS"),
        (["--tls-cert", "x"], "go together"),
        (["--max-queued", "0"], "queued must be more than 0"),
        (["--key-file", "nothing"], "nothing: No such file"),
        (["--engine", "abacus"], "engine must be"),
    ],
)
def test_what_it_does_not_start_with(tmp_path: Path, options: list[str], reason: str) -> None:
    with ServerProcess(tmp_path, *options) as server:
        assert server.said.startswith("gpuqio: ")
        assert reason in server.said
        assert server.ended() == (2, "")


def test_over_tls_with_a_key_a_body_that_is_too_large_gets_its_answer(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    keys.chmod(0o600)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    tls = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"), "--key-file", str(keys)]
    with ServerProcess(tmp_path / "data", *tls, "--max-problem-mb", "1", verify=context) as server:
        assert server.url.startswith("https://")
        assert server.call("GET", "/jobs").status_code == 401
        assert server.call("PUT", "/jobs/a", content=b"x" * 2**22).status_code == 401
        server.http.headers["x-ms-quantum-api-key"] = KEY
        container = server.call("POST", "/storage/sasUri", json={"containerName": "abc"}).json()["sasUri"]
        assert container.startswith(server.url)
        assert server.http.put(f"{container}&restype=container").status_code == 201
        refused = server.http.put(blob_uri(container, "it"), content=b"x" * 2**22)
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (413, "RequestBodyTooLarge")
        assert server.call("PUT", "/jobs/a", content=b"x" * (2**22 + 2**16)).status_code == 413
