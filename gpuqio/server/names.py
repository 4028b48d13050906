"""Workspaces, and where their blobs are: each has an account of its own, and names in one are nothing in another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

from gpuqio.blob_files import check_blob_name, check_container_name
from gpuqio.errors import InputError
from gpuqio.remote.protocol import WorkspaceName
from gpuqio.remote.sas import sign
from gpuqio.server.refusal import Refusal

__all__ = ["ACCOUNT", "JOB_ID", "Addresses", "account_of", "job_container"]

ACCOUNT = re.compile(r"q[0-9a-f]{23}", re.ASCII)
JOB_ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,58}", re.ASCII)  # so that its container can be named after it

READ, ALL = "r", "racw"
VALID = timedelta(days=7)


def account_of(workspace: WorkspaceName) -> str:
    """The storage account of a workspace; capitals in its ids do not matter, as in Azure."""
    return f"q{hashlib.sha256(workspace.path.lower().encode()).hexdigest()[:23]}"


def job_container(job_id: str) -> str:
    """The container that a job's results lie in, and mostly its problem."""
    return f"job-{job_id}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The blobs of a workspace, as a client can reach them.

    Attributes:
        base: scheme and authority by which the client called.
        account: of the workspace.
        key: signs.
    """

    base: str
    account: str
    key: bytes

    def signed(self, container: str, blob: str | None, permissions: str) -> str:
        """The URI of a container or a blob that whoever has it may use for `VALID`."""
        path = container if blob is None else f"{container}/{quote(blob)}"
        expires = datetime.now(UTC) + VALID
        query = sign(self.account, self.key, container, blob, permissions=permissions, expires=expires)
        return f"{self.base}/{self.account}/{path}?{query}"

    def named(self, uri: str, what: str) -> tuple[str, str]:
        """Container and blob, "" for none, of a URI of this workspace's storage; its signature is not looked at.

        Raises:
            Refusal: 400, it is another place: this server fetches nothing from elsewhere.
        """
        try:
            parts = urlsplit(uri)
            own = urlsplit(self.base)
            _, account, container, *rest = [*parts.path.split("/", 3), "", ""][:4]
            if (parts.netloc, account) != (own.netloc, self.account) or parts.scheme not in ("http", "https"):
                raise InputError("it lies elsewhere")
            blob = unquote(rest[0])
            return check_container_name(container), check_blob_name(blob) if blob else ""
        except ValueError:
            raise Refusal(
                400, "InvalidUri", f"{what} must be in the storage of this workspace, {self.base}/{self.account}."
            ) from None
