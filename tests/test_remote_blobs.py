"""Blobs over the calls of Azure Storage."""

from __future__ import annotations

import tracemalloc

import httpx
import pytest
from trio.testing import MockClock

from gpuqio.backend import Blob
from gpuqio.errors import AuthenticationFailed, BlobExists, BlobNotFound, RemoteError
from gpuqio.remote import blobs as module
from gpuqio.remote.blobs import LinkedKeys, RemoteStorage
from gpuqio.remote.protocol import API_VERSIONS, ApiVersion
from tests.fake_azure import BLOBS, SIG, FakeAzure, client_of, raw

BLOB = Blob(b"\x1f\x8bdata", "application/json", "gzip", {"terms": "3"})


def storage_of(
    service: httpx.AsyncBaseTransport, version: ApiVersion = API_VERSIONS["2026-01-15-preview"]
) -> RemoteStorage:
    client = client_of(service, version)
    return RemoteStorage(client.transport, LinkedKeys(client))


@pytest.mark.parametrize("version", API_VERSIONS.values(), ids=list(API_VERSIONS))
async def test_what_is_put_comes_back_as_it_was(version: ApiVersion, autojump_clock: MockClock) -> None:
    storage = storage_of(FakeAzure(version), version)
    container = await storage.container("things")
    assert await storage.container("things") == container  # it is there already
    uri = await storage.upload(container, "a/b c", BLOB)
    assert uri == f"{BLOBS}/things/a/b%20c"
    assert await storage.download(uri) == BLOB
    assert await storage.download(f"{uri}?sig={SIG}&sp=r") == BLOB


async def test_a_blob_is_not_replaced(autojump_clock: MockClock) -> None:
    service = FakeAzure()
    storage = storage_of(service)
    container = await storage.container("things")
    await storage.upload(container, "b", BLOB)
    for data in (BLOB.data, b"other"):
        with pytest.raises(BlobExists, match="/things/b"):
            await storage.upload(container, "b", Blob(data))
    assert (await storage.download(f"{BLOBS}/things/b")) == BLOB


@pytest.mark.parametrize("size", [3, 100])
async def test_an_upload_whose_first_answer_was_lost_is_a_success(
    size: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 10)

    class Losing(FakeAzure):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            before = len(self.blobs)
            response = await super().handle_async_request(request)
            if len(self.blobs) > before:
                raise httpx.ReadError("lost")
            return response

    service = Losing()
    storage = storage_of(service)
    uri = await storage.upload(await storage.container("things"), "b", Blob(bytes(size)))
    assert uri == f"{BLOBS}/things/b"
    assert len(service.blobs) == 1


async def test_a_blob_that_was_there_before_the_first_try_is_not_ours(autojump_clock: MockClock) -> None:
    failing = [httpx.Response(503)]

    def fail_once(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        return failing.pop() if failing and request.method == "PUT" else None

    service = FakeAzure(before=fail_once)
    storage = storage_of(service)
    container = await storage.container("things")
    service.blobs["/things/b"] = b"older", {"Content-Type": "text/plain"}
    with pytest.raises(BlobExists):
        await storage.upload(container, "b", BLOB)


async def test_a_large_blob_goes_in_blocks_and_comes_in_ranges(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("MOST_AT_ONCE", 100), ("BLOCK", 30), ("RANGE", 40)):
        monkeypatch.setattr(module, name, size)
    service = FakeAzure()
    storage = storage_of(service)
    container = await storage.container("things")
    blob = Blob(bytes(range(101)), "application/json", "gzip", {"a": "b"})
    uri = await storage.upload(container, "large", blob)
    assert [line for line in service.seen if line.startswith("PUT")] == ["PUT /things/large"] * 5
    assert max(len(block) for block in service.blocks["/things/large"].values()) == 30
    service.seen.clear()
    assert await storage.download(f"{uri}?sig={SIG}") == blob
    assert len(service.seen) == 3
    with pytest.raises(BlobExists):
        await storage.upload(container, "large", blob)


async def test_blocks_are_put_in_the_order_that_is_committed(autojump_clock: MockClock) -> None:
    storage = storage_of(FakeAzure())
    container = await storage.container("things")
    for block_id, data in (("2", b"world"), ("1", b"hello ")):
        await storage.stage(container, "b", block_id, data)
    uri = await storage.commit(container, "b", ["1", "2"], Blob(b"", "text/plain", "", {"k": "v"}))
    assert await storage.download(uri) == Blob(b"hello world", "text/plain", "", {"k": "v"})
    await storage.commit(container, "b", ["2"], Blob(b"", "text/plain"))
    assert (await storage.download(uri)).data == b"world"


async def test_an_empty_blob_can_be_kept(autojump_clock: MockClock) -> None:
    storage = storage_of(FakeAzure())
    uri = await storage.upload(await storage.container("things"), "empty", Blob(b""))
    assert await storage.download(uri) == Blob(b"")


async def test_a_blob_that_changes_while_it_comes_is_refused(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RANGE", 4)

    def change(service: FakeAzure, request: httpx.Request) -> None:
        if request.headers.get("x-ms-range", "").startswith("bytes=4"):
            service.blobs["/things/b"] = b"otherwise", {}

    service = FakeAzure(before=change)
    service.blobs["/things/b"] = b"first here", {}
    with pytest.raises(RemoteError, match="412") as caught:
        await storage_of(service).download(f"{BLOBS}/things/b")
    assert caught.value.status == 412


async def test_a_size_that_is_no_number_is_that_of_what_came(autojump_clock: MockClock) -> None:
    answer = raw(206, {"Content-Range": f"bytes 0-3/{'9' * 5000}"}, b"four")
    service = FakeAzure(before=lambda _, request: answer if "x-ms-range" in request.headers else None)
    assert (await storage_of(service).download(f"{BLOBS}/things/b")).data == b"four"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (raw(206, {"Content-Range": "bytes 0-3/9999999999999"}, b"four"), "more than 4294967296"),
        (raw(206, {"Content-Range": "bytes 0-3/8", "ETag": "1"}, b""), "not sent in ranges of one state"),
    ],
)
async def test_a_service_that_lies_about_ranges_is_refused(
    answer: httpx.Response, said: str, autojump_clock: MockClock
) -> None:
    answers = [answer, httpx.Response(200)]

    def lie(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        return answers.pop(0) if "x-ms-range" in request.headers else None

    with pytest.raises(RemoteError, match=said):
        await storage_of(FakeAzure(before=lie)).download(f"{BLOBS}/things/b")


async def test_what_is_not_there_is_not_found(autojump_clock: MockClock) -> None:
    storage = storage_of(FakeAzure())
    with pytest.raises(BlobNotFound, match="/things/nothing"):
        await storage.download(f"{BLOBS}/things/nothing")
    with pytest.raises(BlobNotFound, match="not the URI of a blob"):
        await storage.download(f"{BLOBS}/things")
    with pytest.raises(BlobNotFound):
        await storage.upload(f"{BLOBS}/nowhere?sig={SIG}", "b", BLOB)


async def test_a_signature_that_opens_nothing_is_an_authentication_failure(autojump_clock: MockClock) -> None:
    with pytest.raises(AuthenticationFailed, match="signature does not open it") as caught:
        await storage_of(FakeAzure()).download(f"{BLOBS}/things/b?sig=planted-old")
    assert (caught.value.status, caught.value.code) == (403, "AuthenticationFailed")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("uri", ["https://evil.example/c/b?sig=1", "http://127.0.0.1/c/b", "file:///c/b?sig=1"])
async def test_blobs_elsewhere_are_not_asked_for(uri: str, autojump_clock: MockClock) -> None:
    service = FakeAzure()
    storage = storage_of(service)
    with pytest.raises(RemoteError, match="not followed"):
        await storage.download(uri)
    with pytest.raises(RemoteError, match="not followed"):
        await storage.upload(uri, "b", BLOB)
    assert service.seen == []


async def test_an_upload_in_blocks_needs_little_more_memory_than_its_data(autojump_clock: MockClock) -> None:
    class Sink(FakeAzure):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await super().handle_async_request(request) if request.method == "POST" else httpx.Response(201)

    storage = storage_of(Sink())
    container = await storage.container("things")
    data = bytes(9 * 2**23)
    tracemalloc.start()
    try:
        await storage.upload(container, "large", Blob(data))
        assert tracemalloc.get_traced_memory()[1] < 4 * module.BLOCK
    finally:
        tracemalloc.stop()
