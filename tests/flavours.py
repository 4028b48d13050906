"""The three flavours as drivers: each makes the flavour's call and blocks until it is done. And fixtures with them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio

import gpuqio.aio
import gpuqio.aio.optimization
import gpuqio.blocking
import gpuqio.optimization
import gpuqio.trio
from gpuqio.remote.transport import open_client
from tests.fake_azure import KEY, FakeAzure
from tests.fake_backend import FakeBackend

PATIENCE = 10.0


class Blocking:
    module = gpuqio.blocking
    StreamingProblem = gpuqio.optimization.StreamingProblem

    def __call__(self, answer: Any) -> Any:
        return answer


class Aio:
    module = gpuqio.aio
    StreamingProblem = gpuqio.aio.optimization.StreamingProblem

    def __call__(self, answer: Any) -> Any:
        assert inspect.iscoroutine(answer)
        return asyncio.run(answer)


class Trio:
    module = gpuqio.trio
    StreamingProblem = gpuqio.trio.StreamingProblem

    def __call__(self, answer: Any) -> Any:
        assert inspect.iscoroutine(answer)

        async def main() -> Any:
            return await answer

        return trio.run(main)


@pytest.fixture(params=[Blocking, Aio, Trio])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def spaces() -> Iterator[list[Any]]:
    """Workspaces to be closed, and their portal seen to end, after the test."""
    opened: list[Any] = []
    yield opened
    for workspace in opened:
        lease = getattr(workspace, "_lease", None)
        if lease is not None and lease.held:
            portal = lease.portal()
            lease.close()
            if not portal.leases:
                portal.join(PATIENCE)


class Key:
    key = KEY


def with_place(workspace: Any, **changes: Any) -> None:
    """Change what a remote workspace knows of its place, in all of its flavours."""
    core = getattr(workspace, "_core", workspace)
    workspace._place = core._place = replace(workspace._place, **changes)


def azure(run: Any, spaces: list[Any], service: FakeAzure, **more: Any) -> Any:
    """A workspace at a service in memory."""
    workspace = run.module.Workspace("0a1b", "group", "space", location="West US", credential=Key(), **more)
    with_place(workspace, open_client=lambda: open_client(service))
    spaces.append(workspace)
    return workspace


@pytest.fixture(params=["fake", "azure"])
def space(request: pytest.FixtureRequest, run: Any, spaces: list[Any]) -> Any:
    """A workspace of each flavour, over a backend in memory and at a service."""
    if request.param == "azure":
        return azure(run, spaces, FakeAzure(polls=0))
    spaces.append(run.module.Workspace(backend=FakeBackend()))
    return spaces[0]
