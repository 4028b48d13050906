from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gpuqio.server import lists
from gpuqio.server.items import as_text
from tests.a_server import ENDLESS, NEW, PT, Client, a_server, job


async def names(client: Client, path: str = "/jobs", **query: Any) -> list[str]:
    """The names in a list, all its pages after one another."""
    found: list[str] = []
    page = await client.call("GET", path, params=query)
    while True:
        assert page.status_code == 200, page.text
        found += [item["name"] for item in page.json()["value"]]
        following = page.json()["nextLink"]
        if following is None:
            return found
        page = await client.http.get(following)


async def put(client: Client, number: int, **fields: Any) -> None:
    """A job that ends at once, since it has no problem."""
    container = await client.container("none")
    put = await client.call("PUT", f"/jobs/j{number}", json=job(container, name=f"job {number}", **fields))
    assert put.status_code == 200


async def test_a_list_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PAGE", 2)
    async with a_server(tmp_path, NEW) as client:
        for number in range(5):
            await put(client, number)
        everything = [f"job {number}" for number in range(5)]
        assert await names(client) == everything
        assert await names(replace(client, version=None)) == everything
        first = (await client.call("GET", "/jobs")).json()
        assert len(first["value"]) == 2
        assert first["nextLink"].startswith("http://127.0.0.1:8470/subscriptions/s/")
        assert await names(client, skip=1, top=3) == everything[1:4]
        assert await names(client, top=2) == everything[:2]
        assert await names(client, top=0) == []
        assert await names(client, orderby="Name desc", top=3) == everything[:1:-1]


async def test_a_list_is_filtered_as_the_current_sdk_does(tmp_path: Path) -> None:
    async with a_server(tmp_path, NEW) as client:
        await put(client, 0)
        await put(client, 1, providerId="toshiba", target="toshiba.sbm.ising", inputParams={})
        await put(client, 12, priority="High")
        await client.put_job("running", name="runs", inputParams=ENDLESS)
        while (await client.get_job("running"))["status"] != "Executing":
            pass
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
        for text, expected in {
            "startswith(Name, 'job 1')": ["job 1", "job 12"],
            "(ProviderId eq 'TOSHIBA')": ["job 1"],
            f"(Target eq '{PT}') and startswith(Name, 'job')": ["job 0", "job 12"],
            "(State eq 'Executing' or State eq 'Succeeded')": ["runs"],
            "State ne 'Failed'": ["runs"],
            "(ItemType eq 'Job') and (JobType eq 'Optimization')": ["job 0", "job 1", "job 12", "runs"],
            f"CreationTime ge {tomorrow}": [],
            f"CreationTime le {tomorrow} and startswith(Name, 'r')": ["runs"],
        }.items():
            assert await names(client, filter=text) == expected, text
        await client.call("POST", "/jobs/running:cancel")


async def test_times_are_compared_as_times(tmp_path: Path) -> None:
    async with a_server(tmp_path, NEW) as client:
        for number in range(3):
            await put(client, number)
        told = (await client.get_job("j1"))["creationTime"]
        at = datetime.fromisoformat(told)
        east = at.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
        assert told.endswith("Z")
        for spelling in (told, f"'{told}'", at.isoformat(), east, east.replace("+05:30", "+0530")):
            for sign, expected in {"eq": [1], "ge": [1, 2], "gt": [2], "le": [0, 1], "lt": [0], "ne": [0, 2]}.items():
                found = await names(client, filter=f"CreationTime {sign} {spelling}")
                assert found == [f"job {number}" for number in expected], (sign, spelling)


def test_stored_times_are_in_order_as_texts() -> None:
    second = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
    times = [second, second + timedelta(microseconds=1), second + timedelta(seconds=1)]
    texts = [as_text(time) for time in times]
    assert texts == sorted(texts)
    assert as_text(second.replace(tzinfo=None)) == as_text(second) == "2026-11-28T12:00:00.000000+00:00"


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "Name"},
        {"filter": "CreationTime ge 'yesterday'"},
        {"filter": "CreationTime ge 2026-02-30"},
        {"filter": "CreationTime ge 0001-01-01T00:00:00+01:00"},
        {"filter": "Name eq 'x"},
        {"filter": "Owner eq 'x'"},
        {"filter": "1; DROP TABLE items"},
        {"orderby": "number"},
        {"orderby": "Name sideways"},
        {"skip": "-1"},
        {"top": "1e3"},
        {"top": "9" * 20},
    ],
)
async def test_what_can_not_be_listed_is_refused(tmp_path: Path, query: dict[str, str]) -> None:
    async with a_server(tmp_path) as client:
        assert (await client.call("GET", "/jobs", params=query)).status_code == 400


async def test_sessions_are_opened_told_and_closed(tmp_path: Path) -> None:
    session = {"name": "mine", "providerId": "Microsoft", "target": PT, "jobFailurePolicy": "Continue"}
    async with a_server(tmp_path) as client:
        opened = await client.call("PUT", "/sessions/s1", json=session)
        assert (opened.status_code, opened.json()["status"]) == (201, "Waiting")
        assert (await client.call("PUT", "/sessions/s1", json=session)).json() == opened.json()
        await put(client, 0)
        await put(client, 1, sessionId="s1")
        assert await names(client, "/sessions") == ["mine"]
        assert await names(client, "/sessions/s1/jobs") == ["job 1"]
        assert await names(client, "/topLevelItems") == ["mine", "job 0"]
        assert await names(client, "/jobs") == ["job 0", "job 1"]
        closed = await client.call("POST", "/sessions/s1:close")
        assert (closed.status_code, closed.json()["status"]) == (200, "Succeeded")
        assert (await client.call("POST", "/sessions/s1:close")).json() == closed.json()
        told = (await client.call("GET", "/sessions/s1")).json()
        assert (told["jobFailurePolicy"], told["itemType"]) == ("Continue", "Session")
        for path in ("/sessions/s2", "/sessions/s2/jobs"):
            assert (await client.call("GET", path)).json()["error"]["code"] == "SessionNotFound"
        assert (await client.call("GET", "/sessions/a%20b")).status_code == 400


async def test_targets_are_all_there_are(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        found = (await client.call("GET", "/providerStatus")).json()["value"]
        targets = {provider["id"]: [target["id"] for target in provider["targets"]] for provider in found}
        assert PT in targets["Microsoft"]
        assert set(targets["1QBit"]) == {"1qbit.tabu", "1qbit.pathrelinking", "1qbit.pticm"}
        assert targets["toshiba"] == ["toshiba.sbm.ising"]
        assert targets["gpuqio"] == ["gpuqio.exhaustive"]


async def test_containers_are_signed_for_by_name(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        for name in ("..", "A", "a/b", ""):
            refused = await client.call("POST", "/storage/sasUri", json={"containerName": name})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InvalidResourceName")
        old = (await client.call("POST", "/storage/sasUri", json={"containerName": "new"})).json()["sasUri"]
        assert (await client.http.get(f"{old}&restype=container")).status_code == 404
        new = replace(client, version=NEW)
        assert (await new.call("POST", "/storage/sasUri", json={"containerName": "new"})).status_code == 200
        assert (await client.http.get(f"{old}&restype=container")).status_code == 200
