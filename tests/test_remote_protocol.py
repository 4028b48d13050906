"""The messages: what is written, what is passed over, and what each version does in its own way."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from gpuqio.backend import Envelope, Request
from gpuqio.engines.base import Work
from gpuqio.errors import InvalidParameter
from gpuqio.remote.jobs import message_of
from gpuqio.remote.protocol import (
    API_VERSIONS,
    JobMessage,
    Page,
    ProviderStatus,
    SessionMessage,
    WorkspaceName,
    decode,
    encode,
)
from gpuqio.solvers import parse

PT = "microsoft.paralleltempering.cpu"


def test_a_job_is_put_as_the_sdk_puts_it() -> None:
    """The body that azure-quantum 0.28.277227 sends for the same job."""
    params = {"params": {"sweeps": 2, "all_betas": [1.15, 3.14], "seed": 22, "replicas": 2}}
    solver = parse(PT, params["params"])
    request = Request(Work((), solver), "My Problem", params, PT, job_id="G", envelope=Envelope("Microsoft"))
    assert json.loads(encode(message_of(request, "https://a/job-G?sig=s", "https://a/job-G/inputData"))) == {
        "id": "G",
        "name": "My Problem",
        "providerId": "Microsoft",
        "target": PT,
        "itemType": "Job",
        "containerUri": "https://a/job-G?sig=s",
        "inputDataUri": "https://a/job-G/inputData",
        "inputDataFormat": "microsoft.qio.v2",
        "inputParams": params,
        "outputDataFormat": "microsoft.qio-results.v2",
    }
    session = SessionMessage(name="n", provider_id="p", target="t")
    assert json.loads(encode(session)).keys() == {"name", "providerId", "target", "itemType", "jobFailurePolicy"}


def test_what_has_its_default_is_left_out_and_what_is_new_is_passed_over() -> None:
    job = JobMessage(name="n", provider_id="p", target="t")
    assert encode(job) == b'{"name":"n","providerId":"p","target":"t","itemType":"Job"}'
    told = b'{"name":"n","providerId":"p","target":"t","new":[1],"creationTime":"2023-03-17T21:46:55.4068092+00:00"}'
    assert decode(told, JobMessage).creation_time == datetime(2023, 3, 17, 21, 46, 55, 406809, UTC)
    assert decode(b'{"value":[{"id":"Microsoft"}],"nextLink":null}', Page[ProviderStatus]).value[0].targets == []


def test_parameters_may_be_numpys_and_nothing_else_that_json_lacks() -> None:
    assert encode({"seed": np.int64(7), "all_betas": np.array([0.5, 1.0])}) == b'{"seed":7,"all_betas":[0.5,1.0]}'
    with pytest.raises(InvalidParameter, match="A complex can't be sent as JSON"):
        encode({"params": {"beta": 1j}})


@pytest.mark.parametrize(
    ("version", "method", "end", "query"),
    [
        ("v1.0", "DELETE", "/jobs/1", ()),
        ("2022-09-12-preview", "DELETE", "/jobs/1", (("api-version", "2022-09-12-preview"),)),
        ("2024-10-01-preview", "DELETE", "/jobs/1", (("api-version", "2024-10-01-preview"),)),
        ("2026-01-15-preview", "POST", "/jobs/1:cancel", (("api-version", "2026-01-15-preview"),)),
    ],
)
def test_a_job_is_cancelled_as_the_version_does(
    version: str, method: str, end: str, query: tuple[tuple[str, str], ...]
) -> None:
    call = API_VERSIONS[version].cancel(WorkspaceName("s", "my group", "w"), "1")
    assert (call.method, call.query) == (method, query)
    assert call.path.startswith("/v1.0/" if version == "v1.0" else "/subscriptions/s/resourceGroups/my%20group/")
    assert call.path.endswith(f"/workspaces/w{end}")
