"""A database that many tasks use through one connection, and that commits what they ask for together.

Each task hands in a function of the connection; a thread calls all that have gathered in one transaction, so a disk
that commits a hundred times a second takes thousands of changes. Whoever gets an answer knows that it is on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import trio

__all__ = ["Store"]

MOST_TOGETHER = 1000
WAITING = 10_000

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Question:
    ask: Callable[[sqlite3.Connection], Any]
    answered: trio.Event = field(default_factory=trio.Event)
    answer: Any = None
    error: Exception | None = None


class Store:
    """SQLite in WAL mode; nothing is answered unless `run` runs.

    Args:
        path: the file; made if it is not there.
        schema: statements that make the tables where they are not there.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._schema = schema
        self._send, self._receive = trio.open_memory_channel[_Question](WAITING)
        self._limiter = trio.CapacityLimiter(1)  # a connection is for one thread at a time

    async def do(self, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `ask` returns or raises, once what it did is on disk. It is called in a thread, and is not to commit.

        Where it raises, nothing of it remains. Cancelling the call may or may not leave it undone.
        """
        question = _Question(ask)
        await self._send.send(question)
        await question.answered.wait()
        if question.error is not None:
            raise question.error
        answer: Answer = question.answer
        return answer

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled; what has been begun is finished first."""
        with closing(await self._in_thread(self._open)) as connection:
            task_status.started()
            async for first in self._receive:
                together = [first]
                while len(together) < MOST_TOGETHER:
                    try:
                        together.append(self._receive.receive_nowait())
                    except trio.WouldBlock:
                        break
                try:
                    with trio.CancelScope(shield=True):  # the thread would not begin for who is cancelled already
                        await self._in_thread(lambda batch: _answer(connection, batch), together)
                finally:
                    for question in together:
                        question.answered.set()

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await trio.to_thread.run_sync(call, *arguments, limiter=self._limiter, thread_name="gpuqio store")

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(self._schema)
        return connection


def _answer(connection: sqlite3.Connection, questions: list[_Question]) -> None:
    """Answer all in one transaction; a question that raises is undone alone.

    If they can't be committed, all of them get the reason.
    """
    try:
        connection.execute("BEGIN")
        for question in questions:
            connection.execute("SAVEPOINT question")
            try:
                question.answer = question.ask(connection)
            except Exception as error:
                question.error = error
                connection.execute("ROLLBACK TO question")
            connection.execute("RELEASE question")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        for question in questions:
            question.error = error
        if connection.in_transaction:
            connection.execute("ROLLBACK")
