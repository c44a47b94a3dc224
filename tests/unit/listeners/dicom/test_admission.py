"""Who may call, and what for."""

from __future__ import annotations

import pytest

from bridge.codecs.dicom.status import Service
from bridge.listeners.dicom.admission import Admission, Caller, Rejection, may_come_plain, parse_networks
from bridge.listeners.dicom.ports import Peer

PEERS = (
    Peer("CT1", "127.0.0.1", 104, ("modality",)),
    Peer("MR1", "192.0.2.10", 104, ("modality",), networks=("198.51.100.0/24",), aliases=("MR1_MPPS",)),
    Peer("OFFICE", "192.0.2.20", 104, ("referrer",)),
    Peer("VIEW", "192.0.2.30", 104, ("viewer",)),
    Peer("PACS", "192.0.2.40", 104, ("archive",)),
)


def admit(called: str, calling: str, address: str, *, any_caller: bool = False) -> Caller | Rejection:
    return Admission("BRIDGE", PEERS, any_caller=any_caller).admit(called, calling, address, "a1")


@pytest.mark.parametrize(
    ("called", "calling", "address", "diagnostic"),
    [
        ("OTHER", "CT1", "127.0.0.1", 7),
        ("bridge", "CT1", "127.0.0.1", 7),
        ("../../etc", "CT1", "127.0.0.1", 7),
        ("BRIDGE", "CT2", "127.0.0.1", 3),
        ("BRIDGE", "", "127.0.0.1", 3),
        ("BRIDGE", "CT1", "192.0.2.10", 3),
        ("BRIDGE", "MR1", "192.0.2.11", 3),
    ],
)
def test_who_does_not_fit_is_rejected_with_the_reason(called: str, calling: str, address: str, diagnostic: int) -> None:
    verdict = admit(called, calling, address)
    assert isinstance(verdict, Rejection)
    assert verdict.diagnostic == diagnostic


@pytest.mark.parametrize(
    ("calling", "address"),
    [
        ("CT1", "127.0.0.1"),
        ("CT1", "127.8.9.10"),
        ("CT1", "::1"),
        ("MR1", "192.0.2.10"),
        ("MR1", "::ffff:192.0.2.10"),
        ("MR1", "198.51.100.77"),
    ],
)
def test_a_peer_may_call_from_its_own_addresses(calling: str, address: str) -> None:
    assert isinstance(admit("BRIDGE", calling, address), Caller)


@pytest.mark.parametrize(
    ("calling", "address", "rights"),
    [
        ("MR1", "192.0.2.10", {"worklist", "performed_step", "storage", "commitment", "find", "get", "move"}),
        ("OFFICE", "192.0.2.20", {"storage", "commitment"}),
        ("VIEW", "192.0.2.30", {"find", "get", "move"}),
        ("PACS", "192.0.2.40", {"storage", "commitment", "availability", "find", "get", "move"}),
    ],
)
def test_roles_say_what_a_peer_may_do_and_all_may_echo(calling: str, address: str, rights: set[str]) -> None:
    caller = admit("BRIDGE", calling, address)
    assert isinstance(caller, Caller)
    assert caller.rights == {Service(right) for right in rights} | {Service.VERIFICATION}


def test_with_any_caller_a_stranger_is_a_modality_and_our_title_still_counts() -> None:
    stranger = admit("BRIDGE", "WHO", "203.0.113.5", any_caller=True)
    assert isinstance(stranger, Caller)
    assert Service.WORKLIST in stranger.rights
    assert isinstance(admit("OTHER", "WHO", "203.0.113.5", any_caller=True), Rejection)


def test_a_device_that_calls_by_an_alias_is_that_device() -> None:
    caller = admit("BRIDGE", "MR1_MPPS", "192.0.2.10")
    assert isinstance(caller, Caller)
    assert caller.ae_title == "MR1"
    assert isinstance(admit("BRIDGE", "MR1_MPPS", "127.0.0.1"), Rejection)


def test_a_peer_without_an_address_is_named_and_kept_out() -> None:
    admission = Admission("BRIDGE", [Peer("LOST", "no-such-host.invalid", 104, ("modality",))], any_caller=False)
    assert admission.unresolved == ["LOST"]
    assert isinstance(admission.admit("BRIDGE", "LOST", "192.0.2.1", "a1"), Rejection)


@pytest.mark.parametrize(
    ("address", "may"), [("127.0.0.1", True), ("::1", True), ("192.0.2.9", True), ("192.0.3.9", False)]
)
def test_only_loopback_and_named_networks_come_without_tls(address: str, may: bool) -> None:
    assert may_come_plain(address, parse_networks(["192.0.2.0/24"])) is may
