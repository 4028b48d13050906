"""Jobs by the wire's names, and data beside them; in all flavours, here and at a service."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

import gpuqio
from gpuqio.errors import BlobExists, BlobNotFound, InvalidParameter
from gpuqio.job.base_job import ContentType
from gpuqio.optimization import ParallelTempering, Problem, Term

TARGET = "microsoft.paralleltempering.cpu"
PARAMS = {"params": {"sweeps": 20, "all_betas": [0.5, 1.0], "seed": 3}}


def three() -> Problem:
    return Problem("three", [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])])


def test_a_job_is_made_of_data(run: Any, space: Any) -> None:
    job = run(
        run.module.Job.from_input_data(
            space, "by data", TARGET, three().to_blob(), encoding="gzip", input_params=PARAMS, provider_id="Microsoft"
        )
    )
    assert isinstance(job, run.module.Job)
    assert job.workspace is space
    details = job.details
    assert (details.name, details.target, details.input_params) == ("by data", TARGET, PARAMS)
    assert details.input_data_uri.endswith(f"/{job.container_name}/inputData")
    assert run(job.get_results())["cost"] == -17.0
    assert run(job.download_data(details.input_data_uri)) == three().to_json().encode()


def test_a_job_is_made_of_what_lies_in_the_storage(run: Any, space: Any) -> None:
    uri = run(three().upload(space))
    make = run.module.Job.from_storage_uri
    job = run(make(space, "by uri", TARGET, uri, None, None, None, job_id="my-job", submit_job=False))
    assert (job.id, job.details.status) == ("my-job", "Waiting")
    assert run(space.list_jobs()) == []
    run(job.submit())
    assert run(job.get_results())["cost"] == -17.0
    found = run(space.get_job("my-job"))
    assert found.details.input_data_uri == uri
    with pytest.raises(InvalidParameter, match="There is no target"):
        run(make(space, "by uri", "ionq.qpu", uri, "ionq", "x", "y"))


def test_attachments_come_back_byte_for_byte_and_are_replaced(run: Any, space: Any) -> None:
    job = run(ParallelTempering(space).submit(three()))
    data = gzip.compress(b"notes")
    uri = run(job.upload_attachment("my notes.gz", data, content_type="text/plain", encoding="gzip"))
    assert job.container_name in uri
    assert "sig" not in uri
    assert run(job.download_attachment("my notes.gz")) == data
    run(job.upload_attachment("my notes.gz", b"other"))
    assert run(job.download_attachment("my notes.gz")) == b"other"
    other = run(space.get_container_uri(container_name="elsewhere"))
    run(job.upload_attachment("x", b"1", other))
    assert run(job.download_attachment("x", other)) == b"1"
    with pytest.raises(BlobNotFound):
        run(job.download_attachment("x"))


def test_containers_have_the_sdk_s_names(run: Any, space: Any) -> None:
    def name(**how: Any) -> str:
        uri: str = run(space.get_container_uri(**how))
        return uri.partition("?")[0].rpartition("/")[2]

    assert name(job_id="1") == "job-1"
    assert name(job_id="1", container_name_format="my-{job_id}-x") == "my-1-x"
    assert name(job_id="1", container_name="mine") == "mine"
    assert name() == f"{space.name or 'local'}-data"


def test_the_local_workspace_has_all_of_it() -> None:
    with gpuqio.Workspace() as workspace:
        data = three().to_json().encode()
        job = gpuqio.Job.from_input_data(workspace, "here", TARGET, data, ContentType.json, input_params=PARAMS)
        assert job.get_results(timeout_secs=None)["cost"] == -17.0
        job.upload_attachment("a", b"b")
        assert job.download_attachment("a") == b"b"
        assert job.download_data(str(job.details.input_data_uri)) == data
        with pytest.raises(BlobExists):
            gpuqio.Job.from_input_data(workspace, "here", TARGET, data, job_id=job.id)
