"""What 1QBit's solvers share: results in their shape, and a timeout that the wire has in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gpuqio.shapes import OneQbit, Shape
from gpuqio.solvers.settings import Settings, spelled

__all__ = ["OneQbitSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneQbitSettings(Settings):
    """Settings of a 1QBit solver. Its `timeout` is in seconds like any other; 0 on the wire means none."""

    target: ClassVar[str]
    solver_name: ClassVar[str]
    """What 1QBit calls it."""
    own: ClassVar[tuple[str, ...]]
    """Its own parameters."""

    @property
    def shape(self) -> Shape:
        """Of its results: 1QBit's."""
        return OneQbit(self.target, self.solver_name, frozenset(self.parameters()))

    def parameters(self) -> Mapping[str, object]:
        milliseconds = None if self.timeout is None else round(1000 * self.timeout)
        given = {name: getattr(self, name) for name in ("seed", *self.own)}
        return spelled({**given, "timeout": milliseconds}, self.spelling)
