"""The native flavour: Workspace and Job for programs that run under trio.

    async with Workspace() as workspace:
        result = await workspace.solve(problem, ParallelTempering(seed=11))

Everything runs in the caller's own trio run: cancel scopes, timeouts and mock clocks reach the work. The blocking
flavour (`gpuqio`) and the asyncio one (`gpuqio.aio`) are thin faces of these classes.
"""

from __future__ import annotations

from gpuqio.trio.job import Job, JobStatus
from gpuqio.trio.streaming import StreamingProblem
from gpuqio.trio.workspace import Workspace

__all__ = ["Job", "JobStatus", "StreamingProblem", "Workspace"]
