"""From a job's message to work for an engine, and from its result to a blob.

The same item gives the same work whenever it is made, and with it the same result: the seed is the item's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gpuqio.blob_files import BlobFiles, Properties
from gpuqio.engines.base import Work
from gpuqio.errors import BlobNotFound, InvalidParameter, InvalidProblem
from gpuqio.problem import Problem
from gpuqio.qio_json import inflate
from gpuqio.remote.protocol import JobMessage
from gpuqio.result import Result
from gpuqio.server.items import Item
from gpuqio.server.limits import Limits
from gpuqio.solvers import parse
from gpuqio.solvers.base import Solver

__all__ = ["RESULT_BLOB", "read_solver", "read_work", "write_result"]

RESULT_BLOB = "rawOutputData"
GZIP = b"\x1f\x8b"


def read_solver(message: JobMessage, limits: Limits) -> Solver:
    """The solver that a job asks for. Raises `InvalidParameter`."""
    solver = _parsed(message)
    limits.check_solver(solver)
    return solver


def _parsed(message: JobMessage) -> Solver:
    return parse(message.target, _parameters(message.input_params))


def _parameters(given: Any) -> Mapping[str, object]:
    """Microsoft's parameters are one level down, the others' are not."""
    if given is None:
        return {}
    params = given.get("params", given) if isinstance(given, dict) else given
    if not isinstance(params, dict):
        raise InvalidParameter("inputParams must be an object.", field="input_params", code="AZQ103")
    return params


def read_work(item: Item, files: BlobFiles, limits: Limits) -> Work:
    """The work of a job. Blocks; raises `InputError`."""
    solver = read_solver(item.job, limits)
    if item.seed is not None:
        solver = replace(solver, seed=item.seed)  # type: ignore[type-var]
    problem = _read_problem(item, files, limits)
    problem.check()
    limits.check_problem(problem, solver)
    return Work((problem,), solver)


def _read_problem(item: Item, files: BlobFiles, limits: Limits) -> Problem:
    container, _, blob = (item.input or "").partition("/")
    try:
        with files.reading(container, blob) as (file, properties):
            limits.check_size(properties.size)
            data = inflate(file.read(), limits.problem_bytes)
    except BlobNotFound:
        raise InvalidProblem("There is no blob at inputDataUri.", field="inputDataUri", code="AZQ102") from None
    if data.startswith(GZIP):
        raise InvalidProblem("The problem is gzipped twice.", field="inputDataUri", code="AZQ105")
    problem = Problem.deserialize(data)
    _check_number(properties.metadata.get("num_terms"), problem)
    return problem


def _check_number(said: str | None, problem: Problem) -> None:
    """Raise `InvalidProblem` where a `StreamingProblem` said that it has more or fewer terms than have arrived."""
    found = len(problem.term_arrays().offsets) - 1
    if said is not None and said != str(found):
        raise InvalidProblem(
            f"The problem's metadata says num_terms={said[:20]!r}, and it has {found} terms. Upload it again.",
            field="num_terms",
            value=said,
            code="AZQ105",
        )


def write_result(item: Item, result: Result, files: BlobFiles, container: str) -> None:
    """Put a job's result where its owner finds it; it is on disk at the end. Blocks."""
    result.shape = _parsed(item.job).shape  # of the parameters as they were given, without our seed
    entries = result.to_dict()
    if "input_data_uri" in entries:
        entries["input_data_uri"] = item.job.input_data_uri
    files.make_container(container)
    with files.writing(Properties(name=RESULT_BLOB, content_type="application/json")) as (file, put):
        file.write(msgspec.json.encode(entries))
        put(container, replace=True)
