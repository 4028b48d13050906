"""Jobs, under the names of `azure.quantum.job`."""

from __future__ import annotations

from gpuqio.blocking import Job
from gpuqio.facade.job import JobDetails

__all__ = ["Job", "JobDetails"]
