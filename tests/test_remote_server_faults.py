"""The client against a server in a process of its own, over sockets, where much goes wrong."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from gpuqio.backend import JobRecord, Status
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.place import Place, remote_backend
from tests.a_server_process import ServerProcess
from tests.fake_azure import WORKSPACE
from tests.fault_proxy import FAULTS
from tests.fault_wire import FaultWire
from tests.test_remote_faults import At
from tests.test_remote_server import a_request

JOBS = 200


def backend_at(url: str) -> RemoteBackend:
    return remote_backend(Place(WORKSPACE, Endpoint(url)))


def ended(server: ServerProcess) -> dict[str, int]:
    """How often jobs have been run there, by how that ended; once none runs."""
    said = server.http.get("/status.json").json()
    assert (said["queued"], said["running"]) == (0, [])
    found: dict[str, int] = said["ended"]
    return found


@pytest.mark.slow
async def test_two_hundred_jobs_come_through_a_bad_network_to_a_server(tmp_path: Path) -> None:
    records: dict[int, JobRecord] = {}
    with ServerProcess(tmp_path) as server:
        wire = FaultWire(urlsplit(server.url).port or 0, seed=1)
        async with wire.open() as url:
            backend = backend_at(url)

            async def solve(place: int) -> None:
                records[place] = await backend.solve(a_request(-place))

            with trio.fail_after(120):  # a hang, and no slow machine
                async with trio.open_nursery() as nursery:
                    for place in range(JOBS):
                        nursery.start_soon(solve, place)
        there = await backend_at(server.url).client.jobs()
        assert ended(server) == {"Succeeded": JOBS, "Failed": 0, "Cancelled": 0}
    assert set(wire.met) == {*FAULTS, ""}
    assert sorted(job.id or "" for job in there) == sorted(record.id for record in records.values())
    assert {job.status for job in there} == {"Succeeded"}
    assert len(records) == JOBS
    for place, record in records.items():
        assert record.status is Status.Succeeded
        assert record.results is not None
        assert record.results[0].cost == min(-place - 0.5, -0.5)


@pytest.mark.slow
@pytest.mark.parametrize("problems", [1, 2])
async def test_cancelled_at_every_await_a_solve_leaves_nothing_running_at_a_server(
    problems: int, tmp_path: Path
) -> None:
    steps, cancelled = 0, True
    with ServerProcess(tmp_path) as server:
        backend = backend_at(server.url)
        await backend.quotas()  # opens a connection
        while cancelled:
            steps += 1
            with trio.CancelScope() as scope:
                watch = At(scope, steps)
                trio.lowlevel.add_instrument(watch)
                try:
                    await backend.solve(a_request(*range(-problems, 0)))
                    cancelled = False
                finally:
                    trio.lowlevel.remove_instrument(watch)
            runs = ended(server)
            assert runs["Failed"] == 0
        assert runs["Cancelled"] > 0
        assert steps > 20
        assert backend.statistics().submitting == 0
        assert (await backend.solve(a_request(-3))).status is Status.Succeeded
        assert len(await backend.client.jobs()) == sum(ended(server).values())
