"""What one client may ask of the server, and what is too much."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.problem import Problem
from gpuqio.solvers.base import Solver

__all__ = ["Limits"]

# Parameters that multiply the work, and those that multiply the states that are kept, over all solvers.
_LENGTHS = ("sweeps", "sweeps_per_replica", "steps", "steps_per_walker", "num_sweeps_per_run", "loops")
_CHAINS = ("replicas", "restarts", "population", "target_population", "trotter_number", "num_replicas", "num_temps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All bounds of the server. What is beyond is refused, or fails with the service's code; nothing is cut short.

    Attributes:
        message_bytes: of a JSON body.
        problem_bytes: of a blob, and of a problem's text when it is inflated, whose excess is AZQ105 and not AZQ001.
        variables, terms, degree: of a problem; a variable of a grouped term counts as a term.
        work: replicas times sweeps of a job, as far as its parameters say.
        states: replicas times variables.
        queued: jobs that have not ended, of all workspaces together.
        rate: calls a second that one key, or one peer, may make for long; twice as many at once.
        keep_days: days for which ended jobs and their blobs are kept.

    Raises:
        InvalidParameter: one of them is not more than 0.
    """

    message_bytes: int = 2**20
    problem_bytes: int = 2**28
    variables: int = 10**6
    terms: int = 10**7
    degree: int = 64
    work: int = 2**40
    states: int = 2**31
    queued: int = 10_000
    rate: float = 1000.0
    keep_days: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not (value := getattr(self, field.name)) > 0:
                raise InvalidParameter(
                    f"{field.name} must be more than 0; found {value}.", field=field.name, value=value
                )

    def check_solver(self, solver: Solver) -> None:
        """Raise `InvalidParameter` (AZQ001) if its parameters ask for more than `work`."""
        work = _product(solver, _LENGTHS) * _chains(solver)
        if work > self.work:
            raise InvalidParameter(
                f"The parameters ask for {work} replicas times sweeps; this server does at most {self.work}.",
                field="input_params",
                value=work,
                code="AZQ001",
            )

    def check_size(self, size: int) -> None:
        """Raise `InvalidProblem` (AZQ001) if a blob, which may be of many blocks, has more than `problem_bytes`."""
        self._at_most("bytes", size, self.problem_bytes)

    def check_problem(self, problem: Problem, solver: Solver) -> None:
        """Raise `InvalidProblem` (AZQ001) if the problem, or its states in all replicas, are too large."""
        grouped = [linear for term in problem.terms_slc for linear in term.terms]
        offsets = problem.term_arrays().offsets
        self._at_most("terms", len(offsets) - 1 + len(grouped), self.terms)
        self._at_most("variables", variables := problem.num_variables, self.variables)
        self._at_most("variables in one term", int((offsets[1:] - offsets[:-1]).max(initial=0)), self.degree)
        self._at_most("variables in all replicas", variables * _chains(solver), self.states)

    @staticmethod
    def _at_most(what: str, found: int, bound: int) -> None:
        if found > bound:
            raise InvalidProblem(
                f"The problem has {found} {what}; this server takes at most {bound}.",
                field="problem",
                value=found,
                code="AZQ001",
            )


def _product(solver: Solver, names: tuple[str, ...]) -> int:
    return math.prod(value for name in names if isinstance(value := getattr(solver, name, None), int) and value > 0)


def _chains(solver: Solver) -> int:
    betas = getattr(solver, "all_betas", None)
    ladder = len(betas) if betas and getattr(solver, "replicas", None) is None else 1
    return ladder * _product(solver, _CHAINS)
