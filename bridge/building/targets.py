"""How a configured DICOM peer, an HL7 destination and a FHIR server is called."""

from __future__ import annotations

from functools import partial

from bridge import safety
from bridge.clock import Clock
from bridge.codecs.dicom.unpacked import Unpack
from bridge.publishers.dicom_client import Target
from bridge.publishers.fhir_client import FhirClient
from bridge.publishers.mllp_link import MllpTarget
from bridge.sections.dicom import Peer
from bridge.sections.fhir import FhirServer
from bridge.sections.hl7 import Hl7Destination
from bridge.sections.outside import OutsideHl7
from bridge.sections.payer import Payer
from bridge.settings import Settings


def archive_target(settings: Settings, peer: Peer, unpack: Unpack | None = None) -> Target:
    """Return how *peer* is called. unpack: decompresses what it takes in no other way."""
    tls = safety.client_context(settings.dicom.tls) if peer.tls else None
    return Target(peer.ae_title, peer.host, peer.port, tls, unpack)


def takes_decompressed(peer: Peer) -> bool:
    """Say whether studies are forwarded to *peer* decompressed where it takes nothing else: not what an archive is to keep."""
    return "archive" not in peer.roles if peer.decompress is None else peer.decompress


def mllp_target(one: Hl7Destination | OutsideHl7) -> MllpTarget:
    """Return how a destination, or a registry that is asked, is called; its certificate files are read for each connection."""
    if one.tls is None:
        return MllpTarget(one.host, one.port, one.timeout_secs)
    return MllpTarget(
        one.host, one.port, one.timeout_secs, partial(safety.caller_context, one.tls), one.tls.server_name
    )


def fhir_client(server: FhirServer, clock: Clock) -> FhirClient:
    """Return a client of *server*. Raises: Misconfigured, if a certificate or key cannot be used."""
    return FhirClient(server, clock, safety.caller_context(server.tls) if server.tls else None)


def payer_client(payer: Payer, clock: Clock) -> FhirClient:
    """Return a client of a payer's FHIR endpoint. Raises: Misconfigured, if a certificate or key cannot be used."""
    return fhir_client(
        FhirServer(
            name=payer.name,
            base_url=payer.base_url,
            auth=payer.auth,
            timeout_secs=payer.timeout_secs,
            tls=payer.tls,
            publish=(),
            connections=2,
        ),
        clock,
    )


def commits(peer: Peer) -> bool:
    """Say whether *peer* is asked to keep what it is sent."""
    return "archive" in peer.roles and peer.commitment is not False


def asks_commitment(peer: Peer) -> bool:
    """Say whether *peer* may ask us to commit, and so is called with the report."""
    return bool({"modality", "archive", "referrer"} & set(peer.roles))
