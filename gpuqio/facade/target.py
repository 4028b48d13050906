"""Targets and the base of the solvers, as the SDK has them; one class serves all three flavours.

A solver builds a request and leaves the waiting to its workspace. So what `solver.optimize(problem)` returns
is what the workspace's `solve` returns: a `Result` where that blocks, a coroutine where that is async, and the
type checker knows which, because it reads it from the workspace's type.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from gpuqio.errors import InvalidParameter, InvalidProblem
from gpuqio.facade.session import Session, SessionHost
from gpuqio.problem import ContentType, Problem
from gpuqio.solvers import parse
from gpuqio.solvers.base import Solver as Specification

__all__ = ["AnyProblem", "AnySolver", "Flavour", "HardwarePlatform", "Solver", "Specification", "Target"]

Submitted = TypeVar("Submitted", covariant=True)  # a Job, or a coroutine that returns one
Solved = TypeVar("Solved", covariant=True)  # a Result, or a coroutine that returns one


class Flavour(Protocol[Submitted, Solved]):
    """The part of a workspace that a solver needs."""

    def submit(self, problem: AnyProblem, solver: AnySolver) -> Submitted: ...

    def solve(self, problem: AnyProblem, solver: AnySolver, timeout_secs: float | None = ...) -> Solved: ...

    def _refresh(self, target: Target[Any]) -> Any: ...

    def _open_in_place_of(self, session: Session, before: Session | None) -> Any: ...


class Placed(Protocol):
    """A problem that lies, or will lie, in a storage: an `OnlineProblem` or a `StreamingProblem`."""

    name: str

    @property
    def uploaded_blob_uri(self) -> str | None: ...


AnyProblem = Problem | Placed | str
"""What can be submitted: a problem, one in a storage, or the URI of one there."""


W = TypeVar("W", bound=Flavour[Any, Any], covariant=True)


class HardwarePlatform(Enum):
    """Where the service ran a solver. Only CPU was left when it closed; gpuqio picks its engine elsewhere."""

    __module__ = "gpuqio.optimization"

    CPU = (1,)  # the SDK's value
    FPGA = 2


class Target(SessionHost, Generic[W]):
    """A place of a workspace that jobs can be sent to.

    Attributes:
        workspace, name, input_data_format, output_data_format, capability, content_type, encoding: as given.
        provider_id: as given, or what stands before the first full stop of the name.
        average_queue_time, current_availability: seconds that a job waits for it, and ``"Available"`` or another
            word of its workspace's, as they were when the target was got from there or refreshed last.
    """

    __module__ = "gpuqio.target"

    target_names: tuple[str, ...] = ()

    def __init__(
        self,
        workspace: W,
        name: str,
        input_data_format: str = "",
        output_data_format: str = "",
        capability: str = "",
        provider_id: str = "",
        content_type: ContentType | None = ContentType.json,
        encoding: str = "",
        average_queue_time: float | None = 0,
        current_availability: str = "Available",
    ) -> None:
        self.workspace = workspace
        self.name = name
        self.input_data_format = input_data_format
        self.output_data_format = output_data_format
        self.capability = capability
        self.provider_id = provider_id or name[: max(name.find("."), 0)]
        self.content_type = content_type
        self.encoding = encoding
        self.average_queue_time = average_queue_time
        self.current_availability = current_availability

    def refresh(self) -> Any:
        """See whether the target can be used, and how long its queue is; to be awaited where its workspace is async.

        Raises:
            InvalidParameter: (a ValueError) when the workspace has no such target.
        """
        return self.workspace._refresh(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Solver(Target[W]):
    """A solver of a workspace, addressed by target id and wire parameters.

    `ParallelTempering` and `SimulatedAnnealing` spell the parameters out and are what most programs want.

    Args:
        workspace: where to solve; its flavour decides whether `submit` and `optimize` block or are awaited.
        name: target id, such as ``microsoft.paralleltempering.cpu``.
        provider_id, input_data_format, output_data_format, content_type: as the service calls them.
        nested_params: keep the parameters in ``params["params"]``, as Microsoft's solvers do.
        force_str_params: turn every parameter value into text.
        params: parameters by wire name; None values are left out.
    """

    __module__ = "gpuqio.optimization"

    def __init__(
        self,
        workspace: W,
        name: str,
        provider_id: str = "Microsoft",
        input_data_format: str = "microsoft.qio.v2",
        output_data_format: str = "microsoft.qio-results.v2",
        nested_params: bool = True,
        force_str_params: bool = False,
        params: Mapping[str, object] | None = None,
        content_type: ContentType | None = ContentType.json,
    ) -> None:
        super().__init__(
            workspace,
            name,
            input_data_format,
            output_data_format,
            provider_id=provider_id,
            content_type=content_type,
            encoding="gzip",
        )
        self.nested_params = nested_params
        self.force_str_params = force_str_params
        self.params: dict[str, Any] = {"params": {}} if nested_params else {}
        for param, value in (params or {}).items():
            self.set_one_param(param, value)

    @property
    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = self.params["params"] if self.nested_params else self.params
        return given

    def set_one_param(self, name: str, value: object) -> None:
        """Set one parameter by its wire name; None leaves it as it is. Checked when a problem is submitted."""
        if value is not None:
            self._given[name] = str(value) if self.force_str_params else value

    def set_number_of_solutions(self, number_of_solutions: int) -> None:
        """Ask for up to this many distinct configurations, 1 to 10, best first."""
        self.set_one_param("number_of_solutions", number_of_solutions)

    def supports_grouped_terms(self) -> bool:
        """Whether problems with grouped terms can be solved: by Microsoft's solvers and by Exhaustive."""
        return False

    def supports_protobuf(self) -> bool:
        """Whether problems may be sent in protobuf: to Microsoft's solvers."""
        return self.provider_id.lower() == "microsoft"

    def check_valid_problem(self, problem: Problem) -> None:
        """Refuse what this solver can't solve.

        Raises:
            InvalidProblem: (a ValueError) for a problem with grouped terms, or one to be written as protobuf.
        """
        if problem.is_grouped and not self.supports_grouped_terms():
            raise InvalidProblem(
                f"Solver type is not compatiblewith problem type {problem.problem_type.name};"
                "Try PopulationAnnealing or SubstochasticMonteCarlo.",
                field="problem.problem_type",
                value=problem.problem_type,
                code="AZQ107",
            )
        if problem.written_as is ContentType.protobuf and not self.supports_protobuf():
            raise InvalidProblem(
                f"Solver `{self.name} type is not compatible for serialization with protobuf; Try PopulationAnnealing "
                "or SubstochasticMonteCarlo.",
                field="problem.content_type",
                value=problem.content_type,
                code="AZQ107",
            )

    def check_supported_hardware(self, platform: HardwarePlatform) -> None:
        """Refuse the FPGA platform, as the SDK did in the end.

        Raises:
            InvalidParameter: (a ValueError).
        """
        if platform is HardwarePlatform.FPGA:
            raise InvalidParameter(
                "The FPGA hardware option for Microsoft QIO solvers has been deprecated. Please remove the 'platform' "
                "parameter from your solver declaration and resubmit your problem.",
                field="platform",
                value=platform,
            )

    def specification(self) -> Specification:
        """The solver as the engines know it: a checked, frozen value without a workspace.

        Raises:
            InvalidParameter: for an unknown target, or a parameter of the wrong type or out of range.
        """
        return parse(self.name, self._given)

    def submit(self: Solver[Flavour[Submitted, Any]], problem: AnyProblem) -> Submitted:
        """Queue `problem` and return its Job, without waiting for the result.

        Args:
            problem: a `Problem`; an `OnlineProblem`, or the URI that `Problem.upload` returned, to have it read
                from the storage; a `StreamingProblem`, which is uploaded first if it is not yet.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
        """
        return self.workspace.submit(problem, self)

    def optimize(self: Solver[Flavour[Any, Solved]], problem: AnyProblem, timeout_secs: float | None = 300) -> Solved:
        """Solve `problem` and return its Result.

        Args:
            problem: as for `submit`.
            timeout_secs: seconds to wait, at most; None waits without limit. A solver's own `timeout` is another
                matter: there the solver stops and returns its best.

        Raises:
            InvalidProblem, InvalidParameter: nothing was queued.
            JobFailed: the job failed, or was cancelled by someone else.
            WaitTimeout: the time was up; the job has been cancelled.
        """
        return self.workspace.solve(problem, self, timeout_secs)

    def __repr__(self) -> str:
        params = "".join(f" {name}={value!r}" for name, value in self._given.items())
        return f"<{type(self).__name__} {self.name}{params}>"


AnySolver = Solver[Any] | Specification
"""A solver of a workspace, or a workspace-free one of `gpuqio.solvers`."""


def specification(solver: AnySolver) -> tuple[Specification, dict[str, Any]]:
    """The frozen value inside `solver`, and its parameters as the wire has them."""
    if isinstance(solver, Solver):
        return solver.specification(), copy.deepcopy(solver.params)
    return solver, {"params": dict(solver.parameters())}
