"""What is sent to a server to break it: each is refused with the right code, and takes no memory to speak of.

Elsewhere: other text than JSON and hosts that are not this server (`test_server_jobs`), keys and rates
(`test_server_guard`), signatures of other names (`test_server_blobs`), archives (`test_archives`).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from gpuqio.varints import varint
from tests.a_server import CHAIN, ENDLESS, QUICK, WORKSPACE, a_server, blob_of, blob_uri, job
from tests.a_server_process import ServerProcess
from tests.test_archives import END, header
from tests.test_server_blobs import code_of

MB = 2**20
FLAT = 64 * MB
"""What all that is tried on a server may add to the most memory it ever had. It reads text of 20 MB at a time here."""

TEN = {**CHAIN, "terms": [{"c": 1, "ids": [i]} for i in range(10)]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that has solved a problem, so that all its code is loaded."""
    with ServerProcess(tmp_path_factory.mktemp("abused") / "data") as server:
        assert told_of(server, "first", blob_of(CHAIN))["status"] == "Succeeded"
        yield server


def told_of(server: ServerProcess, job_id: str, data: bytes, params: Any = QUICK, **headers: str) -> dict[str, Any]:
    """What a job with that problem comes to."""
    container = server.container("problems")
    uri = server.put_problem(container, job_id, data, **headers)
    return server.solved(job_id, job(container, inputDataUri=uri, inputParams=params))


def bomb(before: bytes, filler: bytes, after: bytes, members: int = 1) -> bytes:
    """195 MB of text in 200 KB of gzip, or in 200 members of 1 KB each."""
    if members > 1:
        return gzip.compress(filler * (MB // len(filler)), 9) * members
    return gzip.compress(before + filler * (195 * MB // len(filler)) + after, 9)


LISTS = (b'{"cost_function":{"type":"pubo","terms":5},"x":[', b"[],", b"0]}")
BOMBS = {
    "space": (b"", b" ", b"", 200),
    "lists": (*LISTS, 1),
    "zeros in an archive": (header(size=b"%011o" % (190 * MB)), b"\0", b"", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_fails_its_job_and_nothing_else(server: ServerProcess, name: str) -> None:
    data = bomb(*BOMBS[name])
    assert 150_000 < len(data) < 260_000
    before = server.peak_memory
    told = told_of(server, f"bomb-{list(BOMBS).index(name)}", data)
    assert (told["status"], told["errorData"]["code"]) == ("Failed", "InvalidInputData")
    assert told["errorData"]["message"].startswith("AZQ105: The data inflates to more than")
    assert server.peak_memory - before < FLAT


CUT = b"\x0a" + varint(10**8) + b"\x1a\x02\x12\x00" * 10
IDS = b"\x0a\x08\x1a\x06\x12" + varint(10**7)
ONE_BY_ONE = b"\x10\x01" * 10**6 + b"\x09"
ONE_BY_ONE = b"\x1a" + varint(len(ONE_BY_ONE)) + ONE_BY_ONE
ONE_BY_ONE = b"\x0a" + varint(len(ONE_BY_ONE)) + ONE_BY_ONE
PUBO = b'{"cost_function":{"type":"pubo","terms":'
CLAIMS = {
    "a message of ten million terms that has ten": header(size=b"%011o" % len(CUT)) + CUT.ljust(512, b"\0") + END,
    "an archive of 8 GB that has none": header(size=b"77777777777") + END,
    "a term of ten million variables": header(size=b"%011o" % len(IDS)) + IDS.ljust(512, b"\0") + END,
    "a million variables one by one, and then no more": header(size=b"%011o" % len(ONE_BY_ONE)) + ONE_BY_ONE + END,
    "text that goes on": PUBO + b"[" + b'{"c":1,"ids":[0]},' * 9,
    "15 MB of lists where a number is wanted": gzip.compress(LISTS[0] + LISTS[1] * (5 * MB) + LISTS[2]),
    "15 MB of lists as a start value": gzip.compress(
        PUBO + b'[],"initial_configuration":{"0":[' + LISTS[1] * (5 * MB) + b"0]}}}"
    ),
    "15 MB of brackets": gzip.compress(b'{"x":' + b"[" * (15 * MB)),
    "a number of 15 MB": gzip.compress(PUBO + b'[{"c":' + b"9" * (15 * MB) + b"}]}}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_a_problem_that_claims_much_fails_its_job(server: ServerProcess, name: str) -> None:
    before = server.peak_memory
    told = told_of(server, f"claim-{list(CLAIMS).index(name)}", CLAIMS[name])
    assert (told["status"], told["errorData"]["code"]) == ("Failed", "InvalidInputData")
    assert told["errorData"]["message"].startswith(("AZQ105: ", "AZQ103: ", "AZQ104: "))
    assert len(told["errorData"]["message"]) < 400
    assert server.peak_memory - before < FLAT


@pytest.mark.slow
def test_numbers_that_are_said_of_a_problem_are_not_believed(server: ServerProcess) -> None:
    """A problem has as many variables as it names, whatever their names; what it lacks of its terms is missed."""
    before = server.peak_memory
    claim = {"x-ms-meta-num_terms": str(10**7), "x-ms-meta-max_coupling": str(10**9)}
    told = told_of(server, "said", blob_of(TEN), **claim)
    assert (told["status"], told["errorData"]["code"]) == ("Failed", "InvalidInputData")
    assert told["errorData"]["message"].startswith("AZQ105: The problem's metadata says num_terms='10000000'")
    assert told_of(server, "true", blob_of(TEN), **{"x-ms-meta-num_terms": "10"})["status"] == "Succeeded"
    far = [{"c": 1, "ids": [2**63 - 1 - i, 2**62 + i]} for i in range(10)]
    assert told_of(server, "far", blob_of({**TEN, "terms": far}))["status"] == "Succeeded"
    assert server.peak_memory - before < FLAT


ASKS = [
    ({"replicas": 10**9}, "AZQ107"),  # beyond the parameter's own range
    ({"sweeps": 10**15}, "AZQ107"),
    ({"sweeps": 2**62, "replicas": 2**62}, "AZQ107"),
    ({"sweeps": 10**9, "replicas": 10_000}, "AZQ001"),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ASKS)))
def test_parameters_that_ask_for_too_much_fail_their_job(server: ServerProcess, number: int) -> None:
    params, code = ASKS[number]
    before = server.peak_memory
    told = told_of(server, f"asks-{number}", blob_of(TEN), {"params": params})
    assert told["status"] == "Failed"
    assert told["errorData"]["code"] == ("InsufficientResources" if code == "AZQ001" else "InvalidInputData")
    assert told["errorData"]["message"].startswith(f"{code}: ")
    assert server.peak_memory - before < FLAT


def a_request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as it is on the wire; nothing of it is put right."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("abc/../../sas.key", 400),
        ("abc/%2e%2e/%2e%2e/sas.key", 400),
        ("abc/%2e%2e%2f%2e%2e%2fsas.key", 400),
        ("abc%2f..%2f..%2fsas.key", 400),
        ("abc/..%5c..%5csas.key", 400),
        ("abc/..\\..\\sas.key", 400),
        ("abc/%2fetc/passwd", 201),  # a name as any other: it leads nowhere
        ("abc/%252e%252e/x", 201),  # "%2e%2e", once decoded
        ("abc/a/./b", 400),
        ("abc/a%00.txt", 400),
        ("abc/a%0d%0aSet-Cookie:%20a", 404),
        ("abc/%c0%ae%c0%ae/x", 201),  # no UTF-8, and so no dots
        ("abc/" + "a" * 1024, 201),
        ("abc/" + "a" * 1025, 400),
        ("abc/" + "a" * 200_000, 431),
        ("%2e%2e/x", 400),
        ("../x", 400),
        ("a%2fb/x", 400),
        ("abc%00/x", 400),
        ("ABC/x", 400),
        ("a" * 64 + "/x", 400),
    ],
)
def test_names_lead_nowhere(server: ServerProcess, path: str, status: int) -> None:
    uri = server.container("abc")
    account, query = uri.split("/")[3], uri.partition("?")[2]
    put = a_request("PUT", f"/{account}/{path}?{query}", "Content-Length: 1", body=b"x")
    assert server.raw(put)[0] == status
    found, headers, _ = server.raw(a_request("GET", f"/{account}/{path}?{query}"))
    assert found == {201: 200}.get(status, status)
    assert "set-cookie" not in headers


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    ["/jobs/%2e%2e%2fquotas", "/jobs/..%5cx", "/jobs/a%00", "/jobs/%c3%bc", "/jobs/" + "a" * 5000, "/jobs/a%0ab"],
)
def test_ids_of_jobs_lead_nowhere(server: ServerProcess, path: str) -> None:
    for method in ("GET", "DELETE"):
        found, _, answer = server.raw(a_request(method, f"{WORKSPACE}{path}?api-version=2022-09-12-preview"))
        assert found in (400, 404)
        assert b'"error":{"code":' in answer


HUGE = str(10**13)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "body", "statuses"),
    [
        ([f"Content-Length: {HUGE}"], b"ten bytes.", (413, 400)),
        (["Content-Length: 1", "Content-Length: 2"], b"ab", (400,)),
        (["Content-Length: -1"], b"", (400,)),
        (["Content-Length: 1", "Transfer-Encoding: chunked"], b"1\r\na\r\n0\r\n\r\n", (201, 400)),
        (["Transfer-Encoding: chunked"], b"ffffffffff\r\nab", (400, 0)),
        (["Transfer-Encoding: gzip"], b"ab", (400, 501)),
        (["Content-Length: 1", "x-ms-meta-a: " + "b" * 200_000], b"x", (400, 431)),
        (["Content-Length: 1", "x-ms-meta-a: b\r\n c"], b"x", (201, 400)),
        (["Content-Length: 1", "x-ms-meta-: b"], b"x", (201, 400)),
        (["Content-Length: 1", "x-ms-meta-a: \xff\xfe"], b"x", (201, 400)),
        (["Content-Length: 1", 'x-ms-blob-content-type: \xff;a="'], b"x", (201, 400)),
        (["Content-Length: 1", "x-ms-blob-content-encoding: \xe9"], b"x", (201, 400)),
        (["Content-Length: 1", "x-ms-meta-a: b\x00c"], b"x", (400,)),
        (["Content-Length: 1", "x-ms-meta-content-length: 999"], b"x", (201,)),
    ],
)
def test_headers_that_no_client_sends_are_refused_or_kept_as_they_are(
    server: ServerProcess, headers: list[str], body: bytes, statuses: tuple[int, ...]
) -> None:
    before = server.peak_memory
    uri = httpx.URL(blob_uri(server.container("abc"), "headers"))
    path = uri.raw_path.decode()
    status, *_ = server.raw(a_request("PUT", path, *headers, body=body), then_hang_up=True)
    assert status in statuses
    if status == 201:
        found, told, data = server.raw(a_request("GET", path))
        assert (found, told["content-length"], data) == (200, "1", b"a" if "chunked" in headers[-1] else b"x")
    assert server.peak_memory - before < FLAT


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        b"<BlockList>" + b"<Latest/>" * 900_000 + b"</BlockList>",
        b"<BlockList>" + b"<Latest>a</Latest>" * 450_000 + b"</BlockList>",
        b"<BlockList>" * 700_000,
        b"<BlockList " + b" ".join(b'a%d=""' % i for i in range(600_000)) + b"/>",
        b"<BlockList>" + b"<Latest>" * 900_000 + b" " * 100 + b"</BlockList>",
        b" " * 2**23,
        b"<BlockList>" + b"x" * 2**23,
        b"<BlockList>" + b" " * (4 * MB),
    ],
)
def test_a_list_of_blocks_takes_no_more_than_it_may_have(server: ServerProcess, text: bytes) -> None:
    before = server.peak_memory
    uri = blob_uri(server.container("abc"), "blocks")
    refused = server.http.put(f"{uri}&comp=blocklist", content=text)
    assert refused.status_code == (413 if len(text) > 2**23 else 400)
    assert server.peak_memory - before < FLAT


def altered(query: str) -> Iterator[tuple[str, str]]:
    """A signature with each of its fields left out, made another, or given twice; and what was done to it."""
    fields = dict(parse_qsl(query))
    others = {"sv": "2015-04-05", "se": "2999-01-01T00:00:00Z", "sr": "b", "sp": "r", "sig": fields["sig"][::-1]}
    assert set(others) == set(fields)
    for name, other in others.items():
        yield f"{name} left out", urlencode({key: value for key, value in fields.items() if key != name})
        yield f"{name} altered", urlencode({**fields, name: other})
        yield f"{name} empty", urlencode({**fields, name: ""})
        yield f"{name} given again", f"{query}&{urlencode({name: other})}"
    yield "in capitals", query.replace("sig=", "SIG=")
    yield "not ASCII", urlencode({**fields, "sig": "ü"})
    yield "not base64", urlencode({**fields, "sig": "\x00"})
    yield "with a resource of the account", urlencode({**fields, "ss": "b", "srt": "sco"})


async def test_a_signature_that_was_altered_in_any_way_opens_nothing(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        uri = await client.container("abc")
        path, _, query = blob_uri(uri, "it").partition("?")
        assert (await client.http.put(f"{path}?{query}", content=b"x")).status_code == 201
        for what, opens in altered(query):
            if what.startswith("with"):  # what is not signed changes nothing
                assert (await client.http.get(f"{path}?{opens}")).status_code == 200
                continue
            for method in ("GET", "PUT"):
                refused = await client.http.request(method, f"{path}?{opens}", content=b"y")
                assert code_of(refused) == (403, "AuthenticationFailed"), what
        assert (await client.http.get(f"{path}?{query}")).content == b"x"


async def test_a_signature_is_for_one_workspace(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        mine = await client.container("abc")
        theirs = await replace(client, workspace=WORKSPACE.replace("/s/", "/t/")).container("abc")
        account, other = mine.split("/")[3], theirs.split("/")[3]
        assert account != other
        for uri in (blob_uri(mine, "it"), f"{mine}&restype=container"):
            refused = await client.http.get(uri.replace(account, other))
            assert code_of(refused) == (403, "AuthenticationFailed")


async def test_another_workspace_s_job_can_t_be_told_from_none(tmp_path: Path) -> None:
    async with a_server(tmp_path) as client:
        await client.put_job("a", inputParams=ENDLESS)
        other = replace(client, workspace=WORKSPACE.replace("/s/", "/t/"))
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", ":cancel")):
            answers = []
            for job_id in ("a", "b"):
                refused = await other.call(method, f"/jobs/{job_id}{path}", content=json.dumps({"name": "mine"}))
                assert refused.status_code == 404
                answers.append(refused.text.replace(f"'{job_id}'", "it"))
            assert answers[0] == answers[1]
        told = await client.get_job("a")
        assert (told["name"], told["status"] in ("Waiting", "Executing")) == ("a chain", True)
        assert (await client.call("DELETE", "/jobs/a")).status_code == 204
