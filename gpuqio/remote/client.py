"""The calls of Azure Quantum's data plane, in all versions that are known, as coroutines under trio."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from gpuqio.errors import AuthenticationFailed, InvalidParameter, JobNotFound, RemoteError
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.auth import Auth, NoAuth
from gpuqio.remote.protocol import (
    CURRENT,
    ApiVersion,
    Call,
    ErrorBody,
    JobMessage,
    Page,
    ProviderStatus,
    Quota,
    SasRequest,
    SasResponse,
    SessionMessage,
    WorkspaceName,
    decode,
    encode,
)
from gpuqio.remote.secrets import Secret, bare, scrub
from gpuqio.remote.transport import Answer, Transport, retry_after

__all__ = ["Client", "refusal"]

PUT_SECONDS = 30.0
"""For a try to put a job. It is not cut short by cancellation, so that no job runs unknown to who put it."""

MOST_PAGES = 10_000

AGENT = f"gpuqio Python/{platform.python_version()}"
"""After what the program calls itself."""

M = TypeVar("M")


class Client:
    """A workspace of a service.

    Every call raises `AuthenticationFailed`, or `RemoteError` for any other refusal, or none at all; calls about a
    job raise `JobNotFound`.

    Args:
        endpoint: its address.
        workspace: its name there.
        transport: sends the requests.
        auth: who asks.
        version: what the service speaks.
        user_agent: tells what the program calls itself, which may change.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        workspace: WorkspaceName,
        transport: Transport,
        auth: Auth,
        version: ApiVersion = CURRENT,
        user_agent: Callable[[], str | None] = lambda: None,
    ) -> None:
        if not endpoint.is_private and not isinstance(auth, NoAuth):
            raise InvalidParameter(
                f"Neither keys nor tokens are sent to {endpoint.url}: http can be read on the way. Use https; http is "
                f"for this machine alone.",
                field="endpoint",
                value=endpoint.url,
            )
        self.endpoint = endpoint
        self.workspace = workspace
        self.transport = transport
        self.version = version
        self._auth = auth
        self._user_agent = user_agent

    # Jobs

    async def put_job(self, job: JobMessage) -> JobMessage:
        """Submit a job under an id of its own, once, however often the request has to be sent.

        Cancelling the call leaves the job where it is, if it has come there; by its id it can be cancelled.
        """
        assert job.id is not None
        body = job if self.version.id_in_body else msgspec.structs.replace(job, id=None)
        call = self._job("PUT", job.id)
        try:
            answer = await self._ask(call, encode(body), whole=PUT_SECONDS)
        except RemoteError as error:
            if error.status != 409 and "exists" not in error.code.lower():
                raise
            there = (await self.get_job(job.id))[0]
            if _work(there) != _work(job):
                raise
            return there  # by an earlier try of ours, whose answer was lost
        return self._read(answer, JobMessage)

    async def get_job(self, job_id: str) -> tuple[JobMessage, float]:
        """A job, and for how many seconds the service asks to be left alone."""
        answer = await self._about(job_id, self._job("GET", job_id))
        return self._read(answer, JobMessage), retry_after(answer.headers) or 0.0

    async def cancel_job(self, job_id: str) -> None:
        """Ask a job to stop; one that has ended stays as it is."""
        try:
            await self._about(job_id, self.version.cancel(self.workspace, job_id))
        except RemoteError as error:
            if error.status != 409:  # it has ended
                raise

    async def jobs(self) -> list[JobMessage]:
        """All jobs there are, in the service's order."""
        return await self._pages(self.version.call("GET", self.workspace, "jobs"), JobMessage)

    # Storage, targets, quotas

    async def sas_uri(self, container: str, blob: str | None = None) -> str:
        """The URI of a container, or of a blob in it, with a signature; of a host that may be followed."""
        call = self.version.call("POST", self.workspace, "storage", "sasUri")
        answer = await self._ask(call, encode(SasRequest(container_name=container, blob_name=blob)))
        return self.endpoint.blob(self._read(answer, SasResponse).sas_uri)

    async def provider_status(self) -> list[ProviderStatus]:
        """The providers and their targets."""
        return await self._pages(self.version.call("GET", self.workspace, "providerStatus"), ProviderStatus)

    async def quotas(self) -> list[Quota]:
        """The limits on use."""
        return await self._pages(self.version.call("GET", self.workspace, "quotas"), Quota)

    # Sessions

    async def open_session(self, session: SessionMessage) -> SessionMessage:
        """Make a session under an id of its own."""
        assert session.id is not None
        body = session if self.version.id_in_body else msgspec.structs.replace(session, id=None)
        answer = await self._ask(self._session("PUT", session.id), encode(body))
        return self._read(answer, SessionMessage)

    async def get_session(self, session_id: str) -> SessionMessage:
        """A session."""
        return self._read(await self._ask(self._session("GET", session_id)), SessionMessage)

    async def close_session(self, session_id: str) -> SessionMessage:
        """Let no more jobs into a session."""
        return self._read(await self._ask(self._session("POST", f"{session_id}:close")), SessionMessage)

    async def sessions(self) -> list[SessionMessage]:
        """All sessions."""
        return await self._pages(self.version.call("GET", self.workspace, "sessions"), SessionMessage)

    # How

    def _job(self, method: str, job_id: str) -> Call:
        return self.version.call(method, self.workspace, "jobs", job_id)

    def _session(self, method: str, session_id: str) -> Call:
        return self.version.call(method, self.workspace, "sessions", session_id)

    async def _about(self, job_id: str, call: Call) -> Answer:
        try:
            return await self._ask(call)
        except RemoteError as error:
            if error.status != 404:
                raise
        raise JobNotFound(f"No job of the workspace {self.workspace.name!r} has the id {job_id!r}.")

    async def _ask(self, call: Call, body: bytes = b"", whole: float | None = None) -> Answer:
        query = f"?{urlencode(call.query)}" if call.query else ""
        return await self._send(call.method, f"{self.endpoint.url}{call.path}{query}", body, whole)

    async def _send(self, method: str, url: str, body: bytes = b"", whole: float | None = None) -> Answer:
        """An answer that is a success. All calls are idempotent here, POST too: ids are made by who calls."""
        for last in (False, True):
            credentials = await self._auth.headers()
            headers = {
                "Accept": "application/json",
                "User-Agent": " ".join(filter(None, (self._user_agent(), AGENT))),
                "x-ms-client-request-id": str(uuid.uuid4()),
                **({"Content-Type": "application/json"} if body else {}),
                **credentials,
            }
            answer = await self.transport.send(method, url, headers=headers, content=body, idempotent=True, whole=whole)
            if answer.status != 401 or last or not self._auth.rejected(credentials):
                break
        if 200 <= answer.status < 300:
            return answer
        raise refusal(answer, method, url, credentials.values())

    async def _pages(self, call: Call, kind: type[M]) -> list[M]:
        """The items of all pages. A link to the next one is followed only to where the first one was."""
        items: list[M] = []
        answer = await self._ask(call)
        for _ in range(MOST_PAGES):
            page = self._read(answer, Page[kind])  # type: ignore[valid-type]  # it is a type at run time
            items += page.value
            if not page.next_link:
                return items
            link = httpx.URL(self.endpoint.own(page.next_link)).copy_merge_params(dict(call.query))
            answer = await self._send("GET", str(link))
        raise RemoteError(f"The list at {call.path} has more than {MOST_PAGES} pages.")

    def _read(self, answer: Answer, kind: type[M]) -> M:
        try:
            return decode(answer.body, kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _unreadable(error) from None


def _work(job: JobMessage) -> tuple[str, str]:
    """What tells two jobs of one id apart."""
    return bare(job.input_data_uri or ""), job.target.lower()


def refusal(answer: Answer, method: str, url: str, secrets: Any = ()) -> RemoteError:
    """The error for an answer that is not a success, without secrets in what it quotes."""
    code, said = answer.headers.get("x-ms-error-code", ""), ""
    try:
        error = decode(answer.body, ErrorBody).error
        code, said = error.code or code, error.message
    except (msgspec.DecodeError, RecursionError):
        pass
    hidden = [Secret(part) for secret in secrets for part in {secret, secret.removeprefix("Bearer ")}]
    detail = scrub(": ".join(part for part in (code, said) if part), hidden)[:1000] or "it does not say why"
    text = f"{method} {bare(url)} was answered by {answer.status}: {detail}"
    if answer.status in (401, 403):
        return AuthenticationFailed(text, status=answer.status, code=scrub(code, hidden))
    return RemoteError(text, status=answer.status, code=scrub(code, hidden))


def _unreadable(error: Exception) -> RemoteError:
    return RemoteError(f"The service's answer can't be read: {error}.", code="InvalidAnswer")
