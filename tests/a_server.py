"""A server in the test's own trio run, and the calls that clients make."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gpuqio.server.app import make_app
from gpuqio.server.limits import Limits
from gpuqio.server.serve import open_service
from gpuqio.server.service import Service

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Quantum/workspaces/w"
OLD, NEW = "2022-09-12-preview", "2026-01-15-preview"
PT = "microsoft.paralleltempering.cpu"

CHAIN: dict[str, Any] = {
    "type": "ising",
    "version": "1.0",
    "terms": [{"c": 1, "ids": [0, 1]}, {"c": -2.5, "ids": [1, 2]}],
}
"""Its lowest cost is -3.5."""

QUICK = {"params": {"sweeps": 10, "seed": 1}}
ENDLESS = {"params": {"sweeps": 10**9, "all_betas": [0.1, 0.2, 0.4], "seed": 1}}


def blob_of(cost_function: dict[str, Any]) -> bytes:
    """A problem as clients upload it."""
    return gzip.compress(json.dumps({"cost_function": cost_function}).encode(), mtime=0)


@dataclass(frozen=True)
class Client:
    """Calls a server in one version of the protocol."""

    service: Service
    http: httpx.AsyncClient
    version: str | None = OLD
    workspace: str = WORKSPACE

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call to the workspace."""
        params = {**more.pop("params", {}), **({"api-version": self.version} if self.version else {})}
        prefix = "" if self.version else "/v1.0"
        return await self.http.request(method, f"{prefix}{self.workspace}{path}", params=params, **more)

    async def container(self, name: str) -> str:
        """A container that is there, as a URI with a signature."""
        uri = str((await self.call("POST", "/storage/sasUri", json={"containerName": name})).json()["sasUri"])
        made = await self.http.put(f"{uri}&restype=container")
        assert made.status_code in (201, 409)
        return uri

    async def put_job(self, job_id: str, data: bytes = b"", **fields: Any) -> httpx.Response:
        """Upload a problem, by default `CHAIN`, and put a job for it."""
        container = await self.container(f"job-{job_id}")
        uri = blob_uri(container, "inputData")
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*", "x-ms-blob-content-encoding": "gzip"}
        await self.http.put(uri, content=data or blob_of(CHAIN), headers=headers)
        return await self.call("PUT", f"/jobs/{job_id}", json=job(container, **fields))

    async def get_job(self, job_id: str) -> dict[str, Any]:
        """A job as it is told."""
        found: dict[str, Any] = (await self.call("GET", f"/jobs/{job_id}")).json()
        return found

    async def solved(self, job_id: str, data: bytes = b"", **fields: Any) -> dict[str, Any]:
        """Put a job, wait for its end, and get it."""
        assert (await self.put_job(job_id, data, **fields)).status_code == 200
        await settled(self.service)
        return await self.get_job(job_id)


def job(container_uri: str, **fields: Any) -> dict[str, Any]:
    """What is put, as the SDK of 2023 does."""
    return {
        "name": "a chain",
        "providerId": "Microsoft",
        "target": PT,
        "itemType": "Job",
        "containerUri": container_uri,
        "inputDataUri": blob_uri(container_uri, "inputData").partition("?")[0],
        "inputDataFormat": "microsoft.qio.v2",
        "inputParams": QUICK,
        "outputDataFormat": "microsoft.qio-results.v2",
        **fields,
    }


def blob_uri(container_uri: str, name: str) -> str:
    """A blob in a container whose URI has a signature."""
    path, _, query = container_uri.partition("?")
    return f"{path}/{name}?{query}"


async def settled(service: Service) -> None:
    """Wait until no job is unfinished."""
    while service.runner.unfinished:
        await service.runner._change.wait()


@asynccontextmanager
async def a_server(
    root: Path, version: str | None = OLD, keys: tuple[str, ...] = (), **limits: Any
) -> AsyncIterator[Client]:
    """A server without sockets for the length of the block, and a client of it."""
    async with open_service(root, Limits(**limits), keys, "cpu") as service:
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as http:
            yield Client(service, http, version)
