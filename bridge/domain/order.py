"""Orders and their scheduled steps: one order is one requested procedure; states only move forward, by a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bridge.domain.code import Code as Code
from bridge.domain.details import OrderDetails, StepDetails
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier


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
    # A device that had read its list before may perform what is on hold: what was done was done.
    StepStatus.HELD: frozenset(StepStatus) - {StepStatus.HELD},
    # An exam whose first attempt was stopped may be finished by a second one (append, PS3.17 K).
    StepStatus.DISCONTINUED: frozenset({StepStatus.STARTED, StepStatus.COMPLETED}),
    StepStatus.COMPLETED: frozenset(),
    StepStatus.CANCELED: frozenset(),
}


def may_follow(now: StepStatus, then: StepStatus) -> bool:
    """Say whether a step in state *now* may come to be in state *then*; staying where it is always may."""
    return now == then or then in _MAY_FOLLOW[now]


@dataclass(frozen=True, slots=True)
class ByHand:
    """One decision of a person about a step. was, now: what it changed, by the step's own names. at: when, UTC."""

    at: datetime
    was: Mapping[str, Any]
    now: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """
    A scheduled procedure step: one line on a scanner's worklist.

    scheduled_start_local: "YYYYMMDDHHMMSS" as the hospital's clock says (what C-FIND matches); "" while unscheduled.
    scheduled_start_at: the same as an instant. scheduled_station_ae_title: every station that may do it.
    held_from: the state before HELD. appointment_key, booked_at: the appointment that says when and where, and its own
    time. withheld: why no device is shown it though it waits ("the appointment was cancelled"), "" if one may be.
    by_hand: what people decided about it and nobody took back or said otherwise since, oldest first.
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
    held_from: StepStatus | None = None
    appointment_key: int | None = None
    booked_at: datetime | None = None
    withheld: str = ""
    details: StepDetails = field(default_factory=StepDetails)
    by_hand: tuple[ByHand, ...] = ()
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
    details: StepDetails = field(default_factory=StepDetails)


# What a draft may say of an order, and of a step, under the name that it has there.
ORDER_TEXTS = (
    "requested_procedure_description",
    "requested_procedure_code",
    "requested_procedure_priority",
    "reason_for_the_requested_procedure",
    "requested_procedure_comments",
    "requesting_physician",
    "referring_physician_name",
    "institution_name",
)
STEP_FIELDS = (
    "modality",
    "scheduled_station_ae_title",
    "scheduled_start_local",
    "scheduled_start_at",
    "scheduled_procedure_step_description",
    "scheduled_protocol_code",
    "scheduled_performing_physician_name",
    "scheduled_station_name",
    "scheduled_procedure_step_location",
    "requested_contrast_agent",
    "pre_medication",
)


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

    status: the furthest of its steps, or HELD/CANCELED as ordered. transaction_at: the newest ORC-9 (else MSH-7) of what
    was said about it; status_at: of what was said about its state, None while only its steps were.
    replaced_by: the order that took its place; parent_key: the order it is a part of. patient_number: the patient's
    number that it came under.
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
    details: OrderDetails = field(default_factory=OrderDetails)
    is_import: bool = False
    is_test: bool = False
    transaction_at: datetime | None = None
    status_at: datetime | None = None
    replaced_by: int | None = None
    parent_key: int | None = None
    ordered_at: datetime | None = None
    version: int = 1
    patient_number: PatientIdentifier = field(default_factory=lambda: PatientIdentifier(""))


class OrderAction(StrEnum):
    """What an order control does here; each is explained where it first stands in order_control.toml."""

    CREATE = "create"
    CHANGE = "change"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    HOLD = "hold"
    RELEASE = "release"
    REPLACE = "replace"
    REPLACEMENT = "replacement"
    PARENT = "parent"
    CHILD = "child"
    REPORT = "report"
    NUMBER = "number"
    NUMBER_OR_CREATE = "number_or_create"
    STATUS = "status"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """
    What one order group (ORC/OBR, ORC/OBR/IPC…) says. None keeps, "" erases.

    action, reported: what its order control and status mean by its site's table. by_filler: whoever performs the order
    says so, not whoever placed it. parent_placer_number, parent_filler_number: the order it is a part of (ORC-8).
    where: its ORC; joined: those of further groups that are steps of the same procedure. derived: the fields among
    accession_number, study_instance_uid, requested_procedure_id, scheduled_procedure_step_id that the message does not
    hold and that were made from others: good for a new order, no news about a known one.
    """

    order_control: str
    action: OrderAction = OrderAction.CREATE
    order_status: str = ""
    reported: StepStatus | None = None
    by_filler: bool = False
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
    details: OrderDetails = field(default_factory=OrderDetails)
    transaction_at: datetime | None = None
    steps: tuple[StepDraft, ...] = ()
    authorizations: tuple[AuthorizationDraft, ...] = ()
    parent_placer_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    parent_filler_number: EntityIdentifier = field(default_factory=EntityIdentifier)
    where: str = "ORC[1]"
    joined: tuple[str, ...] = ()
    derived: frozenset[str] = frozenset()


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


_DERIVED_KEYS = ("accession_number", "study_instance_uid", "requested_procedure_id")


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
