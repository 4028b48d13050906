"""A storage account of one's own, by its connection string: signatures made here, instead of asked from the service."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote, urlsplit

from gpuqio.errors import InvalidParameter
from gpuqio.remote import sas
from gpuqio.remote.addresses import Endpoint, pairs
from gpuqio.remote.secrets import Secret

__all__ = ["API_VERSION", "StorageAccount"]

API_VERSION = "2021-12-02"
"""Of the blob service."""

VALID = timedelta(days=14)
"""For how long a signature opens what it names, as the SDK's."""


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """A storage account and its key.

    Attributes:
        name: the account's.
        endpoint: of its blobs; the account's name is a part of it.
        key: in base64.
    """

    name: str
    endpoint: Endpoint
    key: Secret = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> StorageAccount:
        """Of ``AccountName=..;AccountKey=..;EndpointSuffix=..;`` or ``..;BlobEndpoint=..;``.

        Raises:
            InvalidParameter: a part is missing. The text is not quoted, for it has the key in it.
        """
        given = pairs(text)
        name, key = given.get("accountname", ""), given.get("accountkey", "")
        scheme, suffix = given.get("defaultendpointsprotocol", "https"), given.get("endpointsuffix", "core.windows.net")
        try:
            decoded = base64.b64decode(key, validate=True)
        except binascii.Error:
            decoded = b""
        if not name or not decoded:
            raise InvalidParameter(
                "storage must be a connection string of a storage account, with AccountName and AccountKey.",
                field="storage",
            )
        return cls(name, Endpoint(given.get("blobendpoint") or f"{scheme}://{name}.blob.{suffix}"), Secret(key))

    def uri(self, container: str, blob: str | None = None) -> str:
        """The URI of a container, or of a blob in it, with a signature."""
        query = sas.sign(
            self.name, self._key, container, blob, permissions="rcwl" if blob is None else "r", expires=_now() + VALID
        )
        path = container if blob is None else f"{container}/{quote(blob)}"
        return f"{self.endpoint.url}/{path}?{query}"

    def making(self, container: str) -> tuple[str, dict[str, str]]:
        """The URL and the headers of a PUT that makes a container: only the key itself allows that.

        Source: "Authorize with Shared Key" of the public documentation of Azure Storage.
        """
        url = f"{self.endpoint.url}/{container}"
        date = format_datetime(_now(), usegmt=True)
        # Method, eleven headers of which none is sent, two that are, and the resource with its query.
        lines = ("PUT", *("",) * 11, f"x-ms-date:{date}", f"x-ms-version:{API_VERSION}")
        resource = f"/{self.name}{urlsplit(url).path}\nrestype:container"
        signature = hmac.new(self._key, "\n".join((*lines, resource)).encode(), hashlib.sha256).digest()
        return f"{url}?restype=container", {
            "x-ms-date": date,
            "x-ms-version": API_VERSION,
            "Authorization": f"SharedKey {self.name}:{base64.b64encode(signature).decode()}",
        }

    @property
    def _key(self) -> bytes:
        return base64.b64decode(self.key.reveal())


def _now() -> datetime:
    return datetime.now(UTC)
