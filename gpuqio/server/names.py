"""Workspaces, and where their blobs are: each has an account of its own, and names in one are nothing in another."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from gpuqio.blob_files import check_blob_name, check_container_name
from gpuqio.errors import InputError
from gpuqio.remote.protocol import WorkspaceName
from gpuqio.remote.sas import sign
from gpuqio.remote.secrets import Unpickled
from gpuqio.server.refusal import Refusal

__all__ = ["ACCOUNT", "BLOB_URI", "JOB_ID", "LONGEST_JOB_ID", "Addresses", "account_of", "job_container"]

ACCOUNT = re.compile(r"q[0-9a-f]{23}", re.ASCII)
BLOB_URI = rf"https?://([^/?#@\s]+)/({ACCOUNT.pattern})/([a-z0-9](?:-?[a-z0-9]){{2,62}})(?:/([^?#\s]+))?(?:\?[^#\s]*)?"
JOB_ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,58}", re.ASCII)  # so that its container can be named after it

LONGEST_JOB_ID = 59

READ, ALL = "r", "racw"
VALID = timedelta(days=7)


def account_of(workspace: WorkspaceName) -> str:
    """The storage account of a workspace; capitals in its ids do not matter, as in Azure."""
    return f"q{hashlib.sha256(workspace.path.lower().encode()).hexdigest()[:23]}"


def job_container(job_id: str) -> str:
    """The container that a job's results lie in, and mostly its problem."""
    return f"job-{job_id}"


@dataclass(frozen=True, slots=True)
class Addresses(Unpickled):
    """The blobs of a workspace, as a client can reach them.

    Attributes:
        base: scheme and authority by which the client called.
        account: of the workspace.
        key: signs.
    """

    base: str
    account: str
    key: bytes = field(repr=False)

    def signed(self, container: str, blob: str | None, permissions: str) -> str:
        """The URI of a container or a blob that whoever has it may use for `VALID`."""
        path = container if blob is None else f"{container}/{quote(blob)}"
        expires = datetime.now(UTC) + VALID
        query = sign(self.account, self.key, container, blob, permissions=permissions, expires=expires)
        return f"{self.base}/{self.account}/{path}?{query}"

    def named(self, uri: str, what: str) -> tuple[str, str]:
        """Container and blob, "" for none, of a URI of this workspace's storage; its signature is not looked at.

        Raises:
            Refusal: 400, it is no such URI; 403, it is another place: this server fetches nothing from elsewhere.
        """
        found = re.fullmatch(BLOB_URI, uri)
        try:
            authority, account, container, blob = found.groups() if found else ("", "", "", "")
            check_container_name(container)
            blob = check_blob_name(unquote(blob)) if blob else ""
        except InputError as error:
            raise Refusal(400, "InvalidUri", f"{what} is not the URI of a container or blob. {error}") from None
        if (authority, account) != (self.base.partition("://")[2], self.account):
            raise Refusal(403, "ForeignUri", f"{what} must be in this workspace's storage, {self.base}/{self.account}.")
        return container, blob
