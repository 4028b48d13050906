"""The portal's contract, clause by clause: each is a case in which some other bridge hangs, loses work or crashes."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
import trio

from gpuqio import portal as portal_module
from gpuqio.aio import run_through
from gpuqio.errors import PortalError
from gpuqio.portal import Lease, Portal

ROOT = Path(__file__).parent.parent
PATIENCE = 10.0  # seconds before a test that waits for something gives up; nothing takes that long


@pytest.fixture
def lease() -> Iterator[Lease]:
    lease = Lease()
    yield lease
    portal = lease._portal
    lease.close()
    if portal is not None and portal.pid == os.getpid():
        portal.join(PATIENCE)
        assert not portal.alive


class Job:
    """Something that waits until it is let go, cleans up slowly, and says how far it got."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.cleaned = False
        self.cleanup_turns = 20

    async def run(self) -> None:
        try:
            self.began.set()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                for _ in range(self.cleanup_turns):
                    await trio.lowlevel.checkpoint()
            self.cleaned = True


async def add(left: int, right: int) -> int:
    await trio.lowlevel.checkpoint()
    return left + right


async def fail(error: BaseException) -> None:
    raise error


async def works(lease: Lease) -> None:
    """The portal answers under asyncio as well as to blocking callers."""
    assert await run_through(lease, add, 1, 2) == 3


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


# 1. One portal a process, leased and counted.


def test_leases_share_one_portal_and_the_last_one_closes_it(lease: Lease) -> None:
    other = Lease()
    portal = lease.portal()
    assert other.portal() is portal
    assert lease.portal() is portal
    assert repr(portal) == "<Portal open, leases: 2, calls: 0>"
    other.close()
    other.close()
    assert portal.run(add, 1, 2) == 3
    lease.close()
    portal.join(PATIENCE)
    assert repr(portal) == "<Portal closed, leases: 0, calls: 0>"


def test_a_closed_lease_opens_another_portal_when_used_again(lease: Lease) -> None:
    first = lease.portal()
    lease.close()
    assert not lease.held
    second = lease.portal()
    assert second is not first
    assert second.run(add, 1, 2) == 3
    first.join(PATIENCE)
    assert not first.alive


# 2. A daemon, closed by the last lease and at exit, with its cleanup done.


def test_the_last_lease_cancels_what_still_runs_and_lets_it_clean_up(lease: Lease) -> None:
    job = Job()
    portal = lease.portal()
    call = portal.submit(job.run)
    assert job.began.wait(PATIENCE)
    lease.close()
    with pytest.raises(PortalError, match="closed while this call was running"):
        call.future.result(PATIENCE)
    assert job.cleaned


@pytest.mark.slow  # another interpreter
def test_at_exit_what_still_runs_cleans_up_and_the_interpreter_ends() -> None:
    done = run_python(
        "import threading, trio\n"
        "from gpuqio.portal import Lease\n"
        "began = threading.Event()\n"
        "async def job():\n"
        "    try:\n"
        "        began.set()\n"
        "        await trio.sleep_forever()\n"
        "    finally:\n"
        "        print('cleaned up')\n"
        "lease = Lease()\n"
        "lease.portal().submit(job)\n"
        "began.wait()\n"
        "assert lease.portal()._thread.daemon\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("cleaned up\n", "", 0)


@pytest.mark.slow  # another interpreter
def test_once_the_interpreter_is_ending_no_portal_opens() -> None:
    done = run_python(
        "import atexit\n"
        "def late():\n"
        "    from gpuqio.portal import Lease\n"
        "    try:\n"
        "        Lease().portal()\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "atexit.register(late)\n"
        "import gpuqio.portal\n"
    )
    assert (done.stdout, done.stderr) == ("PortalError\n", "")


# 3. Every exception but Cancelled goes to the caller, never to the nursery.


@pytest.mark.parametrize(
    "error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("two", [ValueError(), KeyError()])]
)
def test_whatever_a_call_raises_reaches_its_caller_and_nobody_else(lease: Lease, error: BaseException) -> None:
    portal = lease.portal()
    neighbour = Job()
    running = portal.submit(neighbour.run)
    with pytest.raises(type(error)) as caught:
        portal.run(fail, error)
    assert caught.value is error
    assert portal.run(add, 1, 2) == 3
    assert not running.future.done()


# 4. No callback handed to trio can raise.


def test_a_call_that_arrives_while_the_portal_closes_is_told_so(lease: Lease) -> None:
    portal = lease.portal()

    async def close_and_call() -> object:
        portal._closing.set()
        call = portal_module.Call(portal, lambda: add(1, 2))
        portal._begin(call)
        return call.future.exception(PATIENCE)

    assert isinstance(portal.run(close_and_call), PortalError)
    portal.join(PATIENCE)


def test_a_call_to_a_portal_that_has_closed_is_refused(lease: Lease) -> None:
    portal = lease.portal()
    lease.close()
    portal.join(PATIENCE)
    with pytest.raises(PortalError, match="has closed"):
        portal.submit(add, 1, 2)


def test_cancelling_after_the_end_does_nothing(lease: Lease) -> None:
    portal = lease.portal()
    call = portal.submit(add, 1, 2)
    assert call.future.result(PATIENCE) == 3
    call.cancel()
    lease.close()
    portal.join(PATIENCE)
    call.cancel()
    assert call.future.result() == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_should_the_thread_die_the_waiting_are_told_and_the_next_call_opens_another(lease: Lease) -> None:
    portal = lease.portal()
    job = Job()
    call = portal.submit(job.run)
    assert job.began.wait(PATIENCE)

    async def die() -> None:
        raise ZeroDivisionError

    async def kill() -> None:
        trio.lowlevel.spawn_system_task(die)

    portal.submit(kill)
    with pytest.raises(PortalError, match="died of TrioInternalError"):
        call.future.result(PATIENCE)
    portal.join(PATIENCE)
    assert lease.portal() is not portal
    assert lease.portal().run(add, 1, 2) == 3


# 5. After a fork, a clear error.


def in_a_forked_child(check: object) -> bool:
    """Fork; True if `check` returns True in the child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if callable(check) and check() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_after_a_fork_the_old_portal_refuses_and_a_new_lease_works(lease: Lease) -> None:
    portal = lease.portal()

    def old_refuses() -> bool:
        with pytest.raises(PortalError, match="before the process forked"):
            lease.portal().submit(add, 1, 2)
        lease.close()
        return True

    def new_works() -> bool:
        return Lease().portal().run(add, 1, 2) == 3

    assert in_a_forked_child(old_refuses)
    assert in_a_forked_child(new_works)
    assert portal.run(add, 1, 2) == 3


# 6. A call from the portal's own thread is refused at once.


def test_a_call_from_its_own_thread_is_refused_at_once(lease: Lease) -> None:
    portal = lease.portal()

    async def nested() -> int:
        return portal.run(add, 1, 2)

    with pytest.raises(PortalError, match="own background thread"):
        portal.run(nested)


# 7. Cancelling waits for the acknowledgement.


def test_a_cancelled_call_is_done_only_after_its_cleanup(lease: Lease) -> None:
    job = Job()
    call = lease.portal().submit(job.run)
    assert job.began.wait(PATIENCE)
    call.cancel()
    with pytest.raises(CancelledError):
        call.future.result(PATIENCE)
    assert job.cleaned


def test_a_call_cancelled_inside_a_nursery_of_its_own_is_cancelled_all_the_same(lease: Lease) -> None:
    first, second = Job(), Job()

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            nursery.start_soon(second.run)

    call = lease.portal().submit(both)
    assert first.began.wait(PATIENCE)
    assert second.began.wait(PATIENCE)
    call.cancel()
    with pytest.raises(CancelledError):
        call.future.result(PATIENCE)
    assert first.cleaned
    assert second.cleaned


def test_a_cancelled_asyncio_task_goes_on_only_after_the_cleanup(lease: Lease) -> None:
    job = Job()

    async def main() -> None:
        task = asyncio.create_task(run_through(lease, job.run))
        await asyncio.to_thread(job.began.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert job.cleaned
        await works(lease)

    asyncio.run(main())


def test_an_asyncio_task_cancelled_again_while_it_waits_for_the_cleanup_still_waits(lease: Lease) -> None:
    job = Job()
    job.cleanup_turns = 2000

    async def main() -> None:
        task = asyncio.create_task(run_through(lease, job.run))
        await asyncio.to_thread(job.began.wait, PATIENCE)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert job.cleaned

    asyncio.run(main())


def test_a_dropped_coroutine_cancels_its_call(lease: Lease) -> None:
    job = Job()
    stopped = threading.Event()

    async def run_and_tell() -> None:
        try:
            await job.run()
        finally:
            stopped.set()

    async def main() -> None:
        waiting = run_through(lease, run_and_tell)
        waiting.send(None)
        await asyncio.to_thread(job.began.wait, PATIENCE)
        waiting.close()

    asyncio.run(main())
    assert stopped.wait(PATIENCE)
    assert job.cleaned


def test_an_exception_reaches_an_asyncio_caller_as_it_is(lease: Lease) -> None:
    error = ValueError("mine")

    async def main() -> None:
        with pytest.raises(ValueError, match="mine") as caught:
            await run_through(lease, fail, error)
        assert caught.value is error

    asyncio.run(main())


# 8. A BaseException in a waiting blocking caller cancels the call and waits.


def test_ctrl_c_in_a_blocking_call_cancels_it_and_waits_for_the_cleanup(lease: Lease) -> None:
    job = Job()
    portal = lease.portal()

    def interrupt() -> None:
        assert job.began.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        portal.run(job.run)
    thread.join(PATIENCE)
    assert job.cleaned
    assert portal.run(add, 1, 2) == 3


@pytest.mark.parametrize("sent", [True, False])
def test_an_interrupt_that_strikes_while_the_call_is_sent(
    lease: Lease, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    job = Job()
    send = Portal._send

    def interrupted(portal: Portal, call: portal_module.Call[None]) -> None:
        if sent:
            send(portal, call)
        raise KeyboardInterrupt

    portal = lease.portal()
    with monkeypatch.context() as patch:
        patch.setattr(Portal, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            portal.run(job.run)
    assert job.cleaned is sent
    assert portal.run(add, 1, 2) == 3


# 9. Context variables are copied across.


def test_context_variables_are_copied_in_and_not_back(lease: Lease) -> None:
    user = contextvars.ContextVar("user", default="nobody")

    async def rename() -> str:
        before = user.get()
        user.set("somebody else")
        return before

    user.set("me")
    assert lease.portal().run(rename) == "me"
    assert user.get() == "me"


# And: a running asyncio loop, as in a notebook, does not stand in the way of blocking calls.


def test_blocking_calls_work_inside_a_running_asyncio_loop(lease: Lease) -> None:
    async def cell() -> int:
        return lease.portal().run(add, 1, 2)

    assert asyncio.run(cell()) == 3


def test_one_lease_serves_many_threads(lease: Lease) -> None:
    answers: list[int] = []

    def ask(number: int) -> None:
        answers.append(lease.portal().run(add, number, 1))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(answers) == list(range(1, 9))
    assert isinstance(lease.portal(), Portal)
