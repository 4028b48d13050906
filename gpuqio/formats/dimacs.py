"""DIMACS CNF: ``p cnf variables clauses``, then literals, 0 after each clause; c begins a comment, % ends the file."""

from __future__ import annotations

from itertools import combinations

from gpuqio.errors import InvalidFile
from gpuqio.formats.lines import Line, lines
from gpuqio.problem import Problem, ProblemType
from gpuqio.terms import Term

__all__ = ["read"]

MOST_POSITIVE = 12
"""Literals without negation in a clause: it is written out as 2 to their number terms."""


def read(text: str, name: str) -> Problem:
    """A pubo whose cost is how many clauses are violated: 0 exactly where the formula is satisfied.

    Variable i of the file is i - 1. A clause is violated where the product of 1 - x over its literals without negation
    and x over the others is 1.
    """
    rows = list(lines(text, comment="c"))
    if not rows:
        raise InvalidFile("The file is empty; expected a line 'p cnf variables clauses'.", field="line 1")
    header, *body = rows
    if header.words[:2] != ["p", "cnf"] or len(header.words) != 4:
        raise header.error("expected 'p cnf variables clauses'")
    clauses = _clauses(body, header.index(2))
    if len(clauses) != header.index(3):
        raise header.error(f"expected as many clauses; there are {len(clauses)}")
    terms = []
    for literals in clauses:
        positive = sorted(v for v in literals if v > 0)
        negative = [-v - 1 for v in literals if v < 0]
        if any(-v in literals for v in positive):
            continue  # x or not x: never violated
        for size in range(len(positive) + 1):
            ways = combinations(positive, size)
            terms += [Term(c=(-1) ** size, indices=[*negative, *(v - 1 for v in chosen)]) for chosen in ways]
    return Problem(name, terms, problem_type=ProblemType.pubo)


def _clauses(body: list[Line], variables: int) -> list[set[int]]:
    """The literals of each clause; clauses may share lines and go on over several."""
    clauses: list[set[int]] = []
    literals: set[int] = set()
    for line in body:
        if line.words[0] == "%":  # SATLIB's files go on with a lone 0
            break
        for place in range(len(line.words)):
            literal = line.index(place, -variables, variables)
            if literal:
                literals.add(literal)
                continue
            if sum(v > 0 for v in literals) > MOST_POSITIVE:
                raise line.error(f"a clause may have {MOST_POSITIVE} literals without negation; cut it into several")
            clauses.append(literals)
            literals = set()
    if literals:
        raise body[-1].error("the last clause must end with 0")
    return clauses
