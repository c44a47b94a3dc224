"""Ways to a payer: where an authorization's evidence would go, and what exactly would leave, told before anything does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.codecs.fhir.inline_evidence import InlineEvidence
from bridge.domain.attachment import AttachmentKind, ClaimAttachment, control_number_of
from bridge.domain.authorization import Authorization
from bridge.domain.evidence_request import EvidenceRequest
from bridge.domain.packet import PacketFile
from bridge.domain.patient import Patient
from bridge.domain.study import Study
from bridge.domain.submission import Outgoing, Submission
from bridge.sections.payer import Payer
from bridge.store import authorizations, patients, studies
from bridge.store.db import ReadTx, WriteTx
from bridge.store.packets import KeptPacket


@dataclass(frozen=True, slots=True)
class Sendable:
    """
    One version of an attachment's packet with what it is about. control_number: ours, by which its payer finds it.

    request: what the payer asked for that this answers, None where it asked for nothing.
    """

    attachment: ClaimAttachment
    authorization: Authorization
    patient: Patient
    study: Study
    packet: KeptPacket
    control_number: str
    request: EvidenceRequest | None = None

    @property
    def document_bytes(self) -> int:
        """Return how large the PDF is."""
        return self.packet.file(PacketFile.DOCUMENT).size_bytes


class PayerWay(Protocol):
    """
    One way to payers. kind: of the attachments that go it. topic: of the deliveries that carry them.

    What `outgoing` tells is what the publisher of the same topic sends.
    """

    @property
    def kind(self) -> AttachmentKind: ...

    @property
    def topic(self) -> str: ...

    def place_of(self, authorization: Authorization, named: str = "") -> str:
        """Return where it leads from an authorization, by its name in the settings, "" for nowhere. named: what a person chose."""

    def keep(self, tx: WriteTx, found: Sendable, release: Submission) -> None:
        """Keep what else leaves with a release, in the transaction that makes it."""

    def outgoing(self, tx: ReadTx, found: Sendable) -> Outgoing:
        """Return what would leave, with what it lacks. Raises: LookupError, where the way leads nowhere."""


def collect_sendable(
    tx: ReadTx, attachment: ClaimAttachment, packet: KeptPacket, request: EvidenceRequest | None = None
) -> Sendable:
    """Return what a packet is about, as things are now; whether it may leave is the caller's to look at. Raises: LookupError."""
    authorization = authorizations.get(tx, attachment.authorization_key)
    study = studies.get(tx, attachment.study_key)
    patient = patients.survivor(tx, authorization.patient_key)
    number = control_number_of(authorization.key, study.study_instance_uid)
    return Sendable(attachment, authorization, patient, study, packet, number, request)


def payer_for(payers: Iterable[Payer], kind: str, authorization: Authorization, named: str = "") -> Payer | None:
    """
    Return the payer of an authorization among those that are reached by *kind*, None for none.

    By its number; by its name where the authorization has no number. named: another one, as a person chose it, by either.
    """
    return payer_by([one for one in payers if kind in one.kind and one.base_url], authorization, named)


def payer_by(reached: Sequence[Payer], authorization: Authorization, named: str = "") -> Payer | None:
    """Return the payer of an authorization among those that are *reached*, as `payer_for` finds it."""
    if named:
        return next((one for one in reached if named in (one.id, one.name)), None)
    if authorization.payer_id:
        return next((one for one in reached if one.id == authorization.payer_id), None)
    name = authorization.payer_name.casefold()
    return next((one for one in reached if name and one.name.casefold() == name), None)


def evidence_of(found: Sendable, document: bytes) -> InlineEvidence:
    """Return a packet as it goes inside a request. document: its PDF."""
    return InlineEvidence(
        control_number=found.control_number,
        content=document,
        title=f"Imaging evidence, packet {found.control_number}",
        dated=found.packet.made_at,
        study_instance_uid=found.study.study_instance_uid,
    )


def encoded_bytes(size: int) -> int:
    """Return how long *size* bytes are in Base64, with the digits that tell their number. Source: RFC 4648 4."""
    return 4 * ((size + 2) // 3) + len(str(size)) - 1
