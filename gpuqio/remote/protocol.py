"""The messages of Azure Quantum's data plane, both ways, and how its versions differ.

No I/O, and no side: a client encodes what a server decodes. Names are the service's, in Python's spelling. What a
message has besides is passed over, so that a newer service can still be talked to.

Source: the public description of the quantum data plane (preview 2022-09-12), and the requests of azure-quantum 0.28
and 3.13.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from gpuqio.backend import Status
from gpuqio.errors import InvalidParameter
from gpuqio.remote.secrets import scrub

__all__ = [
    "API_VERSIONS",
    "CURRENT",
    "REPORT_KEY",
    "STATUSES",
    "ApiVersion",
    "Call",
    "CostEstimate",
    "ErrorBody",
    "ErrorData",
    "ErrorDetail",
    "JobMessage",
    "Page",
    "ProviderStatus",
    "Quota",
    "SasRequest",
    "SasResponse",
    "SessionMessage",
    "TargetStatus",
    "WorkspaceName",
    "decode",
    "encode",
]

SCOPE = "https://quantum.microsoft.com/.default"
API_KEY_HEADER = "x-ms-quantum-api-key"

REPORT_KEY = "gpuqio_report"
"""Of a job's metadata: the JSON of its result's report, written by a server of gpuqio."""

STATUSES = {
    "Waiting": Status.Waiting,
    "Queued": Status.Waiting,
    "Executing": Status.Executing,
    "Finishing": Status.Executing,
    "CancellationRequested": Status.Executing,
    "Cancelling": Status.Executing,
    "Succeeded": Status.Succeeded,
    "Completed": Status.Succeeded,
    "Failed": Status.Failed,
    "Cancelled": Status.Cancelled,
}
"""Every word that a service of either generation has for a job's status."""


def _always(text: str) -> Any:
    """A field that is written even where it has this, its default: the service tells jobs from sessions by it."""
    return msgspec.field(default_factory=lambda: text)


class Message(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A JSON object of the protocol. What has its default is left out, unless it is `_always` written."""

    def __repr__(self) -> str:
        """What is not None, without signatures."""
        given = ((name, getattr(self, name)) for name in self.__struct_fields__)
        fields = ", ".join(f"{name}={value!r}" for name, value in given if value is not None)
        return scrub(f"{type(self).__name__}({fields})")


class ErrorData(Message, omit_defaults=False):
    """Why a job failed."""

    code: str = ""
    message: str = ""


class CostEstimate(Message):
    """What a job cost."""

    currency_code: str | None = None
    events: list[dict[str, Any]] = msgspec.field(default_factory=list)
    estimated_total: float | None = None


class JobMessage(Message):
    """A job, as it is put and as it is told. Clients leave out what only the service knows."""

    name: str
    provider_id: str
    target: str
    id: str | None = None
    item_type: str = _always("Job")
    container_uri: str | None = None
    input_data_uri: str | None = None
    input_data_format: str | None = None
    input_params: Any = None
    output_data_uri: str | None = None
    output_data_format: str | None = None
    metadata: dict[str, str] | None = None
    session_id: str | None = None
    job_type: str | None = None
    quantum_computing_data: Any = None
    status: str | None = None
    creation_time: datetime | None = None
    begin_execution_time: datetime | None = None
    end_execution_time: datetime | None = None
    cancellation_time: datetime | None = None
    is_cancelling: bool | None = None
    tags: list[str] | None = None
    priority: str | None = None
    cost_estimate: CostEstimate | None = None
    error_data: ErrorData | None = None


class SessionMessage(Message):
    """A session: jobs that belong together. QIO never needed one."""

    name: str
    provider_id: str
    target: str
    id: str | None = None
    item_type: str = _always("Session")
    job_failure_policy: str = _always("Abort")
    status: str | None = None
    creation_time: datetime | None = None
    end_execution_time: datetime | None = None
    cost_estimate: CostEstimate | None = None


class SasRequest(Message):
    """Asks for the URI of a container, or of a blob in it, with a signature."""

    container_name: str
    blob_name: str | None = None


class SasResponse(Message):
    """Answers `SasRequest`."""

    sas_uri: str


class TargetStatus(Message, omit_defaults=False):
    """A target of a provider."""

    id: str
    current_availability: str | None = None
    average_queue_time: float | None = 0
    status_page: str | None = None


class ProviderStatus(Message, omit_defaults=False):
    """A provider and its targets."""

    id: str
    current_availability: str | None = None
    targets: list[TargetStatus] = msgspec.field(default_factory=list)


class Quota(Message, omit_defaults=False):
    """A limit on use."""

    dimension: str | None = None
    scope: str | None = None
    provider_id: str | None = None
    utilization: float | None = None
    holds: float | None = None
    limit: float | None = None
    period: str | None = None


class ErrorDetail(Message):
    """Why a call was refused."""

    code: str = ""
    message: str = ""


class ErrorBody(Message):
    """The body of every answer that is not a success."""

    error: ErrorDetail


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], rename="camel", kw_only=True):
    """A part of a list, and where the next one is."""

    value: list[Item]
    next_link: str | None = None


def encode(message: Any) -> bytes:
    """The JSON of a message. What NumPy counts in is written as the numbers it is; `InvalidParameter` for the rest."""
    return msgspec.json.encode(message, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise InvalidParameter(
        f"A {type(value).__name__} can't be sent as JSON; parameters are numbers, texts, lists and dicts of them.",
        field="input_params",
        value=value,
    )


M = TypeVar("M")


def decode(data: bytes, kind: type[M]) -> M:
    """A message of its JSON. Raises `msgspec.ValidationError` or `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=kind)


@dataclass(frozen=True, slots=True)
class Call:
    """A request without its body: path and query are relative to the service's address."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """What a version of the service does in its own way.

    Attributes:
        name: as the query ``api-version`` has it; None where there is none, and the path begins with ``/v1.0``.
        id_in_body: a job's id is also in what is put.
        cancels_by_post: a job is cancelled by POST ``jobs/{id}:cancel``, and DELETE deletes it; else DELETE cancels.
        container_is_made: the service makes a container when a signature for it is asked for.
    """

    name: str | None
    id_in_body: bool
    cancels_by_post: bool
    container_is_made: bool

    def call(self, method: str, workspace: WorkspaceName, *path: str) -> Call:
        """A call to a resource of the workspace, such as ``call("GET", workspace, "jobs", job_id)``."""
        prefix = "/v1.0" if self.name is None else ""
        query = () if self.name is None else (("api-version", self.name),)
        # A colon stands before a verb, as in ``jobs/{id}:cancel``.
        rest = "".join(f"/{quote(part, safe=':')}" for part in path)
        return Call(method, f"{prefix}{workspace.path}{rest}", query)

    def cancel(self, workspace: WorkspaceName, job_id: str) -> Call:
        """The call that asks a job to stop."""
        if self.cancels_by_post:
            return self.call("POST", workspace, "jobs", f"{job_id}:cancel")
        return self.call("DELETE", workspace, "jobs", job_id)


API_VERSIONS = {
    version.name or "v1.0": version
    for version in (
        ApiVersion(None, id_in_body=True, cancels_by_post=False, container_is_made=False),
        ApiVersion("2022-09-12-preview", id_in_body=True, cancels_by_post=False, container_is_made=False),
        ApiVersion("2024-10-01-preview", id_in_body=False, cancels_by_post=False, container_is_made=True),
        ApiVersion("2026-01-15-preview", id_in_body=False, cancels_by_post=True, container_is_made=True),
    )
}

CURRENT = API_VERSIONS["2026-01-15-preview"]


@dataclass(frozen=True, slots=True)
class WorkspaceName:
    """The three ids of a workspace."""

    subscription_id: str
    resource_group: str
    name: str

    @property
    def path(self) -> str:
        """Where the workspace's resources are, below the service's address (and ``/v1.0``)."""
        subscription, group, name = (quote(part, safe="") for part in self._parts())
        provider = "providers/Microsoft.Quantum/workspaces"
        return f"/subscriptions/{subscription}/resourceGroups/{group}/{provider}/{name}"

    def _parts(self) -> tuple[str, str, str]:
        return self.subscription_id, self.resource_group, self.name
