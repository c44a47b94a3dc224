"""How a configured DICOM peer is called."""

from __future__ import annotations

from bridge import safety
from bridge.publishers.dicom_client import Target
from bridge.settings import Peer, Settings


def archive_target(settings: Settings, peer: Peer) -> Target:
    """Return how *peer* is called."""
    tls = safety.client_context(settings.dicom.tls) if peer.tls else None
    return Target(peer.ae_title, peer.host, peer.port, tls)
