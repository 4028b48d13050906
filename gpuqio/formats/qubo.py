"""QUBO files: the sparse matrices of OR-Library and BiqMac, and qbsolv's."""

from __future__ import annotations

from gpuqio.errors import InvalidFile
from gpuqio.formats.lines import headed_lines, lines
from gpuqio.problem import Problem, ProblemType

__all__ = ["read", "read_qbsolv"]


def read(text: str, name: str) -> Problem:
    """``n m``, then ``i j q``, indices from 1; the cost is x^T q x of the symmetric matrix, so pairs count twice."""
    size, body = headed_lines(text)
    rows, cols, values = [], [], []
    for line in body:
        line.expect(3, "'i j q'")
        rows.append(line.index(0, 1, size) - 1)
        cols.append(line.index(1, 1, size) - 1)
        values.append(line.value(2) * (1 if rows[-1] == cols[-1] else 2))
    return Problem.from_arrays((rows, cols, values), problem_type=ProblemType.pubo, name=name)


def read_qbsolv(text: str, name: str) -> Problem:
    """``p qubo 0 maxNodes nNodes nCouplers``, then ``i i h`` and ``i j J``, indices from 0; lines of c are comments."""
    rows = list(lines(text, comment="c"))
    if not rows:
        raise InvalidFile("The file is empty; expected a line 'p qubo 0 maxNodes nNodes nCouplers'.", field="line 1")
    header, *body = rows
    if header.words[:2] != ["p", "qubo"] or len(header.words) != 6:
        raise header.error("expected 'p qubo 0 maxNodes nNodes nCouplers'")
    size, nodes, couplers = (header.index(place) for place in (3, 4, 5))
    if len(body) != nodes + couplers:
        raise header.error(f"expected {nodes} + {couplers} lines after this one; there are {len(body)}")
    heads, tails, values = [], [], []
    for line in body:
        line.expect(3, "'i i h' or 'i j J'")
        heads.append(line.index(0, 0, size - 1))
        tails.append(line.index(1, 0, size - 1))
        values.append(line.value(2))
    found = sum(head == tail for head, tail in zip(heads, tails, strict=True))
    if found != nodes:
        raise header.error(f"expected {nodes} lines 'i i h'; there are {found}")
    return Problem.from_arrays((heads, tails, values), problem_type=ProblemType.pubo, name=name)
