from __future__ import annotations

import gzip
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gpuqio.blob_files import BlobFiles, Properties
from gpuqio.errors import InputError
from gpuqio.remote.protocol import JobMessage
from gpuqio.server import items, runner
from gpuqio.server.items import Item
from gpuqio.server.limits import Limits
from gpuqio.server.retention import forget_before
from gpuqio.server.runner import Runner
from gpuqio.server.work import read_work, write_result
from gpuqio.solvers import parse
from tests.a_server import ENDLESS, NEW, PT, QUICK, WORKSPACE, a_server, job


def an_item(account: str, number: int, priority: str | None = None, **fields: Any) -> Item:
    message = JobMessage(
        id=f"j{number}", name="", provider_id="", target=PT, status="Waiting", priority=priority, **fields
    )
    return Item(account, message, number=number)


def test_accounts_take_turns_and_the_urgent_go_first() -> None:
    nothing = cast(Any, None)
    queue = Runner(nothing, nothing, nothing, Limits())
    for number, (account, priority) in enumerate(
        [("a", None), ("a", None), ("a", None), ("b", None), ("a", "High"), ("b", None), ("c", "High")]
    ):
        queue.add(an_item(account, number, priority))
    assert queue.queued == 7
    order = []
    while (ticket := queue._next()) is not None:
        order.append(ticket.item.number)
    assert order == [4, 6, 0, 3, 1, 5, 2]


@pytest.mark.slow
async def test_what_is_not_done_when_the_server_stops_is_done_after_the_next_start(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        quiet = await client.solved("quiet")
        expected = (await client.http.get(quiet["outputDataUri"])).content
        await client.put_job("endless", inputParams=ENDLESS)
        for number in range(3):
            await client.put_job(f"job-{number}")
        created = (await client.get_job("endless"))["creationTime"]
    async with a_server(tmp_path) as client:
        assert (await client.get_job("endless"))["creationTime"] == created
        assert (await client.call("DELETE", "/jobs/endless")).status_code == 204
        for number in range(3):
            done = await _ended(client, f"job-{number}")
            assert (await client.http.get(done["outputDataUri"])).content == expected
        listed = (await client.call("GET", "/jobs")).json()["value"]
        assert [told["status"] for told in listed] == ["Succeeded", "Cancelled", *["Succeeded"] * 3]
        assert (await client.http.get(quiet["outputDataUri"])).content == expected  # the key to blobs has stayed


async def _ended(client: Any, job_id: str) -> dict[str, Any]:
    while (told := await client.get_job(job_id))["status"] in ("Waiting", "Executing"):
        await client.service.runner._change.wait()
    return cast("dict[str, Any]", told)


async def test_a_result_is_on_disk_before_its_job_has_succeeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stop in between would lose it."""
    order: list[str] = []
    update = items.update

    def write(item: Item, *rest: Any) -> None:
        write_result(item, *rest)
        order.append("result")

    def note(connection: sqlite3.Connection, item: Item) -> None:
        update(connection, item)
        order.append(str(item.message.status))

    monkeypatch.setattr(runner, "write_result", write)
    monkeypatch.setattr(items, "update", note)
    async with a_server(tmp_path) as client:
        assert (await client.solved("a"))["status"] == "Succeeded"
    assert order == ["result", "Succeeded"]


async def test_a_disk_that_takes_no_result_fails_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "write_result", full)
    async with a_server(tmp_path) as client:
        told = await client.solved("a")
        assert (told["status"], told["errorData"]["code"]) == ("Failed", "InternalError")
        assert "No space left" in told["errorData"]["message"]


async def test_an_end_that_the_store_knows_is_told_before_the_runner_knows_it(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        await client.put_job("a", inputParams=ENDLESS)
        while not (working := client.service.runner.working) or working[0][0].job.status != "Executing":
            await client.get_job("a")
        item = working[0][0]
        ended = replace(item, message=msgspec.structs.replace(item.job, status="Succeeded"))
        assert client.service.runner.now(ended) == ended


@pytest.mark.slow
async def test_a_job_can_be_cancelled_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "JOBS_A_WORKER", 1)
    async with a_server(tmp_path) as client:
        workers = client.service.backend.statistics().workers
        names = [f"j{number}" for number in range(workers + 3)]
        for name in names:
            await client.put_job(name, inputParams=ENDLESS)
        assert client.service.runner.queued == 3
        for name in reversed(names):
            assert (await client.call("DELETE", f"/jobs/{name}")).status_code == 204
            assert (await client.get_job(name))["status"] == "Cancelled"
        assert client.service.runner.unfinished == 0
        assert client.service.runner.ended["Cancelled"] == len(names)  # type: ignore[index]


async def test_old_jobs_and_blobs_are_forgotten(tmp_path: Path) -> None:
    async with a_server(tmp_path, NEW) as client:
        await client.solved("old")
        await client.container("unused")
        shared = await client.container("shared")
        await client.call("PUT", "/jobs/kept", json=job(shared))
        await client.call("PUT", "/jobs/waits", json=job(shared, inputParams=ENDLESS))
        await client.put_job("endless", inputParams=ENDLESS)
        await _ended(client, "kept")
        account = shared.split("/")[3]

        await forget_before(client.service, datetime.now(UTC) - timedelta(days=1))
        assert (await client.get_job("old"))["status"] == "Succeeded"
        assert _containers(client.service.files(account)) == {"job-old", "unused", "shared", "job-endless"}

        await forget_before(client.service, datetime.now(UTC) + timedelta(days=1))
        listed = (await client.call("GET", "/jobs")).json()["value"]
        assert [told["id"] for told in listed] == ["endless"]
        assert _containers(client.service.files(account)) == {"job-endless"}
        await client.call("POST", "/jobs/endless:cancel")


def _containers(files: BlobFiles) -> set[str]:
    return {folder.name for folder in files.root.iterdir() if folder.name != ".new"}


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.make_container("abc")
    item = replace(an_item("a", 1, input_params=QUICK), input="abc/it")
    for data in (gzip.compress(b" " * 2000), gzip.compress(gzip.compress(b" " * 500))):
        with files.writing(Properties(name="it")) as (file, put):
            file.write(data)
            put("abc", replace=True)
        with pytest.raises(ValueError, match="inflates to more than 1000|gzipped twice"):
            read_work(item, files, Limits(problem_bytes=1000))


def test_a_blob_of_more_than_the_bound_is_said_to_be_too_large(tmp_path: Path) -> None:
    """None is put at once, but blocks may be many."""
    files = BlobFiles(tmp_path)
    files.make_container("abc")
    for block_id in "ab":
        with files.staging("abc", "it", block_id) as (file, put):
            file.write(b" " * 51)
            put()
    files.commit("abc", ["a", "b"], Properties(name="it"))
    item = replace(an_item("a", 1, input_params=QUICK), input="abc/it")
    with pytest.raises(InputError, match="102 bytes; this server takes at most 100") as caught:
        read_work(item, files, Limits(problem_bytes=100))
    assert caught.value.code == "AZQ001"


def test_all_lengths_count_as_work() -> None:
    given = {"alpha": 1.5, "sweeps": 10, "sweeps_per_replica": 7, "population": 3}
    solver = parse("microsoft.populationannealing.cpu", given)
    Limits(work=210).check_solver(solver)
    with pytest.raises(InputError, match="210 replicas times sweeps; this server does at most 209"):
        Limits(work=209).check_solver(solver)


async def test_status_and_metrics_say_how_it_is(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        await client.solved("a")
        await client.put_job("b", inputParams=ENDLESS)
        status = (await client.http.get("/status.json")).json()
        assert (status["engine"], status["ended"]["Succeeded"]) == ("cpu", 1)
        assert [(told["id"], told["cost"]) for told in status["recent"]] == [("a", -3.5)]
        assert [told["id"] for told in status["running"]] == ["b"] or status["queued"] == 1
        text = (await client.http.get("/metrics")).text
        samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert samples['gpuqio_jobs_ended_total{status="Succeeded"}'] == "1"
        assert float(samples['gpuqio_requests_total{code="200"}']) >= 4
        assert text.count("# TYPE") == len({name.partition("{")[0] for name in samples})
        assert (await client.call("DELETE", "/jobs/b")).status_code == 204
        assert WORKSPACE not in text


@pytest.mark.parametrize(
    "bound", [{"variables": 2}, {"terms": 1}, {"degree": 1}, {"states": 95}, {"work": 319}, {"problem_bytes": 50}]
)
async def test_each_bound_is_kept(tmp_path: Path, bound: dict[str, Any]) -> None:
    params = {"params": {"sweeps": 10, "replicas": 32, "seed": 1}}
    exact: dict[str, Any] = {name: value + 1 for name, value in bound.items()}
    async with a_server(tmp_path / "in", **(exact if "problem_bytes" not in bound else {})) as client:
        assert (await client.solved("a", inputParams=params))["status"] == "Succeeded"
    async with a_server(tmp_path / "out", **bound) as client:
        told = await client.solved("a", inputParams=params)
        assert told["status"] == "Failed"


@pytest.mark.parametrize("name", ["queued", "rate", "keep_days"])
def test_a_bound_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be more than 0"):
        Limits(**cast("dict[str, Any]", {name: 0}))
