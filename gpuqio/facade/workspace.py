"""What a workspace is in every flavour: who it is, and where it solves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakKeyDictionary

import trio

from gpuqio.backend import Availability, Backend
from gpuqio.dispatch import Account, Policy
from gpuqio.engines.choice import engine_name
from gpuqio.errors import BackendUnavailable, InvalidParameter
from gpuqio.facade.identity import Identity, remote_place
from gpuqio.facade.requests import Requests
from gpuqio.facade.solvers import SOLVERS
from gpuqio.facade.target import Target
from gpuqio.scheduler.local import local_backend

if TYPE_CHECKING:
    from gpuqio.remote.place import Place

__all__ = ["BaseWorkspace"]

Other = TypeVar("Other", bound="BaseWorkspace")


class BaseWorkspace(Requests):
    """A workspace: where jobs are submitted, listed and cancelled.

    Without ids, or with an empty `resource_id`, it is this machine, and needs nothing else; with them, it is a remote
    one, at Azure or on a gpuqio server. It can be used as it is or in a ``with`` block (``async with`` for `gpuqio.aio`
    and `gpuqio.trio`), at whose end jobs of this workspace that still run are cancelled. Local workspaces of a process
    see each other's jobs, as handles of one workspace at Azure do; each gets an equal share of the machine.

    It can be pickled: the pickle has neither `credential` nor `storage`, and its jobs stay behind.

    Args:
        subscription_id, resource_group, name: ids of a remote workspace.
        storage: connection string of a storage account, for the problems and results of a remote workspace. Default:
            the account that is linked to it. Not used on this machine.
        resource_id: the three ids in one, ``/subscriptions/.../resourceGroups/.../providers/Microsoft.Quantum/``
            ``Workspaces/...``; overrides them.
        location: region of the workspace; spaces and capitals do not matter.
        credential: an object with ``get_token(*scopes)``, as azure-identity's, or one with an API key as ``key``. None:
            the file that ``AZURE_QUANTUM_TOKEN_FILE`` names; else Azure is asked with what azure-identity finds, and
            another server as nobody. Not used on this machine.
        user_agent: what the program calls itself to a service.
        threads: run at most so many slices of this workspace's work at once; None for all the machine has, or
            what the environment variable ``GPUQIO_THREADS`` says.
        backend: ``"local"`` solves on this machine even where the ids name a remote workspace, as does the environment
            variable ``GPUQIO_BACKEND=local``. Or a `gpuqio.backend.Backend` to use instead of a remote workspace.
        engine: what computes on this machine. ``"cpu"``; ``"cuda"`` or ``"cuda:1"``, an NVIDIA GPU and never the
            CPU in its stead; ``"auto"``, the first GPU if there is one that can be used, else the CPU. None: what the
            environment variable ``GPUQIO_ENGINE`` says, else ``"auto"``. A result's `report` says what ran. Where the
            engine is not to be had, the first job raises `EngineUnavailable`.
        endpoint: address of the service; with it there need be no `location`. Default: what the environment variable
            ``AZURE_QUANTUM_BASEURL`` says, else Azure's in that region.
        api_version: what the service speaks, such as ``"2022-09-12-preview"``. Default: the latest that is known.
        dispatch: says which jobs are solved remotely and which on this machine, a policy of `gpuqio.dispatch`. Default:
            all remotely.

    Raises:
        InputError: (a ValueError) where some ids are missing, or the location is, or anything has no meaning.
        BackendUnavailable: there is no backend of that name.
    """

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        name: str | None = None,
        storage: str | None = None,
        resource_id: str | None = None,
        location: str | None = None,
        credential: object = None,
        user_agent: str | None = None,
        *,
        threads: int | None = None,
        backend: Backend | str | None = None,
        engine: str | None = None,
        endpoint: str | None = None,
        api_version: str | None = None,
        dispatch: Policy | None = None,
    ) -> None:
        identity = Identity.of(subscription_id, resource_group, name, resource_id, location)
        if backend is None:
            backend = os.environ.get("GPUQIO_BACKEND") or None
        if isinstance(backend, str) and backend != "local":
            raise BackendUnavailable(f"There is no backend called {backend!r}; this version has 'local'.")
        is_remote = backend is None and any((subscription_id, resource_group, name, resource_id))
        if is_remote:
            identity.check(endpoint)
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise InvalidParameter(
                f"threads must be a whole number of 1 or more, or None for all; found threads={threads!r}.",
                field="threads",
                value=threads,
            )
        if dispatch is not None and not is_remote and backend is None:
            raise InvalidParameter(
                "dispatch says which jobs go to a remote workspace, and this one names none: give its ids, or leave "
                "dispatch out.",
                field="dispatch",
                value=dispatch,
            )
        self.subscription_id = identity.subscription_id
        self.resource_group = identity.resource_group
        self.name = identity.name
        self.storage = storage
        self.location = identity.location
        self.credentials = credential
        self.threads = threads
        self._backend = backend
        self._engine = engine_name(engine)
        self._endpoint = endpoint
        self._api_version = api_version
        self._dispatch = dispatch
        self._account = Account()  # of what the policy has spent
        self._called = [user_agent]  # one list for all flavours of this workspace
        self._owner = object()
        self._reached = False  # a backend; else there is none to start for nothing
        # One for all flavours, too. A policy's backend belongs to one workspace, and to one trio run.
        self._dispatched: WeakKeyDictionary[trio.lowlevel.TrioToken, Backend] = WeakKeyDictionary()
        self._place = self._remote_place() if is_remote else None
        self._open()

    @classmethod
    def from_connection_string(cls, connection_string: str, **kwargs: Any) -> Self:
        """The workspace that a connection string names, with the key that is in it.

        Args:
            connection_string: ``SubscriptionId=..;ResourceGroupName=..;WorkspaceName=..;ApiKey=..;QuantumEndpoint=..;``
            kwargs: as for the constructor.

        Raises:
            InvalidParameter: a part is missing.
        """
        from gpuqio.remote.addresses import ConnectionString

        named = ConnectionString.parse(connection_string)
        ids = named.workspace
        given = {"endpoint": named.endpoint, "credential": named.api_key, **kwargs}
        return cls(ids.subscription_id, ids.resource_group, ids.name, **given)

    def _open(self) -> None:
        """What a flavour adds to a new workspace."""

    @property
    def user_agent(self) -> str | None:
        """What the program calls itself."""
        return self._called[0]

    def append_user_agent(self, value: str) -> None:
        """Add `value` to the user agent, after a dash, unless it is there already."""
        if value not in (self.user_agent or ""):
            self._called[0] = f"{self.user_agent}-{value}" if self.user_agent else value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or 'local'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        given = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "name": self.name,
            "location": self.location or None,
            "user_agent": self.user_agent,
            "threads": self.threads,
            "backend": self._backend,
            "engine": self._engine,
            "endpoint": self._endpoint,
            "api_version": self._api_version,
            "dispatch": self._dispatch,
        }
        return _again, (type(self), given)

    def _in_flavour(self, flavour: type[Other]) -> Other:
        """The same workspace, with the same jobs and the same share, under another flavour's methods."""
        twin = object.__new__(flavour)
        vars(twin).update(vars(self))
        return twin

    def _remote_place(self) -> Place:
        identity, called = Identity(self.subscription_id, self.resource_group, self.name, self.location), self._called
        return remote_place(
            identity,
            self._endpoint,
            self._api_version,
            self.credentials,
            self.storage,
            user_agent=lambda: called[0],  # it may change
            patient=self._dispatch is None or not self._dispatch.falls_back,
        )

    @property
    def _is_local(self) -> bool:
        return self._place is None and (self._backend is None or isinstance(self._backend, str))

    def _reach(self) -> Backend:
        """The backend, as seen from the current trio run."""
        backend = self._find_backend()
        self._reached = True
        return backend

    def _find_backend(self) -> Backend:
        if self._backend is not None and not isinstance(self._backend, str):
            remote = self._backend
        elif self._place is None:
            return local_backend(self._engine)
        else:
            from gpuqio.remote.place import remote_backend

            remote = remote_backend(self._place)
        if self._dispatch is None:
            return remote
        run = trio.lowlevel.current_trio_token()
        if run not in self._dispatched:
            self._dispatched[run] = self._dispatch.over(local_backend(self._engine), remote, self._account)
        return self._dispatched[run]

    def _look_up(self, target: Target[Any], available: Iterable[Availability]) -> None:
        name, provider = target.name, target.provider_id
        found = [state for state in available if state.target.lower() == name.lower()]
        if found:
            _note(target, found[0])
        else:
            raise InvalidParameter(
                f"Cannot refresh the Target status: target '{name}' of provider '{provider}' not found.",
                field="name",
                value=name,
            )

    def _targets(
        self, available: Iterable[Availability], name: str | None, provider_id: str | None
    ) -> Target[Any] | list[Target[Any]]:
        """One of each class; the parameter-free ids are those of classes that have another one too."""
        workspace: Any = self
        found: list[Target[Any]] = []
        for state in available:
            same_name = name.lower() == state.target.lower() if name else "parameterfree" not in state.target.lower()
            if same_name and (provider_id is None or provider_id.lower() == state.provider_id.lower()):
                kind = next((solver for solver in SOLVERS if state.target.lower() in solver.target_names), None)
                target = (
                    Target(workspace, state.target, provider_id=state.provider_id) if kind is None else kind(workspace)
                )
                _note(target, state)
                found.append(target)
        order: tuple[type, ...] = SOLVERS
        found.sort(key=lambda target: order.index(type(target)) if type(target) in order else len(order))
        return found[0] if len(found) == 1 else found


def _again(kind: type[BaseWorkspace], given: Mapping[str, Any]) -> BaseWorkspace:
    return kind(**given)


def _note(target: Target[Any], state: Availability) -> None:
    target.current_availability = state.current_availability
    target.average_queue_time = state.average_queue_time
