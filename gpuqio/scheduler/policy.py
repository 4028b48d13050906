"""What runs when, and where: decisions only. No await, no clock (`now` is an argument), no threads.

Callers say what happened (`admit`, `apply`, `cancel`, `report`) and then ask the policy to `decide`; it answers with
actions for them to carry out. Between two calls the state is always whole.

A free worker first closes jobs that were cancelled or whose time is up, where nothing but the outcome is missing;
then it advances those whose turn it is (`scheduler.turns`).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from gpuqio.errors import QueueFull
from gpuqio.result import StopReason
from gpuqio.scheduler.lifecycle import Event, State, after
from gpuqio.scheduler.turns import BATCH, SLICE, Job, Share, Turns

__all__ = ["Action", "Admit", "Advance", "Close", "Expire", "Finding", "Interrupt", "Policy"]

RECENT = 0.2  # the weight of the newest job in the mean of how long jobs take
LEAST = 1e-4  # seconds: with less left before its timeout, a run is not worth another slice


@dataclass(frozen=True, slots=True)
class Finding:
    """What a worker says of one job at the end of a slice.

    Attributes:
        event: RETURN, ADVANCE, FINISH or FAIL.
        predicted: seconds to the end, after ADVANCE; infinity where nothing is known.
        worked: seconds the worker spent on it, packing included.
        solved: the part of them in which it was advanced.
    """

    job: Job
    event: Event
    predicted: float = 0.0
    worked: float = 0.0
    solved: float = 0.0


@dataclass(frozen=True, slots=True)
class Admit:
    """There is room now for a job that had applied."""

    job: Job


@dataclass(frozen=True, slots=True)
class Expire:
    """The job has failed: it waited beyond its deadline."""

    job: Job


@dataclass(frozen=True, slots=True)
class Advance:
    """Have the worker start and advance these jobs together, for `seconds` in all."""

    worker: int
    jobs: tuple[Job, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """Have the worker give the outcome of these jobs, each for its `reason`."""

    worker: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Have the worker end its slice early."""

    worker: int


Action = Admit | Expire | Advance | Close | Interrupt


class Policy:
    """The scheduler's state and its decisions.

    Args:
        workers: how many slices may run at once in a place.
        max_waiting: the most jobs that may wait; more are refused, or must wait outside.
        places: how many engines there are.
    """

    def __init__(self, workers: int, max_waiting: int = 10_000, places: int = 1) -> None:
        self.workers = workers * places
        self.max_waiting = max_waiting
        self._idle = [list(reversed(range(place, self.workers, places))) for place in range(places)]
        self._shares: dict[int, Share] = {}  # by busy worker
        self._turns = Turns(places)
        self._applicants: OrderedDict[str, Job] = OrderedDict()
        self._closing: list[OrderedDict[str, Job]] = [OrderedDict() for _ in range(places)]
        self._interrupted: OrderedDict[int, None] = OrderedDict()
        self._deadlines: list[tuple[float, int, Job]] = []  # heap; the middle one breaks ties
        self._arrivals = count()
        self._begun: set[Job] = set()  # and neither ended nor cancelled
        self._usual = 0.0  # seconds of a worker that recent jobs took; 0 while none is known
        self._now = -math.inf  # at the last decision: deadlines up to then are off the heap
        self._count: Counter[State] = Counter()

    # What happened.

    def admit(self, job: Job) -> None:
        """Let a job in, or raise `QueueFull`: also when others, who came first, wait outside."""
        if self._applicants or self.waiting >= self.max_waiting:
            raise QueueFull(
                f"The queue is full: {self.waiting} of at most {self.max_waiting} jobs are waiting, and "
                f"{self.submitting} more to be admitted. Wait for some to end, or use `submit`, which waits for room."
            )
        self._arrive(job)
        self._turns.push(job)

    def apply(self, job: Job) -> None:
        """Have a job wait outside until there is room; `decide` will say `Admit`."""
        self._arrive(job)
        self._applicants[job.id] = job

    def withdraw(self, job: Job) -> bool:
        """Forget a job that is still outside: it never was. False if it is not outside."""
        if self._applicants.pop(job.id, None) is None:
            return False
        self._count[job.state] -= 1
        job.state = after(job.state, Event.CANCEL)  # not counted; what may still hold the job can tell
        self._turns.leave(job)
        return True

    def cancel(self, job: Job) -> None:
        """End a job that waits, at once; see that one that has begun is closed soon."""
        self._change(job, Event.CANCEL)
        if job.worker is not None:
            self._interrupted[job.worker] = None
        elif job.state is State.CANCELLING and job.home is None:
            self._change(job, Event.RETURN)
        elif job.state is State.CANCELLING:
            self._close(job, StopReason.CANCELLED)

    def report(self, worker: int, findings: Iterable[Finding], lost: bool = False) -> None:
        """Take back a worker and its jobs, in the order in which they were given out.

        Args:
            lost: nothing can be computed any more where the worker is.
        """
        returned = []
        for finding in findings:
            job = finding.job
            new = job.solved == 0.0 and finding.event in (Event.ADVANCE, Event.FINISH)
            self._turns.settle(job, finding.worked, finding.worked + finding.predicted if new else None)
            if new:
                self._learn(finding.worked + finding.predicted)
            elif finding.event is Event.FINISH:
                self._learn(job.solved + finding.solved)  # the prediction may have been far off
            job.worker = None
            job.predicted = finding.predicted
            job.solved += finding.solved
            if finding.event is Event.ADVANCE:
                job.home = self.place(worker)
            self._change(job, finding.event)
            if finding.event is Event.RETURN and not job.state.is_final:
                returned.append(job)
            elif job.state is State.CANCELLING:
                self._close(job, StopReason.CANCELLED)
            elif job.state is State.EXECUTING and job.left < LEAST:
                self._close(job, StopReason.TIMEOUT)
            elif job.state is State.EXECUTING:
                self._turns.resume(job)
        for job in reversed(returned):
            self._turns.push(job, first=True)
            if job.deadline <= self._now:
                self._await_deadline(job)
        self._turns.release(self._shares.pop(worker))
        self._interrupted.pop(worker, None)
        self._idle[self.place(worker)].append(worker)
        if lost:
            self._turns.close(self.place(worker))

    # What to do.

    def decide(self, now: float) -> list[Action]:
        """All that is to be done now. To be asked again after every change, and at `next_deadline`."""
        self._now = now
        actions: list[Action] = [*self._expire(), *map(Interrupt, self._interrupted)]
        self._interrupted.clear()
        while True:
            while self._applicants and self.waiting < self.max_waiting:
                _, job = self._applicants.popitem(last=False)
                self._turns.push(job)
                actions.append(Admit(job))
            work = self._assign()
            if work is None:
                return actions
            actions.append(work)

    def next_deadline(self) -> float:
        """When the next job may expire; infinity for never."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    # How things stand.

    def place(self, worker: int) -> int:
        """Where a worker is."""
        return worker % len(self._idle)

    def elsewhere(self, worker: int) -> bool:
        """Whether what a worker can't begin may be begun in another place."""
        return self._turns.elsewhere(self.place(worker))

    @property
    def waiting(self) -> int:
        """Jobs admitted and not begun."""
        return self._count[State.WAITING] + self._count[State.ASSIGNED] - len(self._applicants)

    @property
    def executing(self) -> int:
        """Jobs begun and not ended."""
        return self._count[State.EXECUTING] + self._count[State.CANCELLING]

    @property
    def submitting(self) -> int:
        """Jobs outside, that wait to be admitted."""
        return len(self._applicants)

    @property
    def busy(self) -> int:
        """Workers that have jobs."""
        return len(self._shares)

    @property
    def predicted_wait(self) -> float:
        """Seconds until a job admitted now would begin, if all were equal: the work ahead of it, shared by all workers.

        A run takes as long as it was predicted to at its last slice; a job of which nothing is known takes as long as
        recent ones, and is half done if it has begun. 0.0 where a worker is free and nobody waits. Costs O(jobs
        executing).
        """
        if self.busy < self.workers and not self.waiting:
            return 0.0
        begun = sum(job.predicted if math.isfinite(job.predicted) else self._usual / 2 for job in self._begun)
        return (begun + (self.waiting + self.submitting) * self._usual) / self.workers

    def ended(self, state: State) -> int:
        """How many jobs have ever come to this final state."""
        return self._count[state]

    def __repr__(self) -> str:
        now = (
            f"{self.submitting} outside, {self.waiting} waiting, {self.executing} executing, "
            f"{self.busy} of {self.workers} workers busy"
        )
        final = [state for state in State if state.is_final and self._count[state]]
        ended = ", ".join(f"{self._count[state]} {state.value}" for state in final)
        return f"<Policy: {now}; {ended}>" if ended else f"<Policy: {now}>"

    def _arrive(self, job: Job) -> None:
        self._turns.join(job)
        self._count[job.state] += 1
        self._await_deadline(job)

    def _change(self, job: Job, event: Event) -> None:
        before, job.state = job.state, after(job.state, event)
        self._count[before] -= 1
        self._count[job.state] += 1
        if before.is_final:
            return
        if job.state is State.EXECUTING:
            self._begun.add(job)
        else:
            self._begun.discard(job)
        if job.state is State.CANCELLING:
            self._turns.remove(job)
        elif job.state.is_final:
            self._turns.leave(job)
            self._applicants.pop(job.id, None)

    def _learn(self, seconds: float) -> None:
        if math.isfinite(seconds):
            self._usual += (seconds - self._usual) * (RECENT if self._usual else 1.0)

    def _close(self, job: Job, reason: StopReason) -> None:
        assert job.home is not None
        job.reason = reason
        self._closing[job.home][job.id] = job

    def _assign(self) -> Advance | Close | None:
        """Work for the place with the most idle workers, or for another."""
        for place in sorted(range(len(self._idle)), key=lambda place: -len(self._idle[place])):
            if self._idle[place] and (work := self._assign_at(place)) is not None:
                return work
        return None

    def _assign_at(self, place: int) -> Advance | Close | None:
        if ended := self._closing[place]:
            closing = [ended.popitem(last=False)[1] for _ in range(min(BATCH, len(ended)))]
            return Close(self._engage(place, Share(closing)), tuple(closing))
        share = self._turns.fill(place, self.workers)
        if not share.jobs:
            return None
        for rank, job in enumerate(share.jobs):
            if job.state is State.WAITING:
                self._change(job, Event.ASSIGN if rank else Event.BEGIN)
        return Advance(self._engage(place, share), tuple(share.jobs), min(SLICE, share.jobs[0].left))

    def _engage(self, place: int, share: Share) -> int:
        worker = self._idle[place].pop()
        self._shares[worker] = share
        for job in share.jobs:
            job.worker = worker
        return worker

    def _await_deadline(self, job: Job) -> None:
        if job.deadline == math.inf:
            return
        if len(self._deadlines) > 64 + 2 * (self.waiting + self.submitting):  # most are of jobs that wait no more
            self._deadlines = [entry for entry in self._deadlines if entry[2].state in (State.WAITING, State.ASSIGNED)]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (job.deadline, next(self._arrivals), job))

    def _expire(self) -> Iterator[Expire]:
        while self._deadlines and self._deadlines[0][0] <= self._now:
            _, _, job = heapq.heappop(self._deadlines)
            if job.state is State.WAITING:
                self._change(job, Event.FAIL)
                yield Expire(job)
