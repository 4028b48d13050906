"""Which workspace is meant: the ids it is known by, and the address of the service that has it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpuqio.errors import InputError, InvalidParameter

if TYPE_CHECKING:
    from gpuqio.remote.place import Place

__all__ = ["Identity", "remote_place"]

RESOURCE_ID = re.compile(
    r"^/subscriptions/([a-fA-F0-9-]*)/resourceGroups/([^\s/]*)/providers/Microsoft\.Quantum/Workspaces/([^\s/]*)$",
    re.IGNORECASE,
)
BASE_URL, ENVIRONMENT = "AZURE_QUANTUM_BASEURL", "AZURE_QUANTUM_ENV"


@dataclass(frozen=True, slots=True)
class Identity:
    """A workspace's ids, any of which may be missing; its region, without spaces and capitals."""

    subscription_id: str | None
    resource_group: str | None
    name: str | None
    location: str

    @classmethod
    def of(
        cls,
        subscription_id: str | None,
        resource_group: str | None,
        name: str | None,
        resource_id: str | None,
        location: str | None,
    ) -> Identity:
        """What a program has given; a resource id wins over the ids, one of another form counts for nothing."""
        if named := RESOURCE_ID.match(resource_id or ""):
            subscription_id, resource_group, name = named.groups()
        return cls(subscription_id, resource_group, name, "".join((location or "").split()).lower())

    def check(self, endpoint: str | None) -> None:
        """Raise `InputError`, in the SDK's words, unless a remote workspace can be found by this."""
        if not (self.subscription_id and self.resource_group and self.name):
            raise InputError(
                "Azure Quantum workspace not fully specified.Please specify either a valid resource ID or a valid "
                "combination of subscription ID,resource group name, and workspace name.",
                field="resource_id",
            )
        if not self.location and endpoint is None:
            raise InputError(
                "Azure Quantum workspace does not have an associated location. Please specify the location associated "
                "with your workspace.",
                field="location",
                value=self.location,
            )


def remote_place(
    identity: Identity,
    endpoint: str | None,
    api_version: str | None,
    credential: object,
    storage: str | None,
    user_agent: Callable[[], str | None],
    patient: bool,
) -> Place:
    """The remote workspace, as the client knows it. Raises `InvalidParameter`."""
    from gpuqio.remote.account import StorageAccount  # httpx comes with it, which local programs need not load
    from gpuqio.remote.addresses import Endpoint
    from gpuqio.remote.place import Place
    from gpuqio.remote.protocol import API_VERSIONS, CURRENT, WorkspaceName

    if api_version is not None and api_version not in API_VERSIONS:
        raise InvalidParameter(
            f"api_version must be one of {', '.join(API_VERSIONS)}; found {api_version!r}.",
            field="api_version",
            value=api_version,
        )
    url = endpoint or os.environ.get(BASE_URL) or _by_environment(os.environ.get(ENVIRONMENT), identity.location)
    assert identity.subscription_id is not None
    assert identity.resource_group is not None
    assert identity.name is not None
    return Place(
        WorkspaceName(identity.subscription_id, identity.resource_group, identity.name),
        Endpoint(url) if url else Endpoint.of_location(identity.location),
        credential=credential,
        storage=None if storage is None else StorageAccount.parse(storage),
        version=CURRENT if api_version is None else API_VERSIONS[api_version],
        user_agent=user_agent,
        patient=patient,
    )


def _by_environment(name: str | None, location: str) -> str | None:
    if name == "canary":
        return "https://eastus2euap.quantum.azure.com/"
    return f"https://{location}.quantum-test.azure.com/" if name == "dogfood" else None
