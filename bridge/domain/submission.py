"""What was let go to a payer: which packet, under which number, how far it came, and what would leave before that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.domain.identifiers import digest_of


class SubmissionState(StrEnum):
    """
    ready: nothing has left; sending: a request is on its way, or was when nobody could say more; unclear: it may be there,
    and a person has to say; sent: handed over, its answer is to come; taken_back: it was stopped before it left.
    """

    READY = "ready"
    SENDING = "sending"
    UNCLEAR = "unclear"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TAKEN_BACK = "taken-back"


# The payer has it, or may have it.
MAY_BE_THERE = frozenset(
    {SubmissionState.SENDING, SubmissionState.UNCLEAR, SubmissionState.SENT, SubmissionState.ACCEPTED}
)
IS_THERE = frozenset({SubmissionState.SENT, SubmissionState.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One release of one attachment.

    packet_key: the version that leaves, and no other. destination: the payer's or clearinghouse's name in the settings.
    control_number: by which it is found there: ours, or the payer's where it asked for it (evidence_request_key). reason: why it was released. detail: how it went, without patient data.
    content_digest: of what was looked at beside the packet; what leaves says the same.
    """

    key: int
    attachment_key: int
    packet_key: int
    destination: str
    control_number: str
    purpose_of_use: str
    reason: str
    released_by: str
    released_at: datetime
    state: SubmissionState = SubmissionState.READY
    detail: str = ""
    updated_at: datetime | None = None
    evidence_request_key: int | None = None
    content_digest: str = ""


@dataclass(frozen=True, slots=True)
class PayerAnswer:
    """
    What came back, kept as it came.

    submission_key: what was released, None for a question without evidence; request_key: what was asked, None where nothing
    was. status: of HTTP, 0 where it came otherwise. payer_numbers: what the payer calls it. detail: in words, without patient data.
    """

    key: int
    submission_key: int | None
    heard_at: datetime
    content: bytes
    content_type: str = ""
    status: int = 0
    payer_numbers: tuple[str, ...] = ()
    detail: str = ""
    request_key: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """
    What would leave, to be looked at before it does.

    to: the payer; address: where it goes; way: how, in words. facts: what it says, as name and value; segments: as X12 has
    it, in readable form. document_bytes: of the PDF; size_bytes: of all of it; limit_bytes: of the largest PDF that the
    payer takes. lacks: what keeps it from leaving; notes: what to know besides, in sentences.
    """

    to: str
    address: str
    way: str
    control_number: str
    purpose_of_use: str
    document_bytes: int = 0
    size_bytes: int = 0
    limit_bytes: int = 0
    facts: tuple[tuple[str, str], ...] = ()
    segments: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of who gets it, what for, and what it says beside the document."""
        said = (self.to, self.control_number, self.purpose_of_use, self.facts, self.segments, self.lacks)
        return digest_of(repr(said).encode())
