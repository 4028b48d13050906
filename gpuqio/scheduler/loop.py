"""The trio half of the scheduler: carries out what the policy decides.

One task, `Scheduler.run`, asks the policy and starts slices; a child task for each busy worker waits for its slice, and
asks for the next. Everyone else (submitters, cancellers) tells the policy what happened, without an await in between,
and wakes the first task. So cancellation, wherever it strikes, finds the state whole.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio

from gpuqio.backend import Availability, JobError, JobRecord, Request, Statistics, Storage, provider_of
from gpuqio.errors import BackendUnavailable, InvalidParameter, QueueFull
from gpuqio.problem import Problem
from gpuqio.scheduler.crossing import Answer, Crossing, Item, Stop, job_error
from gpuqio.scheduler.ledger import Entry, Ledger
from gpuqio.scheduler.lifecycle import Event, State, after
from gpuqio.scheduler.policy import Admit, Advance, Close, Expire, Interrupt, Policy
from gpuqio.scheduler.scratch import scratch_storage
from gpuqio.scheduler.sessions import SessionBook
from gpuqio.solvers import TARGETS

if TYPE_CHECKING:
    from gpuqio.engines.base import Engine

__all__ = ["Execute", "Scheduler"]

Execute = Callable[[Crossing], Awaitable[list[Answer]]]

EXPIRED = JobError(
    "DeadlineExceeded",
    "The job was still waiting at its deadline and was not begun. Give it a later deadline or a larger priority.",
)


class Scheduler:
    """A queue of jobs in front of engines. Implements `gpuqio.backend.Backend`; nothing moves unless `run` runs.

    Args:
        engines: do the work, each job on whichever is free. One that is lost gets no more; without any other,
            what comes fails with its reason.
        execute: calls a crossing where it may block, such as a worker thread, and returns what it returned.
        workers: most slices of an engine at once.
        max_waiting: the queue's bound.
        ledger: keeps the records.
        clock: the workers' clock, seconds from any zero.
    """

    def __init__(
        self,
        engines: Sequence[Engine[Any]],
        execute: Execute,
        workers: int,
        *,
        max_waiting: int = 10_000,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._engines = engines
        self._execute = execute
        self._clock = clock
        self._policy = Policy(workers, max_waiting, len(engines))
        self._ledger = Ledger() if ledger is None else ledger
        self._stops: dict[int, Stop] = {}  # of the busy workers
        self._change = trio.Event()
        self.sessions = SessionBook(self.list)
        self._closing = False  # nothing more is begun
        self._broken = ""  # why nothing will run any more

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._engines[0].name}: {self._broken or repr(self._policy)}>"

    # What others ask.

    @property
    def storage(self) -> Storage:
        """A folder of this process, which all schedulers share."""
        return scratch_storage()

    async def submit(self, request: Request) -> JobRecord:
        """Put a job in the queue, waiting for room if it is full; first come, first served.

        A job that waits for room is listed, can expire and can be cancelled. Cancelling the call withdraws it. A
        request for a problem that lies in the storage has it read first.
        """
        await trio.lowlevel.checkpoint()
        request = await self._with_problem(request)
        try:
            return self.submit_nowait(request)
        except QueueFull:
            entry = Entry.of(request)
        self._policy.apply(entry.job)
        self._ledger.add(entry)
        self._change.set()
        try:
            await entry.admitted.wait()
        except trio.Cancelled:
            # Trio does not cancel a task that has been woken, so it is still outside, unless `run` has just broken.
            if self._policy.withdraw(entry.job):
                self._ledger.withdraw(entry)
            raise
        return entry.record()

    def submit_nowait(self, request: Request) -> JobRecord:
        """Put a job in the queue, or raise `QueueFull`. Its problems are at hand, none in the storage."""
        if self._broken:
            raise BackendUnavailable(self._broken)
        if not request.work.problems and (uri := request.envelope.input_data_uri) is not None:
            raise InvalidParameter(
                "A job whose problem lies in the storage goes in by `submit`, which can wait for it.",
                field="envelope.input_data_uri",
                value=uri.partition("?")[0],
            )
        self._ledger.check_new(request.job_id)
        if request.envelope.session_id is not None:
            self.sessions.admit(request.envelope.session_id)
        entry = Entry.of(request)
        self._policy.admit(entry.job)
        self._ledger.add(entry)
        self._change.set()
        return entry.record()

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job has ended. Cancelling the wait leaves the job alone."""
        entry = self._ledger[job_id]
        await entry.done.wait()
        return entry.record()

    async def cancel(self, job_id: str) -> JobRecord:
        """Ask the job to stop and wait until it has; at most about one slice. An ended job stays as it is."""
        entry = self._ledger[job_id]
        if not entry.job.state.is_final:
            self._policy.cancel(entry.job)
            self._settle(entry)
            self._change.set()
        await entry.done.wait()
        return entry.record()

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
        """The job as it is now."""
        return self._ledger[job_id].record()

    def list(self) -> list[JobRecord]:
        """All jobs known, oldest first."""
        return [entry.record() for entry in self._ledger]

    async def fetch(self, job_id: str) -> JobRecord:
        """The job as it is now."""
        await trio.lowlevel.checkpoint()
        return self.get(job_id)

    async def fetch_all(self) -> builtins.list[JobRecord]:
        """All jobs known, oldest first."""
        await trio.lowlevel.checkpoint()
        return self.list()

    async def targets(self) -> builtins.list[Availability]:
        """All solvers, each to be had at once."""
        await trio.lowlevel.checkpoint()
        return [Availability(target, provider_of(target), "Available", 0) for target in TARGETS]

    async def quotas(self) -> builtins.list[dict[str, Any]]:
        """None: nothing is limited here."""
        await trio.lowlevel.checkpoint()
        return []

    def statistics(self) -> Statistics:
        """How busy the scheduler is now."""
        policy = self._policy
        return Statistics(
            workers=policy.workers,
            busy=policy.busy,
            waiting=policy.waiting,
            max_waiting=policy.max_waiting,
            submitting=policy.submitting,
            executing=policy.executing,
            succeeded=policy.ended(State.SUCCEEDED),
            failed=policy.ended(State.FAILED),
            cancelled=policy.ended(State.CANCELLED),
            predicted_wait=policy.predicted_wait,
        )

    async def _with_problem(self, request: Request) -> Request:
        """The request, with the problem that it only says the place of."""
        uri = request.envelope.input_data_uri
        if request.work.problems or uri is None:
            return request
        blob = await self.storage.download(uri)
        problem = await trio.to_thread.run_sync(Problem.deserialize, blob.data, request.name)
        problem.check()
        return replace(request, work=replace(request.work, problems=(problem,)))

    # What happens.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled. Then, or if the scheduler itself breaks, every job that has not ended fails."""
        reason = "The scheduler was closed"
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                try:
                    while True:
                        self._change = trio.Event()
                        self._act(nursery)
                        with trio.move_on_at(self._policy.next_deadline()):
                            await self._change.wait()
                finally:
                    self._closing = True
                    for stop in self._stops.values():
                        stop.set()
        except BaseException as error:
            if (fault := _fault(error)) is not None:
                reason = f"The scheduler broke ({fault!r})"
            raise
        finally:
            self._broken = f"{reason}; no job can be run here any more."
            for entry in list(self._ledger):
                if not entry.job.state.is_final:
                    entry.job.state = after(entry.job.state, Event.FAIL)  # the policy is past caring
                    self._settle(entry, JobError("InternalError", f"{reason} before the job had ended."))

    def _act(self, nursery: trio.Nursery, own: int | None = None) -> Crossing | None:
        """Do what is to be done now. The next slice of worker `own`, if there is one, is left to the caller."""
        mine = None
        for action in self._policy.decide(trio.current_time()):
            match action:
                case Admit(job):
                    self._ledger[job.id].admitted.set()
                case Expire(job):
                    self._settle(self._ledger[job.id], EXPIRED)
                case Interrupt(worker):
                    self._stops[worker].set()
                case Advance() | Close():
                    crossing = self._crossing(action)
                    if action.worker == own:
                        mine = crossing
                    else:
                        nursery.start_soon(self._cross, nursery, action.worker, crossing)
        return mine

    def _crossing(self, action: Advance | Close) -> Crossing:
        now = datetime.now(UTC)
        items = []
        for job in action.jobs:
            entry = self._ledger[job.id]
            items.append(Item(job, entry.request.work, entry.run, job.reason))
            if entry.began is None and job.state is State.EXECUTING:
                entry.began = now
        self._stops[action.worker] = stop = Stop()
        engine, elsewhere = self._engines[self._policy.place(action.worker)], self._policy.elsewhere(action.worker)
        seconds = action.seconds if isinstance(action, Advance) else 0.0
        return Crossing(engine, items, seconds, stop, self._clock, elsewhere)

    async def _cross(self, nursery: trio.Nursery, worker: int, crossing: Crossing | None) -> None:
        """See a worker's slices through, and take in what they bring.

        One follows the other before anyone hears of the answers: a core waits, and they may have much to do.
        """
        while crossing is not None:
            began = datetime.now(UTC)
            try:
                answers = await self._execute(crossing)
            except Exception as error:  # no thread to be had, for one
                failure = job_error(error)
                answers = [Answer(item.job, Event.FAIL, error=failure) for item in crossing.items]
            del self._stops[worker]
            self._policy.report(worker, answers, lost=bool(crossing.engine.lost))
            for answer in answers:
                entry = self._ledger[answer.job.id]
                entry.run, entry.results = answer.run, answer.results
                if entry.began is None and answer.event is not Event.RETURN:
                    entry.began = began
                self._settle(entry, answer.error)
            crossing = None if self._closing else self._act(nursery, worker)

    def _settle(self, entry: Entry, error: JobError | None = None) -> None:
        """If the job has ended, let it be known."""
        if entry.job.state.is_final:
            entry.error = error
            self._ledger.end(entry)


def _fault(error: BaseException) -> BaseException | None:
    """What went wrong, of all that a nursery raises; None if it was only cancelled."""
    if isinstance(error, BaseExceptionGroup):
        return next((fault for fault in map(_fault, error.exceptions) if fault is not None), None)
    return None if isinstance(error, trio.Cancelled) else error
