"""The client against the server, over a socket of this machine: all calls, in all versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from gpuqio.backend import Blob, Request, Status
from gpuqio.engines.base import Work
from gpuqio.errors import AuthenticationFailed, BlobExists, BlobNotFound, JobNotFound
from gpuqio.problem import Problem
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.jobs import message_of
from gpuqio.remote.place import Place, remote_backend
from gpuqio.remote.protocol import API_VERSIONS, CURRENT, ApiVersion, SessionMessage, WorkspaceName
from gpuqio.remote.secrets import Secret
from gpuqio.server.limits import Limits
from gpuqio.server.serve import Address, serve
from gpuqio.solvers import ParallelTempering
from gpuqio.terms import Term

KEY = "planted-key-of-the-server"
WORKSPACE = WorkspaceName("0a1b", "group", "space")
TARGET = "microsoft.paralleltempering.cpu"

pytestmark = pytest.mark.slow


@asynccontextmanager
async def serving(root: Path) -> AsyncIterator[str]:
    """The address of a server for the length of the block."""
    lines: list[str] = []
    listens = trio.Event()

    def announce(line: str) -> None:
        lines.append(line)
        listens.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, root, Address(port=0), Limits(), (KEY,), "cpu", announce))
        await listens.wait()
        yield next(word for word in lines[0].split() if "://" in word).rstrip(",")
        nursery.cancel_scope.cancel()


def backend_at(url: str, version: ApiVersion = CURRENT, key: str = KEY) -> RemoteBackend:
    return remote_backend(Place(WORKSPACE, Endpoint(url), api_key=Secret(key), version=version))


def a_request(*costs: float, sweeps: int = 20) -> Request:
    problems = tuple(Problem("p", [Term(c=c, indices=[0, 3]), Term(c=0.5, indices=[3])]) for c in costs)
    solver = ParallelTempering(sweeps=sweeps, seed=7)
    return Request(Work(problems, solver), target=TARGET, params={"params": dict(solver.parameters())})


@pytest.mark.parametrize("version", API_VERSIONS.values(), ids=list(API_VERSIONS))
async def test_everything_that_a_client_asks_for(version: ApiVersion, tmp_path: Path) -> None:
    async with serving(tmp_path) as url:
        backend = backend_at(url, version)
        client = backend.client

        one = await backend.solve(a_request(-3))
        several = await backend.solve(a_request(-1, -2, -4))
        assert (one.status, several.status) == (Status.Succeeded, Status.Succeeded)
        assert one.results is not None
        assert several.results is not None
        assert [result.cost for result in (*one.results, *several.results)] == [-3.5, -1.5, -2.5, -4.5]
        report = one.results[0].report
        assert (report.engine, report.sweeps) == ("cpu", 20)
        assert one.results[0].parameters["seed"] == 7
        assert one.began is not None

        # Again, whoever asks.
        other = backend_at(url, version)
        assert len(await other.fetch_all()) == 4
        again = await other.fetch(one.id)
        assert again.results == one.results
        assert again.request is None

        # Put twice, it is one job.
        request = a_request(-3)
        container = await backend.storage.container(f"job-{request.job_id}")
        uri = await backend.storage.upload(container, "inputData", Blob(request.work.problems[0].to_blob()))
        message = message_of(request, container, uri)
        assert (await client.put_job(message)).id == (await client.put_job(message)).id == request.job_id
        assert len(await client.jobs()) == 5

        # Cancelled, it stops.
        endless = await backend.submit(a_request(-3, sweeps=10**9))
        record = await backend.cancel(endless.id)
        assert record.status is Status.Cancelled
        await client.cancel_job(endless.id)
        with pytest.raises(JobNotFound):
            await client.cancel_job("11111111-2222-3333-4444-555555555555")
        with pytest.raises(JobNotFound):
            await backend.fetch("11111111-2222-3333-4444-555555555555")

        # Blobs.
        storage = backend.storage
        container = await storage.container("things")
        blob = Blob(b"\x1f\x8bsome", "application/json", "gzip", {"terms": "3"})
        uri = await storage.upload(container, "a/b c", blob)
        assert await storage.download(uri) == blob
        with pytest.raises(BlobExists):
            await storage.upload(container, "a/b c", blob)
        for block_id, data in (("1", b"hello "), ("2", b"world")):
            await storage.stage(container, "blocks", block_id, data)
        uri = await storage.commit(container, "blocks", ["1", "2"], Blob(b"", "text/plain"))
        assert await storage.download(uri) == Blob(b"hello world", "text/plain")
        empty = await storage.upload(container, "empty", Blob(b""))
        assert (await storage.download(empty)).data == b""
        with pytest.raises(BlobNotFound):
            await storage.download(f"{uri}-not")

        # What there is.
        assert {"microsoft.tabu.cpu", TARGET} < {target.target for target in await backend.targets()}
        assert isinstance(await backend.quotas(), list)
        session = SessionMessage(
            id="aaaaaaaa-2222-3333-4444-555555555555", name="s", provider_id="Microsoft", target=TARGET
        )
        opened = await client.open_session(session)
        assert opened.id == session.id
        assert [item.id for item in await client.sessions()] == [session.id]
        assert (await client.get_session(opened.id or "")).name == "s"
        assert (await client.close_session(opened.id or "")).status != opened.status


async def test_a_wrong_key_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as url:
        with pytest.raises(AuthenticationFailed) as caught:
            await backend_at(url, key="planted-wrong").solve(a_request(-3))
        assert caught.value.status == 401
        assert "planted" not in str(caught.value)


async def test_many_large_blobs_come_and_go_in_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("MOST_AT_ONCE", 2**16), ("BLOCK", 2**15), ("RANGE", 2**15)):
        monkeypatch.setattr(f"gpuqio.remote.blobs.{name}", size)
    async with serving(tmp_path) as url:
        storage = backend_at(url).storage
        container = await storage.container("things")

        async def there_and_back(place: int) -> None:
            blob = Blob(bytes([place]) * (2**15 * place + 1))
            assert await storage.download(await storage.upload(container, f"blob{place}", blob)) == blob

        async with trio.open_nursery() as nursery:
            for place in range(8):
                nursery.start_soon(there_and_back, place)
