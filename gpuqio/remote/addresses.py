"""Where requests may go: the address of a service, and which URIs of those that it hands out are followed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from gpuqio.errors import InvalidParameter, RemoteError
from gpuqio.remote.protocol import WorkspaceName
from gpuqio.remote.secrets import Secret, bare

__all__ = ["ConnectionString", "Endpoint", "is_loopback", "pairs", "read_url"]

AZURE, AZURE_TEST, AZURE_BLOBS = ".quantum.azure.com", ".quantum-test.azure.com", ".blob.core.windows.net"


def read_url(text: str, what: str) -> httpx.URL:
    """An absolute URL of http or https, without user and password. Raises `InvalidParameter`."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise InvalidParameter(f"{what} must be an absolute URL of http or https, without a user.", field=what)
    return url


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's, and reaches no other."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Endpoint:
    """The address of a service.

    Args:
        url: of http or https; what stands before a workspace's path.

    Attributes:
        url: without a slash at its end.
    """

    def __init__(self, url: str) -> None:
        self._url = read_url(url, "endpoint")
        self.url = bare(url).rstrip("/")

    @classmethod
    def of_location(cls, location: str) -> Endpoint:
        """Azure's, in a region such as ``"westus"``."""
        name = "".join(location.split()).lower()
        if not (name.isascii() and name.isalnum()):
            raise InvalidParameter(f"location must be the name of a region; found {location!r}.", field="location")
        return cls(f"https://{name}{AZURE}")

    @property
    def is_azure(self) -> bool:
        """Whether it is a service of Azure's, and not of somebody else with the same interface."""
        return self._url.host.endswith((AZURE, AZURE_TEST))

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way reads what is sent there."""
        return self._url.scheme == "https" or is_loopback(self._url.host)

    def own(self, uri: str) -> str:
        """`uri`, if it is of this service itself: scheme, host and port. Raises `RemoteError`."""
        url = self._followed(uri)
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            raise _elsewhere(uri)
        return uri

    def blob(self, uri: str) -> str:
        """`uri`, if it is of storage that this service may name: its own host, or Azure's if it is Azure's.

        What comes from the service decides where this machine sends requests, so it may not name any other host.
        """
        url = self._followed(uri)
        downgraded = self._url.scheme == "https" and url.scheme != "https"
        of_azure = self.is_azure and url.host.endswith(AZURE_BLOBS) and url.port is None
        if downgraded or not (url.host == self._url.host or of_azure):
            raise _elsewhere(uri)
        return uri

    def _followed(self, uri: str) -> httpx.URL:
        try:
            return read_url(uri, "uri")
        except InvalidParameter:
            raise _elsewhere(uri) from None

    def __repr__(self) -> str:
        return f"<Endpoint {self.url}>"


def _elsewhere(uri: str) -> RemoteError:
    return RemoteError(f"{bare(uri)!r} is not of this service or its storage, and is not followed.", code="OtherHost")


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A workspace, its address and its key in one text; of any host, so that it serves for servers of gpuqio too."""

    workspace: WorkspaceName
    endpoint: str
    api_key: Secret = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> ConnectionString:
        """Of ``SubscriptionId=..;ResourceGroupName=..;WorkspaceName=..;ApiKey=..;QuantumEndpoint=..;``.

        Raises:
            InvalidParameter: a part is missing. The text is not quoted, for it has the key in it.
        """
        given = pairs(text)
        names = ("subscriptionid", "resourcegroupname", "workspacename", "apikey", "quantumendpoint")
        if missing := [name for name in names if not given.get(name)]:
            raise InvalidParameter(
                f"The connection string lacks {', '.join(missing)}. It is of the form SubscriptionId=..;"
                "ResourceGroupName=..;WorkspaceName=..;ApiKey=..;QuantumEndpoint=..; with any host.",
                field="connection_string",
            )
        subscription, group, name, key, endpoint = (given[name] for name in names)
        return cls(WorkspaceName(subscription, group, name), Endpoint(endpoint).url, Secret(key))


def pairs(text: str) -> Mapping[str, str]:
    """``Name=value;Name=value`` as a mapping of lower-case names."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in parts if name.strip()}
