"""What a solver is: a frozen value that checks itself and knows nothing of workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Solver"]


class Solver(Protocol):
    """A solver with its parameters, ready to be run on any problem."""

    @property
    def target(self) -> str:
        """The service's target id, such as ``microsoft.paralleltempering.cpu``."""

    @property
    def timeout(self) -> float | None:
        """Seconds of solving after which the best so far is returned; None for no limit."""

    def parameters(self) -> Mapping[str, object]:
        """The parameters as the wire spells them."""
