"""Problem files of others, read into `Problem`.

| format | file | problem |
|---|---|---|
| json | QIO JSON | as it says |
| rudy | MAX-CUT graph, ``i j w`` from 1 | ising, cost = -cut |
| qubo | OR-Library's and BiqMac's sparse matrix, ``i j q`` from 1 | pubo, cost = x^T q x, q symmetric |
| qbsolv | ``p qubo ...``, ``i j q`` from 0 | pubo |
| klocal | ``a b c ... J`` from 0 | ising |
| dimacs | CNF, ``p cnf ...`` | pubo, cost = violated clauses |

Any of them may be gzipped.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from os import PathLike
from pathlib import Path

from gpuqio.errors import InvalidFile, InvalidProblem
from gpuqio.formats import dimacs, klocal, qubo, rudy
from gpuqio.formats.lines import lines
from gpuqio.problem import Problem
from gpuqio.qio_json import inflate

__all__ = ["FORMATS", "read_problem"]

FORMATS: dict[str, Callable[[str, str], Problem]] = {
    "json": Problem.from_json,
    "rudy": rudy.read,
    "qubo": qubo.read,
    "qbsolv": qubo.read_qbsolv,
    "klocal": klocal.read,
    "dimacs": dimacs.read,
}

_SUFFIXES = {".json": "json", ".qubo": "qbsolv", ".cnf": "dimacs"}
# Three columns say nothing by themselves; the name has to.
_THREE_COLUMNS = {".sparse": "qubo", ".txt": "rudy", ".mc": "rudy", ".rud": "rudy", ".rudy": "rudy"}


def read_problem(path: str | PathLike[str], format: str | None = None) -> Problem:
    """Read a file, named after itself.

    Args:
        path: the file.
        format: a key of `FORMATS`. None: .json, .qubo and .cnf are json, qbsolv and dimacs; else ``{`` begins JSON,
            ``p qubo`` qbsolv, ``p cnf`` dimacs, and lines of four and more numbers are klocal; of three, the suffix
            decides: .sparse is qubo, and .txt, .mc, .rud and .rudy are rudy.

    Raises:
        InvalidFile: not a file of this format; the message names the line.
        InvalidProblem: JSON that is not a problem; the message names the field.
        OSError: the file can't be read.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InvalidFile(
            f"format must be one of {', '.join(FORMATS)}; found {format!r}.", field="format", value=format
        )
    try:
        text = inflate(path.read_bytes()).decode()
    except (InvalidProblem, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path} can't be read as text: {error}", field=str(path)) from None
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    suffix = suffixes[-1].lower() if suffixes else ""
    name = path.name.removesuffix(".gz").removesuffix(suffixes[-1] if suffixes else "")
    return FORMATS[format or _sniff(text, suffix, path)](text, name)


def _sniff(text: str, suffix: str, path: Path) -> str:
    """The format of a text."""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if text.lstrip().startswith("{"):
        return "json"
    first = [line.words for line in islice(lines(text), 64)]
    if any(words[:2] == ["p", "qubo"] for words in first):
        return "qbsolv"
    if any(words[:2] == ["p", "cnf"] for words in first):
        return "dimacs"
    columns = len(first[1]) if len(first) > 1 else 3
    if columns > 3:
        return "klocal"
    if columns == 3 and suffix in _THREE_COLUMNS:
        return _THREE_COLUMNS[suffix]
    raise InvalidFile(
        f"{path} does not say what it is. Give format, one of: {', '.join(FORMATS)}.", field=str(path), value=suffix
    )
