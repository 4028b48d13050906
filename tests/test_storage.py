from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from gpuqio.backend import Blob
from gpuqio.blob_files import BlobFiles, Properties
from gpuqio.errors import BlobExists, BlobNotFound, InputError
from gpuqio.storage import FolderStorage

PROBLEM = Blob(b"\x1f\x8b data", "application/json", "gzip", {"avg_coupling": "2"})


async def test_a_blob_comes_back_as_it_was_put(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "blobs")
    container = await storage.container("qio-problems")
    uri = await storage.upload(container, "a folder/über 100%", PROBLEM)
    assert (container, uri) == ("local://qio-problems", "local://qio-problems/a%20folder/%C3%BCber%20100%25")
    assert await storage.download(uri) == PROBLEM
    assert await storage.download(f"{uri}?sv=2020-12-06&sig=unread") == PROBLEM
    assert await FolderStorage(tmp_path / "blobs").download(uri) == PROBLEM  # it outlives the process


async def test_a_base_uri_is_what_uris_begin_with(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path, "http://127.0.0.1:8470/account")
    uri = await storage.upload(await storage.container("job-1"), "inputData", PROBLEM)
    assert uri == "http://127.0.0.1:8470/account/job-1/inputData"
    with pytest.raises(BlobNotFound, match="does not lie in this storage"):
        await storage.download("http://127.0.0.1:8470/account2/job-1/inputData")


async def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    container = await storage.container("qio-problems")
    assert await storage.container("qio-problems") == container
    uri = await storage.upload(container, "inputData", PROBLEM)
    with pytest.raises(BlobExists, match="'inputData' in 'qio-problems' already"):
        await storage.upload(container, "inputData", Blob(b"other"))
    assert await storage.download(uri) == PROBLEM


async def test_blocks_become_a_blob_when_they_are_committed(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    container = await storage.container("stream")
    for block, data in (("b", b"second"), ("a", b"first "), ("a", b"1st "), ("c", b"not asked for")):
        await storage.stage(container, "it", block, data)
    with pytest.raises(BlobNotFound):
        await storage.download(f"{container}/it")
    uri = await storage.commit(container, "it", ["a", "b"], Blob(b"unread", metadata={"type": "ising"}))
    assert await storage.download(uri) == Blob(b"1st second", metadata={"type": "ising"})
    with pytest.raises(BlobNotFound, match="no block 'a'"):  # they are gone with it
        await storage.commit(container, "it", ["a"], Blob(b""))
    await storage.stage(container, "it", "d", b"new")
    assert await storage.download(await storage.commit(container, "it", ["d"], Blob(b""))) == Blob(b"new")


async def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    for call in (
        storage.upload("local://nowhere", "blob", PROBLEM),
        storage.stage("local://nowhere", "blob", "a", b""),
        storage.commit("local://nowhere", "blob", [], PROBLEM),
        storage.download("local://nowhere/blob"),
        storage.download("local://nowhere/%2E%2E/blob"),
    ):
        with pytest.raises(BlobNotFound):
            await call


@pytest.mark.parametrize("name", ["", "ab", "Ab-c", "a--b", "-ab", "ab-", "a" * 64, "a/b", "..", "a.b", "äöü", "abc\n"])
async def test_containers_that_azure_refuses_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="container's name"):
        await FolderStorage(tmp_path).container(name)


@pytest.mark.parametrize("name", ["", "..", "a/../b", "./a", "a\\b", "a\0b", "a\nb", "a" * 1025])
async def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    storage = FolderStorage(tmp_path / "blobs")
    container = await storage.container("abc")
    with pytest.raises(InputError, match="blob's name"):
        await storage.upload(container, name, PROBLEM)
    assert os.listdir(tmp_path) == ["blobs"]


def test_a_blob_that_was_begun_and_not_put_leaves_nothing(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.make_container("abc")
    with files.writing(Properties(name="it")) as (file, _):
        file.write(b"half")
    with pytest.raises(BlobNotFound):
        files.properties("abc", "it")
    assert list((tmp_path / ".new").iterdir()) == []


def test_properties_say_when_a_blob_was_written_anew(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.make_container("abc")
    with files.writing(Properties(name="it")) as (file, put):
        file.write(b"12345")
        first = put("abc")
    assert (first.size, files.properties("abc", "it")) == (5, first)
    with files.writing(Properties(name="it")) as (_, put):
        second = put("abc", replace=True)
    assert second.size == 0
    assert second.etag != first.etag
    files.remove_container("abc")
    assert not files.has_container("abc")


async def test_of_many_that_put_one_name_at_once_one_succeeds(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    container = await storage.container("race")
    won: list[int] = []

    async def put(number: int) -> None:
        try:
            await storage.upload(container, "it", Blob(b"%d" % number))
        except BlobExists:
            return
        won.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(put, number)
    (winner,) = won
    assert (await storage.download(f"{container}/it")).data == b"%d" % winner


def test_a_staged_block_counts_as_put(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.make_container("abc")
    for number in range(2):
        (folder,) = tmp_path.glob("abc")
        os.utime(folder, (0, 0))
        assert files.containers_before(datetime(2020, 1, 1, tzinfo=UTC)) == ["abc"]
        with files.staging("abc", "it", str(number)) as (file, put):
            file.write(b"block")
            put()
        assert files.containers_before(datetime(2020, 1, 1, tzinfo=UTC)) == []
