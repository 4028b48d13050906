"""The threads that slices run in.

Trio's own threads would do, but two busy cores are then idle for some 10 % of their time, with these for 5 %
(docs/design/host_path.md). One reason is that whenever a thread wakes, the kernel may put two of them on one CPU for
some milliseconds and leave another idle.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

import outcome
import trio

from gpuqio.scheduler.crossing import Answer

__all__ = ["Workers"]


class _Slice(NamedTuple):
    crossing: Callable[[], list[Answer]]
    task: trio.lowlevel.Task
    token: trio.lowlevel.TrioToken
    alone: bool  # on its CPU


class Workers:
    """As many threads as there ever were slices at once. Belongs to one trio run.

    Args:
        cpus: while slices run on as many threads as there are CPUs here, each thread stays on one of them; else the
            kernel places them, since programs that use a part of the machine must not all choose the same part.
    """

    def __init__(self, cpus: Collection[int] = ()) -> None:
        self._cpus = tuple(cpus)
        self._slices: queue.SimpleQueue[_Slice | None] = queue.SimpleQueue()
        self._threads = 0
        self._running = 0

    async def execute(self, crossing: Callable[[], list[Answer]]) -> list[Answer]:
        """Call `crossing` in a thread. Once begun it is waited for, cancelled or not: a slice ends by its own flag."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._running == self._threads:
            threading.Thread(target=self._work, args=(self._threads,), name="gpuqio worker", daemon=True).start()
            self._threads += 1
        self._running += 1
        try:
            task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
            self._slices.put(_Slice(crossing, task, token, self._running == len(self._cpus)))
            answers: list[Answer] = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
            return answers
        finally:
            self._running -= 1

    def close(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._slices.put(None)
        self._threads = 0

    def _work(self, number: int) -> None:
        is_alone = False
        while (slice_ := self._slices.get()) is not None:
            if slice_.alone is not is_alone:
                is_alone = slice_.alone
                _stay_on(self._cpus[number : number + 1] if is_alone else self._cpus)
            slice_.token.run_sync_soon(trio.lowlevel.reschedule, slice_.task, outcome.capture(slice_.crossing))
            del slice_  # or its runs stay in memory until the next


def _stay_on(cpus: Collection[int]) -> None:
    """Keep this thread on these CPUs, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # they have been taken from this process: then the kernel's choice is all there is
            os.sched_setaffinity(0, cpus)
