from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from gpuqio.optimization import Problem, ProblemType, Term
from gpuqio.problem import ContentType
from gpuqio.remote.results import decode_result
from tests.a_server import CHAIN, ENDLESS, NEW, OLD, QUICK, WORKSPACE, Client, a_server, blob_of, blob_uri, job, settled


@pytest.mark.parametrize("version", [None, OLD, "2024-10-01-preview", NEW, "2025-06-01"])
async def test_a_job_is_put_told_and_solved(tmp_path: Path, version: str | None) -> None:
    async with a_server(tmp_path, version) as client:
        put = (await client.put_job("job-1")).json()
        assert (put["id"], put["status"], put["providerId"]) == ("job-1", "Waiting", "microsoft")
        assert put["jobType"] == "Optimization"
        assert put["beginExecutionTime"] is None
        done = await client.solved("job-1")  # a put that is repeated is answered again
        assert done["status"] == "Succeeded"
        assert put["creationTime"] == done["creationTime"] <= done["beginExecutionTime"] <= done["endExecutionTime"]
        assert "/job-job-1/inputData?" in done["inputDataUri"]
        assert "/job-job-1/rawOutputData?" in done["outputDataUri"]
        output = await client.http.get(done["outputDataUri"])
        assert output.headers["content-type"] == "application/json"
        result = decode_result(output.content, done["metadata"])
        assert (
            result["solutions"] == [{"configuration": {"0": -1, "1": 1, "2": 1}, "cost": -3.5}] or result.cost == -3.5
        )
        assert result.report.engine == "cpu"


async def test_a_job_without_a_seed_gets_one_that_stays(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        done = await client.solved("a", inputParams={"params": {"sweeps": 10}})
        first = (await client.http.get(done["outputDataUri"])).json()
        again = await client.solved("b", inputParams={"params": {"sweeps": 10, "seed": first["parameters"]["seed"]}})
        assert (await client.http.get(again["outputDataUri"])).json() == first


@pytest.mark.parametrize(
    ("target", "params", "keys"),
    [
        ("1qbit.tabu", {"improvement_cutoff": "5"}, {"improvement_cutoff", "seed (GENERATED)"}),
        ("toshiba.sbm.ising", {"steps": 10, "loops": 2}, {"steps", "loops"}),
    ],
)
async def test_other_providers_write_their_own_results(
    tmp_path: Path, target: str, params: dict[str, Any], keys: set[str]
) -> None:
    async with a_server(tmp_path) as client:
        done = await client.solved("a", providerId=target.split(".")[0], target=target, inputParams=params)
        result = (await client.http.get(done["outputDataUri"])).json()
        assert result["input_data_uri"] == done["inputDataUri"].partition("?")[0]
        assert keys <= set(result["input_params"])
        assert "seed" not in result["input_params"]
        assert result["solutions"][0]["cost"] == -3.5


@pytest.mark.slow
async def test_problems_come_as_json_gzipped_or_not_or_as_protobuf(tmp_path: Path) -> None:
    terms = [Term(c=term["c"], indices=term["ids"]) for term in CHAIN["terms"]]
    problem = Problem("a chain", terms, problem_type=ProblemType.ising, content_type=ContentType.protobuf)
    async with a_server(tmp_path) as client:
        costs = []
        for number, data in enumerate(
            (blob_of(CHAIN), json.dumps({"cost_function": CHAIN}).encode(), problem.to_blob())
        ):
            done = await client.solved(f"j{number}", data)
            costs.append((await client.http.get(done["outputDataUri"])).json()["cost"])
        assert costs == [-3.5] * 3


@pytest.mark.parametrize(
    ("data", "params", "code", "message"),
    [
        (b"{", QUICK, "InvalidInputData", "AZQ105"),
        (blob_of({**CHAIN, "type": "qubo"}), QUICK, "InvalidInputData", "AZQ103"),
        (blob_of({**CHAIN, "terms": []}), QUICK, "InvalidInputData", "AZQ107"),
        (b"\x1f\x8b broken", QUICK, "InvalidInputData", "AZQ105"),
        (blob_of(CHAIN), {"params": {"sweeps": -5}}, "InvalidInputData", "AZQ107"),
        (blob_of(CHAIN), [1], "InvalidInputData", "AZQ103"),
        (blob_of(CHAIN), {"params": {"sweeps": 10**9, "replicas": 10_000}}, "InsufficientResources", "AZQ001"),
        (blob_of({**CHAIN, "terms": [{"c": 1, "ids": list(range(65))}]}), QUICK, "InsufficientResources", "AZQ001"),
    ],
)
async def test_a_job_that_makes_no_sense_fails_and_says_why(
    tmp_path: Path, data: bytes, params: Any, code: str, message: str
) -> None:
    async with a_server(tmp_path) as client:
        done = await client.solved("bad", data, inputParams=params)
        assert (done["status"], done["errorData"]["code"]) == ("Failed", code)
        assert done["errorData"]["message"].startswith(f"{message}: ")
        assert (await client.http.get(done["outputDataUri"])).status_code == 404


async def test_a_job_whose_problem_was_never_uploaded_fails(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = await client.container("elsewhere")
        await client.call("PUT", "/jobs/a", json=job(uri))
        done = await client.solved("b")
        assert done["status"] == "Succeeded"
        assert (await client.get_job("a"))["errorData"]["message"].startswith("AZQ102: ")


@pytest.mark.parametrize(
    ("uri", "status", "code"),
    [
        ("http://example.org/q0123456789abcdef0123456/container/blob", 403, "ForeignUri"),
        ("http://127.0.0.1:8470/q00000000000000000000000/container/blob", 403, "ForeignUri"),
        ("http://127.0.0.1:8471/{account}/container/blob", 403, "ForeignUri"),
        ("http://user@127.0.0.1:8470/{account}/container/blob", 400, "InvalidUri"),
        ("http://127.0.0.1:8470@example.org/{account}/container/blob", 400, "InvalidUri"),
        ("file:///etc/passwd", 400, "InvalidUri"),
        ("http://127.0.0.1:8470/{account}/../x", 400, "InvalidUri"),
        ("http://127.0.0.1:8470/{account}/abc/%2e%2e/x", 400, "InvalidUri"),
        ("http://127.0.0.1:8470/{account}/a--b/x", 400, "InvalidUri"),
        ("http://[/", 400, "InvalidUri"),
        ("not a URI", 400, "InvalidUri"),
    ],
)
async def test_nothing_is_fetched_from_elsewhere(tmp_path: Path, uri: str, status: int, code: str) -> None:
    async with a_server(tmp_path) as client:
        container = await client.container("abc")
        uri = uri.format(account=container.split("/")[3])
        for field in ("containerUri", "inputDataUri"):
            refused = await client.call("PUT", "/jobs/a", json=job(container, **{field: uri}))
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/jobs/a", b"{", 400, "InvalidRequestBody"),
        ("/jobs/a", b"[]", 400, "InvalidRequestBody"),
        ("/jobs/a", b'{"name": "x"}', 400, "InvalidRequestBody"),
        ("/jobs/a", b'{"name": 1, "providerId": "m", "target": "t"}', 400, "InvalidRequestBody"),
        ("/jobs/a", b'{"name": "x", "providerId": "m", "target": "t"}', 400, "InvalidTarget"),
        ("/jobs/a", b'{"inputParams": ' + b"[" * 100_000, 400, "InvalidRequestBody"),
        ("/jobs/a", b" " * 5000, 413, "RequestBodyTooLarge"),
        ("/jobs/a_b", b"{}", 400, "InvalidJobId"),
        (f"/jobs/{'a' * 60}", b"{}", 400, "InvalidJobId"),
        (f"/jobs/{'a-' * 30}a", b"{}", 400, "InvalidJobId"),
    ],
)
async def test_what_is_no_job_is_refused(tmp_path: Path, path: str, body: bytes, status: int, code: str) -> None:
    bound = 2**20 if len(body) > 5000 else 4096
    async with a_server(tmp_path, message_bytes=bound) as client:
        refused = await client.call("PUT", path, content=body)
        if code == "InvalidJobId":
            refused = await client.call("GET", path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert refused.headers["x-ms-error-code"] == code


async def test_ids_are_those_of_the_path_and_taken_once(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        container = await client.container("abc")
        other = await client.call("PUT", "/jobs/a", json=job(container, id="b"))
        assert (other.status_code, other.json()["error"]["code"]) == (409, "JobIdMismatch")
        assert (await client.put_job("a", id="A")).status_code == 200
        again = await client.put_job("a", inputParams={"params": {"sweeps": 11}})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "JobAlreadyExists")
        assert (await client.call("GET", "/jobs/A")).json()["id"] == "a"


async def test_no_key_to_a_blob_is_kept(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        await client.put_job("a", inputDataUri=f"{blob_uri(await client.container('job-a'), 'inputData')}")
        await settled(client.service)
        assert (await client.get_job("a"))["status"] == "Succeeded"
    kept = b"".join(path.read_bytes() for path in files_of(tmp_path) if path.name != "sas.key")
    assert b"rawOutputData" in kept
    assert b"sig=" not in kept


def files_of(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_what_was_begun_is_done_whoever_has_hung_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_server(tmp_path) as client:
        container, store = await client.container("abc"), client.service.store
        do = store.do
        with trio.CancelScope() as scope:

            async def hang_up(ask: Any) -> Any:
                scope.cancel()
                return await do(ask)

            monkeypatch.setattr(store, "do", hang_up)
            await client.call("PUT", "/jobs/a", json=job(container))
        monkeypatch.setattr(store, "do", do)
        await settled(client.service)
        assert (await client.get_job("a"))["status"] == "Failed"  # there is no problem


async def test_an_unknown_job_is_not_found(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        for method in ("GET", "DELETE"):
            missing = await client.call(method, "/jobs/nothing")
            assert (missing.status_code, missing.json()["error"]["code"]) == (404, "JobNotFound")
        assert (await client.call("PATCH", "/jobs/nothing", json={})).status_code == 404
        assert (await client.call("POST", "/jobs/nothing:cancel")).status_code == 404


async def test_a_version_must_be_named(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        for version in ("", "latest", "2022"):
            refused = await client.http.get(f"{WORKSPACE}/jobs", params={"api-version": version})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "UnsupportedApiVersion")


async def test_deleting_cancels_in_old_versions(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        await client.put_job("a", inputParams=ENDLESS)
        deleted = await client.call("DELETE", "/jobs/a")
        assert (deleted.status_code, deleted.content) == (204, b"")
        cancelled = await client.get_job("a")
        assert cancelled["status"] == "Cancelled"
        assert cancelled["cancellationTime"] is not None
        done = await client.solved("b")
        assert (await client.call("DELETE", "/jobs/b")).status_code == 204
        assert await client.get_job("b") == {**done, **_uris(await client.get_job("b"))}


def _uris(told: dict[str, Any]) -> dict[str, Any]:
    return {name: uri for name, uri in told.items() if name.endswith("Uri")}


@pytest.mark.parametrize("version", [NEW, NEW.removesuffix("-preview"), "2026-02-01"])
async def test_deleting_forgets_in_new_versions(tmp_path: Path, version: str) -> None:
    async with a_server(tmp_path, version) as client:
        await client.put_job("a", inputParams=ENDLESS)
        cancelled = await client.call("POST", "/jobs/a:cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "Cancelled")
        output = (await client.solved("b"))["outputDataUri"]
        for job_id in ("a", "b"):
            assert (await client.call("DELETE", f"/jobs/{job_id}")).status_code == 204
            assert (await client.call("GET", f"/jobs/{job_id}")).status_code == 404
        assert (await client.http.get(output)).status_code == 404
        assert (await client.solved("a"))["status"] == "Succeeded"  # the id is free again


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "other"}, {"name": "other"}),
        ({"tags": ["x"], "priority": "High"}, {"tags": ["x"], "priority": "High"}),
        ([{"op": "replace", "path": "/name", "value": "other"}], {"name": "other"}),
        ([{"op": "add", "path": "/tags", "value": ["x"]}, {"op": "remove", "path": "/tags"}], {"tags": []}),
    ],
)
async def test_a_job_is_changed(tmp_path: Path, change: Any, expected: dict[str, Any]) -> None:
    async with a_server(tmp_path) as client:
        await client.solved("a")
        changed = await client.call("PATCH", "/jobs/a", json=change)
        assert changed.status_code == 200
        told = await client.get_job("a")
        assert {name: told[name] for name in expected} == expected
        assert told["status"] == "Succeeded"


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        [{"op": "replace", "path": "/status", "value": "Failed"}],
        [{"op": "remove", "path": "/name"}],
        [{"op": "replace", "path": "/tags", "value": 1}],
        7,
    ],
)
async def test_no_other_change_is_made(tmp_path: Path, change: Any) -> None:
    async with a_server(tmp_path) as client:
        await client.put_job("a")
        assert (await client.call("PATCH", "/jobs/a", json=change)).status_code == 400


@pytest.mark.slow
async def test_workspaces_are_apart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        other = replace(client, workspace=WORKSPACE.replace("/s/", "/t/"))
        mine = await client.solved("a")
        assert (await other.call("GET", "/jobs/a")).status_code == 404
        assert (await other.call("DELETE", "/jobs/a")).status_code == 404
        assert (await other.call("GET", "/jobs")).json()["value"] == []
        theirs = await other.solved("a", blob_of({**CHAIN, "terms": [{"c": -1, "ids": [0, 1]}]}))
        costs = [(await client.http.get(done["outputDataUri"])).json()["cost"] for done in (mine, theirs)]
        assert costs == [-3.5, -1.0]
        stolen = await other.call("PUT", "/jobs/b", json=job(mine["containerUri"]))
        assert stolen.status_code == 403
        capitals = replace(client, workspace=WORKSPACE.replace("/workspaces/w", "/workspaces/W"))
        assert (await capitals.get_job("a"))["id"] == "a"


async def test_a_full_queue_refuses_and_takes_again(tmp_path: Path) -> None:
    async with a_server(tmp_path, queued=2) as client:
        for job_id in ("a", "b"):
            assert (await client.put_job(job_id, inputParams=ENDLESS)).status_code == 200
        refused = await client.put_job("c")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        quota = (await client.call("GET", "/quotas")).json()["value"][0]
        assert (quota["utilization"], quota["limit"]) == (2, 2)
        await _cancel(client, "a", "b")
        assert (await client.put_job("c")).status_code == 200


async def test_no_more_jobs_are_taken_at_once_than_one_by_one(tmp_path: Path) -> None:
    async with a_server(tmp_path, queued=5) as client:
        container = await client.container("shared")
        await client.http.put(blob_uri(container, "inputData"), content=blob_of(CHAIN))
        statuses: list[int] = []

        async def put(number: int) -> None:
            answered = await client.call("PUT", f"/jobs/j{number}", json=job(container, inputParams=ENDLESS))
            statuses.append(answered.status_code)

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(put, number)
        assert sorted(statuses) == [200] * 5 + [429] * 35
        assert client.service.runner.unfinished == 5


async def test_a_cancel_waits_for_a_put_that_is_in_the_store_and_goes_on_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_server(tmp_path) as client:
        container, store = await client.container("abc"), client.service.store
        await client.http.put(blob_uri(container, "inputData"), content=blob_of(CHAIN))
        do, stored, found, go_on = store.do, trio.Event(), trio.Event(), trio.Event()

        async def late(ask: Any) -> Any:
            put = not stored.is_set()
            answer = await do(ask)
            (stored if put else found).set()
            if put:
                await go_on.wait()
            return answer

        async with trio.open_nursery() as nursery:
            monkeypatch.setattr(store, "do", late)
            body = job(container, inputParams=ENDLESS)
            nursery.start_soon(partial(client.call, "PUT", "/jobs/a", json=body))
            await stored.wait()
            nursery.start_soon(client.call, "DELETE", "/jobs/a")
            await found.wait()
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        assert (await client.get_job("a"))["status"] == "Cancelled"
        assert client.service.runner.unfinished == 0


async def _cancel(client: Client, *job_ids: str) -> None:
    for job_id in job_ids:
        assert (await client.call("DELETE", f"/jobs/{job_id}")).status_code == 204
