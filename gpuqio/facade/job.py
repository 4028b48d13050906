"""Jobs as the SDK shows them: their details, and the questions that need no waiting."""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any

from gpuqio.backend import JobError, JobRecord, Request, provider_of
from gpuqio.backend import Status as JobStatus

__all__ = ["BaseJob", "JobDetails", "JobStatus"]


@dataclass(frozen=True, kw_only=True)
class JobDetails:
    """What is known of a job, under the SDK's names. A snapshot: `Job.refresh` gets a new one.

    Times are aware datetimes in UTC. `status` is one of the words of `JobStatus`, and compares equal to
    its member. Fields about storage are None where a job has no blobs, as one solved on this machine from a `Problem`;
    those about cost and quantum computing are what a remote service says.
    """

    __module__ = "gpuqio"

    id: str
    name: str
    target: str
    status: str
    provider_id: str = "Microsoft"
    item_type: str = "Job"
    job_type: str = "Optimization"
    input_params: dict[str, Any] = field(default_factory=dict)
    input_data_format: str = "microsoft.qio.v2"
    output_data_format: str = "microsoft.qio-results.v2"
    creation_time: datetime | None = None
    begin_execution_time: datetime | None = None
    end_execution_time: datetime | None = None
    cancellation_time: datetime | None = None
    is_cancelling: bool = False
    error_data: JobError | None = None
    container_uri: str | None = None
    input_data_uri: str | None = None
    output_data_uri: str | None = None
    metadata: dict[str, str] | None = None
    session_id: str | None = None
    quantum_computing_data: object = None
    cost_estimate: object = None
    tags: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request | None, record: JobRecord | None) -> JobDetails:
        """Details of a job, of which there is one or the other; without a `record` it is not submitted, and waits."""
        about = record or request
        assert about is not None
        envelope = about.envelope
        provider = envelope.provider_id or provider_of(about.target)
        details = cls(
            id=about.id if isinstance(about, JobRecord) else about.job_id,
            name=about.name,
            target=about.target,
            provider_id=provider,
            status=JobStatus.Waiting.value,
            input_params=dict(about.params),
            input_data_format=envelope.input_data_format or "microsoft.qio.v2",
            output_data_format=envelope.output_data_format
            or f"microsoft.qio-results.{'v1' if provider == '1qbit' else 'v2'}",
            container_uri=envelope.container_uri,
            input_data_uri=envelope.input_data_uri,
            output_data_uri=envelope.output_data_uri,
            session_id=envelope.session_id,
            metadata=None if envelope.metadata is None else dict(envelope.metadata),
            tags=list(envelope.tags),
            cost_estimate=envelope.cost_estimate,
            quantum_computing_data=envelope.quantum_computing_data,
        )
        if record is None:
            return details
        return replace(
            details,
            status=record.status.value,
            creation_time=record.created,
            begin_execution_time=record.began,
            end_execution_time=record.ended,
            cancellation_time=record.cancelled,
            is_cancelling=record.cancelled is not None and not record.status.is_final,
            error_data=record.error,
        )


class BaseJob(ABC):
    """A job of a workspace: made by `solver.submit(problem)`, or found by `get_job` and `list_jobs`."""

    @property
    @abstractmethod
    def details(self) -> JobDetails:
        """What was known of the job when it was submitted or last refreshed."""

    @property
    def id(self) -> str:
        """The job's id, a UUID in text."""
        return self.details.id

    @property
    def item_type(self) -> str:
        """``"Job"``."""
        return self.details.item_type

    @property
    def container_name(self) -> str:
        """The name that the job's storage container has at the service."""
        return f"job-{self.id}"

    @staticmethod
    def create_job_id() -> str:
        """A new job id: a time-based UUID, as text."""
        return str(uuid.uuid1())

    def has_completed(self) -> bool:
        """Whether the job had ended (succeeded, failed or been cancelled) when last looked at. Does not refresh."""
        return JobStatus(self.details.status).is_final

    def matches_filter(
        self,
        name_match: str | None = None,
        status: JobStatus | None = None,
        created_after: date | datetime | None = None,
    ) -> bool:
        """Whether the job passes every filter given.

        Args:
            name_match: regular expression, searched for anywhere in the job's name.
            status: the status the job must have.
            created_after: the job is as young as this or younger. A date means its first moment in local time;
                a datetime without a time zone is in local time too.
        """
        if name_match is not None and re.search(name_match, self.details.name) is None:
            return False
        if status is not None and self.details.status != status:
            return False
        if created_after is None:
            return True
        if not isinstance(created_after, datetime):
            created_after = datetime.combine(created_after, time())
        created = self.details.creation_time
        return created is not None and created >= created_after.astimezone()

    def __repr__(self) -> str:
        details = self.details
        return f"<Job {details.id} {details.name!r} on {details.target}: {details.status}>"
