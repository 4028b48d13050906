"""A job that may be done remotely, and the requests by which each place is asked to do it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio

from gpuqio.backend import JobError, JobRecord, Request, Status

if TYPE_CHECKING:
    from gpuqio.backend import Backend

__all__ = ["DispatchedJob", "elsewhere", "seeded", "unended"]


@dataclass(eq=False, slots=True)
class DispatchedJob:
    """A job while and after a task of the dispatcher sees it through.

    Attributes:
        record: what is said of it while neither place can say more.
        home: the place whose record is the job's; None for none yet.
        scope: of the task; cancelling it ends the job's work in both places.
        admitted: set once a place has it, or it has ended before that.
        ended: set once nothing of it runs any more.
        refusal: why no place took it.
    """

    request: Request
    record: JobRecord
    home: Backend | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    admitted: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)
    refusal: Exception | None = None

    @classmethod
    def of(cls, request: Request) -> DispatchedJob:
        record = JobRecord(
            id=request.job_id,
            name=request.name,
            target=request.target,
            params=request.params,
            status=Status.Waiting,
            created=datetime.now(UTC),
            began=None,
            ended=None,
            cancelled=None,
            error=None,
            results=None,
            request=request,
            envelope=request.envelope,
        )
        return cls(request, record)

    def end(self, status: Status, error: JobError | None = None) -> None:
        """Complete the record of a job that no place has one of."""
        now = datetime.now(UTC)
        cancelled = now if status is Status.Cancelled else None
        self.record = replace(self.record, status=status, ended=now, cancelled=cancelled, error=error)

    def release(self) -> None:
        """Let go of the problems: records are kept long, problems are large."""
        self.request = replace(self.request, work=replace(self.request.work, problems=()))
        self.record = replace(self.record, request=self.request)


def seeded(request: Request) -> Request:
    """The request with a seed, so that every place gives the same answer.

    Those of many problems without one stay as they are: each problem is to have a fresh one of its own.
    """
    solver: Any = request.work.solver
    if solver.seed is not None or len(request.work.problems) != 1:
        return request
    seed = secrets.randbits(32)
    given = request.params.get("params")
    if isinstance(given, Mapping):
        params = {**request.params, "params": {**given, "seed": seed}}
    else:
        params = {**request.params, "seed": seed}
    return replace(request, work=replace(request.work, solver=replace(solver, seed=seed)), params=params)


def elsewhere(request: Request) -> Request:
    """The request for a place that can't reach the storage its blobs were to lie in."""
    own = replace(request.envelope, container_uri=None, input_data_uri=None, output_data_uri=None)
    return replace(request, envelope=own)


def unended(record: JobRecord) -> JobRecord:
    """The record of a job that has ended in one place, while the dispatcher has still to do with it."""
    if not record.status.is_final:
        return record
    return replace(record, status=Status.Executing, ended=None, cancelled=None, error=None, results=None)
