"""A remote workspace as a value, which may outlive trio runs, and its backend in each of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import trio

from gpuqio.remote.account import StorageAccount
from gpuqio.remote.addresses import ConnectionString, Endpoint
from gpuqio.remote.auth import auth_of
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.blobs import AccountKeys, LinkedKeys, RemoteStorage
from gpuqio.remote.client import Client
from gpuqio.remote.protocol import CURRENT, ApiVersion, WorkspaceName
from gpuqio.remote.secrets import Secret
from gpuqio.remote.transport import Transport, open_client

__all__ = ["Place", "remote_backend"]

_backends: trio.lowlevel.RunVar[weakref.WeakKeyDictionary[Place, RemoteBackend]] = trio.lowlevel.RunVar(
    "gpuqio.remote_backends"
)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a remote workspace is, and who asks. Each is itself alone: equal ones don't share connections.

    Attributes:
        workspace: its name.
        endpoint: the service's address.
        credential: see `auth_of`.
        api_key: goes before a credential.
        storage: the account for problems and results; None for the one that is linked to the workspace.
        version: what the service speaks.
        user_agent: tells what the program calls itself, which may change.
        patient: wait about a minute for a service that does not answer. False where others can do its work, who are to
            know soon.
        open_client: makes the client of httpx, once for a trio run, at whose end it is closed, or once it is of no use
            to anybody. It must allow `gpuqio.remote.transport.CONNECTIONS` connections. For proxies, certificates, or a
            transport of one's own.
    """

    workspace: WorkspaceName
    endpoint: Endpoint
    credential: object = field(default=None, repr=False)
    api_key: Secret | None = None
    storage: StorageAccount | None = None
    version: ApiVersion = CURRENT
    user_agent: Callable[[], str | None] = lambda: None
    patient: bool = True
    open_client: Callable[[], httpx.AsyncClient] = field(default=open_client, repr=False)

    @classmethod
    def of_connection_string(cls, text: str, storage: StorageAccount | None = None) -> Place:
        """The workspace that a connection string names. Raises `InvalidParameter`."""
        named = ConnectionString.parse(text)
        return cls(named.workspace, Endpoint(named.endpoint), api_key=named.api_key, storage=storage)


def remote_backend(place: Place) -> RemoteBackend:
    """The backend of a place in the current trio run, made when first asked for.

    Its connections are closed when the run ends, or when nobody has the place or anything of the backend any more.

    Raises:
        InvalidParameter: the credential is none, or would be sent where others can read it.
        RuntimeError: called from outside a trio run.
    """
    try:
        backends = _backends.get()
    except LookupError:
        backends = weakref.WeakKeyDictionary()
        _backends.set(backends)
    if place not in backends:
        auth = auth_of(place.credential, place.api_key, of_azure=place.endpoint.is_azure)
        opened = place.open_client()
        transport = Transport(opened, patient=place.patient)
        client = Client(place.endpoint, place.workspace, transport, auth, place.version, place.user_agent)
        keys = LinkedKeys(client) if place.storage is None else AccountKeys(place.storage)
        backends[place] = RemoteBackend(client, RemoteStorage(transport, keys))
        closing = trio.Event()
        weakref.finalize(transport, _from_anywhere, trio.lowlevel.current_trio_token(), closing.set).atexit = False
        trio.lowlevel.spawn_system_task(_close_after, closing, opened, name=f"gpuqio client of {place.endpoint.url}")
    return backends[place]


def _from_anywhere(token: trio.lowlevel.TrioToken, call: Callable[[], object]) -> None:
    """Call in a trio run, if that goes on. What is collected may be so at any time, in any thread."""
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(call)


async def _close_after(closing: trio.Event, client: httpx.AsyncClient) -> None:
    """Trio cancels its system tasks when everything else has ended."""
    try:
        await closing.wait()
    finally:
        with trio.move_on_after(1, shield=True):
            await client.aclose()
