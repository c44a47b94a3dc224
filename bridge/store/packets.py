"""Packets that were put together for payers: every version, with the names of its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from bridge.domain.attachment import AttachmentState, ClaimAttachment
from bridge.domain.packet import PacketFile
from bridge.store import authorizations, incidents
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import attachments, packet_files, packets, studies

# No study has it.
_NO_BINDING = -1


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a packet. digest: SHA-256 of its bytes, the name under which they are kept."""

    kind: PacketFile
    size_bytes: int
    digest: str


_LISTS = ("instances", "holds", "left_out")


@dataclass(frozen=True, slots=True)
class KeptPacket:
    """
    One version of an attachment's packet.

    evidence_digest: the same for the same evidence. reports (of its exams), prior_reports, notes, labs, priors, pictures: how
    many it holds. instances: SOP Instance UIDs of the images that it shows. holds: what else of a person, as
    packet_holdings names it. left_out: what it does not hold, and why, in
    sentences. opened_at: when somebody first took it out.
    """

    key: int
    attachment_key: int
    version: int
    binding_version: int
    evidence_digest: str
    made_at: datetime
    reports: int = 0
    prior_reports: int = 0
    notes: int = 0
    labs: int = 0
    priors: int = 0
    pictures: int = 0
    instances: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    opened_at: datetime | None = None
    files: tuple[KeptFile, ...] = ()

    def file(self, kind: PacketFile) -> KeptFile:
        """Return its file of a kind. Raises: LookupError."""
        found = next((one for one in self.files if one.kind == kind), None)
        if found is None:
            raise LookupError(f"no {kind} in packet {self.key}")
        return found


def add(tx: WriteTx, packet: KeptPacket) -> int:
    """Keep a version (its key is ignored); returns its key."""
    plain = ("attachment_key", "version", "binding_version", "evidence_digest", "made_at")
    counts = ("reports", "prior_reports", "notes", "labs", "priors", "pictures")
    values: dict[str, Any] = {name: getattr(packet, name) for name in (*plain, *counts)}
    lists = {name: list(getattr(packet, name)) for name in _LISTS}
    key = insert_row(tx, packets, **values, **lists)
    for one in packet.files:
        insert_row(tx, packet_files, packet_key=key, kind=one.kind.value, size_bytes=one.size_bytes, digest=one.digest)
    return key


def newest(tx: ReadTx, attachment_key: int) -> KeptPacket | None:
    """Return the last version of an attachment's packet."""
    return next(iter(versions(tx, attachment_key)), None)


def standing(tx: ReadTx, attached: Iterable[ClaimAttachment]) -> dict[int, KeptPacket]:
    """Return the newest packet of each attachment, by its key: of those alone that are not in review, while its binding stands."""
    mine = [one.key for one in attached if one.state != AttachmentState.REVIEW]
    last = (
        select(packets.c.attachment_key, func.max(packets.c.version).label("version"))
        .where(packets.c.attachment_key.in_(mine))
        .group_by(packets.c.attachment_key)
        .subquery()
    )
    query = (
        select(packets)
        .join(last, (packets.c.attachment_key == last.c.attachment_key) & (packets.c.version == last.c.version))
        .join(attachments, attachments.c.key == packets.c.attachment_key)
        .join(studies, studies.c.key == attachments.c.study_key)
        .where(studies.c.binding_version == packets.c.binding_version)
    )
    return {row.attachment_key: _packet(tx, row) for row in tx.execute(query).all()}


def versions(tx: ReadTx, attachment_key: int) -> list[KeptPacket]:
    """Return every version of an attachment's packet, newest first."""
    query = select(packets).where(packets.c.attachment_key == attachment_key).order_by(packets.c.version.desc())
    return [_packet(tx, row) for row in tx.execute(query).all()]


def get(tx: ReadTx, key: int) -> KeptPacket:
    """Return the version in row *key*. Raises: LookupError."""
    row = tx.execute(select(packets).where(packets.c.key == key)).first()
    if row is None:
        raise LookupError(f"no packet {key}")
    return _packet(tx, row)


def get_version(tx: ReadTx, attachment_key: int, version: int) -> KeptPacket:
    """Return one version of an attachment's packet. Raises: LookupError."""
    mine = (packets.c.attachment_key == attachment_key, packets.c.version == version)
    row = tx.execute(select(packets).where(*mine)).first()
    if row is None:
        raise LookupError(f"no version {version} of a packet of attachment {attachment_key}")
    return _packet(tx, row)


def put_in_question(tx: WriteTx, key: int) -> None:
    """Let a version that has not left count no more: another one is made, whatever it holds."""
    tx.execute(update(packets).where(packets.c.key == key).values(binding_version=_NO_BINDING))


def note_opened(tx: WriteTx, key: int, at: datetime) -> None:
    """Note that somebody took a packet out, for the first time."""
    tx.execute(update(packets).where(packets.c.key == key, packets.c.opened_at.is_(None)).values(opened_at=at))


def ask_to_find(tx: WriteTx, packet: KeptPacket, attachment: ClaimAttachment, why: str, at: datetime) -> None:
    """Ask a person who has a version, if somebody took it out, and to have it withdrawn; not again once that was done."""
    number = tx.execute(select(attachments.c.control_number).where(attachments.c.key == attachment.key)).scalar_one()
    place = f"packet version {packet.version} ({number})"
    if packet.opened_at is None or incidents.was_done(tx, attachment.study_key, place, packet.opened_at):
        return
    name = authorizations.get(tx, attachment.authorization_key).name
    what = f"it was taken out for authorization {name}, and {why}: find out who has it, and have it withdrawn"
    incidents.open_task(tx, attachment.study_key, place, what, at)


def was_opened(tx: ReadTx, attachment_key: int) -> bool:
    """Say whether somebody has taken out any version of an attachment's packet."""
    opened = select(packets.c.key).where(packets.c.attachment_key == attachment_key, packets.c.opened_at.is_not(None))
    return tx.execute(opened.limit(1)).first() is not None


def _packet(tx: ReadTx, row: Row[Any]) -> KeptPacket:
    files = tx.execute(select(packet_files).where(packet_files.c.packet_key == row.key).order_by(packet_files.c.key))
    kept = tuple(KeptFile(PacketFile(one.kind), one.size_bytes, one.digest) for one in files)
    lists: dict[str, Any] = {name: tuple(getattr(row, name)) for name in _LISTS}
    plain = {name: getattr(row, name) for name in KeptPacket.__slots__ if name not in ("files", *lists)}
    return KeptPacket(**plain, **lists, files=kept)
