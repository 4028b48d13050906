"""Keys and signatures that clients use, and those they try, are in nothing that a server writes, says or shows.

Its log has one level, warnings and worse on stderr, and no option for another; Python's own is turned up here besides.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from gpuqio.remote.protocol import API_KEY_HEADER
from gpuqio.server.names import Addresses
from gpuqio.server.service import Service
from tests.a_server import CHAIN, a_server, blob_of, blob_uri, job, settled
from tests.a_server_process import ServerProcess
from tests.test_server_abuse import a_request

IN_FILE, IN_ENVIRONMENT, WRONG, TOKEN = (
    f"planted-{name}-0123456789abcdef" for name in ("file", "env", "wrong", "token")
)


def signature(uri: str) -> str:
    return parse_qs(urlsplit(uri).query)["sig"][0]


def shown(secrets: set[str], data: bytes) -> list[str]:
    """Those that are in it, as they are or quoted."""
    return [secret for secret in secrets if secret.encode() in data or quote(secret, safe="").encode() in data]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_server_keeps_and_says_no_secret(tmp_path: Path, place: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{IN_FILE}\n")
    keys.chmod(0o600)
    key = IN_FILE if place == "file" else IN_ENVIRONMENT
    options = ["--key-file", str(keys)] if place == "file" else []
    data = tmp_path / "data"
    secrets, said = {IN_FILE, IN_ENVIRONMENT, WRONG, TOKEN}, []
    with ServerProcess(data, *options, environment={"GPUQIO_SERVER_KEY": IN_ENVIRONMENT}) as server:
        said.append(server.said.encode())
        for headers in ({API_KEY_HEADER: WRONG}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": WRONG}):
            refused = server.call("GET", "/jobs", headers=headers)
            assert refused.status_code == 401
            said.append(refused.content)
        server.http.headers["Authorization"] = f"Bearer {key}"
        container = server.container("abc")
        uri = blob_uri(container, "it")
        server.put_problem(container, "it", blob_of(CHAIN))
        done = server.solved("a", job(container, inputDataUri=uri))
        failed = server.solved("b", job(container, inputDataUri=blob_uri(container, "none")))
        assert (done["status"], failed["status"]) == ("Succeeded", "Failed")
        told = [container, *(told[name] for told in (done, failed) for name in told if name.endswith("Uri"))]
        secrets |= {signature(one) for one in told}
        said += [told["errorData"]["message"].encode() for told in (failed,)]
        forged = uri.replace(quote(signature(uri), safe=""), WRONG)
        assert forged != uri
        for refused in (
            server.http.get(forged),
            server.http.get(f"{blob_uri(container, 'none')}"),
            server.http.put(uri, headers={"If-None-Match": "*"}),
            server.http.get(f"{uri}&comp=x"),
            server.call("PUT", "/jobs/c", json=job(container, inputDataUri=uri.replace("/abc/", "/a--b/"))),
            server.call("PUT", "/jobs/c", json=job(container, inputDataUri=uri.replace("127.0.0.1", "example.org"))),
            server.call("PUT", "/jobs/c", json={"name": {"sas": uri}}),
        ):
            assert 400 <= refused.status_code < 500
            said.append(refused.content)
        server.raw(a_request("GET", f"/jobs?sig={WRONG}", f"Authorization: Bearer {TOKEN}", "Content-Length: x"))
        said += [
            server.http.get(path).content for path in ("/", "/metrics", "/status.json", "/healthz", "/openapi.json")
        ]
        status, log = server.terminate()
        assert (status, log) == (0, "")
    assert len(secrets) >= 8
    for text in said:
        assert shown(secrets, text) == []
    files = [path for path in data.rglob("*") if path.is_file()]
    assert {"jobs.sqlite", "sas.key"} <= {path.name for path in files}
    assert (data / "sas.key").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    secrets.add((data / "sas.key").read_bytes().hex())
    signing = (data / "sas.key").read_bytes()
    for path in files:
        if path.name != "sas.key":
            content = path.read_bytes()
            assert (shown(secrets, content), signing in content, b"sig=" in content) == ([], False, False)


@pytest.mark.slow
def test_what_is_kept_while_it_runs_has_no_secret(tmp_path: Path) -> None:
    """The log of what is not yet in the database is a file, too; it is gone once a server has stopped."""
    with ServerProcess(tmp_path) as server:
        container = server.container("abc")
        uri = blob_uri(container, "none")
        told = server.solved("a", job(container, inputDataUri=uri))
        kept = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert b"AZQ102" in kept["jobs.sqlite-wal"]
    for name, content in kept.items():
        if name != "sas.key":
            assert shown({signature(container), signature(told["inputDataUri"])}, content) == []


def parts(thing: object) -> Iterator[object]:
    """It, and what it is made of."""
    yield thing
    for name in getattr(type(thing), "__slots__", ()) or vars(thing):
        if name != "__weakref__":
            yield getattr(thing, name)


async def test_objects_show_no_secret_and_are_not_pickled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_server(tmp_path, keys=(IN_FILE,)) as client:
        client.http.headers[API_KEY_HEADER] = IN_FILE
        await client.put_job("a")
        await settled(client.service)
        service = client.service
        request: Any = SimpleNamespace(url=SimpleNamespace(scheme="http", netloc="127.0.0.1"))
        addresses = service.addresses(request, "q" + "0" * 23)
        key = service.key
        assert_hidden([*parts(service), addresses, vars_of(service.guard.throttle)], key)
        for secretive in (service, service.guard, addresses):
            with pytest.raises(TypeError, match="not pickled") as refused:
                pickle.dumps(secretive)
            assert IN_FILE not in str(refused.value)
        assert_hidden([pickle.dumps(service.guard.throttle)], key)
        ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert_hidden([record.getMessage() for record in ours], key)
    assert isinstance(service, Service)
    assert isinstance(addresses, Addresses)


def vars_of(thing: object) -> dict[str, object]:
    return cast("dict[str, object]", vars(thing))


def assert_hidden(things: list[object], key: bytes) -> None:
    for thing in things:
        if thing in (key, (IN_FILE,)):
            continue
        text = thing if isinstance(thing, bytes) else repr(thing).encode()
        assert IN_FILE.encode() not in text
        assert repr(key).encode() not in text
        assert key not in text
