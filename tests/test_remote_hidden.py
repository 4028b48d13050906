"""Secrets are planted wherever there can be one, and looked for wherever something is shown, kept or raised."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from gpuqio.backend import Envelope
from gpuqio.remote.account import StorageAccount
from gpuqio.remote.addresses import ConnectionString, Endpoint
from gpuqio.remote.auth import ApiKey, Auth, Bearer
from gpuqio.remote.backend import RemoteBackend
from gpuqio.remote.blobs import AccountKeys, LinkedKeys, RemoteStorage
from gpuqio.remote.place import Place
from gpuqio.remote.protocol import JobMessage, SasResponse, decode, encode
from gpuqio.remote.secrets import Secret
from tests.fake_azure import API, BLOBS, KEY, SIG, WORKSPACE, FakeAzure, client_of, raw
from tests.http_on_trio import served
from tests.test_remote_backend import a_request
from tests.test_remote_faults import Moved, over_sockets

ACCOUNT_KEY = "cGxhbnRlZC1hY2NvdW50LWtleQ=="
CONNECTION = (
    f"SubscriptionId=0a1b;ResourceGroupName=group;WorkspaceName=space;ApiKey={KEY};QuantumEndpoint=https://h.example/;"
)
STORAGE = f"DefaultEndpointsProtocol=https;AccountName=account;AccountKey={ACCOUNT_KEY};EndpointSuffix=core.windows.net"
PLANTED = (KEY, SIG, ACCOUNT_KEY, "planted")


def check(shown: str) -> None:
    assert [secret for secret in PLANTED if secret in shown] == []


def shown_of(error: BaseException) -> str:
    """All that is said of an error, with what it came from."""
    texts = [str(error), repr(error), *map(repr, vars(error).values()), *traceback.format_exception(error)]
    seen = error.__context__
    while seen is not None:
        texts += [str(seen), repr(seen)]
        seen = seen.__context__
    return "\n".join(texts)


class Credential:
    def get_token(self, *scopes: str) -> Any:
        return SimpleNamespace(token=KEY, expires_on=4e9)


class AsyncCredential:
    async def get_token(self, *scopes: str) -> Any:
        return SimpleNamespace(token=KEY, expires_on=4e9)


def fail(service: FakeAzure, request: httpx.Request, when: str, answer: httpx.Response | Exception) -> Any:
    if when not in f"{request.method} {request.url.path}":
        return None
    if isinstance(answer, Exception):
        raise answer
    echo = f"You sent {request.url} with {list(request.headers.items())}"
    body = json.dumps({"error": {"code": f"Bad?sig={SIG}", "message": echo}}).encode()
    return answer if answer.status_code == 307 else raw(answer.status_code, dict(answer.headers), body)


FAILURES = [
    *(("jobs/", answer) for answer in (httpx.Response(400), httpx.Response(401), httpx.Response(503))),
    *(("sasUri", answer) for answer in (httpx.Response(403), httpx.Response(200))),
    *(("/inputData", httpx.Response(status)) for status in (400, 403, 404, 503)),
    *(("/outputData", httpx.Response(status)) for status in (403, 404, 500)),
    ("/inputData", httpx.ConnectError(f"to {BLOBS}/c?sig={SIG}")),
    ("/inputData", httpx.UnsupportedProtocol(f"of {BLOBS}/c?sig={SIG}")),
    ("PUT", httpx.Response(307, headers={"Location": f"{BLOBS}/c?sig={SIG}"})),
    ("/outputData", httpx.ReadError(f"Bearer {KEY}")),
]


@pytest.mark.parametrize("auth", [ApiKey(Secret(KEY)), None], ids=["key", "token"])
@pytest.mark.parametrize(("when", "answer"), [("nothing", httpx.Response(200)), *FAILURES])
async def test_no_secret_is_shown_whatever_happens(
    when: str,
    answer: httpx.Response | Exception,
    auth: Auth | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    autojump_clock: MockClock,
) -> None:
    service = FakeAzure(before=lambda service, request: fail(service, request, when, answer))
    client = client_of(service, auth=auth or Bearer(AsyncCredential()))
    backend = RemoteBackend(client, RemoteStorage(client.transport, LinkedKeys(client)), seed=1)
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        try:
            record = await backend.solve(a_request())
        except Exception as error:
            shown.append(shown_of(error))
            shown.append(repr(pickle.dumps(error)))
        else:
            assert when == "nothing"
            shown.append(repr(record))
            shown.append(repr(pickle.dumps(record)))
    assert (when == "nothing") == (len(shown) == 2 and "JobRecord" in shown[0])
    shown += [repr(pickle.dumps(record)) for record in backend.list()]
    shown += [repr(thing) for thing in (backend, client, client.endpoint, backend.storage, client._auth)]
    out, err = capfd.readouterr()
    check("\n".join((*shown, caplog.text, out, err)))


async def test_the_loggers_of_a_real_connection_show_none(caplog: pytest.LogCaptureFixture) -> None:
    moved = Moved(FakeAzure(polls=0))
    with caplog.at_level(logging.DEBUG):
        async with served(moved) as moved.address:
            backend, client = over_sockets(moved.address)
            async with client:
                await backend.solve(a_request())
    assert {record.name for record in caplog.records} >= {"httpx", "httpcore.connection", "httpcore.http11"}
    assert "sasUri" in caplog.text
    assert "/inputData?***" in caplog.text
    check(caplog.text)


def test_values_that_hold_secrets_do_not_show_them() -> None:
    account = StorageAccount.parse(STORAGE)
    uri = f"{BLOBS}/c/b?sv=1&sig={SIG}"
    job = JobMessage(name="n", provider_id="p", target="t", container_uri=uri, input_data_uri=uri, output_data_uri=uri)
    values: list[object] = [
        ConnectionString.parse(CONNECTION),
        account,
        AccountKeys(account),
        Place(WORKSPACE, Endpoint(API), credential=CONNECTION, api_key=Secret(KEY), storage=account),
        Place.of_connection_string(CONNECTION),
        Envelope(container_uri=uri, input_data_uri=uri, output_data_uri=uri),
        job,
        SasResponse(sas_uri=uri),
        decode(encode(job), JobMessage),
    ]
    for value in values:
        check(f"{value} {value!r} {[value]}")


@pytest.mark.parametrize("value", [Place.of_connection_string(CONNECTION), StorageAccount.parse(STORAGE)])
def test_what_holds_a_key_is_not_pickled(value: object) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(value)


@pytest.mark.parametrize("text", [STORAGE.replace("AccountName", "Name"), f"AccountName=a;AccountKey={SIG}!", SIG])
def test_a_storage_string_of_no_use_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="connection string of a storage account") as caught:
        StorageAccount.parse(text)
    check(shown_of(caught.value))
