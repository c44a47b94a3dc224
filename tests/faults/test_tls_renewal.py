"""A certificate is replaced while the product runs: nobody is cut off, and a broken file changes nothing but the log."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.errors import Misconfigured, Unavailable
from bridge.publishers.mllp_client import send_frames
from bridge.safety import ServerTls
from bridge.sections.section import Tls
from tests.cast import PLAIN, adt
from tests.faults.certificates import client_context, make_identity
from tests.faults.mllp_door import answers, frame
from tests.product.running import Product, log_lines, wait_for

Identity = tuple[Path, Path]


@dataclass
class Served:
    """A product that serves the certificate that lies in its folder. trusted: the senders' own identity."""

    product: Product
    place: Identity
    sender: Identity

    def put(self, identity: Identity) -> None:
        for source, target in zip(identity, self.place, strict=True):
            fresh = target.with_suffix(".new")
            shutil.copy(source, fresh)
            os.replace(fresh, target)

    def address(self, name: str = "hl7+tls") -> tuple[str, int]:
        host, _, port = self.product.addresses[name].rpartition(":")
        return host, int(port)

    def takes(self, trusted: Identity, own: Identity | None) -> bool:
        try:
            (answer,) = send_frames(*self.address(), [adt(PLAIN)], client_context(trusted[0], own), 10)
        except Unavailable:
            return False
        return b"MSA|AA|" in answer

    def logged(self, event: str) -> list[dict[str, object]]:
        return [line for line in log_lines(self.product) if line["event"] == event]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("identities")
    found = {name: make_identity(folder, name) for name in ("first", "second", "sender", "stranger")}
    for _, key in found.values():
        key.chmod(0o600)
    return found


def serve(folder: Path, identities: dict[str, Identity], more: str = "") -> Served:
    place = folder / "served.pem", folder / "served.key"
    for source, target in zip(identities["first"], place, strict=True):
        shutil.copy(source, target)
    files = f'certificate = "{place[0]}", key = "{place[1]}", client_ca = "{identities["sender"][0]}", port = 0'
    product = Product(folder, {"hl7": f"port = 0\ntls = {{ {files}{more} }}"}).start("--roles", "hl7")
    return Served(product, place, identities["sender"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, identities: dict[str, Identity]) -> Iterator[Served]:
    found = serve(tmp_path_factory.mktemp("served"), identities)
    yield found
    found.product.stop()


def test_a_replaced_certificate_holds_for_newcomers_and_cuts_nobody_off(
    served: Served, identities: dict[str, Identity]
) -> None:
    first, second = identities["first"], identities["second"]
    context = client_context(first[0], served.sender)
    with context.wrap_socket(socket.create_connection(served.address(), 10), server_hostname="127.0.0.1") as wire:
        wire.sendall(frame(adt(PLAIN, control_id="BEFORE")))
        assert answers(wire) == [("AA", "BEFORE")]
        served.put(second)
        wait_for(lambda: served.logged("tls_renewed"), "the new certificate")
        assert served.takes(second, served.sender)
        assert not served.takes(first, served.sender)
        wire.sendall(frame(adt(PLAIN, control_id="AFTER")))
        assert answers(wire) == [("AA", "AFTER")]


def test_a_broken_file_leaves_the_old_certificate_in_force_and_says_so(
    served: Served, identities: dict[str, Identity]
) -> None:
    served.put(identities["first"])
    wait_for(lambda: served.takes(identities["first"], served.sender), "the first certificate")
    served.place[0].write_text("-----BEGIN CERTIFICATE-----\nhalf of it")
    (said, *_) = wait_for(lambda: served.logged("tls_not_renewed"), "a word about it")

    assert "cannot be used" in str(said["reason"])
    assert served.takes(identities["first"], served.sender)


def test_plain_and_tls_are_served_side_by_side(served: Served) -> None:
    (answer,) = send_frames(*served.address("hl7"), [adt(PLAIN)])

    assert b"MSA|AA|" in answer


def test_a_certificate_is_required_or_optional_as_the_settings_say(
    served: Served, identities: dict[str, Identity], tmp_path: Path
) -> None:
    wait_for(lambda: served.takes(identities["first"], served.sender), "the certificate that is in force")
    assert not served.takes(identities["first"], None)
    optional = serve(tmp_path, identities, ', client_certificates = "optional"')
    try:
        assert optional.takes(identities["first"], None)
        assert optional.takes(identities["first"], identities["sender"])
        assert not optional.takes(identities["first"], identities["stranger"])
    finally:
        optional.product.stop()


def test_only_the_named_networks_may_connect_with_tls(identities: dict[str, Identity], tmp_path: Path) -> None:
    files = f'certificate = "{identities["first"][0]}", key = "{identities["first"][1]}"'
    product = Product(tmp_path, {"hl7": f'port = 0\nfrom = ["10.0.0.0/8"]\ntls = {{ {files} }}'}).start(
        "--roles", "hl7"
    )
    try:
        host, _, port = product.addresses["hl7+tls"].rpartition(":")
        with pytest.raises(Unavailable):
            send_frames(host, int(port), [adt(PLAIN)], client_context(identities["first"][0]), 10)
    finally:
        product.stop()


def test_each_change_is_reported_once(identities: dict[str, Identity], tmp_path: Path) -> None:
    certificate, key = (shutil.copy(path, tmp_path) for path in identities["first"])
    tls = ServerTls(Tls(certificate=Path(certificate), key=Path(key)))
    before: ssl.SSLContext = tls.context

    assert not tls.renew()
    shutil.copy(identities["second"][1], key)
    with pytest.raises(Misconfigured):
        tls.renew()
    assert not tls.renew()
    assert tls.context is before
    shutil.copy(identities["second"][0], certificate)
    assert tls.renew()
    assert tls.context is not before
    Path(key).chmod(0o644)
    os.utime(key, (1, 1))
    with pytest.raises(Misconfigured) as refused:
        tls.renew()
    assert "others can read it" in str(refused.value)
