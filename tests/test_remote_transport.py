"""When a request is sent again, how long that is put off, and what ends it."""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import httpx
import pytest
import trio
from trio.testing import MockClock

from gpuqio.errors import RemoteError
from gpuqio.remote.transport import CONNECTIONS, FEW_TRIES, TRIES, Answer, Transport, open_client, retry_after
from tests.fake_azure import raw

Step = httpx.Response | Exception
URL = "https://host/path?sig=planted-signature"


class Script:
    """Answers with one step after another, the last one for ever; remembers when it was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.times: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        self.times.append(trio.current_time())
        step = self.steps[min(len(self.times), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        return step


async def ask(script: Script, method: str = "GET", patient: bool = True, **settings: object) -> Answer:
    transport = Transport(open_client(httpx.MockTransport(script)), seed=1, patient=patient)
    return await transport.send(method, URL, headers={}, **settings)  # type: ignore[arg-type]  # the test's own


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_transient_refusal_is_asked_again(status: int, autojump_clock: MockClock) -> None:
    script = Script(httpx.Response(status), httpx.Response(200, content=b"done"))
    answer = await ask(script)
    assert (answer.status, answer.body, answer.tries) == (200, b"done", 2)


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 401, 404, 409, 412, 501])
async def test_every_other_answer_is_the_answer(status: int, autojump_clock: MockClock) -> None:
    script = Script(httpx.Response(status, headers={"location": "https://elsewhere/", "retry-after": "1"}))
    assert (await ask(script)).status == status
    assert len(script.times) == 1


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.WriteError("broken pipe"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed"),
    ],
)
async def test_a_lost_connection_is_tried_again(error: Exception, autojump_clock: MockClock) -> None:
    assert (await ask(Script(error, error, httpx.Response(200)))).tries == 3


async def test_a_truncated_body_is_tried_again(autojump_clock: MockClock) -> None:
    cut = httpx.Response(200, headers={"Content-Length": "9"}, stream=raw(200, {}, b"half").stream)
    assert (await ask(Script(cut, httpx.Response(200, content=b"a whole 1")))).body == b"a whole 1"


async def test_a_length_that_is_no_number_is_not_heeded(autojump_clock: MockClock) -> None:
    odd = httpx.Response(200, headers={"Content-Length": "9" * 5000}, stream=raw(200, {}, b"half").stream)
    assert (await ask(Script(odd))).body == b"half"


async def test_it_gives_up_after_so_many_tries_and_says_what_the_last_one_met(autojump_clock: MockClock) -> None:
    script = Script(httpx.ReadError(f"at {URL}"))
    with pytest.raises(RemoteError, match=f"GET https://host/path got no answer in {TRIES} tries") as caught:
        await ask(script)
    assert len(script.times) == TRIES
    assert (caught.value.status, caught.value.__context__) == (0, None)
    assert (await ask(Script(httpx.Response(503)))).tries == TRIES


async def test_the_impatient_give_up_soon_what_does_not_answer(autojump_clock: MockClock) -> None:
    with pytest.raises(RemoteError, match=f"no answer in {FEW_TRIES} tries"):
        await ask(Script(httpx.ConnectError("refused")), patient=False)
    assert trio.current_time() < 2
    busy = Script(*[httpx.Response(503)] * (FEW_TRIES + 1), httpx.Response(200))
    assert (await ask(busy, patient=False)).status == 200


async def test_delays_grow_are_bounded_and_differ(autojump_clock: MockClock) -> None:
    script = Script(httpx.Response(503))
    await ask(script)
    delays = [late - early for early, late in zip(script.times, script.times[1:], strict=False)]
    for place, delay in enumerate(delays):
        most = min(0.5 * 2**place, 30.0)
        assert most / 2 <= delay <= most
    assert len({delay / 2**place for place, delay in enumerate(delays[:6])}) == 6


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "2500", "Retry-After": "9"}, 2.5),
    ],
)
async def test_it_waits_as_long_as_the_service_asks(
    headers: dict[str, str], seconds: float, autojump_clock: MockClock
) -> None:
    script = Script(httpx.Response(429, headers=headers), httpx.Response(200))
    await ask(script)
    assert seconds <= script.times[1] - script.times[0] <= 1.1 * seconds


def test_a_date_is_understood_too() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert 55 < (retry_after({"retry-after": format_datetime(soon, usegmt=True)}) or 0) <= 60
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    for text in ("soon", "²", "9" * 5000, f"Wed, 21 Oct 2015 07:28:00 +{'9' * 30}"):
        assert retry_after({"retry-after": text}) is None
        assert retry_after({"retry-after-ms": text, "retry-after": "3"}) == 3.0
    assert retry_after({}) is None


@pytest.mark.parametrize("step", [httpx.Response(503, headers={"Retry-After": "6"}), httpx.ReadError("lost")])
async def test_it_never_sleeps_beyond_the_callers_deadline(step: Step, autojump_clock: MockClock) -> None:
    script = Script(step)
    began = trio.current_time()
    with trio.fail_after(5):
        if isinstance(step, httpx.Response):
            assert (await ask(script)).status == 503
        else:
            with pytest.raises(RemoteError):
                await ask(script)
    assert trio.current_time() - began < 5
    assert len(script.times) == (1 if isinstance(step, httpx.Response) else 4)


async def test_a_service_that_asks_for_too_long_is_not_waited_for(autojump_clock: MockClock) -> None:
    script = Script(httpx.Response(503, headers={"Retry-After": "3600"}))
    assert (await ask(script)).tries == 1


async def test_what_is_not_idempotent_is_sent_once(autojump_clock: MockClock) -> None:
    script = Script(httpx.Response(503))
    assert (await ask(script, "POST")).tries == 1
    assert (await ask(Script(httpx.Response(503), httpx.Response(200)), "POST", idempotent=True)).tries == 2
    with pytest.raises(RemoteError, match="in 1 tries"):
        await ask(Script(httpx.ReadError("lost")), "POST")


async def test_a_wrong_certificate_is_not_tried_again(autojump_clock: MockClock) -> None:
    script = Script(httpx.ConnectError(str(ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED] it is"))))
    with pytest.raises(RemoteError, match="CERTIFICATE_VERIFY_FAILED"):
        await ask(script)
    assert len(script.times) == 1


async def test_an_answer_is_bounded_and_not_inflated(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"\x1f\x8b" + bytes(98)
    assert (await ask(Script(raw(200, {"Content-Encoding": "gzip"}, data)))).body == data
    monkeypatch.setattr("gpuqio.remote.transport.MOST_BYTES", 99)
    for large in (raw(200, {"Content-Encoding": "gzip"}, data), httpx.Response(200, content=data)):
        with pytest.raises(RemoteError, match="larger than 99 bytes"):
            await ask(Script(large))


async def test_a_url_of_another_kind_is_refused_at_once() -> None:
    transport = Transport(open_client(), seed=1)
    for url in ("ftp://host/", "http://", "https://[::1/"):
        with pytest.raises(RemoteError, match="no answer that can be used") as caught:
            await transport.send("GET", url, headers={})
        assert caught.value.__context__ is None


async def test_nothing_may_come_compressed_that_is_not_stored_so() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers["accept-encoding"])

    transport = Transport(open_client(httpx.MockTransport(answer)))
    assert (await transport.send("GET", URL, headers={})).body == b"identity"


async def test_no_more_requests_than_connections_are_under_way(autojump_clock: MockClock) -> None:
    running = most = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        return httpx.Response(200)

    transport = Transport(open_client(httpx.MockTransport(slow)), seed=1)
    async with trio.open_nursery() as nursery:
        for _ in range(3 * CONNECTIONS):
            nursery.start_soon(lambda: transport.send("GET", URL, headers={}))
    assert most == CONNECTIONS


async def test_a_sleep_between_tries_keeps_no_connection(autojump_clock: MockClock) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.url.path == "/quick" else 503, headers={"Retry-After": "60"})

    transport = Transport(open_client(httpx.MockTransport(answer)), seed=1)
    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(lambda: transport.send("GET", URL, headers={}))
        await trio.sleep(1)
        with trio.fail_after(1):
            await transport.send("GET", "https://host/quick", headers={})
        nursery.cancel_scope.cancel()


async def test_a_whole_try_is_not_cut_short(autojump_clock: MockClock) -> None:
    done: list[str] = []

    async def slow(request: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        done.append(request.method)
        return httpx.Response(200)

    transport = Transport(open_client(httpx.MockTransport(slow)), seed=1)
    with trio.move_on_after(1) as scope:
        await transport.send("PUT", URL, headers={}, whole=10)
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert done == ["PUT"]
    with pytest.raises(RemoteError, match=f"in {TRIES} tries; of the last one: none within 2 seconds"):
        await transport.send("PUT", URL, headers={}, whole=2)


async def test_a_request_that_is_cancelled_while_it_is_sent_leaves_nothing_open() -> None:
    half_sent = trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        for _ in range(8):
            await stream.receive_some(2**12)
        half_sent.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with open_client() as client, trio.open_nursery() as asking:
            put = partial(Transport(client).send, "PUT", f"http://127.0.0.1:{port}/", headers={}, content=b"x" * 2**24)
            asking.start_soon(put)
            await half_sent.wait()
            asking.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    gc.collect()  # what httpx left open would warn


def test_the_pool_holds_what_the_limiter_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Limits] = []
    made: Callable[..., httpx.AsyncClient] = httpx.AsyncClient

    def note(**settings: object) -> httpx.AsyncClient:
        assert isinstance(settings["limits"], httpx.Limits)
        seen.append(settings["limits"])
        return made(**settings)

    monkeypatch.setattr(httpx, "AsyncClient", note)
    open_client()
    assert [limits.max_connections for limits in seen] == [CONNECTIONS]
