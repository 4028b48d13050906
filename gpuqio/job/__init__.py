"""Jobs, under the names of `azure.quantum.job`."""

from __future__ import annotations

from gpuqio.blocking import Job
from gpuqio.facade.job import JobDetails
from gpuqio.facade.session import Session, SessionHost

__all__ = ["Job", "JobDetails", "Session", "SessionHost"]
