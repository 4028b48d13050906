"""A service's workspace as a backend."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import trio
from trio.testing import MockClock

from gpuqio.backend import Blob, Envelope, JobError, Request, Status
from gpuqio.engines.base import Work
from gpuqio.errors import BackendUnavailable, InvalidParameter, JobNotFound, RemoteError
from gpuqio.problem import Problem
from gpuqio.remote import backend as module
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.heard import Heard
from gpuqio.remote.place import Place, remote_backend
from gpuqio.remote.protocol import API_VERSIONS, ApiVersion, CostEstimate
from gpuqio.remote.secrets import Secret
from gpuqio.remote.transport import MOST_PATIENCE, open_client
from gpuqio.solvers import SimulatedAnnealing
from gpuqio.terms import Term
from tests.fake_azure import API, BLOBS, KEY, SIG, WORKSPACE, FakeAzure, backend_of, refused

TARGET = "microsoft.simulatedannealing.cpu"


def a_problem(c: float = -3) -> Problem:
    return Problem("p", [Term(c=c, indices=[1, 0]), Term(c=1, indices=[0])])


def a_request(*costs: float, **fields: Any) -> Request:
    problems = tuple(map(a_problem, costs or (-3,)))
    fields = {"target": TARGET, "params": {"params": {"sweeps": np.int64(2)}}, **fields}
    return Request(Work(problems, SimulatedAnnealing(sweeps=2)), **fields)


@pytest.mark.parametrize("version", API_VERSIONS.values(), ids=list(API_VERSIONS))
async def test_a_problem_is_solved_there(version: ApiVersion, autojump_clock: MockClock) -> None:
    service = FakeAzure(version)
    backend = backend_of(service, version)
    request = a_request(name="mine", envelope=Envelope(metadata={"a": "b"}, tags=("t",), session_id="s"))
    record = await backend.submit(request)
    assert (record.id, record.name, record.target, record.status) == (request.job_id, "mine", TARGET, Status.Waiting)
    assert record.request is request
    put = service.jobs[record.id]
    assert put["providerId"] == "Microsoft"
    assert put["inputParams"] == {"params": {"sweeps": 2}}
    assert (put["inputDataFormat"], put["outputDataFormat"]) == ("microsoft.qio.v2", "microsoft.qio-results.v2")
    assert (put["metadata"], put["tags"], put["sessionId"]) == ({"a": "b"}, ["t"], "s")
    data, about = service.blobs[f"/job-{record.id}/inputData"]
    assert Problem.from_json(data).terms == request.work.problems[0].terms
    assert (about["Content-Type"], about["Content-Encoding"]) == ("application/json", "gzip")
    record = await backend.wait(record.id)
    assert record.status is Status.Succeeded
    assert record.results is not None
    assert [result.cost for result in record.results] == [-4.0]
    assert record.began is not None
    assert record.ended is not None
    assert record.request is not None
    assert record.request.work.problems == ()
    assert backend.get(record.id) is record
    assert backend.list() == [record]


async def test_providers_and_formats_follow_from_the_target(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    for target in ("1qbit.tabu", "toshiba.sbm.ising"):
        await backend.submit(a_request(target=target, params={"seed": "1"}, priority=1))
    found = [(job["providerId"], job["outputDataFormat"], job["priority"]) for job in service.jobs.values()]
    assert found == [
        ("1qbit", "microsoft.qio-results.v1", "High"),
        ("toshiba", "microsoft.qio-results.v2", "High"),
    ]


async def test_a_problem_that_lies_there_is_not_sent(autojump_clock: MockClock) -> None:
    service = FakeAzure()
    backend = backend_of(service)
    uri = await backend.storage.upload(
        await backend.storage.container("qio-problems"), "inputData", Blob(a_problem(-8).to_blob())
    )
    request = Request(Work((), SimulatedAnnealing(sweeps=2)), target=TARGET, envelope=Envelope(input_data_uri=uri))
    record = await backend.solve(request)
    assert record.results is not None
    assert record.results[0].cost == -9.0
    assert [path for path in service.blobs if path.endswith("inputData")] == ["/qio-problems/inputData"]


async def test_several_problems_are_as_many_jobs_and_one(autojump_clock: MockClock) -> None:
    service = FakeAzure()
    backend = backend_of(service)
    costs = [-3.0, -7.0, -5.0, 2.0]
    record = await backend.submit(a_request(*costs, name="four"))
    assert len(service.jobs) == 4
    assert {job["name"] for job in service.jobs.values()} == {f"four, problem {place}" for place in range(4)}
    assert backend.list() == [record]
    assert (await backend.fetch(record.id)).status is Status.Executing
    for job, cost in zip(service.jobs.values(), (1.5, 2.0, None), strict=False):  # the fourth says nothing
        job["costEstimate"] = {"currencyCode": "EUR", "events": [{"unitPrice": 1}], "estimatedTotal": cost}
    record = await backend.wait(record.id)
    estimate = CostEstimate(currency_code="EUR", events=[{"unitPrice": 1}] * 3, estimated_total=3.5)
    assert record.envelope.cost_estimate == estimate
    assert record.results is not None
    assert [result.cost for result in record.results] == [-4.0, -8.0, -6.0, -3.0]
    assert (record.status, record.name, record.error) == (Status.Succeeded, "four", None)
    assert await backend.fetch(record.id) is record
    assert await backend.cancel(record.id) is record


async def test_one_failure_among_several_is_the_failure_of_all(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    record = await backend.submit(a_request(-1, -2))
    first, second = service.jobs
    service.finish(first)
    service.jobs[second].update(status="Failed", errorData={"code": "InvalidInputData", "message": "AZQ107"})
    record = await backend.wait(record.id)
    assert (record.status, record.error) == (Status.Failed, JobError("InvalidInputData", "AZQ107"))
    assert record.results is None


async def test_a_submission_that_fails_in_the_middle_leaves_nothing(autojump_clock: MockClock) -> None:
    def fail_third(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        third = request.method == "PUT" and "/jobs/" in request.url.path and len(service.jobs) == 2
        return refused(400, "QuotaExceeded", "No more.") if third else None

    service = FakeAzure(held=True, before=fail_third)
    backend = backend_of(service)
    with pytest.raises(RemoteError, match="QuotaExceeded: No more."):
        await backend.submit(a_request(-1, -2, -3, -4))
    assert service.unfinished == []
    assert backend.list() == []
    assert backend.statistics().submitting == 0


async def test_an_id_is_taken_once(autojump_clock: MockClock) -> None:
    backend = backend_of(FakeAzure())
    request = a_request()
    await backend.submit(request)
    with pytest.raises(InvalidParameter, match="submitted already"):
        await backend.submit(request)


async def test_submitting_without_waiting_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="by `submit` only"):
        backend_of(FakeAzure()).submit_nowait(a_request())


async def test_polling_gets_slower_and_heeds_the_service(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def note(service: FakeAzure, request: httpx.Request) -> None:
        if request.method == "GET" and "/jobs/" in request.url.path:
            times.append(trio.current_time())

    service = FakeAzure(polls=20, before=note)
    backend = backend_of(service)
    await backend.wait((await backend.submit(a_request())).id)
    gaps = [late - early for early, late in itertools.pairwise(times)]
    for place, gap in enumerate(gaps):
        longest = min(0.2 * 1.5**place, 30.0)
        assert 0.8 * longest <= gap <= longest

    asked = "25"

    def ask_for_time(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        note(service, request)
        if request.method == "GET" and len(times) == 1:
            return httpx.Response(200, json=service.jobs[request.url.path[-36:]], headers={"Retry-After": asked})
        return None

    times.clear()
    service.before = ask_for_time
    await backend.wait((await backend.submit(a_request())).id)
    assert times[1] - times[0] >= 25

    asked = "999999999"  # some 31 years, which nobody waits
    times.clear()
    await backend.wait((await backend.submit(a_request())).id)
    assert times[1] - times[0] == MOST_PATIENCE


async def test_cancelling_a_wait_leaves_the_job(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    record = await backend.submit(a_request())
    with trio.move_on_after(100) as scope:
        await backend.wait(record.id)
    assert scope.cancelled_caught
    assert service.unfinished == [record.id]


@pytest.mark.parametrize("version", API_VERSIONS.values(), ids=list(API_VERSIONS))
async def test_cancelling_a_job_waits_until_it_has_stopped(version: ApiVersion, autojump_clock: MockClock) -> None:
    def linger(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or "/jobs/" not in request.url.path:
            return None
        job = service.jobs[request.url.path[-36:]]
        if job["status"] != "Cancelled" or trio.current_time() > began + 7:
            return None
        return httpx.Response(200, json={**job, "status": "CancellationRequested", "isCancelling": True})

    service = FakeAzure(version, held=True, before=linger)
    backend = backend_of(service, version)
    record = await backend.submit(a_request(-1, -2))
    began = trio.current_time()
    record = await backend.cancel(record.id)
    assert (record.status, record.results) == (Status.Cancelled, None)
    assert record.cancelled is not None
    assert trio.current_time() > began + 7


async def test_a_cancelled_job_may_have_results(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    record = await backend.submit(a_request())
    service.finish(record.id)
    service.jobs[record.id].update(status="Cancelled", beginExecutionTime="2026-01-01T00:00:00Z")
    record = await backend.fetch(record.id)
    assert record.status is Status.Cancelled
    assert record.results is not None
    assert record.results[0].cost == -4.0


@pytest.mark.parametrize("problems", [1, 3])
async def test_cancelling_solve_cancels_the_job_and_waits_for_that(problems: int, autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    with trio.move_on_after(50) as scope:
        await backend.solve(a_request(*range(1, problems + 1)))
    assert scope.cancelled_caught
    assert service.unfinished == []
    assert {job["status"] for job in service.jobs.values()} == {"Cancelled"}
    assert len(service.jobs) == problems


async def test_a_job_that_was_on_its_way_when_its_caller_left_is_cancelled(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    class Slow(FakeAzure):
        """Takes five seconds to put a job, whether anybody waits for it or not."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method != "PUT" or "/jobs/" not in request.url.path:
                return await super().handle_async_request(request)
            answers: list[httpx.Response] = []
            done = trio.Event()

            async def put() -> None:
                await trio.sleep(5)
                answers.append(await FakeAzure.handle_async_request(self, request))
                done.set()

            nursery.start_soon(put)
            await done.wait()
            return answers[0]

    service = Slow(held=True)
    backend = backend_of(service)
    for call in (backend.solve, backend.submit):
        with trio.move_on_after(1) as scope:
            await call(a_request())
        assert scope.cancelled_caught
    await trio.sleep(60)
    assert len(service.jobs) == 2
    assert service.unfinished == []


async def test_a_service_that_does_not_answer_holds_up_cancellation_for_a_while_only(autojump_clock: MockClock) -> None:
    hung = False

    class Hanging(FakeAzure):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if hung:
                await trio.sleep_forever()
            return await super().handle_async_request(request)

    backend = backend_of(Hanging(held=True))
    with trio.move_on_after(50):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(backend.solve, a_request())
            await trio.sleep(40)
            hung = True
    assert trio.current_time() < 50 + module.GRACE + 1


async def test_a_failed_wait_does_not_leave_the_job_running(autojump_clock: MockClock) -> None:
    def nonsense(service: FakeAzure, request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET" and service.unfinished:
            return httpx.Response(200, json={"id": "x", "name": "n", "providerId": "p", "target": "t", "status": "Odd"})
        return None

    service = FakeAzure(held=True, before=nonsense)
    with pytest.raises(RemoteError, match="has the status 'Odd'"):
        await backend_of(service).solve(a_request())
    assert service.unfinished == []


async def test_jobs_of_others_are_seen(autojump_clock: MockClock) -> None:
    service = FakeAzure(page=2)
    others, backend = backend_of(service), backend_of(service)
    ids = [(await others.submit(a_request(name=f"job {place}"))).id for place in range(5)]
    assert backend.list() == []
    with pytest.raises(JobNotFound, match="heard of"):
        backend.get(ids[0])
    records = await backend.fetch_all()
    assert [record.id for record in records] == ids
    assert {record.request for record in records} == {None}
    record = await backend.wait(ids[3])
    assert (record.name, record.params, record.request) == ("job 3", {"params": {"sweeps": 2}}, None)
    assert record.results is not None
    assert backend.list() == [record]
    assert (await backend.fetch_all())[3] is record
    with pytest.raises(JobNotFound, match="No job of the workspace"):
        await backend.fetch("nothing")
    with pytest.raises(JobNotFound):
        await backend.cancel("nothing")


async def test_a_job_that_is_no_optimization_has_no_results(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    envelope = Envelope(input_data_uri=f"{BLOBS}/c/circuit", output_data_format="ionq.quantum-results.v1")
    record = await backend.submit(Request(Work((), SimulatedAnnealing(sweeps=2)), target="ionq.qpu", envelope=envelope))
    service.jobs[record.id].update(status="Completed")
    record = await backend.fetch(record.id)
    assert (record.status, record.results) == (Status.Succeeded, None)
    assert record.envelope.provider_id == "ionq"


async def test_records_and_their_pickles_hold_no_signature(autojump_clock: MockClock) -> None:
    backend = backend_of(FakeAzure())
    record = await backend.solve(a_request())
    assert record.envelope.container_uri == f"{BLOBS}/job-{record.id}"
    assert record.envelope.output_data_uri == f"{BLOBS}/job-{record.id}/outputData"
    assert SIG.encode() not in pickle.dumps(record)
    assert SIG not in repr(record)
    # What it names can be read all the same, with a new signature.
    assert (await backend.storage.download(record.envelope.output_data_uri)).content_type == "application/json"


async def test_targets_quotas_and_statistics(autojump_clock: MockClock) -> None:
    service = FakeAzure(held=True)
    backend = backend_of(service)
    (target,) = await backend.targets()
    assert (target.target, target.provider_id, target.average_queue_time) == ("microsoft.tabu.cpu", "Microsoft", 4.0)
    (quota,) = await backend.quotas()
    assert (quota["dimension"], quota["limit"], quota["provider_id"]) == ("combined_job_hours", 20.0, None)
    await backend.submit(a_request())
    found = backend.statistics()
    assert (found.waiting, found.executing, found.succeeded) == (1, 0, 0)
    assert found.workers > 0


async def test_large_problems_and_results_are_written_and_read_in_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[object] = []

    async def note(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        calls.append(function)
        await trio.lowlevel.checkpoint()
        return function(*args)

    monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(trio.to_thread, "run_sync", note)
    record = await backend_of(FakeAzure(polls=0)).solve(a_request())
    assert record.status is Status.Succeeded
    assert len(calls) == 2


class TestHeard:
    async def test_it_forgets_the_oldest_ended_ones(self, autojump_clock: MockClock) -> None:
        backend = backend_of(FakeAzure())
        ended = [await backend.solve(a_request()) for _ in range(3)]
        running = replace(ended[0], id="running", status=Status.Executing)
        heard = Heard(kept_jobs=2)
        for record in (running, *ended):
            heard.note(record)
        heard.note(ended[2])
        assert heard.all() == [running, *ended[1:]]
        heard.kept_bytes = 1
        heard.note(replace(ended[0], id="last"))
        assert [record.id for record in heard.all()] == ["running", "last"]
        assert len(heard) == 2


class TestPlace:
    def test_there_is_one_backend_for_a_run_closed_at_its_end(self) -> None:
        closed: list[httpx.AsyncClient] = []

        def make() -> httpx.AsyncClient:
            client = open_client(FakeAzure(polls=0))
            closed.append(client)
            return client

        place = Place(WORKSPACE, Endpoint(API), api_key=Secret(KEY), open_client=make)

        async def main() -> RemoteBackend:
            backend = remote_backend(place)
            assert remote_backend(place) is backend
            other = remote_backend(replace(place))
            assert other is not backend
            assert (await backend.solve(a_request())).status is Status.Succeeded
            assert not any(client.is_closed for client in closed[-2:])
            return backend

        first, second = trio.run(main), trio.run(main)
        assert first is not second
        assert len(closed) == 4
        assert all(client.is_closed for client in closed)

    async def test_a_client_that_is_of_use_to_nobody_is_closed(self) -> None:
        client = open_client(FakeAzure(polls=0))
        place = Place(WORKSPACE, Endpoint(API), api_key=Secret(KEY), open_client=lambda: client)
        held: dict[str, object] = {"place": place, "storage": remote_backend(place).storage}
        del place
        while held:
            await trio.testing.wait_all_tasks_blocked()
            assert not client.is_closed
            held.popitem()
        await trio.testing.wait_all_tasks_blocked()
        assert client.is_closed

    def test_a_connection_string_names_one(self) -> None:
        text = "SubscriptionId=0a1b;ResourceGroupName=group;WorkspaceName=space;ApiKey=planted;QuantumEndpoint="
        place = Place.of_connection_string(text + "https://solver.example:8443/")
        assert (place.workspace, place.endpoint.url) == (WORKSPACE, "https://solver.example:8443")
        assert "planted" not in repr(place)
