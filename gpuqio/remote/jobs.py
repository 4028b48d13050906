"""Between what a backend is asked for and what the service is told: requests as messages, messages as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gpuqio.backend import Envelope, JobError, JobRecord, Request, Status, provider_of
from gpuqio.errors import RemoteError
from gpuqio.remote.protocol import STATUSES, CostEstimate, JobMessage
from gpuqio.remote.secrets import bare
from gpuqio.result import Result

__all__ = ["combined", "message_of", "parts_of", "record_of"]


def parts_of(request: Request) -> list[Request]:
    """Requests of one problem each: a job of the service has one."""
    problems = request.work.problems
    if len(problems) <= 1:
        return [request]
    fields = ("params", "target", "priority", "owner", "threads", "deadline", "envelope")
    shared = {name: getattr(request, name) for name in fields}
    return [
        Request(work=replace(request.work, problems=(problem,)), name=f"{request.name}, problem {place}", **shared)
        for place, problem in enumerate(problems)
    ]


def message_of(request: Request, container_uri: str, input_data_uri: str) -> JobMessage:
    """A request of one problem, as it is put."""
    envelope = request.envelope
    provider = envelope.provider_id or provider_of(request.target)
    version = "v1" if provider.lower() == "1qbit" else "v2"
    return JobMessage(
        id=request.job_id,
        name=request.name,
        provider_id=provider,
        target=request.target,
        container_uri=container_uri,
        input_data_uri=input_data_uri,
        input_data_format=envelope.input_data_format or "microsoft.qio.v2",
        input_params=dict(request.params),
        output_data_uri=envelope.output_data_uri,
        output_data_format=envelope.output_data_format or f"microsoft.qio-results.{version}",
        metadata=dict(envelope.metadata) if envelope.metadata else None,
        session_id=envelope.session_id,
        tags=list(envelope.tags) or None,
        priority="High" if request.priority > 0 else None,
    )


def status_of(message: JobMessage) -> Status:
    """The job's status. Raises `RemoteError` for a word that no version of the service has."""
    try:
        return STATUSES[message.status or ""]
    except KeyError:
        raise RemoteError(f"A job has the status {message.status!r}, which is none.", code="InvalidAnswer") from None


def record_of(
    message: JobMessage, job_id: str, request: Request | None, results: Sequence[Result] | None = None
) -> JobRecord:
    """What a message says of a job. Its URIs lose their signatures: records are shown, kept and pickled.

    Args:
        request: what was asked for, if that was here; its problems are let go once the job has ended.
    """
    status = status_of(message)
    if request is not None and status.is_final:
        request = replace(request, work=replace(request.work, problems=()))
    params = message.input_params
    error = message.error_data
    return JobRecord(
        id=job_id,
        name=message.name,
        target=message.target,
        params=params if isinstance(params, dict) else {},
        status=status,
        created=message.creation_time or datetime.now(UTC),
        began=message.begin_execution_time,
        ended=message.end_execution_time,
        cancelled=message.cancellation_time,
        error=None if error is None or status is not Status.Failed else JobError(error.code, error.message),
        results=results,
        request=request,
        envelope=Envelope(
            provider_id=message.provider_id,
            input_data_format=message.input_data_format or "",
            output_data_format=message.output_data_format or "",
            container_uri=_bare(message.container_uri),
            input_data_uri=_bare(message.input_data_uri),
            output_data_uri=_bare(message.output_data_uri),
            session_id=message.session_id,
            metadata=message.metadata,
            tags=tuple(message.tags or ()),
            cost_estimate=message.cost_estimate,
            quantum_computing_data=message.quantum_computing_data,
        ),
    )


def combined(request: Request, parts: Sequence[JobRecord]) -> JobRecord:
    """The record of a request of several problems, by those of its parts.

    It has failed when one has, and else ended when all have; results are there when all are. It costs what they do.
    """
    found = {part.status for part in parts}
    ended = all(part.status.is_final for part in parts)
    order = (Status.Failed, Status.Cancelled, Status.Succeeded) if ended else (Status.Executing,)
    waiting = Status.Waiting if found == {Status.Waiting} else Status.Executing
    status = next((status for status in order if status in found), waiting)
    results = [result for part in parts for result in part.results or ()]
    ends = [part.ended for part in parts if part.ended]
    return replace(
        parts[0],
        id=request.job_id,
        name=request.name,
        params=request.params,
        status=status,
        created=min(part.created for part in parts),
        began=min((part.began for part in parts if part.began), default=None),
        ended=max(ends, default=None) if ended else None,
        cancelled=max((part.cancelled for part in parts if part.cancelled), default=None),
        error=next((part.error for part in parts if part.error), None),
        results=results if len(results) == len(parts) else None,
        request=replace(request, work=replace(request.work, problems=())) if ended else request,
        envelope=replace(
            parts[0].envelope,
            container_uri=None,
            input_data_uri=None,
            output_data_uri=None,
            cost_estimate=_sum([part.envelope.cost_estimate for part in parts]),
        ),
    )


def _sum(estimates: Sequence[CostEstimate | None]) -> CostEstimate | None:
    """What is stated of jobs of one target, and so in one currency; None where nothing is."""
    stated = [estimate for estimate in estimates if estimate is not None]
    totals = [estimate.estimated_total for estimate in stated if estimate.estimated_total is not None]
    if not stated:
        return None
    events = [event for estimate in stated for event in estimate.events]
    total = sum(totals) if totals else None
    return CostEstimate(currency_code=stated[0].currency_code, events=events, estimated_total=total)


def _bare(uri: str | None) -> str | None:
    return None if uri is None else bare(uri)
