"""What jobs have in common, under the names of `azure.quantum.job.base_job`."""

from __future__ import annotations

from gpuqio.problem import ContentType

__all__ = ["DEFAULT_TIMEOUT", "ContentType"]

DEFAULT_TIMEOUT = 300
"""Seconds that `optimize` and `get_results` wait where nothing else is asked for."""
