"""Forgets jobs that ended long ago, and blobs that nothing refers to any more."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import trio

from gpuqio.server import items
from gpuqio.server.names import job_container

if TYPE_CHECKING:
    from gpuqio.server.service import Service

__all__ = ["forget_before", "forget_old"]

HOUR = 3600.0


async def forget_old(service: Service) -> None:
    """Once an hour, forget what is older than the limits say."""
    while True:
        await forget_before(service, datetime.now(UTC) - timedelta(days=service.limits.keep_days))
        await trio.sleep(HOUR)


async def forget_before(service: Service, time: datetime) -> None:
    """Forget jobs and sessions that ended before a time, and containers that nobody wrote to since.

    A container stays as long as a job is kept whose problem or result lies in it.
    """
    await service.store.do(partial(_forget_items, time=time))
    kept = await service.store.do(_containers)
    await trio.to_thread.run_sync(partial(_forget_containers, service, time, kept))


def _forget_items(connection: sqlite3.Connection, time: datetime) -> None:
    for item in items.ended_before(connection, time):
        items.remove(connection, item.number)


def _containers(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """(account, container) of all that jobs refer to."""
    found = set()
    for account, job_id, problem in connection.execute("SELECT account, id, input FROM items WHERE item_type = 'Job'"):
        found |= {(account, job_container(job_id)), (account, problem.partition("/")[0])}
    return found


def _forget_containers(service: Service, time: datetime, kept: set[tuple[str, str]]) -> None:
    for folder in (service.root / "blobs").glob("*"):
        files = service.files(folder.name)
        for container in files.containers_before(time):
            if (folder.name, container) not in kept:
                files.remove_container(container)
