"""Problems in the storage: uploaded, downloaded, solved from there; in all flavours, here and at a service."""

from __future__ import annotations

import gzip
import pickle
from typing import Any

import pytest

import gpuqio
from gpuqio.backend import Blob
from gpuqio.errors import BlobExists, BlobNotFound, InvalidParameter, InvalidProblem
from gpuqio.optimization import OnlineProblem, ParallelTempering, Problem, ProblemType, SlcTerm, Term
from gpuqio.problem import ContentType
from gpuqio.target.oneqbit import TabuSearch
from tests.fake_azure import SIG, FakeAzure
from tests.flavours import azure


def three(**more: Any) -> Problem:
    terms = [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])]
    return Problem("three", terms, **more)


def test_a_problem_goes_up_and_comes_back(run: Any, space: Any) -> None:
    problem = three(init_config={0: 1, 1: 1, 2: -1})
    uri = run(problem.upload(space))
    assert uri.endswith("/qio-problems/inputData")
    assert problem.uploaded_blob_uri == uri
    found = run(problem.download(space))
    assert (found.name, found.terms, found.init_config) == ("three", problem.terms, problem.init_config)
    online = OnlineProblem("other", uri)
    assert run(online.download(space)).name == "other"
    assert SIG not in repr(online)


def test_a_problem_is_uploaded_once_and_again_when_it_has_changed(run: Any, space: Any) -> None:
    problem = three()
    uri = run(problem.upload(space))
    assert run(problem.upload(space)) == uri
    problem.add_term(1, [7])
    assert problem.uploaded_blob_uri is None
    with pytest.raises(BlobExists):
        run(problem.upload(space))
    assert run(problem.upload(space, blob_name="second")).endswith("/qio-problems/second")
    problem.terms[0] = Term(c=1, indices=[0])
    assert problem.uploaded_blob_uri is None
    other = run(problem.upload(space, "elsewhere", None))
    assert "/elsewhere/three-" in other
    container = run(space.get_container_uri(container_name="third"))
    assert run(three().upload(space, container_uri=container)).endswith("/third/inputData")


@pytest.mark.parametrize("kind", [ContentType.json, ContentType.protobuf])
def test_a_problem_in_the_storage_is_solved_by_its_uri(run: Any, space: Any, kind: ContentType) -> None:
    uri = run(three(content_type=kind).upload(space))
    solver = ParallelTempering(space, seed=1)
    for problem in (uri, OnlineProblem("online", uri)):
        assert run(solver.optimize(problem))["cost"] == -17.0
        job = run(solver.submit(problem))
        assert job.details.input_data_uri == uri
        assert run(job.get_results())["cost"] == -17.0
    assert job.details.name == "online"


def test_an_uploaded_problem_is_not_sent_again(run: Any, spaces: list[Any]) -> None:
    service = FakeAzure(polls=0)
    workspace, other = azure(run, spaces, service), azure(run, spaces, service)
    problem = three()
    uri = run(problem.upload(workspace))
    job = run(ParallelTempering(workspace).submit(problem))
    assert job.details.input_data_uri == uri
    assert run(job.get_results())["cost"] == -17.0
    elsewhere = run(ParallelTempering(other).submit(problem))
    assert elsewhere.details.input_data_uri.endswith(f"job-{elsewhere.id}/inputData")
    problem.add_term(1, [])
    changed = run(ParallelTempering(workspace).submit(problem))
    assert run(changed.get_results())["cost"] == -16.0


def test_a_protobuf_problem_is_solved(run: Any, space: Any) -> None:
    solver = ParallelTempering(space, seed=1)
    assert run(solver.optimize(three(content_type=ContentType.protobuf)))["cost"] == -17.0
    with pytest.raises(InvalidProblem, match="not compatible for serialization with protobuf"):
        run(TabuSearch(space).optimize(three(content_type=ContentType.protobuf)))


def test_what_is_not_there_is_said(run: Any, space: Any) -> None:
    with pytest.raises(InvalidProblem, match="may not be downloaded before it is uploaded"):
        three().download(space)
    uri = run(three().upload(space))
    with pytest.raises(BlobNotFound):
        run(OnlineProblem("gone", uri.replace("inputData", "gone")).download(space))


def test_the_upload_is_not_in_a_pickle() -> None:
    with gpuqio.Workspace() as workspace:
        problem = three()
        problem.upload(workspace, blob_name=None)
        assert pickle.loads(pickle.dumps(problem)).uploaded_blob_uri is None


def test_the_local_workspace_solves_from_its_storage() -> None:
    grouped = Problem("slc", [SlcTerm([Term(c=2, indices=[0]), Term(c=-1, indices=[])])], problem_type=ProblemType.pubo)
    with gpuqio.Workspace() as workspace:
        solver = ParallelTempering(workspace, sweeps=20, seed=1)
        for problem in (three(), grouped, three(content_type=ContentType.protobuf)):
            uri = problem.upload(workspace, blob_name=None)
            assert solver.optimize(uri)["cost"] == solver.optimize(problem)["cost"]
        uri = three().upload(workspace, "job-x", None)
        assert len(workspace.list_jobs()) >= 6
    with gpuqio.Workspace() as other:
        assert OnlineProblem("again", uri).download(other).name == "again"
        with pytest.raises(BlobNotFound):
            ParallelTempering(other).submit(uri + "x")


async def test_a_bad_blob_is_refused_before_anything_is_queued() -> None:
    workspace = gpuqio.trio.Workspace()
    storage = workspace._reach().storage
    uri = await storage.upload(await storage.container("bad-blobs"), "bad", Blob(gzip.compress(b'{"cost_function":')))
    before = len(await workspace.list_jobs())
    with pytest.raises(InvalidProblem):
        await ParallelTempering(workspace).submit(uri)
    assert len(await workspace.list_jobs()) == before


async def test_only_who_can_wait_submits_what_lies_in_the_storage() -> None:
    workspace = gpuqio.trio.Workspace()
    request = workspace._request("local://problems/a", ParallelTempering(workspace))
    with pytest.raises(InvalidParameter, match="goes in by `submit`"):
        workspace._reach().submit_nowait(request)
