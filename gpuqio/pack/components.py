"""Connected components: a problem as parts that share no term. The least cost of the whole is the sum of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gpuqio.pack.canonical import Canonical, Floats, Ints
from gpuqio.pack.grouped import Groups

__all__ = ["MOST_PARTS", "Part", "apart", "component_labels"]

MOST_PARTS = 4096
"""Each takes 15 KiB and half a millisecond of Python at the least; the smallest of more components stay together."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A component of a problem, or several.

    Attributes:
        problem: its terms; with the constant of the whole only where it is the whole.
        places: (n',) of its variables in the whole, ascending.
    """

    problem: Canonical
    places: Ints


def apart(problem: Canonical, labels: Ints, most: int = MOST_PARTS) -> tuple[Part, ...]:
    """The components of `problem`, large ones first, of equals the one with the first variable; `most` parts at most.

    A part is what `canonical` would make of its terms alone, but that squared sums may be in another order there.

    Args:
        labels: (n,) equal for variables of one component, and smaller for the one with the earlier first variable.
    """
    n = problem.num_variables
    _, owner, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) == 1:
        return (Part(problem, np.arange(n)),)
    if len(sizes) == 0:
        return ()
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    owner = np.minimum(rank, most - 1)[owner]
    parts = min(len(sizes), most)
    places = _dealt(owner, parts)
    inside = np.empty(n, np.int64)
    for of_part in places:
        inside[of_part] = np.arange(len(of_part))
    terms: list[list[tuple[int, Ints, Floats]]] = [[] for _ in range(parts)]
    for degree, members, coefficients in zip(problem.degrees, problem.members, problem.coefficients, strict=True):
        for mine, rows in zip(terms, _dealt(owner[members[:, 0]], parts), strict=True):
            if len(rows):
                mine.append((degree, inside[members[rows]], coefficients[rows]))
    groups = problem.groups
    of_groups = _dealt(owner[groups.members[groups.offsets[:-1]]], parts)
    return tuple(
        Part(
            replace(
                problem,
                variables=problem.variables[of_part],
                constant=0.0,
                degrees=tuple(degree for degree, _, _ in mine),
                members=tuple(members for _, members, _ in mine),
                coefficients=tuple(coefficients for *_, coefficients in mine),
                groups=_some(groups, chosen, inside) if len(groups) else groups,
            ),
            of_part,
        )
        for of_part, mine, chosen in zip(places, terms, of_groups, strict=True)
    )


def component_labels(problem: Canonical) -> Ints:
    """(n,) for each variable the first variable of its component.

    Of two neighbours' roots the later is hung below the earlier, all at once, until no term has two.
    """
    one, other = np.concatenate([np.zeros((2, 0), np.int64), *_edges(problem)], axis=1)
    labels = np.arange(problem.num_variables)
    while len(one):
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while (labels[labels] != labels).any():
            labels = labels[labels]
        one, other = labels[one], labels[other]
        differ = one != other
        one, other = one[differ], other[differ]
    return labels


def _edges(problem: Canonical) -> Iterator[Ints]:
    """(2, m) what hangs together: each member of a term or a squared sum with its first."""
    for degree, members in zip(problem.degrees, problem.members, strict=True):
        if degree > 1:
            yield np.stack((np.repeat(members[:, 0], degree - 1), members[:, 1:].ravel()))
    groups = problem.groups
    yield np.stack((groups.members[groups.offsets[:-1]][groups.owners], groups.members))


def _dealt(owner: Ints, parts: int) -> list[Ints]:
    """Which have each owner, ascending."""
    return np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner, minlength=parts))[:-1])


def _some(groups: Groups[np.float64], chosen: Ints, inside: npt.NDArray[np.int64]) -> Groups[np.float64]:
    """The groups `chosen`, with members named by their places `inside` a part."""
    lengths = np.diff(groups.offsets)[chosen]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    rows = np.repeat(groups.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Groups(
        coefficients=groups.coefficients[chosen],
        constants=groups.constants[chosen],
        offsets=offsets,
        members=inside[groups.members[rows]],
        weights=groups.weights[rows],
    )
