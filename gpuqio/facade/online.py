"""A problem that lies in a workspace's storage, to be solved without being sent again."""

from __future__ import annotations

from typing import Any

from gpuqio.problem_forms import Got, Storing

__all__ = ["OnlineProblem"]


class OnlineProblem:
    """A problem in the storage of a workspace, by its URI: submit it, or download it.

    Args:
        name: shown in lists.
        blob_uri: what `Problem.upload` or `StreamingProblem.upload` returned.

    Attributes:
        name: as given.
        uploaded_blob_uri: the URI.
    """

    __module__ = "gpuqio.optimization"

    def __init__(self, name: str, blob_uri: str) -> None:
        self.name = name
        self.uploaded_blob_uri = blob_uri

    def download(self, workspace: Storing[Any, Got]) -> Got:
        """The problem itself; to be awaited where the workspace is async. Raises `BlobNotFound`, `InvalidProblem`."""
        return workspace._download(self.uploaded_blob_uri, self.name)

    def __repr__(self) -> str:
        return f"<OnlineProblem {self.name!r} at {self.uploaded_blob_uri.partition('?')[0]}>"
