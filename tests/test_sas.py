from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest

from gpuqio.remote.sas import check, sign

KEY = bytes(range(32))
EXPIRES = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = EXPIRES - timedelta(days=1)


def opened(query: str, container: str = "job-1", blob: str | None = "inputData", needs: str = "r") -> str | None:
    return check(dict(parse_qsl(query)), "account", KEY, container, blob, needs, NOW)


@pytest.mark.parametrize(
    ("blob", "query"),
    [
        # What azure-storage-blob's generate_container_sas and generate_blob_sas sign for these, at this version.
        (
            None,
            "sv=2020-12-06&se=2030-01-02T03%3A04%3A05Z&sr=c&sp=racw&sig=SZ9YHNWOcY5ndKvvBH3nXubsdabtWT9cAQHFA8aKG%2Bk%3D",
        ),
        (
            "a b/ü",
            "sv=2020-12-06&se=2030-01-02T03%3A04%3A05Z&sr=b&sp=racw&sig=wY0pfudm5I1dcickTOuDznjilM6HkNcaRpq%2FORw2gl4%3D",
        ),
    ],
)
def test_a_signature_is_azure_storages(blob: str | None, query: str) -> None:
    assert sign("account", KEY, "job-1", blob, permissions="wcar", expires=EXPIRES) == query


def test_a_container_is_opened_with_all_that_is_in_it() -> None:
    query = sign("account", KEY, "job-1", permissions="rcw", expires=EXPIRES)
    assert opened(query) is None
    assert opened(query, blob=None, needs="c") is None
    assert opened(query, blob="other", needs="cw") is None
    assert opened(query, container="job-2") == "AuthenticationFailed"


def test_a_blobs_signature_opens_that_blob_only() -> None:
    query = sign("account", KEY, "job-1", "inputData", permissions="r", expires=EXPIRES)
    assert opened(query) is None
    assert opened(query, blob="outputData") == "AuthenticationFailed"
    assert opened(query, blob=None) == "AuthenticationFailed"
    assert opened(query, needs="cw") == "AuthorizationPermissionMismatch"


def test_time_runs_out_wherever_the_clock_stands() -> None:
    there = timezone(timedelta(hours=9))
    assert opened(sign("account", KEY, "job-1", permissions="r", expires=NOW.astimezone(there))) is not None
    later = (NOW + timedelta(seconds=1)).astimezone(there)
    assert opened(sign("account", KEY, "job-1", permissions="r", expires=later)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("se=2030", "se=2031"),
        ("sp=r", "sp=rw"),
        ("sr=c", "sr=b"),
        ("sr=c", "sr=q"),
        ("sv=2020-12-06", "sv=2015-04-05"),
        ("sig=", "sig=A"),
        ("sig=", "gis="),
        ("se=", "es="),
        ("sig=", "sig=ü"),
    ],
)
def test_what_is_not_signed_is_refused(old: str, new: str) -> None:
    query = sign("account", KEY, "job-1", permissions="r", expires=EXPIRES)
    assert old in query
    assert opened(query.replace(old, new)) == "AuthenticationFailed"


def test_other_keys_and_accounts_sign_otherwise() -> None:
    assert opened(sign("account", KEY[::-1], "job-1", permissions="r", expires=EXPIRES)) == "AuthenticationFailed"
    assert opened(sign("other", KEY, "job-1", permissions="r", expires=EXPIRES)) == "AuthenticationFailed"
    assert opened("") == "AuthenticationFailed"
