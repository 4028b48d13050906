"""The real Azure SDKs, unmodified, are clients of `gpuqio serve`.

Each has an environment of its own, since 0.28 needs an older NumPy. `.ci/run` makes them and says where their Pythons
are in GPUQIO_SDK_0_28 and GPUQIO_SDK_CURRENT.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.a_server_process import ServerProcess

ROOT = Path(__file__).parents[1]
KEY = "a key that only the laptops of the lab know"


class Address(NamedTuple):
    url: str
    key: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with ServerProcess(tmp_path_factory.mktemp("http")) as server:
        yield Address(server.url, "", {})


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    folder = tmp_path_factory.mktemp("https")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    key_file = folder / "keys"
    key_file.touch(mode=0o600)
    key_file.write_text(KEY)
    options = ("--tls-cert", "certificate.pem", "--tls-key", "key.pem", "--key-file", "keys")
    paths = [word if word.startswith("--") else str(folder / word) for word in options]
    trusted = {name: str(folder / "authority.pem") for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    with ServerProcess(folder / "data", *paths) as server:
        yield Address(server.url, KEY, trusted)


def run(program: str, variable: str, address: Address) -> None:
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} does not say which Python has the SDK; .ci/run does")
    told = {"GPUQIO_TEST_URL": address.url, "GPUQIO_TEST_KEY": address.key}
    command = [python, "-m", f"tests.sdk.{program}"]
    environment = os.environ | address.environment | told
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["blocking", "asynchronous"])
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_the_last_sdk_with_optimization(program: str, protocol: str, request: pytest.FixtureRequest) -> None:
    run(program, "GPUQIO_SDK_0_28", request.getfixturevalue(protocol))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["http", "https"])
def test_the_current_sdk(protocol: str, request: pytest.FixtureRequest) -> None:
    run("current", "GPUQIO_SDK_CURRENT", request.getfixturevalue(protocol))
