"""Jobs of a workspace: put, told, changed, cancelled and deleted."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import trio
from starlette.responses import Response

from gpuqio.backend import Status
from gpuqio.errors import InputError
from gpuqio.remote.protocol import ErrorData, JobMessage
from gpuqio.scheduler.crossing import job_error
from gpuqio.server import items
from gpuqio.server.call import Call, answer, told
from gpuqio.server.items import Item
from gpuqio.server.names import ALL, JOB_ID, LONGEST_JOB_ID, READ, job_container
from gpuqio.server.refusal import Refusal
from gpuqio.server.work import RESULT_BLOB, read_solver
from gpuqio.solvers import TARGETS

__all__ = ["Change", "Patch", "cancel", "change", "delete", "get", "put", "show"]

PUT_FIELDS = (
    *("name", "provider_id", "target", "input_data_format", "input_params", "output_data_format", "metadata"),
    *("session_id", "quantum_computing_data", "tags", "priority"),
)
"""What is the client's to say."""

IDENTIFYING = ("provider_id", "target", "input_data_format", "input_params")
"""What a put that is repeated has as before."""


class Change(msgspec.Struct):
    """What may be changed of a job. None of a name leaves it."""

    name: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, str] | None = None
    priority: str | None = None


class _Step(msgspec.Struct, tag_field="path"):
    """A step of JSON Patch."""

    op: Literal["add", "replace", "remove"]


class _NameStep(msgspec.Struct, tag_field="path", tag="/name"):
    op: Literal["add", "replace"]
    value: str


class _TagsStep(_Step, tag="/tags"):
    value: list[str] | None = None


class _MetadataStep(_Step, tag="/metadata"):
    value: dict[str, str] | None = None


class _PriorityStep(_Step, tag="/priority"):
    value: str | None = None


Patch = list[_NameStep | _TagsStep | _MetadataStep | _PriorityStep]


async def put(call: Call) -> Response:
    """Accept a job. A put that is repeated, since its answer was lost, is answered again."""
    message = await call.body(JobMessage)
    job_id = _job_id(call)
    if message.id is not None and message.id.lower() != job_id:
        raise Refusal(409, "JobIdMismatch", f"The job's id in the body, {message.id!r}, is not that of the path.")
    item = _accepted(call, job_id, message)
    runner = call.service.runner
    is_full = runner.unfinished >= call.service.limits.queued

    def write(connection: sqlite3.Connection) -> Item:
        if (earlier := items.find(connection, call.account, "Job", job_id)) is not None:
            return _same(earlier, item)
        if is_full:
            raise Refusal(429, "QueueFull", "The queue is full. Try again when jobs have ended.", retry_after=1)
        return replace(item, number=items.insert(connection, item))

    accepting = nullcontext() if is_full else runner.accepting(item)
    with trio.CancelScope(shield=True), accepting:  # what is in the store must be in the queue
        written = await call.service.store.do(write)
        if written.message is item.message and item.message.status == Status.Waiting.value:
            runner.add(written)
    return answer(show(call, written))


def _accepted(call: Call, job_id: str, message: JobMessage) -> Item:
    """The job as it goes into the store: waiting, or failed at once if its parameters make no sense."""
    if message.target.lower() not in TARGETS:
        raise Refusal(400, "InvalidTarget", f"There is no target {message.target!r}. Targets: {', '.join(TARGETS)}.")
    container, blob = job_container(job_id), ""
    if message.container_uri:
        container, blob = call.addresses.named(message.container_uri, "containerUri")
    if message.input_data_uri:
        container, blob = call.addresses.named(message.input_data_uri, "inputDataUri")
    blob = blob or "inputData"
    now = datetime.now(UTC)
    job = JobMessage(
        **{name: getattr(message, name) for name in PUT_FIELDS if name != "provider_id"},
        id=job_id,
        provider_id=message.provider_id.lower(),
        job_type="Optimization",
        input_data_uri=(message.input_data_uri or "").partition("?")[0] or None,
        status=Status.Waiting.value,
        creation_time=now,
    )
    seed = None
    try:
        if read_solver(job, call.service.limits).seed is None:
            seed = secrets.randbits(32)
    except InputError as error:
        fault = job_error(error)
        job = msgspec.structs.replace(
            job,
            status=Status.Failed.value,
            end_execution_time=now,
            error_data=ErrorData(code=fault.code, message=fault.message),
        )
    return Item(call.account, job, f"{container}/{blob}", seed)


def _same(earlier: Item, item: Item) -> Item:
    """The job that was put before, if it is this one. Raises `Refusal`: 409."""
    if earlier.input != item.input or any(getattr(earlier.job, f) != getattr(item.job, f) for f in IDENTIFYING):
        raise Refusal(409, "JobAlreadyExists", f"There is another job of the id {item.job.id!r}.")
    return earlier


async def get(call: Call) -> Response:
    """Tell a job as it is now."""
    return answer(show(call, await _find(call)))


async def cancel(call: Call) -> Response:
    """Stop a job, and tell how it has ended."""
    await call.service.runner.cancel(await _find(call))
    return answer(show(call, await _find(call)))


async def delete(call: Call) -> Response:
    """Cancel a job, or, where there is another call for that, forget it with its blobs."""
    item = await _find(call)
    await call.service.runner.cancel(item)
    if call.version.cancels_by_post:
        await call.service.store.do(lambda connection: items.remove(connection, item.number))
        container = job_container(str(item.job.id))
        await trio.to_thread.run_sync(call.files.remove_container, container)
    return Response(status_code=204)


async def change(call: Call) -> Response:
    """Change a job's name, tags, metadata or priority, as a merged object or by JSON Patch."""
    wanted = await call.body(Change | Patch)  # type: ignore[arg-type]
    found = await _find(call)

    def write(connection: sqlite3.Connection) -> Item:
        item = items.find(connection, call.account, "Job", str(found.job.id))
        if item is None:
            raise _unknown(str(found.job.id))
        changed = replace(item, message=_changed(item.job, wanted))
        items.update(connection, changed)
        return changed

    return answer(show(call, await call.service.store.do(write)))


def _changed(job: JobMessage, wanted: Change | Patch) -> JobMessage:
    if isinstance(wanted, Change):
        fields = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    else:
        fields = {
            str(step.__struct_config__.tag).removeprefix("/"): None if step.op == "remove" else step.value
            for step in wanted
        }
    return msgspec.structs.replace(job, **fields)


async def _find(call: Call) -> Item:
    job_id = _job_id(call)
    item = await call.service.store.do(lambda connection: items.find(connection, call.account, "Job", job_id))
    if item is None:
        raise _unknown(job_id)
    return item


def _job_id(call: Call) -> str:
    """The id in the path; capitals do not matter. Raises `Refusal`: 400 for what is none."""
    job_id = str(call.request.path_params["job"]).lower()
    if not JOB_ID.fullmatch(job_id) or len(job_id) > LONGEST_JOB_ID:
        raise Refusal(400, "InvalidJobId", "A job's id has at most 59 letters, digits and single hyphens inside.")
    return job_id


def _unknown(job_id: str) -> Refusal:
    return Refusal(404, "JobNotFound", f"There is no job {job_id!r} in this workspace.")


def show(call: Call, item: Item) -> dict[str, Any]:
    """A job as it is told to this client, with URIs that it can read."""
    job = call.service.runner.now(item).job
    if job.is_cancelling and call.version.cancels_by_post:
        job = msgspec.structs.replace(job, status="CancellationRequested")
    container, _, blob = str(item.input).partition("/")
    output = RESULT_BLOB if job.status == Status.Succeeded.value else "outputData"
    return {
        **told(job),
        "containerUri": call.addresses.signed(container, None, ALL),
        "inputDataUri": call.addresses.signed(container, blob, READ),
        "outputDataUri": call.addresses.signed(job_container(str(job.id)), output, READ),
        "isCancelling": bool(job.is_cancelling),
        "tags": job.tags or [],
    }
