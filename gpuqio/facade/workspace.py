"""What a workspace is in every flavour: who it is, where it solves, and what it asks a backend for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar
from uuid import uuid4

from gpuqio.backend import Backend, JobRecord, Request
from gpuqio.batch import DenseBatch, as_dense, is_matrix
from gpuqio.batch_result import DenseResults
from gpuqio.engines.base import Work
from gpuqio.engines.choice import engine_name
from gpuqio.errors import BackendUnavailable, InputError, InvalidParameter, InvalidProblem, JobFailed
from gpuqio.facade.solvers import SOLVERS
from gpuqio.facade.target import AnySolver, Solver, Target, specification
from gpuqio.problem import Problem
from gpuqio.result import Result
from gpuqio.scheduler.local import local_backend
from gpuqio.solvers.base import Solver as Specification

__all__ = ["BaseWorkspace", "Chunk", "results_of"]

RESOURCE_ID = re.compile(
    r"^/subscriptions/([a-fA-F0-9-]*)/resourceGroups/([^\s/]*)/providers/Microsoft\.Quantum/Workspaces/([^\s/]*)$",
    re.IGNORECASE,
)

# Large enough that crossing into native code costs nothing, small enough to cancel and to share out.
PROBLEMS_A_CHUNK = 64
MATRICES_A_CHUNK = 1024  # of a tensor, for which little is done one by one
BYTES_A_CHUNK = 2**25  # of its matrices, chains and temperatures, about
SECONDS_A_CHUNK = 0.003  # handing one out takes up to a millisecond

Other = TypeVar("Other", bound="BaseWorkspace")


class Chunk(Request):
    """A part of a batch. Nobody submitted it as a job, so `list_jobs` leaves it out."""

    __slots__ = ()


class BaseWorkspace:
    """A workspace: where jobs are submitted, listed and cancelled.

    Without ids, or with an empty `resource_id`, it is this machine, and needs nothing else. It can be used as it is
    or in a ``with`` block (``async with`` for `gpuqio.aio` and `gpuqio.trio`), at whose end jobs of this workspace
    that still run are cancelled. Workspaces of a process see each other's jobs, as handles of one workspace at Azure
    do; each gets an equal share of the machine.

    Args:
        subscription_id, resource_group, name: ids of an Azure Quantum workspace.
        storage: connection string of a storage account; kept, not used on this machine.
        resource_id: the three ids in one, ``/subscriptions/.../resourceGroups/.../providers/Microsoft.Quantum/``
            ``Workspaces/...``; overrides them.
        location: region of the workspace; spaces and capitals do not matter.
        credential: kept in `credentials`, not used on this machine.
        user_agent: kept in `user_agent`, not used on this machine.
        threads: run at most so many slices of this workspace's work at once; None for all the machine has, or
            what the environment variable ``GPUQIO_THREADS`` says.
        backend: ``"local"`` solves on this machine even where the ids name a remote workspace, as does the environment
            variable ``GPUQIO_BACKEND=local``. Or a `gpuqio.backend.Backend` to use instead.
        engine: what computes on this machine. ``"cpu"``; ``"cuda"`` or ``"cuda:1"``, an NVIDIA GPU and never the
            CPU in its stead; ``"auto"``, the first GPU if there is one that can be used, else the CPU. None: what the
            environment variable ``GPUQIO_ENGINE`` says, else ``"auto"``. A result's `report` says what ran. Where the
            engine is not to be had, the first job raises `EngineUnavailable`.

    Raises:
        InputError: (a ValueError) where some ids are missing, or the location is.
        BackendUnavailable: for the ids of a remote workspace: this version solves on this machine only.
    """

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        name: str | None = None,
        storage: str | None = None,
        resource_id: str | None = None,
        location: str | None = None,
        credential: object = None,
        user_agent: str | None = None,
        *,
        threads: int | None = None,
        backend: Backend | str | None = None,
        engine: str | None = None,
    ) -> None:
        if named := RESOURCE_ID.match(resource_id or ""):
            subscription_id, resource_group, name = named.groups()
        if backend is None:
            backend = os.environ.get("GPUQIO_BACKEND") or None
        if isinstance(backend, str) and backend != "local":
            raise BackendUnavailable(f"There is no backend called {backend!r}; this version has 'local'.")
        if backend is None and any((subscription_id, resource_group, name, resource_id)):
            _refuse_remote(subscription_id, resource_group, name, location)
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise InvalidParameter(
                f"threads must be a whole number of 1 or more, or None for all; found threads={threads!r}.",
                field="threads",
                value=threads,
            )
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = name
        self.storage = storage
        self.location = "".join((location or "").split()).lower()
        self.credentials = credential
        self.threads = threads
        self._user_agent = user_agent
        self._backend = None if isinstance(backend, str) else backend
        self._engine = engine_name(engine)
        self._owner = object()
        self._reached = False  # a backend; else there is none to start for nothing
        self._open()

    def _open(self) -> None:
        """What a flavour adds to a new workspace."""

    @property
    def user_agent(self) -> str | None:
        """What the program calls itself."""
        return self._user_agent

    def append_user_agent(self, value: str) -> None:
        """Add `value` to the user agent, after a dash, unless it is there already."""
        if value in (self._user_agent or ""):
            return
        self._user_agent = f"{self._user_agent}-{value}" if self._user_agent else value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or 'local'}>"

    def _in_flavour(self, flavour: type[Other]) -> Other:
        """The same workspace, with the same jobs and the same share, under another flavour's methods."""
        twin = object.__new__(flavour)
        vars(twin).update(vars(self))
        return twin

    def _reach(self) -> Backend:
        """The backend, as seen from the current trio run."""
        backend = self._backend or local_backend(self._engine)
        self._reached = True
        return backend

    def _request(self, problem: Problem, solver: AnySolver) -> Request:
        _check(problem, solver)
        spec, params = specification(solver)
        return Request(
            work=Work((_as_it_is(problem),), spec),
            name=str(problem.name),
            params=params,
            target=spec.target,
            owner=self._owner,
            threads=self.threads,
        )

    def _chunks(self, problems: Iterable[Problem], solver: AnySolver, at_least: int) -> Iterator[Chunk]:
        """Cut a batch into even chunks, made as they are asked for.

        There are `at_least` so many, where there is enough to do, so that no worker stands idle. What has no length
        is read as far as `at_least` chunks of `PROBLEMS_A_CHUNK` need at a time.
        """
        spec, params = specification(solver)
        before = 0
        for part in _parts(problems, at_least * PROBLEMS_A_CHUNK):
            total, chunks = len(part), _chunk_count(part, spec, at_least)
            for index in range(chunks):
                begin, end = total * index // chunks, total * (index + 1) // chunks
                yield Chunk(
                    work=Work(_checked(part, begin, end, solver, before), spec),
                    name=f"Problems {before + begin} to {before + end - 1} of a batch",
                    params=params,
                    target=spec.target,
                    owner=self._owner,
                    threads=self.threads,
                    job_id=str(uuid4()),  # quicker than the other kind
                )
            before += total

    def _look_up(self, target: Target[Any]) -> None:
        name, provider = target.name, target.provider_id
        if not any(name.lower() in solver.target_names for solver in SOLVERS):
            raise InvalidParameter(
                f"Cannot refresh the Target status: target '{name}' of provider '{provider}' not found.",
                field="name",
                value=name,
            )

    def _targets(self, name: str | None, provider_id: str | None) -> Solver[Any] | list[Solver[Any]]:
        offered: list[Solver[Any]] = [s(self) for s in SOLVERS if name is None or name.lower() in s.target_names]
        found = [s for s in offered if provider_id is None or provider_id.lower() == s.provider_id.lower()]
        return found[0] if len(found) == 1 else found


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


def _chunk_count(problems: Sequence[Problem], solver: Specification, at_least: int) -> int:
    """How many chunks to cut them into: fewer of small matrices that the solver treats alike."""
    total, size, uniform = len(problems), 0, solver.uniform
    if isinstance(problems, DenseBatch):
        size = problems.J.shape[1]
    elif problems and all(isinstance(p, Problem) and is_matrix(p) for p in problems):
        size = max(len(p.matrices.J) for p in problems if p.matrices is not None)
    if not size or uniform is None:
        return max(-(-total // PROBLEMS_A_CHUNK), min(total, at_least))
    table = uniform.chains if uniform.exchange else uniform.sweeps  # of betas, and of temperatures
    nbytes = 8 * size * (size + uniform.chains) + 20 * table
    most = max(1, min(MATRICES_A_CHUNK, BYTES_A_CHUNK // nbytes))
    seconds = 5e-9 * size * (size + uniform.chains * uniform.sweeps)  # of a core, about
    while at_least > 1 and total * seconds < at_least * SECONDS_A_CHUNK:
        at_least = -(-at_least // 2)  # still as many for each worker
    return min(total, -(-total // (most * at_least)) * at_least)


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


def _as_it_is(problem: Problem) -> Problem:
    """A copy for the engine's thread to read: a program may go on changing its problem once it is submitted."""
    sent = Problem(problem.name, problem.terms, problem.init_config, problem.problem_type)
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


def _refuse_remote(
    subscription_id: str | None, resource_group: str | None, name: str | None, location: str | None
) -> None:
    if not (subscription_id and resource_group and name):
        raise InputError(
            "Azure Quantum workspace not fully specified.Please specify either a valid resource ID or a valid "
            "combination of subscription ID,resource group name, and workspace name.",
            field="resource_id",
        )
    if not location:
        raise InputError(
            "Azure Quantum workspace does not have an associated location. Please specify the location associated "
            "with your workspace.",
            field="location",
            value=location,
        )
    raise BackendUnavailable(
        f"The ids name the Azure Quantum workspace {name!r}, and this version of gpuqio solves on this machine only. "
        "To solve here, pass backend='local', set GPUQIO_BACKEND=local, or leave the ids out."
    )
