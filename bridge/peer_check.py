"""Calls every configured peer and server once: does it answer, how fast, how far apart are the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bridge.errors import BridgeError
from bridge.publishers import dicom_client
from bridge.publishers.dicom_client import Timeouts
from bridge.publishers.fhir_client import FhirClient
from bridge.targets import archive_target
from bridge.wiring import House


def check_peers(house: House) -> list[dict[str, Any]]:
    """Return one row for each DICOM peer (C-ECHO) and FHIR server (capabilities); nothing is changed anywhere."""
    rows = []
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
        client = FhirClient(server, house.clock)
        rows.append(
            _call(
                server.name,
                f"fhir {server.version}",
                server.base_url,
                partial(_fhir_version, client),
            )
        )
    return rows


def _echo(target: dicom_client.Target, calling: str) -> str:
    dicom_client.echo(target, calling, Timeouts(connect=5, associate=5))
    return ""


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
