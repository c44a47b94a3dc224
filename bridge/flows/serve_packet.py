"""A payer's packet is taken out: by whoever bills, while its binding stands, and with an audit row for each time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bridge.clock import Clock
from bridge.domain.attachment import HAS_PACKET, AttachmentState, ClaimAttachment, check_attach
from bridge.domain.identifiers import digest_of
from bridge.domain.packet import PURPOSE, PacketFile
from bridge.errors import Conflict, Unavailable
from bridge.flows.record_access import record_access
from bridge.store import audit, authorizations, packets, patients, studies
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store
from bridge.store.packets import KeptPacket


@dataclass(frozen=True, slots=True)
class WantedPacket:
    """A file of an attachment's packet. version: 0 for the newest."""

    authorization_key: int
    attachment_key: int
    kind: PacketFile = PacketFile.DOCUMENT
    version: int = 0


@dataclass(frozen=True, slots=True)
class OpenedPacket:
    """What was taken out."""

    packet: KeptPacket
    content: bytes


class PacketShelf:
    """Hands packets out."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    def open(self, wanted: WantedPacket, actor: str, origin: str) -> OpenedPacket:
        """
        Return a file of a packet; it counts as exported.

        Raises: LookupError; Conflict, if what it rests on changed since; Unavailable, "packet_not_ready" before it is made,
        or if its bytes are not what was made.
        """
        with self._store.read() as tx:
            standing(tx, wanted.authorization_key, wanted.attachment_key)
            digest = self._chosen(tx, wanted).file(wanted.kind).digest
        content = self._read(digest)
        now = self._clock.now()
        with self._store.write() as tx:
            attachment = standing(tx, wanted.authorization_key, wanted.attachment_key)
            packet = self._chosen(tx, wanted)
            if packet.file(wanted.kind).digest != digest:
                raise Conflict("a newer version was made meanwhile; ask again", code="packet_changed")
            packets.note_opened(tx, packet.key, now)
            said = {"attachment": attachment.key, "version": packet.version, "file": wanted.kind.value}
            audit.add(
                tx,
                at=now,
                action="packet_exported",
                actor=actor,
                origin=origin,
                patient_key=studies.get(tx, attachment.study_key).patient_key,
                study_key=attachment.study_key,
                detail=said | {"purpose": PURPOSE, "authorization": attachment.authorization_key},
            )
        return OpenedPacket(packet, content)

    def look(self, wanted: WantedPacket, actor: str, origin: str) -> tuple[ClaimAttachment, KeptPacket, dict[str, Any]]:
        """
        Return an attachment, its packet and what that says, as its manifest has it; it is a look, not an export.

        Raises: as `open`.
        """
        with self._store.read() as tx:
            attachment = standing(tx, wanted.authorization_key, wanted.attachment_key)
            packet = self._chosen(tx, wanted)
            study = studies.get(tx, attachment.study_key)
        said: dict[str, Any] = json.loads(self._read(packet.file(PacketFile.MANIFEST).digest))
        record_access(
            self._store,
            self._clock,
            action="packet_viewed",
            actor=actor,
            origin=origin,
            patient_key=study.patient_key,
            study_key=study.key,
            detail={"attachment": attachment.key, "version": packet.version},
        )
        return attachment, packet, said

    def _chosen(self, tx: ReadTx, wanted: WantedPacket) -> KeptPacket:
        """Return the version that is wanted, if its binding still stands. Raises: LookupError, Conflict, Unavailable."""
        key = wanted.attachment_key
        found = packets.get_version(tx, key, wanted.version) if wanted.version else packets.newest(tx, key)
        if found is None:
            raise not_ready()
        study = studies.get(tx, authorizations.get_attachment(tx, key).study_key)
        if found.binding_version != study.binding_version:
            if wanted.version:
                raise Conflict("the study was bound or corrected since this version was made", code="binding_changed")
            raise Conflict("the study was bound or corrected since; its packet is made anew", code="binding_changed")
        return found

    def _read(self, digest: str) -> bytes:
        try:
            with self._blobs.at_hand(digest) as path:
                content = path.read_bytes()
        except OSError:
            raise Unavailable("the packet cannot be read", code="packet_missing") from None
        if digest_of(content) != digest:
            raise Unavailable("the packet is damaged; put it together again", code="packet_damaged")
        return content


def standing(tx: ReadTx, authorization_key: int, attachment_key: int) -> ClaimAttachment:
    """
    Return an attachment whose packet may be handed out now.

    Raises: LookupError; Conflict, if it is in review, or its study is not this patient's.
    """
    attachment = authorizations.get_attachment(tx, attachment_key)
    if attachment.authorization_key != authorization_key or attachment.kind not in HAS_PACKET:
        raise LookupError("no such packet")
    if attachment.state == AttachmentState.REVIEW:
        raise Conflict(attachment.detail or "the attachment is in review", code="attachment_in_review")
    authorization = authorizations.get(tx, authorization_key)
    study = studies.get(tx, attachment.study_key)
    check_attach(study, patients.survivor(tx, authorization.patient_key).key)
    return attachment


def not_ready() -> Unavailable:
    """Return what is said of a packet that is still put together."""
    return Unavailable("the packet is being put together", code="packet_not_ready", retry_after_secs=1)
