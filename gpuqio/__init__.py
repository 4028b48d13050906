"""Batches of Ising and PUBO problems, solved on this machine through the interface of Azure Quantum Optimization.

This is the blocking flavour, as `azure.quantum` is blocking. `gpuqio.aio` serves asyncio, and `gpuqio.trio` is the
native one. Problems and solvers are in `gpuqio.optimization`, exceptions in `gpuqio.errors`.

`import gpuqio` is quick: a name is loaded, and NumPy and trio with it, when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpuqio.batch import ProblemBatch
    from gpuqio.batch_result import BatchResult
    from gpuqio.blocking import Job, Workspace
    from gpuqio.facade.job import JobDetails, JobStatus
    from gpuqio.facade.session import (
        ItemType,
        Session,
        SessionDetails,
        SessionHost,
        SessionJobFailurePolicy,
        SessionStatus,
    )
    from gpuqio.result import Report, Result, Solution, StopReason
    from gpuqio.solvers.explain import Explanation, explain

__all__ = [
    "BatchResult",
    "Explanation",
    "ItemType",
    "Job",
    "JobDetails",
    "JobStatus",
    "ProblemBatch",
    "Report",
    "Result",
    "Session",
    "SessionDetails",
    "SessionHost",
    "SessionJobFailurePolicy",
    "SessionStatus",
    "Solution",
    "StopReason",
    "Workspace",
    "__version__",
    "explain",
]

__version__ = "0.1.0"

_HOMES = {
    "gpuqio.batch": ["ProblemBatch"],
    "gpuqio.blocking": ["Job", "Workspace"],
    "gpuqio.facade.job": ["JobDetails", "JobStatus"],
    "gpuqio.facade.session": [
        "ItemType",
        "Session",
        "SessionDetails",
        "SessionHost",
        "SessionJobFailurePolicy",
        "SessionStatus",
    ],
    "gpuqio.batch_result": ["BatchResult"],
    "gpuqio.result": ["Report", "Result", "Solution", "StopReason"],
    "gpuqio.solvers.explain": ["Explanation", "explain"],
}


if not TYPE_CHECKING:  # a type checker shall still know a name that does not exist

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                globals()[name] = value = getattr(import_module(home), name)
                return value
        raise AttributeError(f"module 'gpuqio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
