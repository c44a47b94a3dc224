"""A payer's permission for exams: what it covers, and how it stands by the payer's own answer, never by having a number.

Dates are "YYYYMMDD" by the payer's calendar, "" where nobody said. Codes of decisions are HCR01's (X12 005010X217).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_DROPPED = str.maketrans("", "", " -\t\u00a0\u2010\u2011\u2012\u2013\u2014")


class AuthorizationStatus(StrEnum):
    """
    How an authorization stands. unconfirmed: somebody gave its number, and no answer of the payer is known here.

    expired: it was granted and its time is over; superseded: another one took its place.
    """

    UNCONFIRMED = "unconfirmed"
    DRAFT = "draft"
    SUBMITTED = "submitted"
    PENDED = "pended"
    APPROVED = "approved"
    PARTIAL = "partial"
    MODIFIED = "modified"
    DENIED = "denied"
    CONTACT_PAYER = "contact-payer"
    NOT_REQUIRED = "not-required"
    CANCELLED = "cancelled"
    ERROR = "error"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


GRANTED = frozenset({AuthorizationStatus.APPROVED, AuthorizationStatus.PARTIAL, AuthorizationStatus.MODIFIED})
WAITS_FOR_PAYER = frozenset({AuthorizationStatus.SUBMITTED, AuthorizationStatus.PENDED})
# Nothing more is asked for by it; what was denied may be asked for again.
CLOSED = frozenset(
    {
        AuthorizationStatus.CANCELLED,
        AuthorizationStatus.EXPIRED,
        AuthorizationStatus.SUPERSEDED,
        AuthorizationStatus.NOT_REQUIRED,
    }
)
# Nothing of it can be changed at the payer any more; what it was for may be asked for by a request of its own.
ASKED_ANEW = frozenset({AuthorizationStatus.DENIED, AuthorizationStatus.CANCELLED, AuthorizationStatus.EXPIRED})
LIVE = GRANTED | WAITS_FOR_PAYER | {AuthorizationStatus.UNCONFIRMED, AuthorizationStatus.CONTACT_PAYER}

# Source: X12 005010X217 HCR01; the same codes stand in reviewAction of PAS (HCR01).
DECISIONS: Mapping[str, AuthorizationStatus] = {
    "A1": AuthorizationStatus.APPROVED,
    "A2": AuthorizationStatus.PARTIAL,
    "A3": AuthorizationStatus.DENIED,
    "A4": AuthorizationStatus.PENDED,
    "A6": AuthorizationStatus.MODIFIED,
    "C": AuthorizationStatus.CANCELLED,
    "CT": AuthorizationStatus.CONTACT_PAYER,
    "NA": AuthorizationStatus.NOT_REQUIRED,
}
# With any other decision a number is the payer's own reference, and never an authorization's.
GRANTING = frozenset({"A1", "A2", "A6", "C"})


class Urgency(StrEnum):
    """How soon the payer owes an answer."""

    STANDARD = "standard"
    EXPEDITED = "expedited"


@dataclass(frozen=True, slots=True)
class AuthorizationLine:
    """
    One procedure that was asked for, and what became of it.

    code: CPT or HCPCS. sequence: the number it keeps for its life, 0 where nobody numbers lines. trace: the requester's
    own number of the line. diagnoses: ICD-10. requested_units, approved_units: as written, "" for not said.
    place_of_service: the CMS code. rendering_npi, ordering_npi, site_npi: National Provider Identifiers; site_name: where.
    service_from, service_to: the days it may be done. decision: of this line, "" for the request's; number: this line's
    own; reason_codes: why, as the payer codes it.
    """

    code: str
    description: str = ""
    sequence: int = 0
    trace: str = ""
    modifiers: tuple[str, ...] = ()
    diagnoses: tuple[str, ...] = ()
    requested_units: str = ""
    approved_units: str = ""
    place_of_service: str = ""
    rendering_npi: str = ""
    ordering_npi: str = ""
    site_npi: str = ""
    site_name: str = ""
    service_from: str = ""
    service_to: str = ""
    decision: str = ""
    number: str = ""
    reason_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    A payer's permission, or the request for it, of one patient.

    number: the payer's, as first written, "" while there is none. administrative_reference: what the payer calls the
    request meanwhile; trace: what the requester calls it. member_id with member_suffix, subscriber_id: of the insurance.
    request_category, certification, service_type: UM01 to UM03. decision: of the whole request; reason_codes: why.
    wanted: what the payer asks to see (LOINC or PWK01 codes). received_at: when the payer had the request; answered_at: of
    the newest decision. order_key: the order it is filed with, None for none. policy_level: it came from the insurance,
    not from the order. source: who said it first. said_at: the newest word on it, by its sender's clock.
    superseded_by: the one that took its place.
    """

    key: int
    number: str
    payer_id: str
    payer_name: str
    patient_key: int
    order_key: int | None = None
    member_id: str = ""
    lines: tuple[AuthorizationLine, ...] = ()
    effective_on: str = ""
    expires_on: str = ""
    policy_level: bool = False
    source: str = ""
    created_at: datetime | None = None
    status: AuthorizationStatus = AuthorizationStatus.UNCONFIRMED
    member_suffix: str = ""
    subscriber_id: str = ""
    administrative_reference: str = ""
    trace: str = ""
    request_category: str = ""
    certification: str = ""
    service_type: str = ""
    urgency: Urgency = Urgency.STANDARD
    decision: str = ""
    reason_codes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    received_at: datetime | None = None
    answered_at: datetime | None = None
    said_at: datetime | None = None
    superseded_by: int | None = None

    @property
    def name(self) -> str:
        """What people call it: its number, else the payer's reference, else the requester's."""
        return self.number or self.administrative_reference or self.trace


@dataclass(frozen=True, slots=True)
class Standing:
    """What a status is made from. is_request: a request is known; is_draft: one that was not sent yet."""

    decision: str = ""
    lines: tuple[AuthorizationLine, ...] = field(default_factory=tuple)
    is_request: bool = False
    is_draft: bool = False
    has_error: bool = False


def status_of(standing: Standing) -> AuthorizationStatus:
    """Return how an authorization stands: by the decision on all of it, else by those on its lines; a number decides nothing."""
    decision = standing.decision or combined(line.decision for line in standing.lines)
    if decision in DECISIONS:
        return DECISIONS[decision]
    if standing.has_error:
        return AuthorizationStatus.ERROR
    if standing.is_request:
        return AuthorizationStatus.SUBMITTED
    return AuthorizationStatus.DRAFT if standing.is_draft else AuthorizationStatus.UNCONFIRMED


def combined(decisions: Iterable[str]) -> str:
    """
    Return the decision on a request from those on its lines, "" while a line has none and another has.

    What waits for the payer outweighs what is decided; granted beside refused is partial. Cancelled lines count only
    where every line is.
    """
    every = list(decisions)
    said = {one for one in every if one in DECISIONS}
    standing = said - {"C"}
    if not said or "" in every:
        return ""
    if not standing:
        return "C"
    for first in ("A4", "CT", "A2"):
        if first in standing:
            return first
    if "A3" in standing:
        return "A3" if standing == {"A3"} else "A2"
    if "A6" in standing:
        return "A6"
    return "NA" if standing == {"NA"} else "A1"


def number_key(number: str) -> str:
    """Return what a number is found by: upper case, without blanks and hyphens, as people and claims write it either way."""
    return number.translate(_DROPPED).upper()


def date_of(text: str) -> str:
    """Return "YYYYMMDD" of a date with or without hyphens, "" of anything else."""
    digits = text.replace("-", "")
    try:
        datetime.strptime(digits, "%Y%m%d")
    except ValueError:
        return ""
    return digits if len(digits) == 8 else ""
