"""Docstrings are written once, on the trio classes; the other flavours show the same text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["documented_by"]

C = TypeVar("C", bound=type)


def documented_by(source: type) -> Callable[[C], C]:
    """Give a class, and each method it defines, the docstring of its namesake in `source`, where it has none."""

    def document(target: C) -> C:
        for mirror, original in [(target, source)] + [
            (member, getattr(source, name, None)) for name, member in vars(target).items() if callable(member)
        ]:
            if mirror.__doc__ is None and original is not None:
                mirror.__doc__ = original.__doc__
        return target

    return document
