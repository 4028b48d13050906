"""Which addresses are read, and which of those that a service hands out are followed."""

from __future__ import annotations

import pytest

from gpuqio.errors import InvalidParameter, RemoteError
from gpuqio.remote.addresses import ConnectionString, Endpoint
from gpuqio.remote.protocol import WorkspaceName
from gpuqio.remote.secrets import Secret

AZURE = Endpoint("https://westus.quantum.azure.com/")
OWN = Endpoint("https://solver.example:8443/gpu")
LOCAL = Endpoint("http://127.0.0.1:8000")
STRING = "SubscriptionId=1a;ResourceGroupName=g;WorkspaceName=w;ApiKey=planted=key==;QuantumEndpoint=https://h:1/;"


@pytest.mark.parametrize(
    ("endpoint", "uri"),
    [
        (AZURE, "https://account.blob.core.windows.net/c/b?sig=1"),
        (AZURE, "https://westus.quantum.azure.com/c/b"),
        (OWN, "https://solver.example:8443/blobs/c/b"),
        (OWN, "https://solver.example/c/b"),
        (LOCAL, "http://127.0.0.1:10000/account/c/b"),
        (LOCAL, "https://127.0.0.1:10000/account/c/b"),
    ],
)
def test_storage_of_the_service_is_followed(endpoint: Endpoint, uri: str) -> None:
    assert endpoint.blob(uri) == uri


@pytest.mark.parametrize(
    ("endpoint", "uri"),
    [
        (AZURE, "http://account.blob.core.windows.net/c/b"),
        (AZURE, "https://account.blob.core.windows.net:444/c/b"),
        (AZURE, "https://account.blob.core.windows.net.evil.example/c/b"),
        (AZURE, "https://evilblob.core.windows.net/c/b"),
        (AZURE, "https://169.254.169.254/metadata"),
        (AZURE, "https://evil.example#.blob.core.windows.net"),
        (AZURE, "https://user@account.blob.core.windows.net/c/b"),
        (AZURE, "https://account.blob.core.windows.net@evil.example/c/b"),
        (AZURE, "file:///etc/passwd"),
        (AZURE, "//account.blob.core.windows.net/c/b"),
        (AZURE, ""),
        (AZURE, "https://[::1"),
        (OWN, "https://account.blob.core.windows.net/c/b"),
        (OWN, "http://solver.example:8443/blobs"),
        (LOCAL, "http://localhost:8000/"),
        (Endpoint("http://evil.quantum.azure.com.example"), "https://a.blob.core.windows.net/c/b"),
    ],
)
def test_other_hosts_are_not(endpoint: Endpoint, uri: str) -> None:
    with pytest.raises(RemoteError, match="not of this service") as caught:
        endpoint.blob(uri)
    assert caught.value.code == "OtherHost"


def test_keys_go_to_the_service_itself_alone() -> None:
    assert OWN.own("https://solver.example:8443/next?page=2")
    for uri in ("https://solver.example/next", "http://solver.example:8443/next", "https://other.example:8443/"):
        with pytest.raises(RemoteError, match="not followed"):
            OWN.own(uri)
    assert AZURE.own("https://westus.quantum.azure.com:443/next")


@pytest.mark.parametrize("url", ["", "host", "ftp://host", "http://", "https://user:planted-key@host", "https://[::1"])
def test_what_is_no_endpoint_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(InvalidParameter, match="endpoint must be") as caught:
        Endpoint(url)
    assert "planted" not in str(caught.value)


def test_only_https_and_this_machine_are_private() -> None:
    private = ["https://h", "http://localhost:1", "http://127.0.0.2", "http://[::1]:8"]
    assert all(Endpoint(url).is_private for url in private)
    assert not any(Endpoint(url).is_private for url in ["http://h", "http://10.0.0.1", "http://localhost.example"])


def test_a_region_has_an_address() -> None:
    assert Endpoint.of_location("West US").url == "https://westus.quantum.azure.com"
    with pytest.raises(InvalidParameter, match="location"):
        Endpoint.of_location("evil.example/")


def test_a_connection_string_is_read_and_does_not_show_its_key() -> None:
    named = ConnectionString.parse(STRING)
    assert named.workspace == WorkspaceName("1a", "g", "w")
    assert (named.endpoint, named.api_key) == ("https://h:1", Secret("planted=key=="))
    assert "planted" not in repr(named)


def test_a_connection_string_that_lacks_a_part_is_refused_without_being_quoted() -> None:
    with pytest.raises(InvalidParameter, match="lacks workspacename, quantumendpoint") as caught:
        ConnectionString.parse("SubscriptionId=1;ResourceGroupName=g;ApiKey=planted-key;WorkspaceName=")
    assert "planted" not in str(caught.value)
