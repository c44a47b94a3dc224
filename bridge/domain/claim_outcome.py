"""What became of a claim: paid, denied or sent back, and why; what was denied for want of documents stands apart.

Amounts are US dollars. Codes are the payer's: group and CARC of an adjustment, RARC of a remark, claim status of a 277.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from bridge.domain.records import replace

NOTHING = Decimal(0)


class OutcomeStatus(StrEnum):
    """What a payer said last. accepted: taken in, undecided; returned: never taken in; asked: documents are wanted."""

    ACCEPTED = "accepted"
    RETURNED = "returned"
    PENDED = "pended"
    ASKED = "asked"
    PAID = "paid"
    PARTLY_PAID = "partly-paid"
    DENIED = "denied"
    REVERSED = "reversed"
    UNKNOWN = "unknown"


class ReasonCategory(StrEnum):
    """Why money was not paid, as a clinic sorts its denials."""

    DOCUMENTATION = "documentation"
    INFORMATION = "information"
    AUTHORIZATION = "authorization"
    ELIGIBILITY = "eligibility"
    COVERAGE = "coverage"
    NECESSITY = "necessity"
    CODING = "coding"
    BUNDLED = "bundled"
    DUPLICATE = "duplicate"
    TIMELY_FILING = "timely-filing"
    OTHER_PAYER = "other-payer"
    LIMIT = "limit"
    CONTRACT = "contract"
    PATIENT_SHARE = "patient-share"
    OTHER = "other"


# What a payer decided.
DECIDED = frozenset({OutcomeStatus.PAID, OutcomeStatus.PARTLY_PAID, OutcomeStatus.DENIED})
# CLP02 of a payment that was taken back.
REVERSAL = "22"
# What every paid claim has too: it denies nothing.
NO_DENIAL = frozenset({ReasonCategory.CONTRACT, ReasonCategory.PATIENT_SHARE})


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Money that was not paid. group: CO, PR, OA or PI; reason: CARC. category: with what the remarks beside it say."""

    group: str
    reason: str
    amount: Decimal
    category: ReasonCategory = ReasonCategory.OTHER

    @property
    def code(self) -> str:
        """Group and CARC, "CO-252"; the CARC alone where no group is said."""
        return f"{self.group}-{self.reason}" if self.group else self.reason


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """
    One service of a claim. control_number: the provider's own (REF*6R). remarks: RARC.

    charged, paid: of this line; units: as paid, "" for not said.
    """

    code: str
    modifiers: tuple[str, ...] = ()
    charged: Decimal = NOTHING
    paid: Decimal = NOTHING
    units: str = ""
    control_number: str = ""
    service_from: date | None = None
    service_to: date | None = None
    adjustments: tuple[Adjustment, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def is_denied(self) -> bool:
        """Whether nothing was paid for a reason that is neither the contract's nor the patient's share."""
        return _denies(self.charged, self.paid, self.adjustments)


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """
    What one payer said of one claim at one time.

    claim_number: the provider's (CLP01, TRN02); payer_claim_number: the payer's. status_codes: claim status of a 277,
    "A7:21". said_on: when the payer said or paid it. payment_number: check or transfer. authorization_numbers: REF*G1.
    attachment_control_numbers: of documents that are asked for. wanted: LOINC or PWK01 of them. due_on: until when.
    source_number: sender, control numbers and place of what told it: the same where the same news come again.
    processed_as: CLP02, as which insurer's it was processed or that it was reversed; "" of what is no payment.
    """

    claim_number: str
    payer_claim_number: str = ""
    payer_id: str = ""
    payer_name: str = ""
    status: OutcomeStatus = OutcomeStatus.UNKNOWN
    charged: Decimal = NOTHING
    paid: Decimal = NOTHING
    patient_share: Decimal = NOTHING
    adjustments: tuple[Adjustment, ...] = ()
    remarks: tuple[str, ...] = ()
    lines: tuple[LineOutcome, ...] = ()
    status_codes: tuple[str, ...] = ()
    said_on: date | None = None
    service_from: date | None = None
    service_to: date | None = None
    payment_number: str = ""
    authorization_numbers: tuple[str, ...] = ()
    attachment_control_numbers: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    due_on: date | None = None
    source_number: str = ""
    processed_as: str = ""

    @property
    def every_adjustment(self) -> tuple[Adjustment, ...]:
        """Its own and its lines' adjustments."""
        return (*self.adjustments, *(one for line in self.lines for one in line.adjustments))

    @property
    def denials(self) -> tuple[Adjustment, ...]:
        """The adjustments by which it, or a line of it, was denied; the most money first."""
        denied = [line.adjustments for line in self.lines if line.is_denied]
        if self.status is OutcomeStatus.DENIED or (self.status is OutcomeStatus.PARTLY_PAID and not denied):
            denied.append(self.adjustments)
        found = [one for each in denied for one in each if one.category not in NO_DENIAL]
        return tuple(sorted(found, key=lambda one: -one.amount))

    @property
    def denial_categories(self) -> frozenset[ReasonCategory]:
        """Why it, or a line of it, was denied; empty where nothing was."""
        return frozenset(one.category for one in self.denials)

    @property
    def every_remark(self) -> tuple[str, ...]:
        """Its own and its lines' remarks (RARC), each once."""
        return tuple(dict.fromkeys([*self.remarks, *(one for line in self.lines for one in line.remarks)]))

    @property
    def lacks_documents(self) -> bool:
        """Whether it, or a line of it, was denied for want of documents."""
        return ReasonCategory.DOCUMENTATION in self.denial_categories


def status_of_payment(outcome: ClaimOutcome) -> OutcomeStatus:
    """Return how a claim that was decided came out, by its money: payers call denied claims processed, too."""
    everything = outcome.every_adjustment
    if outcome.charged > 0 and outcome.paid <= 0 and _denies(outcome.charged, outcome.paid, everything):
        return OutcomeStatus.DENIED if not outcome.patient_share else OutcomeStatus.PARTLY_PAID
    if any(line.is_denied for line in outcome.lines):
        return OutcomeStatus.PARTLY_PAID
    return OutcomeStatus.PAID


def _denies(charged: Decimal, paid: Decimal, adjustments: tuple[Adjustment, ...]) -> bool:
    return charged > 0 and paid <= 0 and any(one.category not in NO_DENIAL for one in adjustments)


def reversal_of(said: ClaimOutcome) -> ClaimOutcome:
    """Return that what was said counts no more."""
    return replace(said, status=OutcomeStatus.REVERSED, processed_as=REVERSAL)
