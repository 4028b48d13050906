"""A server that is killed, again and again, loses no job and changes no bit of a result."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.a_server import blob_of, blob_uri, job
from tests.a_server_process import ServerProcess

PROBLEMS = 5
VARIABLES = 24


def a_problem(seed: int) -> bytes:
    """A spin glass, every pair coupled."""
    words = random.Random(seed)
    terms = [{"c": words.choice((-1, 1)), "ids": [i, j]} for i in range(VARIABLES) for j in range(i)]
    return blob_of({"type": "ising", "version": "1.0", "terms": terms})


def upload(server: ServerProcess) -> str:
    """The container in which the problems are, put there if they are not."""
    container = str(server.call("POST", "/storage/sasUri", json={"containerName": "problems"}).json()["sasUri"])
    server.http.put(f"{container}&restype=container")
    for number in range(PROBLEMS):
        put = server.http.put(
            blob_uri(container, f"p{number}"), content=a_problem(number), headers={"If-None-Match": "*"}
        )
        assert put.status_code in (201, 409)
    return container


def body(container: str, number: int) -> bytes:
    problem = blob_uri(container, f"p{number % PROBLEMS}").partition("?")[0]
    params = {"params": {"sweeps": 200, "replicas": 8, "seed": number}}
    return json.dumps(job(container, inputDataUri=problem, inputParams=params)).encode()


def results(server: ServerProcess, jobs: int) -> dict[str, bytes]:
    """The results of all jobs, once they have ended."""
    found: dict[str, bytes] = {}
    for number in range(jobs):
        while (told := server.call("GET", f"/jobs/j{number}").json())["status"] in ("Waiting", "Executing"):
            pass
        assert told["status"] == "Succeeded", told["errorData"]
        output = server.http.get(told["outputDataUri"])
        assert output.status_code == 200
        found[told["id"]] = output.content
    return found


def quiet_run(data: Path, jobs: int) -> dict[str, bytes]:
    with ServerProcess(data) as server:
        container = upload(server)
        for number in range(jobs):
            assert server.call("PUT", f"/jobs/j{number}", content=body(container, number)).status_code == 200
        return results(server, jobs)


def killed_run(data: Path, jobs: int, kills: int) -> tuple[dict[str, bytes], int]:
    """The results, and how many jobs had ended already when it was killed for the last time.

    Half of the kills strike while jobs are put, each with a request on its way; the others while they are worked off,
    after so many questions how they are.
    """
    points = random.Random(1)
    during = set(points.sample(range(jobs), kills // 2))
    server = ServerProcess(data)
    try:
        container = upload(server)
        for number in range(jobs):
            if number in during:
                server.send_and_kill("PUT", f"/jobs/j{number}", body(container, number))
                server.__exit__(None, None, None)
                server = ServerProcess(data)
                container = upload(server)
            put = server.call("PUT", f"/jobs/j{number}", content=body(container, number))
            assert put.status_code == 200
        ended = 0
        for _ in range(kills - kills // 2):
            for _ in range(points.randrange(5)):
                page = server.call("GET", "/jobs", params={"filter": "State eq 'Succeeded'", "top": str(jobs)}).json()
                ended = len(page["value"])
            server.kill()
            server.__exit__(None, None, None)
            server = ServerProcess(data)
        return results(server, jobs), ended
    finally:
        server.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(20, 2, marks=pytest.mark.slow),
        pytest.param(500, 20, marks=pytest.mark.validate),
    ],
)
def test_a_server_that_is_killed_loses_nothing(tmp_path: Path, jobs: int, kills: int) -> None:
    expected = quiet_run(tmp_path / "quiet", jobs)
    found, _ = killed_run(tmp_path / "killed", jobs, kills)
    assert len(found) == jobs
    assert found == expected
