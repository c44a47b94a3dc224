"""Calls every configured peer and server once: does it answer, how fast, how far apart are the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bridge.building.clearing import clearing_places
from bridge.building.outside import fhir_server
from bridge.building.targets import archive_target, fhir_client, mllp_target, payer_client
from bridge.codecs.fhir.offered import Kind
from bridge.errors import BridgeError
from bridge.publishers import dicom_client
from bridge.publishers.dicom_client import Timeouts
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.mllp_link import MllpLink
from bridge.publishers.stow_client import StowClient
from bridge.sections.hl7 import Hl7Destination
from bridge.sections.outside import OutsideFhir, OutsideHl7
from bridge.sections.payer import Payer
from bridge.wiring import House

_PATIENCE_SECS = 5.0
# What the header's full seconds and the way make of two clocks that agree.
_CLOCKS_APART_SECS = 2.0


def check_peers(house: House) -> list[dict[str, Any]]:
    """
    Return one row for each DICOM peer (C-ECHO), FHIR server or payer (capabilities), HL7 destination or registry (a connection), folder of a clearinghouse and bucket.

    Nothing is changed anywhere, and no message is sent; in the bucket a small object is written, read and removed, in folders an empty file.
    """
    rows = [_bucket(house)] if house.settings.store.is_s3 else []
    ours = house.settings.dicom.ae_title
    for peer in house.settings.dicom.peers:
        target = archive_target(house.settings, peer)
        tls = " tls" if peer.tls else ""
        rows.append(
            _call(
                peer.ae_title,
                f"dicom{tls}",
                f"{peer.host}:{peer.port}",
                partial(_echo, target, ours),
            )
        )
    for server in house.settings.fhir.servers:
        client = fhir_client(server, house.clock)
        how = f"fhir {server.version} {server.auth.kind}{' tls' if server.tls else ''}"
        rows.append(_call(server.name, how, server.base_url, partial(_chart, client, server.publish)))
    for archive in house.settings.dicomweb.servers:
        rows.append(_call(archive.name, "dicomweb", archive.base_url, StowClient(archive, house.clock).probe))
    rows += [_registry(one, house) for one in house.settings.outside.fhir]
    rows += [_call(one.name, one.kind, one.address, one.probe) for one in clearing_places(house)]
    rows += [_payer(one, house) for one in house.settings.payers if one.base_url]
    rows += [_destination(one) for one in house.settings.hl7.destinations]
    return rows + [_destination(one) for one in house.settings.outside.hl7]


def _bucket(house: House) -> dict[str, Any]:
    store = house.settings.store
    return _call(store.blobs, "s3", store.s3.endpoint or store.s3.region or "Amazon S3", house.blobs.probe)


def _registry(one: OutsideFhir, house: House) -> dict[str, Any]:
    client = FhirClient(fhir_server(one), house.clock)
    return _call(one.name, f"fhir {one.version}", one.base_url, partial(_fhir_version, client))


def _payer(one: Payer, house: House) -> dict[str, Any]:
    how = f"payer {' '.join(one.kind)} {one.auth.kind}{' tls' if one.tls else ''}"
    return _call(one.name, how, one.base_url, partial(_answers_payer, payer_client(one, house.clock), tells=one.tells))


def _answers_payer(client: FhirClient, *, tells: bool) -> str:
    """Ask a payer what it offers: whether it can be asked for what it may have been sent, and lets us subscribe."""
    offered, _ = client.introduce()
    parts = [" ".join(part for part in (offered.fhir_version, offered.software) if part) or "says nothing of itself"]
    can = offered.of("DocumentReference").may("search-type")
    parts.append("what it has can be looked for" if can else "what it has cannot be looked for: a person is asked")
    if tells and not offered.of("Subscription").may("create"):
        parts.append("it offers no subscriptions, and is to tell by itself")
    return "; ".join(parts)


def _destination(one: Hl7Destination | OutsideHl7) -> dict[str, Any]:
    target = replace(mllp_target(one), timeout_secs=min(one.timeout_secs, _PATIENCE_SECS))
    tls = " tls" if one.tls is not None else ""
    return _call(one.name, f"hl7{tls}", f"{one.host}:{one.port}", MllpLink(target).probe)


def _echo(target: dicom_client.Target, calling: str) -> str:
    dicom_client.echo(target, calling, Timeouts(connect=_PATIENCE_SECS, associate=_PATIENCE_SECS))
    return ""


def _chart(client: FhirClient, kinds: Sequence[str]) -> str:
    """Ask a server what it offers, and for one of each kind that is published there, as only who may read them is answered."""
    offered, ahead_secs = client.introduce()
    for kind in kinds:
        client.search(kind, {"identifier": "urn:dicom:uid|urn:oid:2.25.0"})
    parts = [" ".join(part for part in (offered.fhir_version, offered.software) if part) or "says nothing of itself"]
    parts += [f"{kind} {_way(offered.of(kind))}" for kind in kinds]
    parts += ["transactions"] if offered.transactions else []
    if ahead_secs is not None and abs(ahead_secs) >= _CLOCKS_APART_SECS:
        parts.append(f"its clock is {abs(ahead_secs):.0f} s {'ahead' if ahead_secs > 0 else 'behind'}")
    return "; ".join(parts)


def _way(kind: Kind) -> str:
    if kind.takes_ids:
        return "by our ids"
    if kind.conditional_update:
        return "on a condition"
    if not kind.interactions:
        return "not listed"
    return "looked for before and after" if kind.may("create") else "cannot be made there (it offers no create)"


def _fhir_version(client: FhirClient) -> str:
    return str(client.metadata().get("fhirVersion", ""))


def _call(name: str, kind: str, address: str, call: Callable[[], object]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        said = call()
        answer, ok = (str(said) if said else "answers"), True
    except BridgeError as fault:
        answer, ok = fault.detail, False
    return {
        "name": name,
        "kind": kind,
        "address": address,
        "answer": answer,
        "ok": ok,
        "milliseconds": round((time.monotonic() - started) * 1000),
    }
