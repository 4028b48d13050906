"""A workspace at a server of ours: all that a program does with one, through both halves of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from gpuqio.dispatch import Race
from gpuqio.optimization import (
    OnlineProblem,
    ParallelTempering,
    Problem,
    ProblemType,
    SimulatedAnnealing,
    SlcTerm,
    Term,
)
from gpuqio.problem import ContentType
from gpuqio.remote.protocol import API_VERSIONS
from gpuqio.server.app import make_app
from gpuqio.server.limits import Limits
from gpuqio.server.serve import open_service
from gpuqio.target.oneqbit import TabuSearch
from gpuqio.trio import Job, StreamingProblem, Workspace
from tests.flavours import with_place

KEY = "planted-key"
URL = "http://127.0.0.1:8470"


class Key:
    key = KEY


def three(content_type: ContentType = ContentType.json) -> Problem:
    terms = [Term(c=-9, indices=[0]), Term(c=-3, indices=[1, 0]), Term(c=5, indices=[2, 0])]
    return Problem("three", terms, content_type=content_type)


@asynccontextmanager
async def a_workspace(root: Path, **more: object) -> AsyncIterator[Workspace]:
    """A workspace of a server without sockets."""
    async with open_service(root, Limits(), (KEY,), "cpu") as service:
        app = make_app(service)
        workspace = Workspace("0a1b", "group", "space", endpoint=URL, credential=Key(), **more)  # type: ignore[arg-type]

        def open_client() -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)

        with_place(workspace, open_client=open_client)
        with trio.fail_after(60):
            yield workspace


@pytest.mark.slow  # jobs are polled for, every 0.2 s at first
@pytest.mark.parametrize("version", API_VERSIONS)
async def test_a_program_runs_there_as_it_does_here(tmp_path: Path, version: str) -> None:
    here = Workspace(backend="local")
    async with a_workspace(tmp_path, api_version=version) as workspace:
        tempering = ParallelTempering(workspace, sweeps=30, all_betas=[0.2, 1.0], seed=5)
        result = await tempering.optimize(three())
        expected = await here.solve(three(), tempering)
        assert result == expected
        assert result.report.engine == "cpu"
        assert result.report.flips == expected.report.flips
        grouped = Problem(
            "slc", [SlcTerm([Term(c=2, indices=[0]), Term(c=-1, indices=[])])], problem_type=ProblemType.pubo
        )
        assert (await tempering.optimize(grouped))["cost"] == 1.0
        assert (await TabuSearch(workspace, seed=1, timeout=100).optimize(three())).cost == -17.0
        batch = await workspace.solve_many([three()] * 3, SimulatedAnnealing(workspace, sweeps=20, seed=1))
        assert batch.costs.tolist() == [-17.0] * 3


@pytest.mark.slow
async def test_problems_attachments_and_sessions_are_kept_there(tmp_path: Path) -> None:
    async with a_workspace(tmp_path) as workspace:
        solver = SimulatedAnnealing(workspace, sweeps=20, seed=1)
        uri = await three(ContentType.protobuf).upload(workspace)
        assert (await solver.optimize(uri))["cost"] == -17.0
        assert (await OnlineProblem("again", uri).download(workspace)).terms == three().terms
        stream = StreamingProblem(workspace, "stream", three().terms)
        stream.upload_terms_threshold = stream.upload_size_threshold = 1
        async with await solver.open_session(name="tries") as session:
            job = await solver.submit(stream)
            assert (await job.get_results())["cost"] == -17.0
            assert [other.id for other in await session.list_jobs()] == [job.id]
        assert session.details.status == "Succeeded"
        assert (await workspace.get_session(session.id)).details == session.details
        await job.upload_attachment("notes", b"1")
        await job.upload_attachment("notes", b"2")
        assert await job.download_attachment("notes") == b"2"
        data = three().to_json().encode()
        made = await Job.from_input_data(workspace, "made", solver.name, data, input_params=solver.params)
        assert (await made.get_results())["cost"] == -17.0
        assert made.details.input_data_uri is not None
        assert await made.download_data(made.details.input_data_uri) == data
        targets = await workspace.get_targets()
        assert isinstance(targets, list)
        assert ParallelTempering in map(type, targets)
        assert len(await workspace.list_top_level_items()) == 3


@pytest.mark.slow
async def test_a_race_between_here_and_there_has_one_answer(tmp_path: Path) -> None:
    async with a_workspace(tmp_path, dispatch=Race()) as workspace:
        result = await SimulatedAnnealing(workspace, sweeps=20, seed=1).optimize(three())
        assert result["cost"] == -17.0
