"""A backend in memory: solves by enumeration, at once or when the test says so, and remembers what it was asked."""

from __future__ import annotations

import builtins
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np
import trio

from gpuqio.backend import Availability, JobError, JobRecord, Request, Statistics, Status, provider_of
from gpuqio.errors import JobNotFound
from gpuqio.problem import Problem
from gpuqio.result import Report, Result, StopReason
from gpuqio.scheduler.sessions import SessionBook
from gpuqio.solvers import TARGETS
from tests.fake_storage import FakeStorage

REPORT = Report("fake", "memory", "enumeration", 1, 1, 1, 0, 0.0, 0.0, StopReason.COMPLETED)


def best(problem: Problem) -> Result:
    """The first of the best configurations."""
    variables = sorted({variable for term in problem.terms for variable in term.ids})
    values = (-1, 1) if problem.problem_type.spins else (0, 1)
    states = list(product(values, repeat=len(variables)))
    costs = [float(problem.evaluate(dict(zip(variables, state, strict=True)))) for state in states]
    least = int(np.argmin(costs))
    return Result(
        variables=np.array(variables, np.int64),
        states=np.array([states[least]], np.int8),
        costs=np.array([costs[least]]),
        parameters={"seed": 1},
        report=REPORT,
    )


class FakeBackend:
    """Attributes:
    held: submitted jobs wait until `finish`.
    requests: all that was submitted.
    most: most jobs that were unfinished at one time.
    """

    def __init__(self, held: bool = False) -> None:
        self.held = held
        self.requests: list[Request] = []
        self.most = 0
        self.storage = FakeStorage()
        self.available = [Availability(target, provider_of(target), "Available", 0) for target in TARGETS]
        self.sessions = SessionBook(self.list)
        self._records: dict[str, JobRecord] = {}
        self._ended: dict[str, trio.Event] = {}

    def submit_nowait(self, request: Request) -> JobRecord:
        self.requests.append(request)
        now = datetime.now(UTC)
        record = JobRecord(
            id=request.job_id,
            name=request.name,
            target=request.target,
            params=request.params,
            status=Status.Executing,
            created=now,
            began=now,
            ended=None,
            cancelled=None,
            error=None,
            results=None,
            request=request,
            envelope=request.envelope,
        )
        self._records[record.id] = record
        self._ended[record.id] = trio.Event()
        self.most = max(self.most, sum(not record.status.is_final for record in self._records.values()))
        if not self.held:
            self.finish(record.id)
        return record

    async def submit(self, request: Request) -> JobRecord:
        uri = request.envelope.input_data_uri
        if uri is not None and not request.work.problems:
            problem = Problem.deserialize((await self.storage.download(uri)).data)
            request = replace(request, work=replace(request.work, problems=(problem,)))
        await trio.lowlevel.checkpoint()
        return self.submit_nowait(request)

    async def wait(self, job_id: str) -> JobRecord:
        await self._ended[job_id].wait()
        return self._records[job_id]

    async def cancel(self, job_id: str) -> JobRecord:
        await trio.lowlevel.checkpoint()
        if not self.get(job_id).status.is_final:
            self._end(job_id, status=Status.Cancelled, cancelled=datetime.now(UTC))
        return self._records[job_id]

    async def solve(self, request: Request) -> JobRecord:
        record = await self.submit(request)
        try:
            return await self.wait(record.id)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self.cancel(record.id)
            raise

    def get(self, job_id: str) -> JobRecord:
        if job_id not in self._records:
            raise JobNotFound(f"No job has the id {job_id!r}.")
        return self._records[job_id]

    def list(self) -> list[JobRecord]:
        return list(self._records.values())

    async def fetch(self, job_id: str) -> JobRecord:
        await trio.lowlevel.checkpoint()
        return self.get(job_id)

    async def fetch_all(self) -> builtins.list[JobRecord]:
        await trio.lowlevel.checkpoint()
        return self.list()

    async def targets(self) -> builtins.list[Availability]:
        await trio.lowlevel.checkpoint()
        return self.available

    async def quotas(self) -> builtins.list[dict[str, Any]]:
        await trio.lowlevel.checkpoint()
        return [{"dimension": "combined_job_hours", "limit": 20.0}]

    def statistics(self) -> Statistics:
        ended = [record.status for record in self._records.values()]
        return Statistics(
            workers=1,
            busy=0,
            waiting=0,
            max_waiting=100,
            submitting=0,
            executing=ended.count(Status.Executing),
            succeeded=ended.count(Status.Succeeded),
            failed=ended.count(Status.Failed),
            cancelled=ended.count(Status.Cancelled),
        )

    def finish(self, job_id: str, error: JobError | None = None) -> None:
        """End a job: with its results, or with `error`."""
        if error is not None:
            self._end(job_id, status=Status.Failed, error=error)
        else:
            request = self._records[job_id].request
            assert request is not None
            problems = request.work.problems
            self._end(job_id, status=Status.Succeeded, results=tuple(map(best, problems)))

    def _end(
        self,
        job_id: str,
        status: Status,
        cancelled: datetime | None = None,
        error: JobError | None = None,
        results: tuple[Result, ...] | None = None,
    ) -> None:
        record = self._records[job_id]
        self._records[job_id] = replace(
            record, status=status, ended=datetime.now(UTC), cancelled=cancelled, error=error, results=results
        )
        self._ended[job_id].set()
