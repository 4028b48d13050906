from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from gpuqio.errors import InvalidParameter
from gpuqio.server.gate import DRAINED, Gate
from gpuqio.server.guard import MOST_PEERS, Guard, Throttle, read_keys
from gpuqio.server.refusal import Refusal
from gpuqio.server.serve import Address
from tests.a_server import WORKSPACE, a_server, blob_uri

KEY, OTHER = "k" * 20, "another key that is long"


async def test_a_server_with_keys_wants_one(tmp_path: Path) -> None:
    async with a_server(tmp_path, keys=(KEY, OTHER)) as client:
        jobs = f"{WORKSPACE}/jobs?api-version=2022-09-12-preview"
        for headers in (
            {"x-ms-quantum-api-key": KEY},
            {"x-ms-quantum-api-key": OTHER},
            {"Authorization": f"Bearer {KEY}"},
            {"Authorization": f"bearer {OTHER}"},
        ):
            assert (await client.http.get(jobs, headers=headers)).status_code == 200
        for path in (jobs, "/metrics", "/status.json", "/nothing"):
            for headers in (
                {},
                {"x-ms-quantum-api-key": KEY[1:]},
                {"Authorization": f"Basic {KEY}"},
                {"Authorization": "Bearer "},
                {"Authorization": KEY},
            ):
                refused = await client.http.get(path, headers=headers)
                assert (refused.status_code, refused.json()["error"]["code"]) == (401, "Unauthorized")
                assert refused.headers["www-authenticate"] == "Bearer"
                assert KEY not in refused.text
        for path in ("/healthz", "/openapi.json"):
            assert (await client.http.get(path)).status_code == 200
        client.http.headers["x-ms-quantum-api-key"] = KEY
        uri = blob_uri(await client.container("abc"), "it")
        del client.http.headers["x-ms-quantum-api-key"]
        assert (await client.http.put(uri, content=b"x")).status_code == 201  # a signature is enough


async def test_without_keys_any_token_will_do(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        told = await client.call("GET", "/jobs", headers={"Authorization": "Bearer fake"})
        assert told.status_code == 200


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("127.0.0.1:8470", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8470", True),
     ("example.org:8470", False), ("10.0.0.1", False), ("localhost.example.org", False), ("", False)],
)  # fmt: skip
async def test_a_web_page_that_names_this_machine_otherwise_is_refused(host: str, is_own: bool) -> None:
    guard = Guard((), Throttle(100), local_only=True)
    if is_own:
        guard.admit("::1", {"host": host}, needs_key=True)
        return
    with pytest.raises(Refusal) as refused:
        guard.admit("::1", {"host": host}, needs_key=False)
    assert refused.value.status == 403
    Guard((), Throttle(100)).admit("::1", {"host": host}, needs_key=True)


async def test_too_many_calls_are_told_to_wait(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    throttle = Throttle(2.0)
    guard = Guard((KEY,), throttle)
    for _ in range(4):
        assert throttle.take("peer 1") == 0
    assert throttle.take("peer 1") == pytest.approx(0.5)
    assert throttle.take("peer 2") == 0
    guard.admit("1", {"x-ms-quantum-api-key": KEY}, needs_key=True)  # by its key
    await trio.sleep(0.5)
    assert throttle.take("peer 1") == 0
    assert throttle.take("peer 1") > 0
    await trio.sleep(100)
    assert [throttle.take("peer 1") == 0 for _ in range(5)] == [True] * 4 + [False]


async def test_the_throttle_remembers_a_bounded_number_of_peers() -> None:
    throttle = Throttle(1.0)
    for number in range(MOST_PEERS + 10):
        throttle.take(f"peer {number}")
    assert len(throttle._buckets) == MOST_PEERS


async def test_a_refusal_says_when_to_come_again(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate=0.25) as client:
        refused = [await client.http.get("/healthz") for _ in range(3)][-1]
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "TooManyRequests")
        assert 1 <= int(refused.headers["retry-after"]) <= 4


def test_keys_come_from_a_file_of_ones_own_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUQIO_SERVER_KEY", raising=False)
    assert read_keys(None) == ()
    monkeypatch.setenv("GPUQIO_SERVER_KEY", KEY)
    assert read_keys(None) == (KEY,)
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n\n  {OTHER}\n")
    file.chmod(0o600)
    assert read_keys(file) == (KEY, OTHER)
    for mode in (0o640, 0o604, 0o620, 0o777):
        file.chmod(mode)
        with pytest.raises(InvalidParameter, match="chmod 600"):
            read_keys(file)


@pytest.mark.parametrize("text", ["", "\n", "short", "k" * 15, "ü" * 20, f"{KEY}\nshort"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(InvalidParameter, match="key") as refused:
        read_keys(file)
    assert not text.strip() or text.strip() not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    Address(host=host).check((), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_the_world_needs_a_key_and_tls(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="an API key and TLS"):
        Address(host=host).check((), insecure=False)
    with pytest.raises(InvalidParameter, match="needs TLS"):
        Address(host=host).check((KEY,), insecure=False)
    safe = Address(host=host, tls_cert=tmp_path, tls_key=tmp_path)
    with pytest.raises(InvalidParameter, match="needs an API key"):
        safe.check((), insecure=False)
    safe.check((KEY,), insecure=False)
    Address(host=host).check((), insecure=True)
    with pytest.raises(InvalidParameter, match="go together"):
        Address(host=host, tls_cert=tmp_path).check((KEY,), insecure=True)


@pytest.mark.parametrize(("pieces", "read"), [(3, 3), (100, DRAINED >> 20)])
async def test_a_refused_body_is_read_up_to_a_bound(pieces: int, read: int) -> None:
    """Over TLS a client that still sends would not see the answer."""
    left = list(range(pieces))
    sent: list[tuple[int, Any]] = []

    async def receive() -> dict[str, Any]:
        left.pop()
        return {"type": "http.request", "body": b"x" * 2**20, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append((len(left), message["type"]))

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let in")

    gate = Gate(nothing, Guard((KEY,), Throttle(1000)))
    scope = {"type": "http", "method": "PUT", "path": "/x", "headers": [], "client": ("::1", 1), "query_string": b""}
    await gate(scope, receive, send)
    assert sent == [(pieces - read, "http.response.start"), (pieces - read, "http.response.body")]
    assert gate.answered == {401: 1}
