from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gpuqio.remote.sas import sign
from tests.a_server import Client, a_server, blob_uri

NEW = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}


def code_of(response: Any) -> tuple[int, str]:
    """Status and code of a refusal, which says it twice."""
    code = ElementTree.fromstring(response.content).findtext("Code")
    assert response.headers["content-type"] == "application/xml"
    assert response.headers["x-ms-error-code"] == code
    return response.status_code, code or ""


def left_over(root: Path) -> list[Path]:
    """What was begun to be written and is in no container."""
    return list(root.rglob(".new/*"))


async def test_a_container_is_made_once(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = (await client.call("POST", "/storage/sasUri", json={"containerName": "abc"})).json()["sasUri"]
        of_container = f"{uri}&restype=container"
        assert code_of(await client.http.get(of_container)) == (404, "ContainerNotFound")
        assert code_of(await client.http.put(blob_uri(uri, "it"), content=b"x")) == (404, "ContainerNotFound")
        assert (await client.http.put(of_container)).status_code == 201
        assert code_of(await client.http.put(of_container)) == (409, "ContainerAlreadyExists")
        there = await client.http.get(of_container)
        assert there.status_code == 200
        assert {"etag", "last-modified"} <= set(there.headers)


async def test_a_blob_comes_back_with_its_headers(tmp_path: Path) -> None:
    headers = {
        **NEW,
        "x-ms-blob-content-type": "application/json",
        "x-ms-blob-content-encoding": "br",
        "x-ms-meta-a": "1",
    }
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "a/b%20c")
        made = await client.http.put(uri, content=b"0123456789", headers=headers)
        assert made.status_code == 201
        assert code_of(await client.http.put(uri, content=b"", headers=headers)) == (409, "BlobAlreadyExists")
        seen = await client.http.head(uri)
        assert (seen.status_code, seen.content, seen.headers["content-length"]) == (200, b"", "10")
        got = [await _raw(client, uri, "x-ms-range", "bytes=0-3"), await _raw(client, uri, "range", "bytes=4-999")]
        assert [data for _, _, data in got] == [b"0123", b"456789"]
        assert [answered["content-range"] for _, answered, _ in got] == ["bytes 0-3/10", "bytes 4-9/10"]
        assert [status for status, _, _ in got] == [206, 206]
        for answered in (seen.headers, *(answered for _, answered, _ in got)):
            assert (answered["etag"], answered["x-ms-meta-a"]) == (made.headers["etag"], "1")
            assert (answered["content-type"], answered["content-encoding"]) == ("application/json", "br")
            assert answered["x-ms-blob-type"] == "BlockBlob"
        assert (await _raw(client, uri))[0::2] == (200, b"0123456789")
        assert code_of(await client.http.get(uri, headers={"x-ms-range": "bytes=10-"})) == (416, "InvalidRange")
        replaced = await client.http.put(uri, content=b"", headers={"x-ms-blob-type": "BlockBlob"})
        assert replaced.headers["etag"] != made.headers["etag"]
        assert (await _raw(client, uri))[0::2] == (200, b"")


async def _raw(client: Client, uri: str, *header: str) -> tuple[int, Any, bytes]:
    """Status, headers and the bytes as they lie there, whatever encoding they are said to have."""
    async with client.http.stream("GET", uri, headers=[(header[0], header[1])] if header else []) as response:
        return response.status_code, response.headers, b"".join([piece async for piece in response.aiter_raw()])


async def test_blocks_become_a_blob(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "it")
        for block_id, data in (("Qg==", b"second"), ("QQ==", b"first ")):
            staged = await client.http.put(f"{uri}&comp=block&blockid={block_id}", content=data)
            assert staged.status_code == 201
        assert code_of(await client.http.get(uri)) == (404, "BlobNotFound")
        wanted = b"<?xml version='1.0'?><BlockList><Latest>QQ==</Latest><Uncommitted>Qg==</Uncommitted></BlockList>"
        commit, ising = f"{uri}&comp=blocklist", {"x-ms-meta-type": "ising"}
        made = await client.http.put(commit, content=wanted, headers=ising)
        assert made.status_code == 201
        again = await client.http.put(commit, content=wanted, headers=ising)  # as if the first answer had been lost
        assert (again.status_code, again.headers["etag"]) == (201, made.headers["etag"])
        got = await client.http.get(uri)
        assert (got.content, got.headers["x-ms-meta-type"]) == (b"first second", "ising")
        for other in (wanted.replace(b"QQ==", b"Qg=="), wanted.replace(b"QQ==", b"Qw==")):
            assert code_of(await client.http.put(commit, content=other, headers=ising)) == (400, "InvalidBlockList")
        assert code_of(await client.http.put(commit, content=wanted)) == (400, "InvalidBlockList")


async def test_blocks_become_no_blob_where_there_is_one_that_must_stay(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "it")
        wanted = b"<BlockList><Latest>QQ==</Latest></BlockList>"
        for data, code in ((b"first", 201), (b"other", 409)):
            await client.http.put(f"{uri}&comp=block&blockid=QQ%3D%3D", content=data)
            put = await client.http.put(f"{uri}&comp=blocklist", content=wanted, headers=NEW)
            assert put.status_code == code
        assert code_of(put) == (409, "BlobAlreadyExists")
        assert (await client.http.get(uri)).content == b"first"
        assert (await client.http.put(f"{uri}&comp=blocklist", content=wanted)).status_code == 201
        assert code_of(await client.http.put(f"{uri}&comp=blocklist", content=wanted, headers=NEW))[0] == 409
        assert (await client.http.get(uri)).content == b"other"


@pytest.mark.parametrize("text", [b"", b"<BlockList>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff"])
async def test_what_is_no_list_of_blocks_is_refused(tmp_path: Path, text: bytes) -> None:
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "it")
        assert code_of(await client.http.put(f"{uri}&comp=blocklist", content=text)) == (400, "InvalidXmlDocument")


@pytest.mark.parametrize(
    ("method", "more", "headers", "code"),
    [
        ("PUT", "&comp=page", {}, "UnsupportedOperation"),
        ("GET", "&comp=tags", {}, "UnsupportedOperation"),
        ("PUT", "&comp=block", {}, "InvalidQueryParameterValue"),
        ("PUT", f"&comp=block&blockid={'a' * 89}", {}, "InvalidQueryParameterValue"),
        ("PUT", "", {"x-ms-blob-type": "AppendBlob"}, "InvalidHeaderValue"),
    ],
)
async def test_other_operations_are_refused(
    tmp_path: Path, method: str, more: str, headers: dict[str, str], code: str
) -> None:
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "it")
        assert code_of(await client.http.request(method, uri + more, headers=headers)) == (400, code)
        assert (await client.http.delete(uri)).status_code == 405
        assert code_of(await client.http.get(uri.replace("/abc/", "/A/"))) == (400, "InvalidResourceName")


async def test_only_a_signature_opens_a_blob(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = blob_uri(await client.container("abc"), "it")
        await client.http.put(uri, content=b"x")
        path, _, query = uri.partition("?")
        _, account, container, blob = path.removeprefix("http://127.0.0.1:8470").split("/")
        late = datetime(2000, 1, 1, tzinfo=UTC)
        soon = datetime(2100, 1, 1, tzinfo=UTC)
        key = client.service.key
        for opens, denied in (
            ("", "AuthenticationFailed"),
            (query.replace("sp=racw", "sp=racwd"), "AuthenticationFailed"),
            (sign(account, key[::-1], container, permissions="r", expires=soon), "AuthenticationFailed"),
            (sign(account, key, container, permissions="r", expires=late), "AuthenticationFailed"),
            (sign(account, key, "other", permissions="r", expires=soon), "AuthenticationFailed"),
            (sign(account, key, container, "other", permissions="r", expires=soon), "AuthenticationFailed"),
            (sign(account, key, container, permissions="w", expires=soon), "AuthorizationPermissionMismatch"),
        ):
            assert code_of(await client.http.get(f"{path}?{opens}")) == (403, denied)
        reads = sign(account, key, container, blob, permissions="r", expires=soon)
        assert (await client.http.get(f"{path}?{reads}")).content == b"x"
        for more in ("", "&comp=block&blockid=a", "&comp=blocklist"):
            refused = await client.http.put(f"{path}?{reads}{more}", content=b"y")
            assert code_of(refused) == (403, "AuthorizationPermissionMismatch")
        other = path.replace(account, account[::-1])
        assert (await client.http.get(f"{other}?{reads}")).status_code in (403, 404)


async def test_a_blob_that_is_too_large_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    async with a_server(tmp_path, problem_bytes=1000) as client:
        uri = blob_uri(await client.container("abc"), "it")
        for content in (b"x" * 1001, pieces()):
            assert code_of(await client.http.put(uri, content=content)) == (413, "RequestBodyTooLarge")
        assert code_of(await client.http.get(uri)) == (404, "BlobNotFound")
        assert left_over(tmp_path) == []
        assert (await client.http.put(uri, content=b"x" * 1000)).status_code == 201
