"""Jobs under trio."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gpuqio.backend import Blob, Envelope, JobRecord, Request
from gpuqio.errors import InvalidParameter
from gpuqio.facade.job import BaseJob, JobDetails, JobStatus
from gpuqio.facade.requests import results_of
from gpuqio.problem_forms import ContentType
from gpuqio.qio_json import inflate
from gpuqio.result import Result
from gpuqio.trio.waiting import at_most, too_late

if TYPE_CHECKING:
    from gpuqio.trio.workspace import Workspace

__all__ = ["Job", "JobStatus"]


class Job(BaseJob):
    """A job: what is to be solved, and what is known of it.

    `solver.submit(problem)` makes and submits one.
    """

    __module__ = "gpuqio.trio"

    def __init__(self, workspace: Workspace, request: Request | None, record: JobRecord | None = None) -> None:
        self.workspace = workspace
        self._request = request
        self._record = record
        self._details = JobDetails.of(request, record)

    @property
    def details(self) -> JobDetails:
        return self._details

    def _learn(self, record: JobRecord) -> None:
        self._record = record
        self._details = JobDetails.of(self._request, record)

    async def submit(self) -> None:
        """Queue the job, waiting for room if the queue is full."""
        self._learn(await self.workspace._reach().submit(self._to_submit()))

    def _to_submit(self) -> Request:
        if self._request is None:
            raise InvalidParameter(
                f"The job {self.id!r} was found in its workspace, and has been submitted already.",
                field="job",
                value=self.id,
            )
        return self._request

    async def refresh(self) -> None:
        """Get new `details`. Raises `JobNotFound` for a job that the workspace does not know."""
        self._learn(await self.workspace._reach().fetch(self.id))

    async def cancel(self) -> None:
        """Stop the job, and return when it has stopped: within a slice. A job that has ended stays as it is."""
        self._learn(await self.workspace._reach().cancel(self.id))

    async def wait_until_completed(
        self, max_poll_wait_secs: float = 30, timeout_secs: float | None = None, print_progress: bool = False
    ) -> None:
        """Wait until the job has ended, however it ends. It is told at once; nothing is polled.

        Args:
            max_poll_wait_secs: seconds between signs of progress.
            timeout_secs: seconds to wait, at most; None waits without limit.
            print_progress: write a dot to stderr every `max_poll_wait_secs`.

        Raises:
            WaitTimeout: (a TimeoutError) when the time is up. The job goes on.
        """
        if self._record is not None:
            await self.refresh()  # it may have ended meanwhile, and then no time is too short
        with at_most(timeout_secs) as scope:
            while not self.has_completed():
                with at_most(max_poll_wait_secs if print_progress else None, "max_poll_wait_secs"):
                    self._learn(await self.workspace._reach().wait(self.id))
                    break
                sys.stderr.write(".")
                sys.stderr.flush()
                await self.refresh()  # the wait may have been too short to hear of anything
        if scope.cancelled_caught:
            raise too_late(timeout_secs)

    async def get_results(self, timeout_secs: float | None = 300) -> Result:
        """Wait for the job and return its result.

        Args:
            timeout_secs: seconds to wait, at most; None waits without limit.

        Raises:
            JobFailed: (a RuntimeError) when the job failed or was cancelled.
            WaitTimeout: (a TimeoutError) when the time is up. The job goes on.
        """
        if self._record is None or not self.has_completed():
            await self.wait_until_completed(timeout_secs=timeout_secs)
        assert self._record is not None
        if self._record.results is None and self._record.status is JobStatus.Succeeded:  # heard of, not yet read
            self._learn(await self.workspace._reach().wait(self.id))
        return results_of(self._record)[0]

    @classmethod
    async def from_input_data(
        cls,
        workspace: Workspace,
        name: str,
        target: str,
        input_data: bytes,
        content_type: ContentType = ContentType.json,
        blob_name: str = "inputData",
        encoding: str = "",
        job_id: str | None = None,
        container_name: str | None = None,
        provider_id: str | None = None,
        input_data_format: str | None = None,
        output_data_format: str | None = None,
        input_params: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        **kwargs: Any,
    ) -> Job:
        """Upload a problem that is written down already, and submit a job for it.

        Args:
            workspace: where to solve.
            name: shown in lists.
            target: the solver's target id.
            input_data: the problem, as `Problem.to_blob` or `Problem.to_json` writes it.
            content_type, encoding: what it is, and "gzip" where it is gzipped.
            blob_name, container_name: where to put it; default: the job's own container.
            job_id: default: a new one.
            provider_id, input_data_format, output_data_format: as the service calls them; default: the target's.
            input_params: the solver's parameters as the wire has them, ``{"params": {...}}`` for Microsoft's.
            session_id: the session that the job belongs to.
            kwargs: see `from_storage_uri`.

        Raises:
            InvalidParameter, InvalidProblem, BlobExists: nothing was queued.
        """
        job_id = cls.create_job_id() if job_id is None else job_id
        container = await workspace.get_container_uri(job_id, container_name)
        blob = Blob(bytes(input_data), ContentType(content_type).value, encoding)
        uri = await workspace._reach().storage.upload(container, blob_name, blob)
        return await cls.from_storage_uri(
            workspace,
            name,
            target,
            uri,
            provider_id,
            input_data_format,
            output_data_format,
            container,
            job_id,
            input_params,
            session_id=session_id,
            **kwargs,
        )

    @classmethod
    async def from_storage_uri(
        cls,
        workspace: Workspace,
        name: str,
        target: str,
        input_data_uri: str,
        provider_id: str | None = None,
        input_data_format: str | None = None,
        output_data_format: str | None = None,
        container_uri: str | None = None,
        job_id: str | None = None,
        input_params: Mapping[str, Any] | None = None,
        submit_job: bool = True,
        session_id: str | None = None,
        **kwargs: Any,
    ) -> Job:
        """A job for a problem that lies in the storage.

        Args:
            input_data_uri: what `Problem.upload` returned.
            container_uri: for what else the job has to store; default: the job's own.
            submit_job: submit it; else `Job.submit` does.
            kwargs: metadata, a dict of texts. Others are ignored.
            workspace, name, target, provider_id, input_data_format, output_data_format, job_id, input_params,
                session_id: as for `from_input_data`.

        Raises:
            InvalidParameter, InvalidProblem, BlobNotFound: nothing was queued.
        """
        envelope = Envelope(
            provider_id or "",
            input_data_format or "",
            output_data_format or "",
            container_uri,
            input_data_uri,
            session_id=session_id,
            metadata=kwargs.get("metadata"),
        )
        job = cls(workspace, workspace._request_by_wire(name, target, input_params or {}, envelope, job_id))
        if submit_job:
            await job.submit()
        return job

    async def download_data(self, blob_uri: str) -> bytes:
        """A blob of the job's, such as ``details.input_data_uri``; inflated where it is gzipped. Signed or not."""
        blob = await self.workspace._reach().storage.download(blob_uri)
        return inflate(blob.data) if blob.content_encoding == "gzip" else blob.data

    async def upload_attachment(
        self,
        name: str,
        data: bytes,
        container_uri: str | None = None,
        *,
        content_type: ContentType | str = ContentType.json,
        encoding: str = "",
    ) -> str:
        """Put data beside the job, by a name; what was there by that name is replaced.

        Args:
            container_uri: another container than the job's, signed where it needs to be.
            content_type, encoding: what the data is.

        Returns:
            Its URI, without a signature.
        """
        container = container_uri or await self.workspace.get_container_uri(self.id)
        storage = self.workspace._reach().storage
        block = "00000000"
        await storage.stage(container, name, block, bytes(data))
        kind = content_type.value if isinstance(content_type, ContentType) else content_type
        return await storage.commit(container, name, [block], Blob(b"", kind, encoding))

    async def download_attachment(self, name: str, container_uri: str | None = None) -> bytes:
        """The data put there by `upload_attachment`, byte for byte. Raises `BlobNotFound`."""
        base, mark, signature = (container_uri or await self.workspace.get_container_uri(self.id)).partition("?")
        return (await self.workspace._reach().storage.download(f"{base}/{quote(name)}{mark}{signature}")).data
