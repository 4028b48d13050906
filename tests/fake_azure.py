"""A service of Azure Quantum and its storage, in memory, as a transport of httpx.

It speaks all versions, solves jobs by enumeration, and is strict: what a client may not send, it refuses.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs

import httpx
import trio

from gpuqio.backend import Status
from gpuqio.problem import Problem
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.auth import ApiKey, Auth
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.blobs import LinkedKeys, RemoteStorage
from gpuqio.remote.client import Client
from gpuqio.remote.protocol import API_KEY_HEADER, CURRENT, ApiVersion, WorkspaceName
from gpuqio.remote.secrets import Secret
from gpuqio.remote.transport import Transport, open_client
from tests.fake_backend import best

API = "https://westus.quantum.azure.com"
BLOBS = "https://account.blob.core.windows.net"
KEY = "planted-api-key"
SIG = "planted-signature"
WORKSPACE = WorkspaceName("0a1b", "group", "space")

Handler = Callable[["FakeAzure", httpx.Request], httpx.Response | None]


@dataclass
class FakeAzure(httpx.AsyncBaseTransport):
    """Attributes:
    version: what it speaks.
    polls: how often a job is asked about before it ends.
    held: jobs don't end by themselves.
    page: items of a page of a list.
    before: may answer in its place.
    jobs, blobs, containers, sessions: what there is.
    runs: how often each job has been taken on.
    seen: method and bare path of each request, in order.
    """

    version: ApiVersion = CURRENT
    polls: int = 1
    held: bool = False
    page: int = 100
    before: Handler | None = None
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    containers: set[str] = field(default_factory=set)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        body = await request.aread()
        self.seen.append(f"{request.method} {request.url.path}")
        response = self.before(self, request) if self.before else None
        if response is None:
            response = (self._blob if str(request.url).startswith(BLOBS) else self._api)(request, body)
        await trio.lowlevel.checkpoint()
        return response

    # The data plane

    def _api(self, request: httpx.Request, body: bytes) -> httpx.Response:
        if request.headers.get(API_KEY_HEADER) != KEY and request.headers.get("authorization") != f"Bearer {KEY}":
            return refused(401, "Unauthorized", "Who is this?")
        if request.url.params.get("api-version") != self.version.name:
            return refused(400, "UnsupportedApiVersion", "Another version.")
        prefix = ("" if self.version.name else "/v1.0") + WORKSPACE.path
        assert request.url.path.startswith(prefix), request.url.path
        path = request.url.path.removeprefix(prefix).strip("/")
        given = json.loads(body) if body else {}
        for method, pattern, call in ROUTES:
            if (match := re.fullmatch(pattern, path)) and method == request.method:
                return call(self, request, given, *match.groups())
        return refused(404, "NotFound", path)

    def _put_job(self, request: httpx.Request, given: dict[str, Any], job_id: str) -> httpx.Response:
        assert ("id" in given) == self.version.id_in_body
        assert "?" not in given["inputDataUri"], "the service gets the URI without a signature"
        if job_id in self.jobs:
            return refused(409, "JobAlreadyExists", "There is such a job.")
        self.runs[job_id] = self.runs.get(job_id, 0) + 1
        output = f"{BLOBS}/job-{job_id}/outputData?se=2100&sp=r&sig={SIG}"
        self.jobs[job_id] = {
            **given,
            "id": job_id,
            "status": "Waiting",
            "creationTime": now(),
            "outputDataUri": output,
            "polled": 0,
            "beginExecutionTime": None,
            "endExecutionTime": None,
            "cancellationTime": None,
            "errorData": None,
            "isCancelling": False,
            "costEstimate": None,
            "unheardOf": {"a": [1]},
        }
        return httpx.Response(200, json=self.jobs[job_id])

    def _get_job(self, request: httpx.Request, given: dict[str, Any], job_id: str) -> httpx.Response:
        if job_id not in self.jobs:
            return refused(404, "JobNotFound", "No such job.")
        job = self.jobs[job_id]
        if not self.held and job["status"] in ("Waiting", "Executing"):
            job["polled"] += 1
            job.update(status="Executing", beginExecutionTime=now())
            if job["polled"] > self.polls:
                self.finish(job_id)
        return httpx.Response(200, json=job)

    def finish(self, job_id: str) -> None:
        """Solve a job."""
        job = self.jobs[job_id]
        data, _ = self.blobs[job["inputDataUri"].removeprefix(BLOBS)]
        result = best(Problem.deserialize(data)).to_json().encode()
        self.blobs[f"/job-{job_id}/outputData"] = result, {"Content-Type": "application/json"}
        job.update(status="Succeeded", endExecutionTime=now())

    def _cancel(self, request: httpx.Request, given: dict[str, Any], job_id: str) -> httpx.Response:
        if job_id not in self.jobs:
            return refused(404, "JobNotFound", "No such job.")
        if self.jobs[job_id]["status"] in ("Waiting", "Executing"):
            self.jobs[job_id].update(status="Cancelled", cancellationTime=now(), endExecutionTime=now())
        return httpx.Response(204)

    def _post_cancel(self, request: httpx.Request, given: dict[str, Any], job_id: str) -> httpx.Response:
        assert self.version.cancels_by_post
        return self._cancel(request, given, job_id)

    def _delete(self, request: httpx.Request, given: dict[str, Any], job_id: str) -> httpx.Response:
        assert not self.version.cancels_by_post
        return self._cancel(request, given, job_id)

    def _list(self, items: list[Any], request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("from", 0))
        rest = start + self.page
        link = f"{API}{request.url.path}?from={rest}" if rest < len(items) else None
        return httpx.Response(200, json={"value": items[start:rest], "nextLink": link})

    def _jobs(self, request: httpx.Request, given: dict[str, Any]) -> httpx.Response:
        return self._list(list(self.jobs.values()), request)

    def _sas(self, request: httpx.Request, given: dict[str, Any]) -> httpx.Response:
        if self.version.container_is_made:
            self.containers.add(given["containerName"])
        path = "/".join(part for part in (given["containerName"], given.get("blobName")) if part)
        return httpx.Response(200, json={"sasUri": f"{BLOBS}/{path}?sv=2021&se=2100&sp=racw&sig={SIG}"})

    def _providers(self, request: httpx.Request, given: dict[str, Any]) -> httpx.Response:
        target = {"id": "microsoft.tabu.cpu", "currentAvailability": "Available", "averageQueueTime": 4}
        return self._list([{"id": "Microsoft", "currentAvailability": "Available", "targets": [target]}], request)

    def _quotas(self, request: httpx.Request, given: dict[str, Any]) -> httpx.Response:
        return self._list([{"dimension": "combined_job_hours", "scope": "Workspace", "limit": 20.0}], request)

    def _put_session(self, request: httpx.Request, given: dict[str, Any], session_id: str) -> httpx.Response:
        self.sessions[session_id] = {**given, "id": session_id, "itemType": "Session", "status": "Waiting"}
        return httpx.Response(201, json=self.sessions[session_id])

    def _get_session(self, request: httpx.Request, given: dict[str, Any], session_id: str) -> httpx.Response:
        if session_id not in self.sessions:
            return refused(404, "SessionNotFound", "No such session.")
        return httpx.Response(200, json=self.sessions[session_id])

    def _close_session(self, request: httpx.Request, given: dict[str, Any], session_id: str) -> httpx.Response:
        self.sessions[session_id]["status"] = "Succeeded"
        return httpx.Response(200, json=self.sessions[session_id])

    def _session_list(self, request: httpx.Request, given: dict[str, Any]) -> httpx.Response:
        return self._list(list(self.sessions.values()), request)

    # Storage

    def _blob(self, request: httpx.Request, body: bytes) -> httpx.Response:
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        path, headers = request.url.path, request.headers
        assert "authorization" not in headers
        assert API_KEY_HEADER not in headers
        if query.get("sig") != SIG:
            return httpx.Response(403, headers={"x-ms-error-code": "AuthenticationFailed"}, text=str(request.url))
        container = path.split("/")[1]
        if query.get("restype") == "container":
            there = container in self.containers
            self.containers.add(container)
            return httpx.Response(409 if there else 201)
        if request.method == "PUT":
            if container not in self.containers:
                return httpx.Response(404, headers={"x-ms-error-code": "ContainerNotFound"})
            return self._put_blob(path, query, headers, body)
        if path not in self.blobs:
            return httpx.Response(404, headers={"x-ms-error-code": "BlobNotFound"})
        data, about = self.blobs[path]
        tag = f'"{md5(data).hexdigest()}"'
        if headers.get("if-match", tag) != tag:
            return httpx.Response(412, headers={"x-ms-error-code": "ConditionNotMet"})
        if "x-ms-range" not in headers:
            return raw(200, {**about, "ETag": tag}, data)
        first, last = map(int, headers["x-ms-range"].removeprefix("bytes=").split("-"))
        if first >= len(data):
            return httpx.Response(416, headers={"x-ms-error-code": "InvalidRange"})
        part = data[first : last + 1]
        span = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        return raw(206, {**about, "ETag": tag, "Content-Range": span}, part)

    def _put_blob(self, path: str, query: dict[str, str], headers: httpx.Headers, body: bytes) -> httpx.Response:
        if query.get("comp") == "block":
            self.blocks.setdefault(path, {})[query["blockid"]] = body
            assert base64.b64decode(query["blockid"])
            return httpx.Response(201)
        if headers.get("if-none-match") == "*" and path in self.blobs:
            return httpx.Response(409, headers={"x-ms-error-code": "BlobAlreadyExists"})
        if query.get("comp") == "blocklist":
            ids = re.findall(r"<Latest>(.*?)</Latest>", body.decode())
            body = b"".join(self.blocks[path][block_id] for block_id in ids)
        else:
            assert headers["x-ms-blob-type"] == "BlockBlob"
        about = {name: value for name, value in headers.items() if name.startswith("x-ms-meta-")}
        about["Content-Type"] = headers["x-ms-blob-content-type"]
        if "x-ms-blob-content-encoding" in headers:
            about["Content-Encoding"] = headers["x-ms-blob-content-encoding"]
        self.blobs[path] = body, about
        return httpx.Response(201)

    @property
    def unfinished(self) -> list[str]:
        """Jobs that have not ended."""
        return [job_id for job_id, job in self.jobs.items() if not Status(job["status"]).is_final]


ROUTES: list[tuple[str, str, Callable[..., httpx.Response]]] = [
    ("PUT", "jobs/([^/:]+)", FakeAzure._put_job),
    ("GET", "jobs/([^/:]+)", FakeAzure._get_job),
    ("GET", "jobs", FakeAzure._jobs),
    ("POST", "jobs/([^/:]+):cancel", FakeAzure._post_cancel),
    ("DELETE", "jobs/([^/:]+)", FakeAzure._delete),
    ("POST", "storage/sasUri", FakeAzure._sas),
    ("GET", "providerStatus", FakeAzure._providers),
    ("GET", "quotas", FakeAzure._quotas),
    ("PUT", "sessions/([^/:]+)", FakeAzure._put_session),
    ("GET", "sessions/([^/:]+)", FakeAzure._get_session),
    ("POST", "sessions/([^/:]+):close", FakeAzure._close_session),
    ("GET", "sessions", FakeAzure._session_list),
]


class _Raw(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> Any:
        await trio.lowlevel.checkpoint()
        yield self._data


def raw(status: int, headers: dict[str, str], data: bytes) -> httpx.Response:
    """A response as it comes from the wire: nothing is inflated yet."""
    return httpx.Response(status, headers={**headers, "Content-Length": str(len(data))}, stream=_Raw(data))


def refused(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "1+00:00")  # seven digits, as the service writes


def client_of(
    service: httpx.AsyncBaseTransport, version: ApiVersion = CURRENT, auth: Auth | None = None, api: str = API
) -> Client:
    """A client of it."""
    transport = Transport(open_client(service), seed=1)
    return Client(Endpoint(api), WORKSPACE, transport, auth or ApiKey(Secret(KEY)), version)


def backend_of(service: httpx.AsyncBaseTransport, version: ApiVersion = CURRENT) -> RemoteBackend:
    """A backend on it."""
    client = client_of(service, version)
    return RemoteBackend(client, RemoteStorage(client.transport, LinkedKeys(client)), seed=1)
