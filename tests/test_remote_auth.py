"""Who asks: keys, tokens of all kinds, and where neither is sent."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio

from gpuqio.errors import AuthenticationFailed, InvalidParameter
from gpuqio.remote.addresses import Endpoint
from gpuqio.remote.auth import MARGIN, TOKEN_FILE, ApiKey, Bearer, NoAuth, auth_of
from gpuqio.remote.protocol import API_KEY_HEADER, SCOPE
from gpuqio.remote.secrets import Secret

TOKEN = "planted-token"


class Credential:
    """Hands out numbered tokens that are good for an hour."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.threads: set[threading.Thread] = set()
        self._now = now

    def get_token(self, *scopes: str) -> Any:
        self.scopes.append(scopes)
        self.threads.add(threading.current_thread())
        return SimpleNamespace(token=f"{TOKEN}-{len(self.scopes)}", expires_on=self._now() + 3600)


async def test_a_token_is_asked_for_once_in_a_thread_for_all_who_need_it() -> None:
    credential = Credential()
    bearer = Bearer(credential)
    got: list[dict[str, str]] = []

    async def ask() -> None:
        got.append(await bearer.headers())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert got == [{"Authorization": f"Bearer {TOKEN}-1"}] * 20
    assert credential.scopes == [(SCOPE,)]
    assert threading.current_thread() not in credential.threads


async def test_a_token_is_renewed_before_it_expires() -> None:
    now = 1000.0
    credential = Credential(lambda: now)
    bearer = Bearer(credential, clock=lambda: now)
    await bearer.headers()
    now += 3600 - MARGIN - 1
    assert (await bearer.headers())["Authorization"].endswith("-1")
    now += 2
    assert (await bearer.headers())["Authorization"].endswith("-2")


async def test_a_rejected_token_is_replaced_once_however_many_it_was_rejected_for() -> None:
    credential = Credential()
    bearer = Bearer(credential)
    first = await bearer.headers()
    assert bearer.rejected(first)
    second = await bearer.headers()
    assert bearer.rejected(first)  # by a request that was under way
    assert await bearer.headers() == second
    assert len(credential.scopes) == 2


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_credential_may_be_async(wrapped: bool) -> None:
    class Async:
        async def get_token(self, *scopes: str) -> Any:
            await trio.lowlevel.checkpoint()
            return SimpleNamespace(token=TOKEN, expires_on=time.time() + 3600)

    class Wrapped:
        def get_token(self, *scopes: str) -> Any:
            return Async().get_token(*scopes)

    bearer = Bearer(Wrapped() if wrapped else Async())
    assert await bearer.headers() == {"Authorization": f"Bearer {TOKEN}"}


async def test_a_credential_that_fails_is_named_and_not_quoted() -> None:
    class Failing:
        def get_token(self, *scopes: str) -> Any:
            raise OSError(f"secret={TOKEN}")

    with pytest.raises(AuthenticationFailed, match="of type Failing, gave no token: it raised OSError") as caught:
        await Bearer(Failing()).headers()
    assert caught.value.__context__ is None


async def test_waiting_for_a_token_can_be_cancelled() -> None:
    began, release = threading.Event(), threading.Event()

    class Slow:
        def get_token(self, *scopes: str) -> Any:
            began.set()
            release.wait(5)
            raise OSError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Bearer(Slow()).headers)
        await trio.to_thread.run_sync(began.wait)
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught
    release.set()


async def test_a_key_is_shown_as_it_is() -> None:
    for credential in (Secret("k"), SimpleNamespace(key="k")):
        assert await auth_of(credential).headers() == {API_KEY_HEADER: "k"}
    auth = auth_of(None, Secret("k"))
    assert isinstance(auth, ApiKey)
    assert not auth.rejected({})


async def test_what_is_false_and_not_none_asks_as_nobody() -> None:
    class Nobody:
        def __bool__(self) -> bool:
            return False

    auth = auth_of(Nobody())
    assert isinstance(auth, NoAuth)
    assert await auth.headers() == {}
    assert not auth.rejected({})


def test_what_is_no_credential_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidParameter, match="found a str") as caught:
        auth_of(TOKEN)
    assert TOKEN not in str(caught.value)


class TestTokenFile:
    def auth(self, monkeypatch: pytest.MonkeyPatch, path: Path, content: object) -> Bearer:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        monkeypatch.setenv(TOKEN_FILE, str(path))
        auth = auth_of(None)
        assert isinstance(auth, Bearer)
        return auth

    async def test_it_is_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        content = {"access_token": TOKEN, "expires_on": (time.time() + 3600) * 1000}
        auth = self.auth(monkeypatch, tmp_path / "token", content)
        assert await auth.headers() == {"Authorization": f"Bearer {TOKEN}"}

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"access_token": TOKEN, "expires_on": 1000}, "has expired"),
            ({"access_token": TOKEN}, "holds no token .ValidationError"),
            (f"{TOKEN} is no JSON", "holds no token .DecodeError"),
        ],
    )
    async def test_it_is_named_where_it_is_of_no_use(
        self, content: object, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with pytest.raises(AuthenticationFailed, match=said) as caught:
            await self.auth(monkeypatch, tmp_path / "token", content).headers()
        assert TOKEN_FILE in str(caught.value)
        assert TOKEN not in str(caught.value)

    async def test_it_may_be_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(TOKEN_FILE, str(tmp_path / "nowhere"))
        with pytest.raises(AuthenticationFailed, match="FileNotFoundError"):
            await auth_of(None).headers()


class TestDefault:
    async def test_it_says_how_to_install_what_it_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(TOKEN_FILE, raising=False)
        monkeypatch.setitem(sys.modules, "azure.identity", None)
        with pytest.raises(AuthenticationFailed, match="pip install 'gpuqio.azure.'"):
            await auth_of(None).headers()

    async def test_it_is_azures_and_made_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Credential] = []

        def make() -> Credential:
            made.append(Credential())
            return made[-1]

        identity = ModuleType("azure.identity")
        vars(identity)["DefaultAzureCredential"] = make
        monkeypatch.delenv(TOKEN_FILE, raising=False)
        monkeypatch.setitem(sys.modules, "azure", ModuleType("azure"))
        monkeypatch.setitem(sys.modules, "azure.identity", identity)
        auth = auth_of(None)
        assert made == []
        auth.rejected(await auth.headers())
        assert (await auth.headers())["Authorization"].endswith("-2")
        assert len(made) == 1


async def test_other_servers_are_not_sent_what_this_machine_has_for_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_FILE, raising=False)
    assert isinstance(auth_of(None, of_azure=False), NoAuth)
    assert isinstance(auth_of(None, of_azure=True), Bearer)
    assert [
        Endpoint(f"https://{host}").is_azure for host in ("westus.quantum.azure.com", "box.example", "127.0.0.1")
    ] == [
        True,
        False,
        False,
    ]
