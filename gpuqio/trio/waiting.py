"""Bounds on waiting, as callers give them."""

from __future__ import annotations

from numbers import Real

import trio

from gpuqio.errors import InvalidParameter, WaitTimeout

__all__ = ["at_most", "too_late"]


def at_most(seconds: float | None, name: str = "timeout_secs") -> trio.CancelScope:
    """A scope that ends after so many seconds, None for never. Raises `InvalidParameter`."""
    if seconds is None:
        return trio.CancelScope()
    if not isinstance(seconds, Real) or not seconds >= 0:
        raise InvalidParameter(
            f"{name} must be a number of seconds, 0 or more, or None for no limit; found {name}={seconds!r}.",
            field=name,
            value=seconds,
        )
    return trio.move_on_after(seconds)


def too_late(seconds: float | None) -> WaitTimeout:
    """What to raise when such a scope has ended."""
    return WaitTimeout(f"The wait time has exceeded {seconds} seconds.")
