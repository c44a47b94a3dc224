"""X12 through a clearinghouse: a packet as a 275, and the 278 request that announces it, told before they leave and written when they do.

Source: 005010X210, 006020X314, 005010X217.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.codecs.x12.evidence_file import Clinic, EvidenceFile, documents, request
from bridge.codecs.x12.segments import BINARY, Segment
from bridge.codecs.x12.writer import Draft, Sending, write
from bridge.domain.attachment import AttachmentKind, purpose_of_use
from bridge.domain.authorization import Authorization, AuthorizationStatus
from bridge.domain.interchange import Interchange
from bridge.domain.submission import Outgoing, Submission
from bridge.errors import BridgeError
from bridge.leaving.payer_ways import Sendable, payer_by
from bridge.outbox.enqueue import X12
from bridge.sections.payer import Clearinghouse, Payer
from bridge.store import claim_outcomes, overlays
from bridge.store.db import ReadTx, WriteTx

# Where nobody has asked the payer yet, as far as we know.
_NOT_ASKED = frozenset({AuthorizationStatus.DRAFT, AuthorizationStatus.UNCONFIRMED})
_STAMP = "%Y%m%d%H%M"
# A 277 that asks for documents asks for those of a claim. Source: HL7 v3-ActReason.
CLAIM_ATTACHMENT = "CLMATTCH"


@dataclass(frozen=True, slots=True)
class Through:
    """A clearinghouse and the payer behind it, as the settings have them. zone: in which files tell the time."""

    clearinghouse: Clearinghouse
    payer: Payer
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a payer asked for by a 277: under which number, and the first LOINC of it; "" where nobody asked.

    studied_on: the day of the study, as it leaves.
    """

    number: str = ""
    loinc: str = ""
    studied_on: str = ""


class X12Way:
    """
    Evidence by clearinghouse. payers, clearinghouses: those of the settings. zone: the bridge's own.

    organization, npi: of the clinic.
    """

    kind = AttachmentKind.X12_275
    topic = X12

    def __init__(
        self,
        payers: Sequence[Payer],
        clearinghouses: Sequence[Clearinghouse],
        clinic: tuple[str, str],
        zone: ZoneInfo,
    ) -> None:
        self._payers = tuple(one for one in payers if one.clearinghouse)
        self._clearinghouses: Mapping[str, Clearinghouse] = {one.name: one for one in clearinghouses}
        self._organization, self._npi = clinic
        self._zone = zone

    def place_of(self, authorization: Authorization, named: str = "") -> str:
        """Return the clearinghouse's name, "" where none leads to the payer."""
        payer = payer_by(self._payers, authorization, named)
        return payer.clearinghouse if payer is not None else ""

    def through(self, found: Sendable, place: str = "") -> Through:
        """Return how it goes, by the clearinghouse *place* or the payer's own. Raises: LookupError, where none leads there."""
        payer = payer_by(self._payers, found.authorization, found.attachment.payer)
        if payer is None:
            raise LookupError("no clearinghouse leads to its payer")
        house = self._clearinghouses[place or payer.clearinghouse]
        return Through(house, payer, ZoneInfo(house.zone) if house.zone else self._zone)

    def keep(self, tx: WriteTx, found: Sendable, release: Submission) -> None:
        """Keep nothing beside the release."""

    def outgoing(self, tx: ReadTx, found: Sendable) -> Outgoing:
        """Return what would leave. Raises: LookupError, where no clearinghouse leads to its payer."""
        how, asked = self.through(found), asked_of(tx, found)
        drafts, lacks = list[Draft](), list[str]()
        for transaction in transactions(found, how):
            try:
                drafts.append(self.draft(transaction, found, how, asked, b"\0" * found.document_bytes))
            except BridgeError as fault:
                lacks.append(fault.detail)
        house = how.clearinghouse
        return Outgoing(
            to=house.name,
            address=address_of(house),
            way=f"X12 {' and '.join(transactions(found, how))} by clearinghouse",
            control_number=found.control_number,
            purpose_of_use=CLAIM_ATTACHMENT if asked.number else purpose_of_use(self.kind),
            document_bytes=found.document_bytes,
            size_bytes=sum(len(self._written(one, how, 1, found.packet.made_at)) for one in drafts),
            limit_bytes=int(how.payer.max_packet_mb * 1_000_000),
            facts=_facts(found, how, asked),
            segments=tuple(_readable(segment) for draft in drafts for segment in _with_ends(draft)),
            lacks=tuple(dict.fromkeys(lacks)),
        )

    def draft(self, transaction: str, found: Sendable, how: Through, asked: Asked, document: bytes) -> Draft:
        """Return one transaction. Raises: Incomplete for what its guide wants and nobody said."""
        said = EvidenceFile(
            clinic=Clinic(self._organization, self._npi, how.clearinghouse.sender.partition(":")[2]),
            authorization=found.authorization,
            patient=found.patient,
            control_number=found.control_number,
            document=document,
            created=found.packet.made_at.astimezone(how.zone).strftime(_STAMP),
            studied_on=asked.studied_on,
            asked_under=asked.number,
            wanted=asked.loinc,
            has_images=found.packet.pictures > 0,
        )
        return request(said) if transaction == "278" else documents(said, how.payer.documents)

    def file(self, draft: Draft, how: Through, interchange: Interchange) -> bytes:
        """Return the file of a transaction: the same for the same interchange."""
        return self._written(draft, how, interchange.control_number, interchange.created_at)

    def _written(self, draft: Draft, how: Through, number: int, at: datetime) -> bytes:
        house = how.clearinghouse
        sending = Sending(
            sender=_party(house.sender),
            receiver=_party(house.receiver),
            control_number=number,
            created=at.astimezone(how.zone),
            is_test=house.test,
            sender_code=house.sender_code,
            receiver_code=house.receiver_code,
            line_ends=house.line_ends,
            group_number=number,
        )
        return write(sending, [draft])


def transactions(found: Sendable, how: Through) -> tuple[str, ...]:
    """Return what leaves, in its order: the request first, where the payer has heard of none."""
    on = found.authorization
    is_asked = bool(on.number or on.administrative_reference or on.trace) or on.status not in _NOT_ASKED
    return ("278", "275") if how.payer.announce and not is_asked else ("275",)


def asked_of(tx: ReadTx, found: Sendable) -> Asked:
    """Return what the payer asked for last by a 277 on a claim of the authorization."""
    day = overlays.current(tx, found.study).values.get("StudyDate", found.study.received.study_date)
    number, codes = claim_outcomes.asked_for(tx, found.authorization.key) or ("", ())
    return Asked(number, next((code for code in codes if "-" in code), ""), day)


def address_of(house: Clearinghouse) -> str:
    """Return where a clearinghouse takes files, in words."""
    if house.sftp is not None:
        return f"sftp://{house.sftp.host}:{house.sftp.port}/{house.sftp.folder}"
    return str(house.outbox)


def _facts(found: Sendable, how: Through, asked: Asked) -> tuple[tuple[str, str], ...]:
    on = found.authorization
    named = (
        ("Payer", f"{on.payer_name} {on.payer_id}".strip()),
        ("Member", on.member_id or on.subscriber_id),
        ("Authorization", on.number),
        ("Attachment control number", found.control_number),
        ("Answers the payer's request", asked.number),
        ("Asked for (LOINC)", asked.loinc),
        ("Document", f"PDF in a 275 of {how.payer.documents}"),
        ("Test", "yes: the file says that it is one" if how.clearinghouse.test else ""),
    )
    return tuple((name, value) for name, value in named if value)


def _with_ends(draft: Draft) -> tuple[Segment, ...]:
    head = Segment(f"ST*{draft.name}*0001*{draft.version}")
    return (head, *draft.segments, Segment(f"SE*{len(draft.segments) + 2}*0001"))


def _readable(segment: Segment) -> str:
    """Return a segment's text; of a document, how long it is."""
    if segment.name not in BINARY:
        return segment.text
    elements = segment.elements()
    length, content = BINARY[segment.name]
    return "*".join([*elements[:content], f"(the PDF, {int(elements[length]):,} characters)"])


def _party(text: str) -> tuple[str, str]:
    qualifier, _, number = text.partition(":")
    return qualifier, number
