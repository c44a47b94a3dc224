"""Inbound HL7 messages as the journal knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


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


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message in the journal: raw bytes as received, and the answer given."""

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
