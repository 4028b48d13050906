"""Problems uploaded while they are made: the same problem comes back, and little of it is ever in memory."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import gpuqio
from gpuqio.errors import InvalidProblem, InvalidTerm
from gpuqio.optimization import OnlineProblem, ParallelTempering, ProblemType, SlcTerm, StreamingProblem, Term
from gpuqio.trio.streaming import BaseStreamingProblem
from tests.fake_backend import FakeBackend
from tests.fake_storage import FakeStorage
from tests.flavours import Aio, Trio

ZLIB_KEEPS = 2**15  # bytes, about, before it gives any out

TERMS = [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5.5, indices=[2, 0, 1]), Term(c=2, indices=[])]


def test_what_is_streamed_comes_back(run: Any, space: Any) -> None:
    problem = run.StreamingProblem(space, "streamed", TERMS[:1], {0: 1, "1": -1, 2: 1}, metadata={"author": "me"})
    run(problem.add_term(-3, [1, 0]))
    run(problem.add_terms(TERMS[2:]))
    uri = run(problem.upload(space))
    assert uri == run(problem.upload()) == problem.uploaded_uri == problem.uploaded_blob_uri
    assert uri.endswith(f"/{problem.id}/{problem.id}")
    found = run(problem.download())
    assert (found.name, found.problem_type) == ("streamed", ProblemType.ising)
    assert (list(found.terms), found.init_config) == (TERMS, {0: 1, 1: -1, 2: 1})
    assert run(OnlineProblem("x", uri).download(space)).terms == TERMS
    assert problem.stats == {
        "type": "ising",
        "max_coupling": 3,
        "avg_coupling": 1.5,
        "min_coupling": 0,
        "num_terms": 4,
    }
    with pytest.raises(InvalidProblem, match="^Cannot add terms after problem has been uploaded"):
        run(problem.add_term(1, [0]))


def test_a_streamed_problem_is_uploaded_when_it_is_submitted(run: Any, space: Any) -> None:
    solver = ParallelTempering(space, seed=1)
    problem = run.StreamingProblem(space, terms=TERMS)
    with pytest.raises(InvalidProblem, match="may not be downloaded before it is uploaded"):
        run(problem.download())
    assert run(solver.optimize(problem))["cost"] == -15.5
    job = run(solver.submit(problem))
    assert (job.details.name, job.details.input_data_uri) == ("Optimization Problem", problem.uploaded_uri)
    assert run(job.get_results())["cost"] == -15.5


def test_no_term_is_a_problem_too(run: Any, space: Any) -> None:
    problem = run.StreamingProblem(space, 'a "terms":[ name', problem_type=ProblemType.pubo)
    run(problem.upload())
    found = run(problem.download())
    assert (found.name, found.problem_type, len(found.terms)) == ('a "terms":[ name', ProblemType.pubo, 0)


@pytest.mark.parametrize("is_real", [False, True])
def test_where_to_upload_can_be_said(run: Any, space: Any, spaces: list[Any], is_real: bool) -> None:
    if is_real:  # of this machine, with a folder
        space = run.module.Workspace(backend="local")
        spaces.append(space)
    problem = run.StreamingProblem(space)
    container = run(space.get_container_uri(container_name="my-problems")).partition("?")[0]
    problem.upload_to_url = f"{container}/first?sig=x"
    run(problem.add_terms(TERMS))
    assert run(problem.upload()) == f"{container}/first"
    assert run(problem.download()).terms == TERMS


@pytest.mark.parametrize("driver", [Aio, Trio])  # where a constructor can't wait
def test_create_uploads_what_it_is_given(driver: Any, spaces: list[Any]) -> None:
    run = driver()
    spaces.append(run.module.Workspace(backend=FakeBackend()))
    problem = run(run.StreamingProblem.create(spaces[0], terms=(Term(c=t, indices=[t]) for t in range(2500))))
    run(problem.upload())
    assert len(run(problem.download()).terms) == 2500


def native(**limits: float) -> tuple[gpuqio.trio.StreamingProblem, FakeStorage]:
    workspace = gpuqio.trio.Workspace(backend=(backend := FakeBackend()))
    problem = gpuqio.trio.StreamingProblem(workspace)
    for name, value in limits.items():
        setattr(problem, name, value)
    return problem, backend.storage


async def test_blocks_go_as_they_fill_and_little_is_kept() -> None:
    problem, storage = native(upload_size_threshold=4096, upload_terms_threshold=100)
    kept = 0
    for t in range(4_000):
        await problem.add_term((t * 0.37) ** 1.7, [t, t + 7])
        kept = max(kept, sum(map(len, problem._pieces)) + sum(len(block) for _, block in problem._full))
        assert len(problem._terms) <= 100
    assert len(storage.staged) > 1
    assert kept < 4096 + ZLIB_KEEPS
    await problem.upload()
    assert max(storage.staged) < 4096 + ZLIB_KEEPS
    blob = next(iter(storage.blobs.values()))
    assert len(blob.data) == sum(storage.staged)
    assert json.loads(gzip.decompress(blob.data))["metadata"] == {"name": "Optimization Problem"}
    assert (blob.content_type, blob.content_encoding) == ("application/json", "gzip")
    assert dict(blob.metadata) == {
        "type": "ising",
        "max_coupling": "2",
        "avg_coupling": "2.0",
        "min_coupling": "2",
        "num_terms": "4000",
    }


async def test_one_call_with_many_terms_keeps_little_too() -> None:
    problem, storage = native(upload_size_threshold=2048, upload_terms_threshold=50)
    most = 0

    def terms() -> Any:
        nonlocal most
        for t in range(10_000):
            most = max(most, sum(len(block) for _, block in problem._full))
            yield Term(c=t, indices=[t * t])

    await problem.add_terms(terms())
    assert most < 2048 + ZLIB_KEEPS
    assert len(storage.staged) > 1
    await problem.upload()
    assert len((await problem.download()).terms) == 10_000


ROWS = st.lists(st.lists(st.integers(0, 9), max_size=3, unique=True), max_size=12)


@settings(max_examples=5)
@given(ROWS, st.integers(1, 5), st.integers(1, 60))
def test_limits_do_not_change_the_problem(rows: list[list[int]], terms: int, size: int) -> None:
    async def main() -> None:
        problem, _ = native(upload_size_threshold=size, upload_terms_threshold=terms)
        expected = [Term(c=place + 0.5, indices=ids) for place, ids in enumerate(rows)]
        await problem.add_terms(expected)
        await problem.upload()
        assert list((await problem.download()).terms) == expected

    trio.run(main)


def test_terms_are_added_from_many_threads(spaces: list[Any]) -> None:
    workspace = gpuqio.Workspace(backend=FakeBackend())
    spaces.append(workspace)
    problem = StreamingProblem(workspace, problem_type=ProblemType.pubo)
    problem.upload_size_threshold, problem.upload_terms_threshold = 300, 7

    def add(start: int) -> None:
        for t in range(start, start + 200):
            problem.add_term(1, [t])

    threads = [threading.Thread(target=add, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    found = ParallelTempering(workspace)  # the workspace is free for others meanwhile
    assert found.workspace is workspace
    problem.upload(workspace)
    ids = sorted(i for term in problem.download().terms for i in term.ids)
    assert ids == [1000 * n + t for n in range(4) for t in range(200)]
    assert problem.stats["num_terms"] == 800


async def test_what_is_no_term_is_refused_and_leaves_the_rest() -> None:
    problem, _ = native()
    slc: Any = SlcTerm([Term(c=1, indices=[0])])
    with pytest.raises(InvalidTerm, match="Unsupported statistics in streamingproblem for TermBase subclass"):
        await problem.add_terms([slc])
    with pytest.raises(InvalidTerm, match="Duplicated ids"):
        await problem.add_term(1, [3, 3])
    await problem.add_term(2, [1])
    await problem.upload()
    assert list((await problem.download()).terms) == [Term(c=2, indices=[1])]
    assert problem.stats["num_terms"] == 1


async def test_an_interrupted_upload_is_taken_up_again() -> None:
    problem, storage = native(upload_size_threshold=1, upload_terms_threshold=1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await problem.add_terms(TERMS)
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        scope.cancel()
        await problem.upload()
    assert problem.uploaded_uri is None
    assert storage.blobs == {}
    await problem.upload()
    assert list((await problem.download()).terms) == TERMS[: problem.stats["num_terms"]]


def test_flavours_share_their_text_and_methods() -> None:
    import gpuqio.aio.optimization as aio

    for face in (StreamingProblem, aio.StreamingProblem, gpuqio.trio.StreamingProblem):
        assert issubclass(face, BaseStreamingProblem)
        assert face.__doc__ == BaseStreamingProblem.__doc__
        for name in ("add_term", "add_terms", "upload", "download"):
            assert getattr(face, name).__doc__ == getattr(gpuqio.trio.StreamingProblem, name).__doc__


def test_the_local_workspace_takes_streams(run: Any, spaces: list[Any]) -> None:
    workspace = run.module.Workspace()
    spaces.append(workspace)
    problem = run.StreamingProblem(workspace, "local", TERMS)
    assert run(ParallelTempering(workspace, sweeps=20, seed=1).optimize(problem))["cost"] == -15.5
