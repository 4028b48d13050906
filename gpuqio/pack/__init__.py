"""Problem to layout: `pack(problem)` is pure; keep the layout and use it for any number of runs."""

from __future__ import annotations

from gpuqio.pack.canonical import Canonical, canonical
from gpuqio.pack.components import Part, apart
from gpuqio.pack.layout import Layout, Strategy, choose, lay_out
from gpuqio.pack.reduce import Reduction, reduced, whole
from gpuqio.problem import Problem

__all__ = [
    "Canonical",
    "Layout",
    "Part",
    "Reduction",
    "Strategy",
    "apart",
    "canonical",
    "choose",
    "lay_out",
    "pack",
    "reduced",
    "whole",
]


def pack(problem: Problem, windows: bool = True, groups: bool = True, bits: bool = False) -> Layout:
    """Check `problem` and lay it out. Raises `InvalidProblem`; see `canonical` and `lay_out`."""
    return lay_out(canonical(problem), windows, groups, bits)
