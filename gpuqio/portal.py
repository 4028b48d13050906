"""The portal: one background thread running trio, which the blocking and the asyncio flavour call into.

    caller's thread                         portal's thread
    lease.portal() ── starts it ──────────▶ trio.run
    portal.submit(fn, *args) ─────────────▶ a task runs fn(*args) in the caller's context
         call.future ◀───────────────────── its result, or its exception, whatever that is
         call.cancel() ───────────────────▶ its cancel scope; the future is done once it has stopped

What holds, always: there is at most one open portal a process. Leases are counted; the last one given
back closes it, as does the end of the interpreter, and whatever still runs then is cancelled and
cleaned up. Nothing that a call raises reaches the portal's nursery, and no callback handed to trio
can raise, for either would end every other call. Should the thread die all the same, every waiting
caller is told, and the next call opens another portal.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from contextlib import suppress
from typing import Any, Generic, TypeVar, TypeVarTuple

import trio

from gpuqio.errors import PortalError

__all__ = ["Call", "Lease", "Portal"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A slice of work ends within 50 ms, but packing a huge problem may take longer; a daemon thread may be left behind.
SECONDS_TO_JOIN_AT_EXIT = 10.0

CLOSED_UNDER_CALL = "The background thread closed while this call was running, and the call was cancelled."


class Call(Generic[T]):
    """One call on its way through the portal.

    Attributes:
        future: done when the call has ended, cleanup included. Raises `concurrent.futures.CancelledError`
            if it was cancelled, `PortalError` if the portal closed under it, else what the call raised.
    """

    def __init__(self, portal: Portal, start: Callable[[], Awaitable[T]]) -> None:
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # so that nobody can cancel the future without the work
        self._portal = portal
        self._start = start
        self._scope = trio.CancelScope()
        self._context = contextvars.copy_context()
        self._cancelled = False

    def cancel(self) -> None:
        """Ask the call to stop; the future is done once it has. Harmless after the end."""
        self._cancelled = True
        try:
            self._portal._token.run_sync_soon(self._portal._stop, self)
        except trio.RunFinishedError:
            self._fail(CancelledError())

    def _fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):  # it has ended by itself
            self.future.set_exception(error)

    async def _serve(self) -> None:
        try:
            with self._scope:
                result = await self._start()
        except trio.Cancelled:
            raise  # trio itself is going down, and `Portal._run` will tell the caller
        except BaseException as error:
            self._fail(error)
        else:
            if not self._scope.cancelled_caught:
                self.future.set_result(result)
            else:
                self._fail(CancelledError() if self._cancelled else PortalError(CLOSED_UNDER_CALL))
        self._portal._calls.discard(self)


class Portal:
    """A background thread running trio. Use a `Lease` to get one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.leases: set[Lease] = set()
        self._calls: set[Call[Any]] = set()
        self._closing = trio.Event()
        started: Future[trio.lowlevel.TrioToken] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="gpuqio portal", daemon=True)
        self._thread.start()
        self._token = started.result()

    def __repr__(self) -> str:
        state = "open" if self.alive else "closed"
        return f"<Portal {state}, leases: {len(self.leases)}, calls: {len(self._calls)}>"

    @property
    def alive(self) -> bool:
        """Whether calls can still be made, from the process that started it."""
        return self._thread.is_alive() and not self._closing.is_set()

    def submit(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Call[T]:
        """Start ``fn(*args)`` in the portal's thread, in a copy of the caller's context.

        Raises:
            PortalError: after a fork, after close, or from the portal's own thread, where waiting
                for the answer would wait for ever.
        """
        call = Call(self, lambda: fn(*args))
        self._send(call)
        return call

    def run(self, fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """`submit`, then block for the answer.

        Whatever interrupts the waiting (Ctrl-C, most often) cancels the call, and is raised once the
        call has ended. A second interrupt does not wait.
        """
        call = Call(self, lambda: fn(*args))
        try:
            self._send(call)  # in here, for an interrupt may strike before it returns
            return call.future.result()
        except PortalError:
            raise
        except BaseException:
            if not call.future.done():
                call.cancel()
                wait([call.future])
            raise

    def close(self) -> None:
        """Cancel what still runs and end the thread, without waiting for either."""
        if os.getpid() == self.pid:  # a child process must not write to its parent's wake-up socket
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._closing.set)

    def join(self, seconds: float | None = None) -> None:
        """Block until the thread has ended, at most `seconds`."""
        self._thread.join(seconds)

    def _send(self, call: Call[T]) -> None:
        if os.getpid() != self.pid:
            raise PortalError(
                "This workspace was used before the process forked, and its background thread stayed behind in the "
                "parent. Make a new Workspace after the fork, or use the 'spawn' start method."
            )
        if threading.current_thread() is self._thread:
            raise PortalError(
                "A blocking or asyncio call was made from gpuqio's own background thread, which it would wait for "
                "in vain. Inside code that this thread runs, use gpuqio.trio."
            )
        try:
            self._token.run_sync_soon(self._begin, call)
        except trio.RunFinishedError:
            raise PortalError("The background thread has closed. Call again, and another is opened.") from None

    # In the portal's thread:

    def _begin(self, call: Call[T]) -> None:
        try:
            if self._closing.is_set():
                raise RuntimeError("closing")
            call._context.run(self._nursery.start_soon, call._serve)
        except BaseException as error:  # raised here, it would end every other call
            late = PortalError("The background thread was closing when this call arrived.")
            late.__cause__ = error
            call._fail(late)
        else:
            self._calls.add(call)

    def _stop(self, call: Call[T]) -> None:
        if call in self._calls:
            call._scope.cancel()
        else:
            call._fail(CancelledError())  # it has ended, or was interrupted before it was sent

    async def _main(self, started: Future[trio.lowlevel.TrioToken]) -> None:
        async with trio.open_nursery() as self._nursery:
            started.set_result(trio.lowlevel.current_trio_token())
            await self._closing.wait()
            for call in self._calls:
                call._scope.cancel()

    def _run(self, started: Future[trio.lowlevel.TrioToken]) -> None:
        try:
            trio.run(self._main, started)
        except BaseException as error:
            for call in self._calls:
                call._fail(PortalError(f"The background thread died of {error!r}."))
            if not started.done():
                started.set_exception(error)


class Lease:
    """A workspace's claim on the portal: taken by the first call, given back by `close`, taken again if need be.

    A lease never given back is held until the interpreter ends.
    """

    def __init__(self) -> None:
        self._portal: Portal | None = None

    def portal(self) -> Portal:
        """The process's portal, opened if there is none.

        Raises:
            PortalError: when the interpreter is ending.
        """
        global _current
        with _lock:
            if self._portal is not None and (self._portal.alive or self._portal.pid != os.getpid()):
                return self._portal
            if _interpreter_ending:
                raise PortalError("The interpreter is ending, and gpuqio's background thread has closed.")
            if _current is None or _current.pid != os.getpid() or not _current.alive:
                _current = Portal()
            _current.leases.add(self)
            self._portal = _current
            return _current

    def close(self) -> None:
        """Give the lease back; the last one closes the portal. Does nothing where none is held."""
        global _current
        with _lock:
            portal, self._portal = self._portal, None
            if portal is None:
                return
            portal.leases.discard(self)
            if not portal.leases:
                portal.close()
                if _current is portal:
                    _current = None

    @property
    def held(self) -> bool:
        """Whether a portal is leased at the moment."""
        return self._portal is not None


_current: Portal | None = None
_interpreter_ending = False
_lock = threading.Lock()
# A fork while another thread held the lock would leave it locked in the child for ever.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@atexit.register
def _close_at_exit() -> None:
    """Let what still runs clean up: a daemon thread would simply vanish."""
    global _interpreter_ending
    with _lock:
        _interpreter_ending = True
        portal = _current
    if portal is not None and portal.pid == os.getpid():
        portal.close()
        portal.join(SECONDS_TO_JOIN_AT_EXIT)
