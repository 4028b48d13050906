"""Storage against Azurite, Microsoft's own server for tests of it: the calls, and both kinds of signatures."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import trio

from gpuqio.backend import Blob
from gpuqio.errors import AuthenticationFailed, BlobExists, BlobNotFound, RemoteError
from gpuqio.remote.account import StorageAccount
from gpuqio.remote.blobs import AccountKeys, RemoteStorage
from gpuqio.remote.transport import Transport, open_client

# The account that every Azurite has, with the key that its documentation gives.
NAME = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

pytestmark = [pytest.mark.azurite, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Azurite listens."""
    command = [os.environ["GPUQIO_AZURITE"], "--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"]
    where = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(tmp_path_factory.mktemp("azurite"))]
    with subprocess.Popen([*command, *where], stdout=subprocess.PIPE, text=True) as azurite:
        assert azurite.stdout is not None
        line = next(line for line in azurite.stdout if "listens on" in line)
        yield line.split()[-1]
        azurite.terminate()
        azurite.stdout.read()


@asynccontextmanager
async def storage_at(address: str, key: str = KEY) -> AsyncIterator[tuple[RemoteStorage, StorageAccount]]:
    account = StorageAccount.parse(f"AccountName={NAME};AccountKey={key};BlobEndpoint={address}/{NAME};")
    async with open_client() as client:
        yield RemoteStorage(Transport(client, seed=1), AccountKeys(account)), account


async def test_what_is_put_comes_back_as_it_was(address: str) -> None:
    async with storage_at(address) as (storage, _):
        container = await storage.container("there-and-back")
        assert urlsplit(await storage.container("there-and-back")).path == urlsplit(container).path
        blob = Blob(b"\x1f\x8bnot really gzip", "application/json", "gzip", {"terms": "3"})
        uri = await storage.upload(container, "a/b c", blob)
        assert uri == f"{address}/{NAME}/there-and-back/a/b%20c"
        assert await storage.download(uri) == blob
        with pytest.raises(BlobExists):
            await storage.upload(container, "a/b c", Blob(b"other"))
        assert await storage.download(uri) == blob
        empty = await storage.upload(container, "empty", Blob(b""))
        assert (await storage.download(empty)).data == b""
        with pytest.raises(BlobNotFound):
            await storage.download(f"{uri}-not")


async def test_blocks_and_ranges(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("MOST_AT_ONCE", 1000), ("BLOCK", 400), ("RANGE", 300)):
        monkeypatch.setattr(f"gpuqio.remote.blobs.{name}", size)
    async with storage_at(address) as (storage, _):
        container = await storage.container("blocks")
        blob = Blob(os.urandom(1001), "application/x-protobuf", "gzip", {"a": "b"})
        assert await storage.download(await storage.upload(container, "large", blob)) == blob
        with pytest.raises(BlobExists):
            await storage.upload(container, "large", blob)
        for block_id, data in (("2", b"world"), ("1", b"hello ")):
            await storage.stage(container, "staged", block_id, data)
        uri = await storage.commit(container, "staged", ["1", "2"], Blob(b"", "text/plain", "", {"k": "v"}))
        assert await storage.download(uri) == Blob(b"hello world", "text/plain", "", {"k": "v"})


async def test_a_signature_opens_what_it_names_as_long_as_it_says(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with storage_at(address) as (storage, account):
        container = await storage.container("signed")
        uri = await storage.upload(container, "b", Blob(b"data"))
        await storage.upload(container, "other", Blob(b"data"))
        signed = account.uri("signed", "b")
        assert (await storage.download(signed)).data == b"data"
        for wrong in (signed.replace("sig=", "sig=x"), signed.replace("/b?", "/other?"), f"{uri}?sig=none"):
            with pytest.raises(AuthenticationFailed, match="signature does not open it"):
                await storage.download(wrong)
        with pytest.raises(AuthenticationFailed):  # it is to read a blob
            await storage.stage(signed.replace("/b?", "?"), "b", "1", b"more")
        past = datetime.now(UTC) - timedelta(days=30)
        monkeypatch.setattr("gpuqio.remote.account._now", lambda: past)
        with pytest.raises(AuthenticationFailed):
            await storage.download(account.uri("signed", "b"))


async def test_a_wrong_key_makes_no_container(address: str) -> None:
    async with storage_at(address, key="d3Jvbmc=") as (storage, _):
        with pytest.raises(RemoteError) as caught:
            await storage.container("wrong")
        assert caught.value.status == 403


async def test_two_hundred_uploads_at_once(address: str) -> None:
    async with storage_at(address) as (storage, _):
        container = await storage.container("many")
        uris: list[str] = []

        async def put(place: int) -> None:
            uris.append(await storage.upload(container, f"b{place}", Blob(bytes([place]) * 100)))

        async with trio.open_nursery() as nursery:
            for place in range(200):
                nursery.start_soon(put, place)
        assert len(set(uris)) == 200
