"""The calls of the data plane, in all versions, and what becomes of refusals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from gpuqio.errors import AuthenticationFailed, InvalidParameter, JobNotFound, RemoteError
from gpuqio.remote.auth import ApiKey, Bearer, NoAuth
from gpuqio.remote.client import Client
from gpuqio.remote.protocol import API_VERSIONS, ApiVersion, JobMessage, SessionMessage
from gpuqio.remote.secrets import Secret
from tests.fake_azure import API, BLOBS, KEY, SIG, WORKSPACE, FakeAzure, client_of, raw, refused

ID = "11111111-2222-3333-4444-555555555555"


def a_job(job_id: str = ID, **fields: Any) -> JobMessage:
    return JobMessage(
        id=job_id,
        name="n",
        provider_id="Microsoft",
        target="microsoft.tabu.cpu",
        container_uri=f"{BLOBS}/job-{job_id}?sig={SIG}",
        input_data_uri=f"{BLOBS}/job-{job_id}/inputData",
        input_params={"params": {"seed": 1}},
        **fields,
    )


def a_session(session_id: str = ID) -> SessionMessage:
    return SessionMessage(id=session_id, name="s", provider_id="Microsoft", target="microsoft.tabu.cpu")


@pytest.mark.parametrize("version", API_VERSIONS.values(), ids=list(API_VERSIONS))
async def test_all_calls_in_all_versions(version: ApiVersion, autojump_clock: MockClock) -> None:
    service = FakeAzure(version, held=True, page=1)
    client = client_of(service, version)
    assert (await client.put_job(a_job())).status == "Waiting"
    await client.put_job(a_job("2", session_id=ID))
    message, pause = await client.get_job(ID)
    assert (message.id, message.input_params, pause) == (ID, {"params": {"seed": 1}}, 0.0)
    assert message.creation_time is not None
    assert message.creation_time.tzinfo is not None
    assert [job.id for job in await client.jobs()] == [ID, "2"]
    await client.cancel_job(ID)
    assert (await client.get_job(ID))[0].status == "Cancelled"
    await client.cancel_job(ID)
    assert await client.sas_uri("c", "b") == f"{BLOBS}/c/b?sv=2021&se=2100&sp=racw&sig={SIG}"
    (provider,) = await client.provider_status()
    assert [(target.id, target.average_queue_time) for target in provider.targets] == [("microsoft.tabu.cpu", 4)]
    assert [quota.limit for quota in await client.quotas()] == [20.0]
    assert (await client.open_session(a_session())).status == "Waiting"
    assert (await client.get_session(ID)).name == "s"
    assert [session.id for session in await client.sessions()] == [ID]
    assert (await client.close_session(ID)).status == "Succeeded"


async def test_a_next_link_elsewhere_is_not_followed(autojump_clock: MockClock) -> None:
    link = "https://evil.example/jobs"
    service = FakeAzure(before=lambda *_: httpx.Response(200, json={"value": [], "nextLink": link}))
    with pytest.raises(RemoteError, match="'https://evil.example/jobs' is not of this service"):
        await client_of(service).jobs()
    assert len(service.seen) == 1


async def test_a_list_without_end_ends(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuqio.remote.client.MOST_PAGES", 5)
    service = FakeAzure(before=lambda *_: httpx.Response(200, json={"value": [], "nextLink": f"{API}/again"}))
    with pytest.raises(RemoteError, match="more than 5 pages"):
        await client_of(service).jobs()


async def test_storage_elsewhere_is_not_followed(autojump_clock: MockClock) -> None:
    service = FakeAzure(before=lambda *_: httpx.Response(200, json={"sasUri": "https://evil.example/c?sig=1"}))
    with pytest.raises(RemoteError, match="'https://evil.example/c' is not of this service or its storage"):
        await client_of(service).sas_uri("c")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_error(status: int, autojump_clock: MockClock) -> None:
    service = FakeAzure(before=lambda *_: httpx.Response(status, headers={"location": f"{API}/elsewhere"}))
    with pytest.raises(RemoteError, match=f"was answered by {status}") as caught:
        await client_of(service).get_job(ID)
    assert caught.value.status == status
    assert len(service.seen) == 1


class TestPutAgain:
    async def test_a_job_whose_first_answer_was_lost_is_ours(self, autojump_clock: MockClock) -> None:
        class Losing(FakeAzure):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await super().handle_async_request(request)
                if request.method == "PUT" and len(self.seen) == 1:
                    raise httpx.ReadError("lost")
                return response

        service = Losing(held=True)
        message = await client_of(service).put_job(a_job())
        assert (message.id, service.runs) == (ID, {ID: 1})
        assert [line.split()[0] for line in service.seen] == ["PUT", "PUT", "GET"]

    async def test_a_job_of_somebody_else_is_not_ours(self, autojump_clock: MockClock) -> None:
        client = client_of(FakeAzure(held=True))
        await client.put_job(a_job())
        with pytest.raises(RemoteError, match="JobAlreadyExists") as caught:
            await client.put_job(JobMessage(id=ID, name="n", provider_id="m", target="t", input_data_uri=f"{BLOBS}/x"))
        assert caught.value.status == 409


class TestTokens:
    async def test_a_token_that_is_rejected_is_renewed_once(self, autojump_clock: MockClock) -> None:
        handed: list[str] = []

        class Credential:
            async def get_token(self, *scopes: str) -> Any:
                handed.append(["stale", KEY, "never"][len(handed)])
                return SimpleNamespace(token=handed[-1], expires_on=4e9)

        client = client_of(FakeAzure(), auth=Bearer(Credential()))
        assert await client.jobs() == []
        assert await client.jobs() == []
        assert handed == ["stale", KEY]

    async def test_a_credential_that_is_never_accepted_fails(self, autojump_clock: MockClock) -> None:
        class Credential:
            async def get_token(self, *scopes: str) -> Any:
                return SimpleNamespace(token="planted-token", expires_on=4e9)

        service = FakeAzure()
        for auth in (Bearer(Credential()), ApiKey(Secret("planted-wrong")), NoAuth()):
            with pytest.raises(AuthenticationFailed, match="401: Unauthorized: Who is this") as caught:
                await client_of(service, auth=auth).jobs()
            assert (caught.value.status, caught.value.code) == (401, "Unauthorized")
        assert len(service.seen) == 2 + 1 + 1

    @pytest.mark.parametrize("auth", [ApiKey(Secret("k")), Bearer(None)])
    def test_neither_keys_nor_tokens_go_over_plain_http(self, auth: Any) -> None:
        with pytest.raises(InvalidParameter, match="Neither keys nor tokens are sent to http://solver.example"):
            client_of(FakeAzure(), auth=auth, api="http://solver.example")
        assert client_of(FakeAzure(), auth=auth, api="http://127.0.0.1:8000")
        assert client_of(FakeAzure(), auth=NoAuth(), api="http://solver.example")


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (refused(404, "JobNotFound", "No."), JobNotFound, "No job of the workspace 'space' has the id"),
        (refused(403, "Forbidden", "Not you."), AuthenticationFailed, "403: Forbidden: Not you."),
        (refused(400, "InvalidInput", "Bad name."), RemoteError, "400: InvalidInput: Bad name."),
        (httpx.Response(418, text="<html>tea?sig=planted</html>"), RemoteError, "418: it does not say why"),
        (httpx.Response(200, text="{"), RemoteError, "answer can't be read"),
        (httpx.Response(200, json={"name": 7}), RemoteError, "answer can't be read"),
        (httpx.Response(200, text="[" * 10**5), RemoteError, "answer can't be read"),
    ],
)
async def test_refusals_are_errors_that_say_why(
    answer: httpx.Response, kind: type[Exception], said: str, autojump_clock: MockClock
) -> None:
    body = raw(answer.status_code, {}, answer.content)
    with pytest.raises(kind, match=said) as caught:
        await client_of(FakeAzure(before=lambda *_: body)).get_job(ID)
    assert "planted" not in str(caught.value)


async def test_an_error_does_not_repeat_the_key_that_it_quotes(autojump_clock: MockClock) -> None:
    service = FakeAzure(before=lambda *_: refused(400, "Bad", f"You sent {KEY} to {API}/x?sig=planted"))
    with pytest.raises(RemoteError, match="You sent .* to https") as caught:
        await client_of(service).jobs()
    assert "planted" not in str(caught.value)


async def test_it_says_what_it_is(autojump_clock: MockClock) -> None:
    agents: list[str] = []

    def note(service: FakeAzure, request: httpx.Request) -> None:
        agents.append(request.headers["user-agent"])
        assert request.headers["x-ms-client-request-id"]

    client = client_of(FakeAzure(before=note))
    own = Client(client.endpoint, WORKSPACE, client.transport, ApiKey(Secret(KEY)), user_agent=lambda: "mine")
    await client.jobs()
    await own.jobs()
    assert agents[0].startswith("gpuqio Python/3.")
    assert agents[1] == f"mine {agents[0]}"
