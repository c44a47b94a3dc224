"""Which addresses of others are called, and which are where only we can reach."""

from __future__ import annotations

import pytest

from bridge.domain.endpoints import LOOPBACK, check_endpoint, is_permitted
from bridge.errors import BridgeError


@pytest.mark.parametrize("url", ["https://example.org/x", "https://example.org:8443/x?y=1", "http://127.0.0.1:9/x"])
def test_a_public_address_is_called_and_this_machine_where_the_settings_say_so(url: str) -> None:
    assert check_endpoint(url, LOOPBACK).geturl() == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "http://127.0.0.1:8080/x",
        "http://localhost:8080/x",
        "http://[::1]:8080/x",
        "https://127.0.0.2/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/x",
        "https://[fe80::1]/x",
        "https://[fc00::1]/x",
        "https://[::ffff:192.168.1.1]/x",
        "https://[64:ff9b::a00:1]/x",
        "https://[2002:a00:1::]/x",
        "https://0.0.0.0/x",
        "https://224.0.0.1/x",
        "https://me@example.org/x",
        "https://example.org/x#y",
        "https://example.org:0/x",
        "https://exam ple.org/x",
        "https:///x",
        "https://[bad/x",
        "file:///etc/passwd",
    ],
)
def test_what_only_we_can_reach_and_what_is_no_address_is_not(url: str) -> None:
    with pytest.raises(BridgeError):
        check_endpoint(url)


def test_a_refusal_of_a_private_address_names_the_setting_that_allows_it() -> None:
    with pytest.raises(BridgeError, match=r"\[fhir\.subscriptions\] names in private"):
        check_endpoint("http://127.0.0.1:9000/told")


def test_a_network_of_ours_is_called_where_the_settings_say_so_and_over_tls_only() -> None:
    assert is_permitted("10.1.2.3", "https", ("10.0.0.0/8",))
    assert not is_permitted("10.1.2.3", "http", ("10.0.0.0/8",))
    assert not is_permitted("192.168.1.1", "https", ("10.0.0.0/8",))
    assert not is_permitted("not an address", "https", ("10.0.0.0/8",))
