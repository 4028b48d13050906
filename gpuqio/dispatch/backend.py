"""The backend over two others: sends each job where its policy says, and remembers where each is.

A job that the policy leaves on this machine goes to the local backend, and nothing more is done about it. For any
other there is a task that sees it through (`gpuqio.dispatch.runner`).
"""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import trio

from gpuqio.backend import Availability, Backend, JobRecord, Request, Sessions, Statistics, Storage
from gpuqio.dispatch.account import Account
from gpuqio.dispatch.decision import Place, Spent, View
from gpuqio.dispatch.job import DispatchedJob, seeded
from gpuqio.dispatch.runner import LOST, Runner
from gpuqio.errors import InvalidParameter, JobNotFound

if TYPE_CHECKING:
    from gpuqio.dispatch.policies import Policy

__all__ = ["DispatchBackend", "DispatchStatistics"]

KEPT_JOBS = 100_000  # that have ended; a place keeps as many records

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class DispatchStatistics(Statistics):
    """How busy both places are, and what went where. A job done in both counts in both.

    Attributes:
        local, remote: how busy each is.
        kept: jobs left on this machine at once.
        sent: jobs sent to the remote place: of a race, too.
        returned: those that were lost there and done on this machine.
        spent: what they took.
        resting: seconds that the remote place will be left alone for, after a failure.
        failure: what that was, or the last one; "" for none. Where jobs are then done locally, a wrong credential shows
            nowhere else.
        ahead: jobs that the policy wants the local queue to be able to hold.
    """

    local: Statistics | None = None
    remote: Statistics | None = None
    kept: int = 0
    sent: int = 0
    returned: int = 0
    spent: Spent = field(default_factory=Spent)
    resting: float = 0.0
    failure: str = ""
    ahead: int = 0

    @property
    def in_work(self) -> int:
        """How many jobs one who has many should have submitted ahead, so that no worker stands idle in either place."""
        return 2 * self.workers + self.ahead


class DispatchBackend:
    """Implements `gpuqio.backend.Backend` over two others. To be used in one trio run, and made by `policy.over`.

    Args:
        policy: decides.
        local: this machine's.
        remote: any other.
        account: what was spent before; default a new one.
    """

    def __init__(self, policy: Policy, local: Backend, remote: Backend, account: Account | None = None) -> None:
        self._policy, self._local, self._remote = policy, local, remote
        self._account = Account() if account is None else account
        self._runner = Runner(local, remote, policy.falls_back, self._account)
        self._jobs: dict[str, DispatchedJob] = {}
        self._ended: deque[str] = deque()
        self._kept = self._sent = 0

    def __repr__(self) -> str:
        went = f"{self._kept} kept, {self._sent} sent, {self._runner.returned} returned"
        return f"<DispatchBackend by {self._policy!r}: {went}>"

    @property
    def storage(self) -> Storage:
        """The local one where jobs may be done locally in any case, else the remote one."""
        return self._local.storage if self._policy.falls_back else self._remote.storage

    @property
    def sessions(self) -> Sessions:
        """Those of the place whose storage it is."""
        return self._local.sessions if self._policy.falls_back else self._remote.sessions

    # Jobs.

    async def submit(self, request: Request) -> JobRecord:
        """Send a job to where it is to go; waits until it is accepted there. Cancelling the call withdraws it."""
        await trio.lowlevel.checkpoint()
        request, place = seeded(request), self._decide(request)
        if place is Place.LOCAL:
            record = await self._local.submit(self._runner.fitted(self._local, request))
            self._kept += 1
            return record
        job = self._begin(request, place)
        try:
            await job.admitted.wait()
        except trio.Cancelled:
            job.scope.cancel()
            with trio.CancelScope(shield=True):
                await job.ended.wait()
            self._forget(job)
            raise
        if job.refusal is not None:
            self._forget(job)
            raise job.refusal
        return self.get(request.job_id)

    def submit_nowait(self, request: Request) -> JobRecord:
        """Send a job to where it is to go, or raise `QueueFull`. Should it be refused remotely, it fails later."""
        request, place = seeded(request), self._decide(request)
        if place is Place.LOCAL:
            record = self._local.submit_nowait(self._runner.fitted(self._local, request))
            self._kept += 1
            return record
        self._begin(request, place)
        return self.get(request.job_id)

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job has ended, and nothing of it runs any more. Cancelling the wait leaves the job alone."""
        job = self._jobs.get(job_id)
        if job is None:
            return await self._holder(job_id).wait(job_id)
        await job.ended.wait()
        record = self.get(job_id)
        if job.home is not None and not record.status.is_final:  # it was lost sight of
            return await job.home.wait(job_id)
        return record

    async def cancel(self, job_id: str) -> JobRecord:
        """Ask the job to stop, wherever it runs, and wait until it has. An ended job stays as it is."""
        job = self._jobs.get(job_id)
        if job is None:
            return await self._holder(job_id).cancel(job_id)
        job.scope.cancel()
        await job.ended.wait()
        record = self.get(job_id)
        if job.home is not None and not record.status.is_final:
            return await job.home.cancel(job_id)
        return record

    async def solve(self, request: Request) -> JobRecord:
        """Submit and wait. Cancelling the call cancels the job, and waits for that."""
        record = await self.submit(request)
        try:
            return await self.wait(record.id)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self.cancel(record.id)
            raise

    def get(self, job_id: str) -> JobRecord:
        """The job as it was last heard of."""
        job = self._jobs.get(job_id)
        if job is None:
            return self._holder(job_id).get(job_id)
        return self._runner.seen(job)

    def list(self) -> builtins.list[JobRecord]:
        """All jobs heard of, oldest first; each once, wherever it has been."""
        return self._merged(self._remote.list(), self._local.list())

    async def fetch(self, job_id: str) -> JobRecord:
        """The job as it is now, whoever submitted it and wherever."""
        job = self._jobs.get(job_id)
        if job is None:
            return await self._holder(job_id).fetch(job_id)
        await trio.lowlevel.checkpoint()
        if job.admitted.is_set() and not self.get(job_id).status.is_final:
            await self._ask(self._remote.fetch, job_id)
        return self.get(job_id)

    async def fetch_all(self) -> builtins.list[JobRecord]:
        """All jobs there are in both places, oldest first; of a remote place that is lost, those it was heard of."""
        remote = await self._ask(self._remote.fetch_all)
        return self._merged(self._remote.list() if remote is None else remote, await self._local.fetch_all())

    async def targets(self) -> builtins.list[Availability]:
        """The solvers of the place that does all jobs if need be."""
        return await (self._local if self._policy.falls_back else self._remote).targets()

    async def quotas(self) -> builtins.list[dict[str, Any]]:
        """The limits on use of both places; of a remote place that is lost, none."""
        return [*await self._local.quotas(), *(await self._ask(self._remote.quotas) or ())]

    def statistics(self) -> DispatchStatistics:
        """How busy both places are now, and what went where."""
        view = self._view()
        local, remote = view.local, view.remote
        sums: dict[str, Any] = {f.name: getattr(local, f.name) + getattr(remote, f.name) for f in fields(Statistics)}
        waits = {Place.LOCAL: local.predicted_wait, Place.REMOTE: remote.predicted_wait}
        sums["predicted_wait"] = waits.get(self._policy.decide(view), min(waits.values()))
        return DispatchStatistics(
            **sums,
            local=local,
            remote=remote,
            kept=self._kept,
            sent=self._sent,
            returned=self._runner.returned,
            spent=view.spent,
            resting=max(self._runner.breaker.until - view.now, 0.0),
            failure=self._runner.failure,
            ahead=self._policy.ahead(local),
        )

    # Where they go.

    def _view(self, request: Request | None = None) -> View:
        """How things stand for a request, or for one of one problem."""
        now = trio.current_time()
        problems = 1 if request is None else len(request.work.problems)
        return View(
            now=now,
            local=self._local.statistics(),
            remote=self._remote.statistics(),
            out=self._account.out,
            spent=self._account.spent(now),
            breaker=self._runner.breaker,
            jobs=max(1, problems),
            portable=problems > 0 and (request is None or request.envelope.session_id is None),
        )

    def _decide(self, request: Request) -> Place:
        if request.job_id in self._jobs or any(True for _ in self._runner.records(request.job_id)):
            raise InvalidParameter(
                f"A job with the id {request.job_id!r} has been submitted already; give each job an id of its own.",
                field="job_id",
                value=request.job_id,
            )
        return self._policy.decide(self._view(request))

    def _begin(self, request: Request, place: Place) -> DispatchedJob:
        job = DispatchedJob.of(request)
        self._jobs[request.job_id] = job
        self._sent += 1
        self._account.open(request.job_id, trio.current_time(), max(1, len(request.work.problems)))
        trio.lowlevel.spawn_system_task(self._see_through, job, place, name=f"gpuqio dispatch of {request.job_id}")
        return job

    async def _see_through(self, job: DispatchedJob, place: Place) -> None:
        try:
            await self._runner.see_through(job, place)
        finally:
            self._ended.append(job.request.job_id)
            while len(self._ended) > KEPT_JOBS:
                self._jobs.pop(self._ended.popleft(), None)

    def _forget(self, job: DispatchedJob) -> None:
        self._jobs.pop(job.request.job_id, None)

    # What the places know.

    def _holder(self, job_id: str) -> Backend:
        """The place that has heard of a job; the remote one may also know jobs that nobody here has heard of."""
        return next((place for place, _ in self._runner.records(job_id)), self._remote)

    async def _ask(self, question: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T | None:
        """What the remote place answers; None if it is lost and can be done without."""
        try:
            return await question(*args)
        except LOST:
            if not self._policy.falls_back:
                raise
            return None

    def _merged(self, remote: Iterable[JobRecord], local: Iterable[JobRecord]) -> builtins.list[JobRecord]:
        """Records of both places, oldest first; of a job that was in both, what the dispatcher says."""
        records = {record.id: record for record in (*remote, *local)}
        for job_id in self._jobs:
            with suppress(JobNotFound):
                records[job_id] = self.get(job_id)
        return sorted(records.values(), key=lambda record: record.created)
