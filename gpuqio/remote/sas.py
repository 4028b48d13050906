"""Shared access signatures of Azure Storage: made with the account's key, and checked with it.

A service SAS names a container or a blob, what may be done with it, and until when; whoever has the URI may do that.

Source: "Create a service SAS" of the public documentation of Azure Storage, version 2020-12-06.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

__all__ = ["VERSION", "check", "sign"]

VERSION = "2020-12-06"
PERMISSIONS = "racwdxyltmeopi"
"""All there are, in the order that the service wants them in."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"
# What is signed besides, in this order, and empty here: the snapshot, the encryption scope, five headers.
_UNUSED = ("", "", "", "", "", "", "")


def sign(
    account: str, key: bytes, container: str, blob: str | None = None, *, permissions: str, expires: datetime
) -> str:
    """The query string, without ``?``, that opens a container, or one blob of it.

    Args:
        account: the storage account's name.
        key: its key, decoded from base64.
        container, blob: names, not quoted; no blob for all that is in the container.
        permissions: letters, such as "r" to read, "a" add, "c" create, "w" write, "l" list.
        expires: an aware datetime.
    """
    fields = {
        "sv": VERSION,
        "se": expires.astimezone(UTC).strftime(_TIME),
        "sr": "c" if blob is None else "b",
        "sp": "".join(letter for letter in PERMISSIONS if letter in permissions),
    }
    return urlencode({**fields, "sig": _signature(account, key, container, blob, fields)})


def check(
    query: Mapping[str, str], account: str, key: bytes, container: str, blob: str | None, needs: str, now: datetime
) -> str | None:
    """Whether a query opens a resource: None if so, else the service's code for why not.

    Args:
        query: the request's, decoded.
        account, key: as for `sign`.
        container, blob: what is asked for; no blob for the container itself.
        needs: letters, any of which will do.
        now: the time, aware.
    """
    resource = query.get("sr")
    if resource not in ("c", "b") or query.get("sv") != VERSION:
        return "AuthenticationFailed"
    named = blob if resource == "b" else None
    expected = _signature(account, key, container, named, query)
    if not hmac.compare_digest(query.get("sig", "").encode(), expected.encode()):
        return "AuthenticationFailed"
    # The fields are what the key's owner wrote, from here on.
    if resource == "b" and blob is None:
        return "AuthorizationResourceTypeMismatch"
    if now >= datetime.strptime(query.get("se", ""), _TIME).replace(tzinfo=UTC):
        return "AuthenticationFailed"
    if not set(needs) & set(query.get("sp", "")):
        return "AuthorizationPermissionMismatch"
    return None


def _signature(account: str, key: bytes, container: str, blob: str | None, fields: Mapping[str, str]) -> str:
    path = container if blob is None else f"{container}/{blob}"
    start, identifier, address, scheme = "", "", "", ""
    lines = (
        *(fields.get("sp", ""), start, fields.get("se", ""), f"/blob/{account}/{path}"),
        *(identifier, address, scheme, fields.get("sv", ""), fields.get("sr", "")),
        *_UNUSED,
    )
    digest = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
