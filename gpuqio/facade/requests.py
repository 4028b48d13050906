"""What a workspace asks a backend for: requests, and batches cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import uuid4

from gpuqio.backend import Envelope, JobRecord, Request
from gpuqio.batch import DenseBatch, as_dense, is_matrix
from gpuqio.batch_result import DenseResults
from gpuqio.engines.base import Work
from gpuqio.errors import InvalidProblem, JobFailed
from gpuqio.facade.target import AnyProblem, AnySolver, Solver, specification
from gpuqio.problem import Problem
from gpuqio.result import Result
from gpuqio.scheduler.turns import SLICE
from gpuqio.solvers import parse
from gpuqio.solvers.base import Solver as Specification

__all__ = ["PROBLEMS_A_CHUNK", "Chunk", "Requests", "as_it_is", "results_of"]

# Large enough that crossing into native code costs nothing, small enough to cancel and to share out.
PROBLEMS_A_CHUNK = 64
MATRICES_A_CHUNK = 1536  # of a tensor, for which little is done one by one; more would not lie in the cache
BYTES_A_CHUNK = 2**25  # of its matrices, chains and temperatures, about
LEAST_SECONDS = 0.003  # of work a chunk: handing one out takes up to a millisecond


class Chunk(Request):
    """A part of a batch. Nobody submitted it as a job, so `list_jobs` leaves it out."""

    __slots__ = ()


class Requests:
    """The part of a workspace that makes requests."""

    threads: int | None
    _owner: object

    def _request(self, problem: AnyProblem, solver: AnySolver) -> Request:
        if isinstance(problem, str):
            return self._request_at(problem, "Optimization problem", solver)
        if not isinstance(problem, Problem):
            if getattr(problem, "uploaded_blob_uri", None) is None:
                raise InvalidProblem(
                    "Cannot submit problem: should be of type str, Problem or have uploaded_blob_uri attribute; found "
                    f"{type(problem).__name__}.",
                    field="problem",
                    value=problem,
                )
            return self._request_at(str(problem.uploaded_blob_uri), problem.name, solver)
        _check(problem, solver)
        spec, params = specification(solver)
        return Request(
            work=Work((as_it_is(problem),), spec),
            name=str(problem.name),
            params=params,
            target=spec.target,
            owner=self._owner,
            threads=self.threads,
            envelope=replace(_envelope(solver), input_data_uri=problem._uploaded_to(self._owner)),
        )

    def _request_at(self, uri: str, name: str, solver: AnySolver) -> Request:
        """For a problem that lies in the storage."""
        spec, params = specification(solver)
        envelope = replace(_envelope(solver), input_data_uri=uri)
        return Request(Work((), spec), name, params, spec.target, 0, self._owner, self.threads, envelope=envelope)

    def _request_by_wire(
        self, name: str, target: str, params: Mapping[str, Any], envelope: Envelope, job_id: str | None
    ) -> Request:
        """For a problem that lies in the storage, and a solver of which there is a target id and parameters."""
        given = params.get("params", params)
        request = Request(
            Work((), parse(target, given)), name, params, target, 0, self._owner, self.threads, envelope=envelope
        )
        return request if job_id is None else replace(request, job_id=job_id)

    def _chunks(self, problems: Iterable[Problem], solver: AnySolver, at_least: int) -> Iterator[Chunk]:
        """Cut a batch into chunks, made as they are asked for.

        There are `at_least` so many, where there is enough to do, so that no worker stands idle. What has no length
        is read as far as `at_least` chunks of `PROBLEMS_A_CHUNK` need at a time.
        """
        spec, params = specification(solver)
        before = 0
        for part in _parts(problems, at_least * PROBLEMS_A_CHUNK):
            begin = 0
            for size in _chunk_sizes(part, spec, at_least):
                end = begin + size
                yield Chunk(
                    work=Work(_checked(part, begin, end, solver, before), spec),
                    name=f"Problems {before + begin} to {before + end - 1} of a batch",
                    params=params,
                    target=spec.target,
                    owner=self._owner,
                    threads=self.threads,
                    job_id=str(uuid4()),  # quicker than the other kind
                )
                begin = end
            before += begin


def _parts(problems: Iterable[Problem], most: int) -> Iterator[Sequence[Problem]]:
    """A sequence as it is; another iterable by `most` problems at a time, so that no more of them are kept."""
    if isinstance(problems, Problem) or not isinstance(problems, Iterable):
        raise InvalidProblem(
            f"A batch is a ProblemBatch or a sequence of problems; found {type(problems).__name__}.",
            field="problems",
            value=problems,
        )
    if isinstance(problems, Sequence):
        yield problems
        return
    left = iter(problems)
    while part := tuple(islice(left, most)):
        yield part


def _checked(problems: Sequence[Problem], begin: int, end: int, solver: AnySolver, before: int) -> Sequence[Problem]:
    """Some of a part of a batch, which has so many problems `before` it.

    A tensor was checked when it was made, unless sums may overflow, and any solver takes pairs.
    """
    if isinstance(problems, DenseBatch):
        part = problems[begin:end]
        if part.J.shape[1] and part.is_moderate:
            return part
    chunk = tuple(problems[place] for place in range(begin, end))
    for place, problem in enumerate(chunk, before + begin):
        try:
            _check(problem, solver)
        except InvalidProblem as error:
            raise InvalidProblem(
                f"{error} This is problem {place} of the batch.",
                field=f"problems[{place}].{error.field}",
                value=error.value,
                code=error.code,
            ) from error
    return as_dense(chunk) or chunk


def _chunk_sizes(problems: Sequence[Problem], solver: Specification, at_least: int) -> Iterator[int]:
    """Of what is left an equal share for each of `at_least`, so that large ones come first and all workers end together
    (guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987)."""
    most, seconds = _bounds(problems, solver)
    left = len(problems)
    while left:
        while at_least > 1 and left * seconds < at_least * LEAST_SECONDS:
            at_least = -(-at_least // 2)  # still as many for each worker
        size = min(most, -(-left // at_least))
        yield size
        left -= size


def _bounds(problems: Sequence[Problem], solver: Specification) -> tuple[int, float]:
    """The most problems a chunk, and seconds of a core that one takes, about; infinity for what is not known.

    Chunks are larger of small matrices that the solver treats alike.
    """
    size, uniform = 0, solver.uniform
    if isinstance(problems, DenseBatch):
        size = problems.J.shape[1]
    elif problems and all(isinstance(p, Problem) and is_matrix(p) for p in problems):
        size = max(len(p.matrices.J) for p in problems if p.matrices is not None)
    if not size or uniform is None:
        return PROBLEMS_A_CHUNK, math.inf
    seconds = 5e-9 * size * (size + uniform.chains * uniform.sweeps)
    table = uniform.chains if uniform.exchange else uniform.sweeps  # of betas, and of temperatures
    nbytes = 8 * size * (size + uniform.chains) + 20 * table
    most = min(MATRICES_A_CHUNK, BYTES_A_CHUNK // nbytes, max(PROBLEMS_A_CHUNK, int(SLICE / seconds)))
    return max(1, most), seconds


def _envelope(solver: AnySolver) -> Envelope:
    if not isinstance(solver, Solver):
        return Envelope()
    return Envelope(
        solver.provider_id,
        solver.input_data_format,
        solver.output_data_format,
        session_id=solver.get_latest_session_id(),
    )


def _check(problem: Problem, solver: AnySolver) -> None:
    if not isinstance(problem, Problem):
        raise InvalidProblem(
            f"Cannot submit problem: should be of type Problem; found {type(problem).__name__}.",
            field="problem",
            value=problem,
        )
    if isinstance(solver, Solver):
        solver.check_valid_problem(problem)
    problem.check()


def as_it_is(problem: Problem) -> Problem:
    """A copy for another thread to read: a program may go on changing its problem once it is submitted."""
    sent = Problem(problem.name, problem.terms, problem.init_config, problem.problem_type, problem.content_type)
    if problem.terms_slc:
        sent.add_terms(problem.terms_slc)
    return sent


def results_of(record: JobRecord) -> Sequence[Result]:
    """The results of a job that has succeeded: copies, since what a caller does to one is the caller's affair.

    Raises:
        JobFailed: (a RuntimeError, in the SDK's words) if it has not.
    """
    if record.results is None or record.status != "Succeeded":
        raise JobFailed(
            f"Cannot retrieve results as job execution failed(status: {record.status.value}.error: {record.error})"
        )
    if isinstance(record.results, DenseResults):
        return replace(record.results)
    return tuple(map(copy, record.results))
