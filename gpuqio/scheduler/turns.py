"""Whose turn it is: the jobs of many owners, in the order in which they get the machine.

1. The largest priority.
2. Within a priority, the owner who has had the least (start-time fair queueing: each owner has a clock that runs
   while his jobs do, and a newcomer's is set to the present). 10,000 jobs of one owner delay another's one job by
   a slice.
3. Within an owner, first come first served, alternating between jobs not begun and runs under way, so that a
   long run delays short jobs by a slice each. An owner with `UNDER_WAY` runs under way in a place begins no more there:
   10,000 long jobs end one after another, and not all at the end.

A slice is filled with jobs that fit in it together, but no worker takes more than its share of what waits, unless that
is less than `CRUMB`. How long a job takes is known once it has begun; until then it is taken for as long as the one its
owner began last, and the worker returns it when the slice is full before its turn. A run longer than a slice, or with a
timeout nearer than that, travels alone.

A slice is of one place: an engine with its workers. What has not begun goes to any place; a run stays where it began.

Each step costs O(log n) in the number of owners: an owner's jobs are in ordered dictionaries, which give up any of
them in O(1), and the owners in a heap a place, whose outdated entries are dropped when they surface.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from gpuqio.scheduler.lifecycle import State

if TYPE_CHECKING:
    from gpuqio.result import StopReason

__all__ = ["BATCH", "SLICE", "UNDER_WAY", "Job", "Share", "Turns"]

SLICE = 0.040  # seconds: long against the 2 ms that two busy cores lose between slices, short against a user's patience
CRUMB = SLICE / 16  # less is not worth sharing
BATCH = 256  # most jobs a slice: when one breaks it, each of the others is advanced anew
UNDER_WAY = 16  # runs begun and waiting for a slice, an owner, priority and place


@dataclass(eq=False, slots=True, repr=False)
class Job:
    """A job as far as its turn matters. What stands below the line changes."""

    id: str
    owner: Hashable = None
    priority: int = 0
    deadline: float = math.inf
    timeout: float = math.inf
    threads: int | None = None
    # ---
    state: State = State.WAITING
    predicted: float = math.nan  # seconds to the end, once begun
    solved: float = 0.0  # seconds it has been advanced for; its timeout counts these
    charged: float = 0.0  # what its owner was charged for the slice it is in
    worker: int | None = None
    home: int | None = None  # the place of its run, once there is one
    reason: StopReason | None = None  # set when it is to be closed

    @property
    def left(self) -> float:
        """Seconds of solving before its timeout."""
        return self.timeout - self.solved

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state.value}>"


@dataclass(eq=False, slots=True)
class _Owner:
    """One owner, while he has jobs."""

    bound: float = math.inf  # on his slices
    slices: int = 0  # running now
    queues: dict[int, _Queue] = field(default_factory=dict)  # by priority


@dataclass(eq=False, slots=True)
class _Level:
    """One priority, while it has jobs."""

    clock: float = 0.0  # where the owner served last stood
    queues: dict[Hashable, _Queue] = field(default_factory=dict)  # by owner


@dataclass(eq=False, slots=True)
class _Runs:
    """What a queue has in one place."""

    ready: OrderedDict[str, Job] = field(default_factory=OrderedDict)  # begun, between two slices
    ready_next: bool = False
    ticket: int = 0  # of the queue's valid entry in the place's heap; 0 for none


@dataclass(eq=False, slots=True)
class _Queue:
    """One owner's jobs of one priority."""

    owner: _Owner
    priority: int
    served: float  # the owner's clock here: seconds of the machine
    places: list[_Runs]
    fresh: OrderedDict[str, Job] = field(default_factory=OrderedDict)  # without a run
    usual: float = 0.0  # seconds that the job begun last takes in all: the guess for the next
    jobs: int = 0  # not ended, wherever they are

    def side(self, place: int, takes_fresh: bool) -> OrderedDict[str, Job]:
        """Where the next job for a place comes from; empty only if there is none."""
        runs = self.places[place]
        ready_first = runs.ready_next or len(runs.ready) >= UNDER_WAY
        fresh_first = takes_fresh and self.fresh and not (ready_first and runs.ready)
        return self.fresh if fresh_first else runs.ready


@dataclass(frozen=True, eq=False, slots=True)
class Share:
    """A slice's worth of jobs, and whose they are."""

    jobs: list[Job] = field(default_factory=list)
    owners: set[_Owner] = field(default_factory=set)


class Turns:
    """The jobs that are not in a worker's hands, and what each owner has had."""

    def __init__(self, places: int = 1) -> None:
        self._places = range(places)
        self._closed: set[int] = set()
        self._levels: dict[int, _Level] = {}
        self._owners: dict[Hashable, _Owner] = {}
        # -priority, served, ticket
        self._heaps: list[list[tuple[int, float, int, _Queue]]] = [[] for _ in self._places]
        self._tickets = count(1)
        self._queued = 0  # jobs

    def join(self, job: Job) -> None:
        """Get to know a job; it is not queued by that."""
        level = self._levels.setdefault(job.priority, _Level())
        owner = self._owners.setdefault(job.owner, _Owner())
        if job.owner not in level.queues:
            queue = _Queue(owner, job.priority, level.clock, [_Runs() for _ in self._places])
            level.queues[job.owner] = owner.queues[job.priority] = queue
        owner.bound = math.inf if job.threads is None else job.threads
        level.queues[job.owner].jobs += 1

    def leave(self, job: Job) -> None:
        """Forget a job, and with an owner's last one the owner."""
        self.remove(job)
        queue = self._queue(job)
        queue.jobs -= 1
        if queue.jobs == 0:
            level = self._levels[job.priority]
            del level.queues[job.owner], queue.owner.queues[job.priority]
            if not level.queues:
                del self._levels[job.priority]
            if not queue.owner.queues:
                del self._owners[job.owner]

    def push(self, job: Job, first: bool = False) -> None:
        """Queue a job without a run: last, or first of its owner's."""
        queue = self._queue(job)
        queue.fresh[job.id] = job
        self._queued += 1
        if first:
            queue.fresh.move_to_end(job.id, last=False)
        for place in self._places:
            if not queue.places[place].ticket:
                self._enlist(queue, place)

    def resume(self, job: Job) -> None:
        """Queue a run for its next slice. `release` follows."""
        assert job.home is not None
        self._queue(job).places[job.home].ready[job.id] = job
        self._queued += 1

    def remove(self, job: Job) -> None:
        """Take a job out of its queue, if it is there."""
        queue = self._queue(job)
        side = queue.fresh if job.home is None else queue.places[job.home].ready
        if side.pop(job.id, None) is not None:
            self._queued -= 1

    def close(self, place: int) -> None:
        """Give a place nothing more to begin, unless no other is open: then its engine says why to whoever comes."""
        self._closed.add(place)
        for level in self._levels.values():
            for queue in level.queues.values():
                self._list(queue)

    def elsewhere(self, place: int) -> bool:
        """Whether another place is open."""
        return any(other not in self._closed for other in self._places if other != place)

    def fill(self, place: int = 0, workers: int = 1) -> Share:
        """Take jobs for one slice; none if no owner may run any there. Their owners are charged in advance.

        Args:
            workers: how many share what waits.
        """
        share = Share()
        queues: set[_Queue] = set()
        room, most = SLICE, max(1, min(BATCH, -(-self._queued // workers)))
        while room > 0 and (queue := self._next(place, share.owners)) is not None:
            if len(share.jobs) >= (BATCH if 0 < SLICE - room < CRUMB else most):
                break
            side = queue.side(place, self._takes_fresh(place))
            job = next(iter(side.values()))
            predicted = queue.usual if side is queue.fresh else job.predicted
            alone = predicted > SLICE or job.left < SLICE
            if share.jobs and (alone or predicted > room):
                break
            del side[job.id]
            self._queued -= 1
            room = 0.0 if alone else room - predicted
            share.jobs.append(job)
            if queue.owner not in share.owners:
                share.owners.add(queue.owner)
                queue.owner.slices += 1
            queues.add(queue)
            level = self._levels[job.priority]
            level.clock = max(level.clock, queue.served)
            job.charged = min(max(predicted, SLICE / BATCH), SLICE)
            queue.served += job.charged
            self._list(queue)
        for queue in queues:
            queue.places[place].ready_next = not queue.places[place].ready_next
        return share

    def settle(self, job: Job, worked: float, total: float | None) -> None:
        """Charge a job's owner for what it took, in place of what was expected; `total` as far as it is known."""
        queue = self._queue(job)
        queue.served += worked - job.charged
        job.charged = 0.0
        if total is not None:
            queue.usual = total

    def release(self, share: Share) -> None:
        """A slice has ended, and its jobs have been settled: its owners may have another."""
        for owner in share.owners:
            owner.slices -= 1
            for queue in owner.queues.values():
                self._list(queue)

    def _queue(self, job: Job) -> _Queue:
        return self._levels[job.priority].queues[job.owner]

    def _takes_fresh(self, place: int) -> bool:
        return place not in self._closed or len(self._closed) == len(self._places)

    def _list(self, queue: _Queue) -> None:
        """Give the queue its position in every heap, by its owner's present clock."""
        for place in self._places:
            self._enlist(queue, place)

    def _enlist(self, queue: _Queue, place: int) -> None:
        """The same in one heap, if it has anything to run there."""
        queue.places[place].ticket = 0
        if queue.side(place, self._takes_fresh(place)):
            queue.places[place].ticket = ticket = next(self._tickets)
            heapq.heappush(self._heaps[place], (-queue.priority, queue.served, ticket, queue))

    def _next(self, place: int, present: set[_Owner]) -> _Queue | None:
        """The queue whose turn it is. One whose owner is at his bound is off the heap until a slice of his ends."""
        heap = self._heaps[place]
        while heap:
            _, _, ticket, queue = heap[0]
            if ticket == queue.places[place].ticket:
                at_bound = queue.owner not in present and queue.owner.slices >= queue.owner.bound
                if queue.side(place, self._takes_fresh(place)) and not at_bound:
                    return queue
                queue.places[place].ticket = 0
            heapq.heappop(heap)
        return None
