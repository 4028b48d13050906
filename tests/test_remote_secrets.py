"""Secrets stay where they are put."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

from gpuqio.remote.secrets import Secret, bare, quieten, scrub

KEY = "planted-key-0123456789"


def test_a_secret_shows_itself_to_nobody_but_who_asks() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret(KEY)
    assert secret != Secret("other")
    assert hash(secret) == hash(Secret(KEY))
    assert not Secret("")


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps({"key": Secret(KEY)})
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (f"https://a.blob.core.windows.net/c/b?sv=1&sig={KEY}", "https://a.blob.core.windows.net/c/b"),
        (f"https://user:{KEY}@host:8/c/b#{KEY}", "https://host:8/c/b"),
        ("http://127.0.0.1:10000/dev/c/b", "http://127.0.0.1:10000/dev/c/b"),
        ("local:/c/b", "local:/c/b"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_a_bare_uri_names_the_same_and_opens_nothing(uri: str, name: str) -> None:
    assert bare(uri) == name


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://a/c/b?sv=1&sig={KEY} failed",
        f"sig={KEY}&se=1",
        f"AccountName=a;AccountKey={KEY}==;EndpointSuffix=x",
        f"SubscriptionId=1;ApiKey={KEY};QuantumEndpoint=https://x/",
        f"[(b'x-ms-quantum-api-key', b'{KEY}')]",
        f"Authorization: Bearer {KEY}",
        f"'Bearer {KEY}'",
        f"Authorization: SharedKey account:{KEY}=",
        f"[(b'Authorization', b'SharedKey account:{KEY}=')]",
        f"Authorization: {KEY} and more",
    ],
)
def test_known_forms_of_secrets_are_scrubbed(text: str) -> None:
    assert KEY not in scrub(text)


def test_what_is_no_secret_stays() -> None:
    text = "PUT https://a/subscriptions/1/jobs/2 201 Created, signed by nobody"
    assert scrub(text) == text
    assert scrub(f"an echo of {KEY}", [Secret(KEY), Secret("")]) == "an echo of ***"


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "httpcore.connection"])
def test_the_loggers_of_httpx_are_scrubbed_and_keep_talking(name: str, caplog: pytest.LogCaptureFixture) -> None:
    quieten()
    quieten()
    with caplog.at_level(logging.DEBUG, name):
        logging.getLogger(name).info("HTTP Request: %s %s", "GET", f"https://a/b?sig={KEY}")
    assert caplog.messages == ["HTTP Request: GET https://a/b?***"]
