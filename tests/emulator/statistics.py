"""What a launch counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Traffic(NamedTuple):
    """One place in the source that accesses memory, as the warps met it."""

    line: str  # "kernel.cu:12", with what it was inlined into
    space: str  # "global" or "shared"
    access: str  # "load", "store" or "atomic"
    requests: int  # of warps
    lanes: int  # that took part in them
    units: int  # global: sectors of 32 bytes; shared: passes, more than one where banks conflict
    least: int  # units that the same bytes need at best


class Stats(NamedTuple):
    switches: int  # from one thread to another
    collectives: Mapping[str, int]  # how often a block or warp met, by name: "__syncthreads", "__ballot_sync", ...
    traffic: tuple[Traffic, ...]  # of a launch with profile=True


def parse(text: str) -> Stats:
    """From the runtime's lines, its places already turned into source lines."""
    switches, collectives, traffic = 0, dict[str, int](), dict[tuple[str, str, str], list[int]]()
    for words in _lines(text):
        match words:
            case ["switches", count]:
                switches = int(count)
            case ["met", name, count]:
                collectives[name] = collectives.get(name, 0) + int(count)
            case ["traffic", *line, space, access, requests, lanes, units, least]:
                # The compiler may have made several places of one line.
                sums = traffic.setdefault((" ".join(line), space, access), [0, 0, 0, 0])
                for i, count in enumerate((requests, lanes, units, least)):
                    sums[i] += int(count)
    return Stats(switches, collectives, tuple(Traffic(*key, *sums) for key, sums in traffic.items()))


def _lines(text: str) -> Iterator[list[str]]:
    return (line.split(" ") for line in text.splitlines())
