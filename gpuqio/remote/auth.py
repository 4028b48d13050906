"""Who asks: an API key, a bearer token of anything that hands out tokens, or nobody."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio

from gpuqio.errors import AuthenticationFailed, InvalidParameter
from gpuqio.remote.protocol import API_KEY_HEADER, SCOPE
from gpuqio.remote.secrets import Secret

__all__ = ["TOKEN_FILE", "ApiKey", "Auth", "Bearer", "NoAuth", "TokenFile", "auth_of"]

TOKEN_FILE = "AZURE_QUANTUM_TOKEN_FILE"
MARGIN = 300.0
"""Seconds before its end at which a token is renewed."""


class Auth(Protocol):
    """What a request says about who asks."""

    async def headers(self) -> dict[str, str]:
        """To be sent along. Raises `AuthenticationFailed`."""

    def rejected(self, headers: dict[str, str]) -> bool:
        """The service did not accept these; returns whether new ones may be better."""


class NoAuth:
    """Says nothing."""

    async def headers(self) -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        return {}

    def rejected(self, headers: dict[str, str]) -> bool:
        return False


class ApiKey:
    """Shows a key."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    async def headers(self) -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        return {API_KEY_HEADER: self._key.reveal()}

    def rejected(self, headers: dict[str, str]) -> bool:
        return False


class Bearer:
    """Shows a token, asked for once for all who need it, and again before it expires.

    Args:
        credential: has ``get_token(*scopes)``, blocking or async, which returns something with ``token`` and
            ``expires_on`` (seconds since 1970). What blocks is called in a thread.
        clock: seconds since 1970.
    """

    def __init__(self, credential: Any, clock: Callable[[], float] = time.time) -> None:
        self._credential = credential
        self._clock = clock
        self._lock = trio.Lock()
        self._token = Secret("")
        self._expires = 0.0

    async def headers(self) -> dict[str, str]:
        async with self._lock:
            if not self._token or self._clock() > self._expires - MARGIN:
                await self._renew()
            return {"Authorization": f"Bearer {self._token.reveal()}"}

    def rejected(self, headers: dict[str, str]) -> bool:
        if headers.get("Authorization") == f"Bearer {self._token.reveal()}":
            self._token = Secret("")
        return True

    async def _renew(self) -> None:
        try:
            get_token = self._credential.get_token
            if inspect.iscoroutinefunction(get_token):
                got = await get_token(SCOPE)
            else:
                # In a tuple, for trio takes a coroutine out of a thread for a mistake.
                (got,) = await trio.to_thread.run_sync(lambda: (get_token(SCOPE),), abandon_on_cancel=True)
                if inspect.isawaitable(got):
                    got = await got
            self._token, self._expires = Secret(str(got.token)), float(got.expires_on)
            return
        except AuthenticationFailed:
            raise
        except Exception as error:
            kind = type(error).__name__
        # Outside of the handler, without the error's own text: it may quote what the credential was made of.
        raise AuthenticationFailed(
            f"The credential, of type {type(self._credential).__name__}, gave no token: it raised {kind}."
        )


class TokenFile:
    """A credential that reads the file ``AZURE_QUANTUM_TOKEN_FILE``: JSON with access_token and expires_on, in ms."""

    def __init__(self, path: str) -> None:
        self._path = path

    def get_token(self, *scopes: str) -> _Token:
        """The file's token, unless it has expired. Raises `AuthenticationFailed`."""
        token = None
        try:
            token = msgspec.json.decode(Path(self._path).read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError) as error:
            reason = type(error).__name__
        if token is None:
            raise AuthenticationFailed(f"{TOKEN_FILE} names a file that holds no token ({reason}).")
        if token.expires_on / 1000 <= time.time():
            raise AuthenticationFailed(f"The token in the file that {TOKEN_FILE} names has expired.")
        return _Token(token.access_token, token.expires_on / 1000)


class _File(msgspec.Struct):
    access_token: str
    expires_on: float

    def __repr__(self) -> str:
        return "<token file>"


class _Token:
    __slots__ = ("expires_on", "token")

    def __init__(self, token: str, expires_on: float) -> None:
        self.token, self.expires_on = token, expires_on


class _Default:
    """What azure-identity finds on this machine, looked for at the first request."""

    def __init__(self) -> None:
        self._found: Any = None

    def get_token(self, *scopes: str) -> Any:
        if self._found is None:
            try:
                from azure.identity import DefaultAzureCredential
            except ImportError:
                raise AuthenticationFailed(
                    "There is no credential. Pass `credential`, an API key or a connection string; or, to use what "
                    "Azure's tools have on this machine, run: pip install 'gpuqio[azure]'"
                ) from None
            self._found = DefaultAzureCredential()
        return self._found.get_token(*scopes)


def auth_of(credential: object, api_key: Secret | None = None) -> Auth:
    """How to ask with this credential.

    Args:
        credential: an object with ``get_token``, or with ``key`` (an API key); one that is false and not None asks as
            nobody. None: the file that ``AZURE_QUANTUM_TOKEN_FILE`` names, else what azure-identity finds.
        api_key: goes first.

    Raises:
        InvalidParameter: something else.
    """
    if api_key:
        return ApiKey(api_key)
    if credential is None:
        path = os.environ.get(TOKEN_FILE)
        return Bearer(TokenFile(path) if path else _Default())
    if not credential:
        return NoAuth()
    if hasattr(credential, "get_token"):
        return Bearer(credential)
    if isinstance(credential, Secret):
        return ApiKey(credential)
    if isinstance(key := getattr(credential, "key", None), str):
        return ApiKey(Secret(key))
    raise InvalidParameter(
        f"credential must have a method get_token, or be an API key as a Secret; found a {type(credential).__name__}.",
        field="credential",
    )
