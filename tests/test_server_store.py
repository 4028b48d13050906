from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from gpuqio.server.store import Store, _Question

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER UNIQUE)"


def add(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    for number in numbers:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))


def read(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY number")]


async def test_what_was_answered_is_there_for_the_next(tmp_path: Path) -> None:
    for number in range(2):
        store = Store(tmp_path / "numbers", SCHEMA)
        async with trio.open_nursery() as owner:
            await owner.start(store.run)
            await store.do(partial(add, numbers=[number]))
            assert await store.do(read) == list(range(number + 1))
            owner.cancel_scope.cancel()


async def test_what_has_been_taken_is_done_by_who_is_cancelled(tmp_path: Path) -> None:
    """Else it would be answered, and not be there."""
    store, question = Store(tmp_path / "numbers", SCHEMA), _Question(partial(add, numbers=[1]))
    async with trio.open_nursery() as owner:
        await owner.start(store.run)
        await trio.testing.wait_all_tasks_blocked()
        store._send.send_nowait(question)  # at once with the cancellation: it has it, and has not gone on
        owner.cancel_scope.cancel()
    assert question.answered.is_set()
    async with trio.open_nursery() as owner:
        await owner.start(store.run)
        assert await store.do(read) == [1]
        owner.cancel_scope.cancel()


async def test_what_raises_is_undone_alone(tmp_path: Path, nursery: trio.Nursery) -> None:
    store = Store(tmp_path / "numbers", SCHEMA)
    await nursery.start(store.run)
    failed: list[int] = []

    async def put(number: int) -> None:
        try:
            await store.do(lambda connection: add(connection, [number + 100, number // 2]))
        except sqlite3.IntegrityError:
            failed.append(number)

    async with trio.open_nursery() as putters:
        for number in range(10):
            putters.start_soon(put, number)
    numbers = await store.do(read)
    assert len(failed) == 5
    assert numbers == sorted([*range(5), *(number + 100 for number in range(10) if number not in failed)])
    nursery.cancel_scope.cancel()


async def test_questions_that_have_gathered_are_answered_in_one_transaction(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    store = Store(tmp_path / "numbers", SCHEMA)
    statements: list[str] = []

    def ask(connection: sqlite3.Connection, number: int) -> None:
        connection.set_trace_callback(statements.append)
        add(connection, [number])

    async with trio.open_nursery() as askers:
        for number in range(50):
            askers.start_soon(store.do, partial(ask, number=number))
        await trio.testing.wait_all_tasks_blocked()
        await nursery.start(store.run)
    assert sum("INSERT" in statement for statement in statements) == 50
    assert sum("COMMIT" in statement for statement in statements) == 1
    nursery.cancel_scope.cancel()


async def test_a_disk_that_takes_no_more_is_told_to_all(tmp_path: Path, nursery: trio.Nursery) -> None:
    store = Store(tmp_path / "numbers", SCHEMA)
    await nursery.start(store.run)
    await store.do(lambda connection: connection.execute("PRAGMA query_only = ON") and None)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.do(lambda connection: add(connection, [1]))
    assert await store.do(read) == []
    nursery.cancel_scope.cancel()
