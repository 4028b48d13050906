"""A server is called by its own description, in every way that schemathesis can think of."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.a_server import CHAIN, blob_of, job
from tests.a_server_process import ServerProcess

pytestmark = pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis, of the extra dev")

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "unsupported_method", "allow_header_conformance"),
)
"""What an answer is held to: no 5xx, and nothing that the description does not have."""


@dataclass(frozen=True)
class Fuzzed:
    """What came of it.

    Attributes:
        status: that schemathesis ended with, 0 where no check failed.
        said: all that it said.
        answers: pairs of a path of the description with its method, and the status of an answer.
    """

    status: int
    said: str
    answers: set[tuple[str, int]]


def fuzz(url: str, folder: Path, *options: str, known: dict[str, str]) -> Fuzzed:
    """Have schemathesis call a server.

    Args:
        folder: for what it writes.
        known: parameters, such as ``path.job``, that have these values always.
    """
    config = folder / "schemathesis.toml"
    config.write_text("[parameters]\n" + "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in known.items()))
    events = folder / "events.ndjson"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--seed", "1", "--generation-database", "none", "--no-color"),
        *("--continue-on-failure", "--no-shrink", "--report", "ndjson", "--report-ndjson-path", str(events)),
    ]
    ended = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    answers = set(answers_in(events)) if events.exists() else set()
    return Fuzzed(ended.returncode, ended.stdout + ended.stderr, answers)


def answers_in(events: Path) -> set[tuple[str, int]]:
    """Pairs of an operation and the status of an answer to it."""
    found = set()
    for line in events.read_text().splitlines():
        recorder: dict[str, Any] = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for call in recorder.get("interactions", {}).values():
            if call.get("response"):
                found.add((recorder["label"], call["response"]["status_code"]))
    return found


# The calls are the same under /v1.0, so that a short run leaves them out.
FEW = ("--exclude-path-regex", "^/v1.0/")
LONG = pytest.param(("--phases", "coverage,fuzzing", "--max-examples", "60"), marks=pytest.mark.validate)


@pytest.mark.parametrize(
    "options", [pytest.param((*FEW, "--phases", "fuzzing", "--max-examples", "5"), marks=pytest.mark.slow), LONG]
)
def test_a_server_that_knows_nothing_answers_as_described(tmp_path: Path, options: tuple[str, ...]) -> None:
    with ServerProcess(tmp_path / "data") as server:
        found = fuzz(server.url, tmp_path, *options, known={})
        assert found.status == 0, found.said
        assert server.terminate() == (0, "")
    assert {status for _, status in found.answers} >= {200, 400, 403, 404}


@pytest.mark.parametrize("options", [pytest.param((*FEW, "--phases", "coverage"), marks=pytest.mark.slow), LONG])
def test_a_server_with_jobs_and_blobs_answers_as_described(tmp_path: Path, options: tuple[str, ...]) -> None:
    with ServerProcess(tmp_path / "data") as server:
        container = server.container("abc")
        uri = server.put_problem(container, "it", blob_of(CHAIN))
        assert server.solved("a", job(container, inputDataUri=uri))["status"] == "Succeeded"
        assert server.call("PUT", "/sessions/a", json={"name": "a", "providerId": "", "target": ""}).status_code == 201
        known = {"path.subscription": "s", "path.group": "g", "path.workspace": "w", "path.job": "a"}
        known |= {"path.session": "a", "path.account": container.split("/")[3], "path.container": "abc"}
        known |= {f"query.{name}": value for name, value in parse_qsl(container.partition("?")[2])}
        found = fuzz(server.url, tmp_path, *options, known=known)
        assert found.status == 0, found.said
        assert server.terminate() == (0, "")
    workspace = (
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Quantum/workspaces/{workspace}"
    )
    assert {status for _, status in found.answers} >= {400, 403, 405, 409}
    assert found.answers >= {
        (f"GET {workspace}/jobs/{{job}}", 200),
        (f"PATCH {workspace}/jobs/{{job}}", 200),
        (f"POST {workspace}/jobs/{{job}}:cancel", 200),
        (f"GET {workspace}/sessions/{{session}}/jobs", 200),
        ("GET /{account}/{container}", 200),
        ("PUT /{account}/{container}/{blob}", 201),
    }
