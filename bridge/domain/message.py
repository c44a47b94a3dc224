"""Inbound HL7 messages as the journal knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

_TERM_MAX = 200


class MessageState(StrEnum):
    """What became of a message. FAILED: our fault or a passing one, so a resend is processed again."""

    APPLIED = "applied"
    REFUSED = "refused"
    FAILED = "failed"


class TraceLine(NamedTuple):
    """Where one value came from: target "requested_procedure.accession", source "OBR-18", rule file "base/order.toml"."""

    target: str
    source: str
    rule: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth saying about a message that was accepted all the same. severity: W or I (HL7 ERR-4)."""

    severity: str
    detail: str
    where: str = ""
    code: str = "0"


class ReplayState(StrEnum):
    """Where a replay of many messages stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class TermKind(StrEnum):
    """What a number in a message is: by it the message is found."""

    PATIENT = "patient"
    VISIT = "visit"
    ACCESSION = "accession"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Term:
    """One number a message goes by. value, issuer: as `term_text` writes them; issuer "" where nobody is named."""

    kind: TermKind
    value: str
    issuer: str = ""


def term_text(text: str) -> str:
    """
    Return a number as it is looked for: neither case nor padding tells two apart.

    >>> term_text(" riv24-0001 ")
    'RIV24-0001'
    """
    return text.strip()[:_TERM_MAX].upper()


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """
    Which messages are meant; what is empty or None does not matter.

    text: whatever somebody typed: a control ID, a number of any kind, else what leads to an exam. patient_id: "ID" or
    "ID^^^ISSUER". message_type: "ADT" or "ADT^A08". since, until: aware; until is the first moment that is out.
    """

    text: str = ""
    control_id: str = ""
    patient_id: str = ""
    accession_number: str = ""
    order_number: str = ""
    state: str = ""
    message_type: str = ""
    error_code: str = ""
    site: str = ""
    since: datetime | None = None
    until: datetime | None = None
    is_test: bool | None = None

    @property
    def is_everything(self) -> bool:
        """Say whether nothing is asked for, so that every message is meant."""
        return self == MessageFilter()

    @property
    def holds_patient_data(self) -> bool:
        """Say whether it may name a patient, so that it belongs in no address."""
        return bool(self.text or self.control_id or self.patient_id or self.accession_number or self.order_number)


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message in the journal: raw bytes as received, and the answer given. edited_from: what a person made it of."""

    key: int
    received_at: datetime
    peer: str
    sending_application: str
    sending_facility: str
    control_id: str
    message_type: str
    message_at: datetime | None
    processing_id: str
    site: str
    charset: str
    digest: str
    raw: bytes
    state: MessageState
    answer: bytes
    answer_code: str
    error_code: str = ""
    error_where: str = ""
    error_detail: str = ""
    is_test: bool = False
    times_received: int = 1
    trace: tuple[TraceLine, ...] = field(default_factory=tuple)
    notices: tuple[Notice, ...] = field(default_factory=tuple)
    edited_from: int | None = None
