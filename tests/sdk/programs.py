"""What the programs share: a connection from the environment, problems with known optima, and a runner of checks.

Nothing of gpuqio is imported here: these run where only an Azure SDK is installed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

URL = os.environ["GPUQIO_TEST_URL"]
KEY = os.environ.get("GPUQIO_TEST_KEY", "")

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
IDS = {"subscription_id": SUBSCRIPTION, "resource_group": "laptops", "name": "lab", "location": "westus"}

# Three spins of the documentation's example; the lowest cost is -17.
SMALL = [(-9, [0]), (-3, [1, 0]), (5, [2, 0])]
SMALL_COST = -17.0


class Token(NamedTuple):
    """What `get_token` returns."""

    token: str
    expires_on: int


class Credential:
    """A bearer token over https. Over http it is falsy, since the SDK refuses to send a token there."""

    def __bool__(self) -> bool:
        return URL.startswith("https:")

    def get_token(self, *scopes: str, **options: object) -> Token:
        return Token(KEY or "anything", int(time.time()) + 3600)

    def close(self) -> None:
        pass


class AsyncCredential(Credential):
    """The same for the SDK's asyncio half."""

    async def get_token(self, *scopes: str, **options: object) -> Token:  # type: ignore[override]
        return super().get_token(*scopes, **options)

    async def close(self) -> None:  # type: ignore[override]
        pass


@contextmanager
def raises(kind: type[Exception], text: str) -> Iterator[None]:
    """Holds when the block raises this kind of exception, with the text in its message."""
    try:
        yield
    except kind as error:
        if text not in str(error):
            raise
    else:
        raise AssertionError(f"No {kind.__name__} was raised.")


def run(module: Mapping[str, Any]) -> None:
    """Run every check of a program; the first that fails ends it, and its traceback says which."""
    checks = [value for name, value in module.items() if name.startswith("check_")]
    if not checks:
        raise RuntimeError("This program checks nothing.")
    for check in checks:
        sys.stderr.write(f"{check.__name__}\n")
        outcome = check()
        if asyncio.iscoroutine(outcome):
            asyncio.run(outcome)
