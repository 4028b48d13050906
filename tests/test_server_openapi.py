from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuqio.blob_files import check_blob_name, check_container_name
from gpuqio.errors import InputError
from gpuqio.server.calls import CALLS, PREFIXES, WORKSPACE
from gpuqio.server.openapi import describe
from tests.a_server import a_server


def references(node: Any) -> Iterator[str]:
    """All that it refers to."""
    if isinstance(node, dict):
        yield from (node["$ref"] for _ in "$" if "$ref" in node)
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from references(part)


def test_it_is_complete_in_itself() -> None:
    described = json.loads(json.dumps(describe()))
    found = set(references(described))
    assert found == {f"#/components/schemas/{name}" for name in described["components"]["schemas"]} & found
    assert "#/components/schemas/JobMessageSent" in found


@pytest.mark.slow
async def test_every_call_that_is_described_is_answered_and_no_other_method_is(tmp_path: Path) -> None:
    everything = {"GET", "PUT", "POST", "PATCH", "DELETE"}
    async with a_server(tmp_path) as client:
        for path, operations in describe()["paths"].items():
            if path.startswith("/{account}"):
                continue
            concrete = re.sub(r"\{\w+\}", "x", path)
            allowed = {method.upper() for method in operations}
            for method in everything:
                answer = await client.http.request(method, concrete, content=b"")
                assert (answer.status_code == 405) == (method not in allowed), (method, path)
                if method in allowed:
                    assert str(answer.status_code) in operations[method.lower()]["responses"]
                else:
                    assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == allowed
    assert len(CALLS) * len(PREFIXES) == sum(
        len(operations) for path, operations in describe()["paths"].items() if WORKSPACE in path
    )


@pytest.mark.parametrize("kind", ["containerName", "blobName"])
@settings(max_examples=20)
@given(data=st.data())
def test_names_that_are_described_are_the_names_that_are_taken(kind: str, data: st.DataObject) -> None:
    schema = describe()["components"]["schemas"]["SasRequestSent"]["properties"][kind]
    schema = schema.get("anyOf", [schema])[0]
    letters = "aA0-./\\\x00" if kind == "blobName" else "aA0-."
    name = data.draw(st.text(letters, max_size=6) | st.integers(1, 1025).map(lambda length: "a" * length))
    described = re.search(schema["pattern"].replace("$", r"\Z"), name) is not None
    described &= schema["minLength"] <= len(name) <= schema["maxLength"]
    if "not" in schema:
        described &= re.search(schema["not"]["pattern"].replace("$", r"\Z"), name) is None
    try:
        (check_blob_name if kind == "blobName" else check_container_name)(name)
    except InputError:
        assert not described
    else:
        assert described
