"""Batches of Ising and PUBO problems, solved on this machine through the interface of Azure Quantum Optimization.

This is the blocking flavour, as `azure.quantum` is blocking. `gpuqio.aio` serves asyncio, and `gpuqio.trio` is the
native one. Problems and solvers are in `gpuqio.optimization`, exceptions in `gpuqio.errors`.
"""

from __future__ import annotations

from gpuqio.batch import ProblemBatch
from gpuqio.blocking import Job, Workspace
from gpuqio.facade.job import JobDetails, JobStatus
from gpuqio.facade.microsoft import ParallelTempering, SimulatedAnnealing
from gpuqio.facade.target import HardwarePlatform, Solver, Target
from gpuqio.result import BatchResult, Report, Result, Solution, StopReason
from gpuqio.solvers.explain import Explanation, explain

__all__ = [
    "BatchResult",
    "Explanation",
    "Job",
    "JobDetails",
    "JobStatus",
    "ProblemBatch",
    "Report",
    "Result",
    "Solution",
    "StopReason",
    "Workspace",
    "__version__",
    "explain",
]

__version__ = "0.1.0"

# Tracebacks, pickles and help() name the place that programs import from.
Job.__module__ = JobDetails.__module__ = Workspace.__module__ = "gpuqio"
HardwarePlatform.__module__ = Solver.__module__ = "gpuqio.optimization"
ParallelTempering.__module__ = SimulatedAnnealing.__module__ = "gpuqio.optimization"
Target.__module__ = "gpuqio.target"
