"""Jobs and sessions as the store has them. All functions are for `Store.do`: they take its connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from gpuqio.remote.protocol import JobMessage, SessionMessage

__all__ = [
    "SCHEMA",
    "Item",
    "as_text",
    "brief",
    "columns",
    "ended_before",
    "find",
    "insert",
    "list_items",
    "remove",
    "update",
    "waiting",
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    item_type TEXT NOT NULL,
    name TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    target TEXT NOT NULL,
    job_type TEXT,
    session_id TEXT,
    status TEXT NOT NULL,
    priority TEXT,
    created TEXT NOT NULL,
    ended TEXT,
    input TEXT,
    seed INTEGER,
    message BLOB NOT NULL,
    UNIQUE (account, item_type, id)
);
CREATE INDEX IF NOT EXISTS waiting_items ON items (account, number) WHERE status = 'Waiting' AND item_type = 'Job';
CREATE INDEX IF NOT EXISTS ended_items ON items (ended) WHERE ended IS NOT NULL;
"""

_COLUMNS = (
    *("account", "id", "item_type", "name", "provider_id", "target", "job_type", "session_id", "status", "priority"),
    *("created", "ended", "input", "seed", "message"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """A job or a session of a workspace.

    Attributes:
        account: the workspace's.
        message: as it is told, without signatures, and without what may change while it runs.
        input: container and blob of a job's problem, with a slash between.
        seed: of a job whose parameters have none, fixed when it was accepted.
        number: unique, and larger than those of all before it; 0 for one that is not in the store.
    """

    account: str
    message: JobMessage | SessionMessage
    input: str | None = None
    seed: int | None = None
    number: int = 0

    @property
    def job(self) -> JobMessage:
        """The message of a job."""
        assert isinstance(self.message, JobMessage)
        return self.message

    def _values(self) -> dict[str, object]:
        message = self.message
        job = message if isinstance(message, JobMessage) else None
        return {
            "account": self.account,
            "id": message.id,
            "item_type": message.item_type,
            "name": message.name,
            "provider_id": message.provider_id,
            "target": message.target,
            "job_type": job.job_type if job else None,
            "session_id": job.session_id if job else None,
            "status": message.status,
            "priority": job.priority if job else None,
            "created": _text(message.creation_time),
            "ended": _text(message.end_execution_time),
            "input": self.input,
            "seed": self.seed,
            "message": msgspec.json.encode(message),
        }


def as_text(time: datetime) -> str:
    """A time as it is stored: texts are in the order of their times. One without an offset is UTC."""
    at = time if time.tzinfo else time.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _text(time: datetime | None) -> str | None:
    return None if time is None else as_text(time)


def columns(executing: Sequence[int] = ()) -> dict[str, str]:
    """What filters and orders may name, in lower case, as SQL; jobs of these numbers execute at the moment."""
    state = f"iif(status = 'Waiting' AND number IN ({','.join(map(str, executing))}), 'Executing', status)"
    return {
        "name": "name",
        "itemtype": "item_type",
        "jobtype": "job_type",
        "providerid": "provider_id COLLATE NOCASE",
        "target": "target COLLATE NOCASE",
        "state": state,
        "creationtime": "created",
    }


def insert(connection: sqlite3.Connection, item: Item) -> int:
    """Add an item and return its number. Raises `sqlite3.IntegrityError` if its id is taken."""
    marks = ", ".join(f":{name}" for name in _COLUMNS)
    cursor = connection.execute(f"INSERT INTO items ({', '.join(_COLUMNS)}) VALUES ({marks})", item._values())
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def update(connection: sqlite3.Connection, item: Item) -> None:
    """Write an item anew."""
    sets = ", ".join(f"{name} = :{name}" for name in _COLUMNS)
    connection.execute(f"UPDATE items SET {sets} WHERE number = :number", item._values() | {"number": item.number})


def remove(connection: sqlite3.Connection, number: int) -> None:
    """Forget an item."""
    connection.execute("DELETE FROM items WHERE number = ?", (number,))


def find(connection: sqlite3.Connection, account: str, item_type: str, id: str) -> Item | None:
    """The item of that id in a workspace."""
    found = _read(connection, "account = ? AND item_type = ? AND id = ?", [account, item_type, id])
    return found[0] if found else None


def list_items(
    connection: sqlite3.Connection, where: str, values: Sequence[object], order: str, skip: int, top: int
) -> list[Item]:
    """Items that a condition holds for, in an order, the first `skip` left out and at most `top`."""
    return _read(connection, f"{where} ORDER BY {order} LIMIT ? OFFSET ?", [*values, top, skip])


def waiting(connection: sqlite3.Connection) -> list[Item]:
    """All jobs that have not ended, oldest first, each as `brief` would have it."""
    rows = connection.execute(
        "SELECT number, account, id, priority, created FROM items WHERE status = 'Waiting' AND item_type = 'Job' "
        "ORDER BY number"
    )
    return [
        _brief(number, account, id, priority, datetime.fromisoformat(at)) for number, account, id, priority, at in rows
    ]


def brief(item: Item) -> Item:
    """A waiting job without what its owner wrote, for which there may be no room in memory."""
    job = item.job
    return _brief(item.number, item.account, job.id, job.priority, job.creation_time)


def _brief(number: int, account: str, id: str | None, priority: str | None, created: datetime | None) -> Item:
    job = JobMessage(
        name="",
        provider_id="",
        target="",
        id=id,
        status="Waiting",
        priority="High" if priority == "High" else None,
        creation_time=created,
    )
    return Item(account, job, number=number)


def ended_before(connection: sqlite3.Connection, time: datetime) -> list[Item]:
    """Items that ended before a time."""
    return _read(connection, "ended < ?", [as_text(time)])


def _read(connection: sqlite3.Connection, rest: str, values: Sequence[object]) -> list[Item]:
    rows = connection.execute(
        f"SELECT number, account, item_type, input, seed, message FROM items WHERE {rest}", values
    )
    return [
        Item(account, msgspec.json.decode(message, type=_KINDS[kind]), input, seed, number)
        for number, account, kind, input, seed, message in rows
    ]


_KINDS: dict[str, type[JobMessage | SessionMessage]] = {"Job": JobMessage, "Session": SessionMessage}
