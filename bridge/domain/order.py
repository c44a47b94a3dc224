"""Orders and their scheduled steps: one order is one requested procedure; states only move forward, by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bridge.domain.identifiers import EntityIdentifier
from bridge.errors import Conflict, Incomplete


class StepStatus(StrEnum):
    """Scheduled Procedure Step Status (0040,0020); the last four are ours and never leave in a worklist answer."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"
    HELD = "HELD"


LIVE = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.STARTED})
WAITING = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY})
FINAL = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.CANCELED})

_MAY_FOLLOW: dict[StepStatus, frozenset[StepStatus]] = {
    StepStatus.SCHEDULED: frozenset(StepStatus) - {StepStatus.SCHEDULED},
    StepStatus.ARRIVED: frozenset(StepStatus) - {StepStatus.ARRIVED, StepStatus.SCHEDULED},
    StepStatus.READY: frozenset(StepStatus) - {StepStatus.READY, StepStatus.SCHEDULED, StepStatus.ARRIVED},
    # Wrong worklist entry (110514) puts the step back on the list; see domain/performed.py.
    StepStatus.STARTED: frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.SCHEDULED}),
    StepStatus.HELD: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.CANCELED}),
    # An exam whose first attempt was stopped may be finished by a second one (append, PS3.17 K).
    StepStatus.DISCONTINUED: frozenset({StepStatus.STARTED, StepStatus.COMPLETED}),
    StepStatus.COMPLETED: frozenset(),
    StepStatus.CANCELED: frozenset(),
}


def may_follow(now: StepStatus, then: StepStatus) -> bool:
    """Say whether a step in state *now* may come to be in state *then*; staying where it is always may."""
    return now == then or then in _MAY_FOLLOW[now]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry. Source: PS3.3 8.8, HL7 2.5.1 2.A.6 (CE)."""

    code_value: str = ""
    coding_scheme_designator: str = ""
    code_meaning: str = ""

    def __bool__(self) -> bool:
        return bool(self.code_value or self.code_meaning)


@dataclass(frozen=True, slots=True)
class Step:
    """
    A scheduled procedure step: one line on a scanner's worklist.

    scheduled_start_local: "YYYYMMDDHHMMSS" as the hospital's clock says (what C-FIND matches); "" while unscheduled.
    scheduled_start_at: the same as an instant. scheduled_station_ae_title: every station that may do it.
    """

    key: int
    order_key: int
    scheduled_procedure_step_id: str
    status: StepStatus
    modality: str = ""
    scheduled_station_ae_title: tuple[str, ...] = ()
    scheduled_start_local: str = ""
    scheduled_start_at: datetime | None = None
    scheduled_procedure_step_description: str = ""
    scheduled_protocol_code: Code = field(default_factory=Code)
    scheduled_performing_physician_name: str = ""
    scheduled_station_name: str = ""
    scheduled_procedure_step_location: str = ""
    requested_contrast_agent: str = ""
    pre_medication: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class StepDraft:
    """What an order message says of one step. None keeps, "" erases."""

    scheduled_procedure_step_id: str = ""
    modality: str | None = None
    scheduled_station_ae_title: tuple[str, ...] | None = None
    scheduled_start_local: str | None = None
    scheduled_start_at: datetime | None = None
    scheduled_procedure_step_description: str | None = None
    scheduled_protocol_code: Code | None = None
    scheduled_performing_physician_name: str | None = None
    scheduled_station_name: str | None = None
    scheduled_procedure_step_location: str | None = None
    requested_contrast_agent: str | None = None
    pre_medication: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationDraft:
    """An authorization that an order names (AUT, IN1-14). policy_level: it stood on the insurance, not on the order."""

    number: str
    payer_id: str = ""
    payer_name: str = ""
    member_id: str = ""
    effective_on: str = ""
    expires_on: str = ""
    policy_level: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """
    One requested procedure of one patient.

    status: the furthest of its steps, or HELD/CANCELED as ordered. transaction_at: the newest ORC-9 (else MSH-7) applied.
    """

    key: int
    patient_key: int
    accession_number: str
    issuer_of_accession_number: str
    placer_order_number: EntityIdentifier
    filler_order_number: EntityIdentifier
    requested_procedure_id: str
    study_instance_uid: str
    status: StepStatus
    requested_procedure_description: str = ""
    requested_procedure_code: Code = field(default_factory=Code)
    requested_procedure_priority: str = ""
    reason_for_the_requested_procedure: str = ""
    requested_procedure_comments: str = ""
    requesting_physician: str = ""
    referring_physician_name: str = ""
    admission_id: EntityIdentifier = field(default_factory=EntityIdentifier)
    current_patient_location: str = ""
    institution_name: str = ""
    is_import: bool = False
    is_test: bool = False
    transaction_at: datetime | None = None
    ordered_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """
    What one order group (ORC/OBR, ORC/OBR/IPC…) says. None keeps, "" erases.

    derived: the fields among accession_number, study_instance_uid, requested_procedure_id, scheduled_procedure_step_id
    that the message does not hold and that were made from others: good for a new order, no news about a known one.
    """

    order_control: str
    order_status: str = ""
    accession_number: str = ""
    issuer_of_accession_number: str = ""
    placer_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    filler_order_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    requested_procedure_id: str = ""
    study_instance_uid: str = ""
    requested_procedure_description: str | None = None
    requested_procedure_code: Code | None = None
    requested_procedure_priority: str | None = None
    reason_for_the_requested_procedure: str | None = None
    requested_procedure_comments: str | None = None
    requesting_physician: str | None = None
    referring_physician_name: str | None = None
    institution_name: str | None = None
    transaction_at: datetime | None = None
    steps: tuple[StepDraft, ...] = ()
    authorizations: tuple[AuthorizationDraft, ...] = ()
    where: str = "ORC[1]"
    derived: frozenset[str] = frozenset()


class OrderAction(StrEnum):
    """What an order control means for us."""

    CREATE = "create"
    CHANGE = "change"
    CANCEL = "cancel"


_ACTIONS = {"NW": OrderAction.CREATE, "XO": OrderAction.CHANGE, "XX": OrderAction.CHANGE, "CA": OrderAction.CANCEL}
_DERIVED_KEYS = ("accession_number", "study_instance_uid", "requested_procedure_id")
# ORC-5 may carry the state that a change reports. Source: HL7 table 0038, IHE RAD TF-2 4.13.
_REPORTED = {
    "": None,
    "SC": None,
    "IP": StepStatus.STARTED,
    "CM": StepStatus.COMPLETED,
    "A": StepStatus.COMPLETED,
    "CA": StepStatus.CANCELED,
    "DC": StepStatus.DISCONTINUED,
    "HD": StepStatus.HELD,
}


def action_of(draft: OrderDraft) -> OrderAction:
    """
    Return what *draft*'s order control asks for.

    Raises: Incomplete (AE 103 at ORC-1), for a code outside the table. Source: HL7 table 0119.
    """
    if not draft.order_control:
        raise Incomplete("no order control", code="missing", where="ORC-1", source="HL7 2.5.1 4.5.1.1")
    action = _ACTIONS.get(draft.order_control)
    if action is None:
        raise Incomplete("order control not served", code="not_in_table", where="ORC-1", source="HL7 table 0119")
    return action


def reported_status(draft: OrderDraft) -> StepStatus | None:
    """
    Return the state that a new or changed order reports in ORC-5, None if it reports none.

    Raises: Incomplete (AE 103 at ORC-5). Source: HL7 table 0038.
    """
    if draft.order_status not in _REPORTED:
        raise Incomplete("order status not served", code="not_in_table", where="ORC-5", source="HL7 table 0038")
    return _REPORTED[draft.order_status]


def status_of(steps: Sequence[Step], now: StepStatus) -> StepStatus:
    """
    Return the state of an order from its steps', *now* if it has none.

    It is under way while any step is, open while any waits; finished ones decide only once all are.
    """
    found = {step.status for step in steps}
    if not found:
        return now
    for status in (StepStatus.STARTED, StepStatus.READY, StepStatus.ARRIVED, StepStatus.SCHEDULED, StepStatus.HELD):
        if status in found:
            return status
    return next(
        status for status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.CANCELED) if status in found
    )


def check_cancel(step: Step) -> StepStatus:
    """
    Return the state a step comes to be in when its order is cancelled.

    A step that has started cannot be unmade by an order: the scanner is running.
    Raises: Conflict (AE 206). Source: IHE RAD TF-2 4.3.4.2 (cancel before the procedure starts).
    """
    if step.status == StepStatus.STARTED:
        raise Conflict("the exam has started", code="record_locked", where="ORC-1")
    return step.status if step.status in FINAL else StepStatus.CANCELED


def give_way(draft: OrderDraft, order: Order, steps: Sequence[Step]) -> OrderDraft:
    """
    Return *draft* with what it does not say of a known order taken from the order, not from what was made up for it.

    A change need not repeat accession number and step ids; those made for a new order would rename this one, and its
    step would be cancelled for a twin. Steps without a sent id are the order's waiting ones, in order; where their
    numbers differ nobody can say which is meant, and the steps stay as they are: a finished exam does not come back.
    """
    known = {name: getattr(order, name) for name in _DERIVED_KEYS if name in draft.derived}
    if "accession_number" in draft.derived:
        known["issuer_of_accession_number"] = order.issuer_of_accession_number
    draft = replace(draft, **known, derived=draft.derived - frozenset(known))
    if "scheduled_procedure_step_id" not in draft.derived:
        return draft
    ids = {step.scheduled_procedure_step_id for step in steps}
    said = {step.scheduled_procedure_step_id for step in draft.steps}
    free = [
        step.scheduled_procedure_step_id
        for step in steps
        if step.status not in FINAL and step.scheduled_procedure_step_id not in said
    ]
    unnamed = [number for number, step in enumerate(draft.steps) if step.scheduled_procedure_step_id not in ids]
    if not steps or not unnamed:
        return draft
    if len(free) != len(unnamed):
        return replace(draft, steps=())
    named = list(draft.steps)
    for number, step_id in zip(unnamed, free, strict=True):
        named[number] = replace(named[number], scheduled_procedure_step_id=step_id)
    return replace(draft, steps=tuple(named))
