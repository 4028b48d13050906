"""What networks and impatient callers do: no job is lost, none runs twice, none runs unseen, and nothing hangs."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from gpuqio.backend import JobRecord, Status
from gpuqio.errors import GpuqioError
from gpuqio.remote import transport
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.auth import ApiKey
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.blobs import LinkedKeys, RemoteStorage
from gpuqio.remote.client import Client
from gpuqio.remote.protocol import API_VERSIONS, ApiVersion
from gpuqio.remote.secrets import Secret
from gpuqio.remote.transport import Transport, open_client
from tests.fake_azure import API, BLOBS, KEY, WORKSPACE, FakeAzure, backend_of
from tests.fault_proxy import FAULTS, FaultProxy
from tests.http_on_trio import served
from tests.test_remote_backend import a_request


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_two_hundred_jobs_come_through_a_bad_network(seed: int, autojump_clock: MockClock) -> None:
    service = FakeAzure()
    proxy = FaultProxy(service, seed)
    backend = backend_of(proxy)
    records: dict[int, JobRecord] = {}

    async def solve(place: int) -> None:
        records[place] = await backend.solve(a_request(-place))

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for place in range(200):
                nursery.start_soon(solve, place)
    assert set(proxy.met) == {*FAULTS, ""}
    assert min(proxy.met.values()) > 10
    assert set(service.runs.values()) == {1}
    assert set(service.runs) == {record.id for record in records.values()}
    assert len(records) == 200
    for place, record in records.items():
        assert record.status is Status.Succeeded
        assert record.results is not None
        assert record.results[0].cost == -place - 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_network_that_is_down_is_an_error_in_bounded_time(seed: int, autojump_clock: MockClock) -> None:
    class Down(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await trio.lowlevel.checkpoint()
            raise httpx.ConnectError("no route")

    with trio.fail_after(600), pytest.raises(GpuqioError, match="no route"):
        await backend_of(Down()).solve(a_request())


class At(trio.abc.Instrument):
    """Cancels a scope when a task, or all tasks together, have taken so many steps."""

    def __init__(self, scope: trio.CancelScope, steps: int, task: trio.lowlevel.Task | None = None) -> None:
        self._scope = scope
        self._left = steps
        self._task = task

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= self._task in (None, task)
        if self._left == 0:
            self._scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("version", [API_VERSIONS["v1.0"], API_VERSIONS["2026-01-15-preview"]])
@pytest.mark.parametrize("problems", [1, 2])
async def test_cancelled_at_every_await_a_solve_leaves_nothing_running(
    version: ApiVersion, problems: int, autojump_clock: MockClock
) -> None:
    service = FakeAzure(version)
    backend = backend_of(service, version)
    steps = put = 0
    cancelled = True
    while cancelled:
        steps += 1
        with trio.CancelScope() as scope:
            watch = At(scope, steps)
            trio.lowlevel.add_instrument(watch)
            try:
                await backend.solve(a_request(*range(1, problems + 1)))
                cancelled = False
            finally:
                trio.lowlevel.remove_instrument(watch)
        put += cancelled and any(job["status"] == "Cancelled" for job in service.jobs.values())
        assert service.unfinished == [], f"cancelled after {steps} steps"
        service.jobs.clear()
    assert steps > 20
    assert put > 5
    assert backend.statistics().submitting == 0
    assert (await backend.solve(a_request())).status is Status.Succeeded


class Moved(httpx.AsyncBaseTransport):
    """The fake service at another address: URIs are rewritten on their way in and out."""

    def __init__(self, service: FakeAzure) -> None:
        self.service = service
        self.address = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        url = BLOBS + path.removeprefix("/blobs") if path.startswith("/blobs") else API + path
        body = (await request.aread()).replace(f"{self.address}/blobs".encode(), BLOBS.encode())
        headers = [(name, value) for name, value in request.headers.items() if name not in ("host", "content-length")]
        inside = httpx.Request(request.method, url, headers=headers, content=body)
        response = await self.service.handle_async_request(inside)
        content = await response.aread()
        moved = content.replace(BLOBS.encode(), f"{self.address}/blobs".encode())
        kept = {name: value for name, value in response.headers.items() if name != "content-length"}
        return httpx.Response(response.status_code, headers=kept, stream=httpx.ByteStream(moved))


def over_sockets(address: str) -> tuple[RemoteBackend, httpx.AsyncClient]:
    client = open_client()
    named = Client(Endpoint(address), WORKSPACE, Transport(client, seed=1), ApiKey(Secret(KEY)))
    return RemoteBackend(named, RemoteStorage(named.transport, LinkedKeys(named)), seed=1), client


async def test_it_works_over_sockets() -> None:
    moved = Moved(FakeAzure(polls=0))
    async with served(moved) as moved.address:
        backend, client = over_sockets(moved.address)
        async with client:
            record = await backend.solve(a_request(-3, -4, -5))
            assert record.results is not None
            assert [result.cost for result in record.results] == [-4.0, -5.0, -6.0]


@pytest.mark.slow
@pytest.mark.parametrize("warm", [False, True], ids=["a new connection", "a kept connection"])
async def test_cancelled_at_every_await_a_request_leaves_its_connection_of_use(
    warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECTIONS", 1)
    moved = Moved(FakeAzure())
    mine = trio.lowlevel.current_task()
    steps, cancelled = 0, True
    async with served(moved) as moved.address:
        while cancelled:
            steps += 1
            backend, client = over_sockets(moved.address)
            async with client:
                if warm:
                    await backend.client.jobs()
                with trio.CancelScope() as scope:
                    watch = At(scope, steps, mine)
                    trio.lowlevel.add_instrument(watch)
                    try:
                        await backend.client.jobs()
                        cancelled = False
                    finally:
                        trio.lowlevel.remove_instrument(watch)
                with trio.fail_after(20):  # a lost connection is waited for, for longer than that
                    await backend.client.jobs()
    assert steps >= 7


class OneAfterTheOther(trio.abc.Instrument):
    """Cancels the first scope when a task in it has taken so many steps, the second one so many steps of all later."""

    def __init__(self, first: trio.CancelScope, second: trio.CancelScope, steps: int, later: int) -> None:
        self.scopes = first, second
        self.task: trio.lowlevel.Task | None = None
        self._steps, self._later = steps, later

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps -= self._steps > 0 and task is self.task
        if self._steps == 0:
            self.scopes[0].cancel()
            if self._later == 0:
                self.scopes[1].cancel()
            self._later -= 1


@pytest.mark.slow
async def test_a_connection_that_one_leaves_to_another_who_leaves_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """What httpx loses connections to (encode/httpcore #830), where requests wait in its pool."""
    monkeypatch.setattr(transport, "CONNECTIONS", 1)
    moved = Moved(FakeAzure())
    async with served(moved) as moved.address:
        backend, client = over_sockets(moved.address)

        async def ask(watch: OneAfterTheOther, place: int) -> None:
            if place == 0:
                watch.task = trio.lowlevel.current_task()
            with watch.scopes[place]:
                await backend.client.jobs()

        async with client:
            for steps in range(1, 11):
                for later in range(16):
                    watch = OneAfterTheOther(trio.CancelScope(), trio.CancelScope(), steps, later)
                    trio.lowlevel.add_instrument(watch)
                    try:
                        async with trio.open_nursery() as nursery:
                            nursery.start_soon(ask, watch, 0)
                            await trio.lowlevel.checkpoint()
                            nursery.start_soon(ask, watch, 1)
                    finally:
                        trio.lowlevel.remove_instrument(watch)
                    with trio.fail_after(20):  # a lost connection is waited for, for longer than that
                        await backend.client.jobs()
