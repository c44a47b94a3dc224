"""What an order message says, applied to orders, steps and the worklist. Takes part in its caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.domain.message import Notice
from bridge.domain.order import (
    FINAL,
    WAITING,
    AuthorizationDraft,
    Order,
    OrderAction,
    OrderDraft,
    Step,
    StepDraft,
    StepStatus,
    action_of,
    check_cancel,
    give_way,
    may_follow,
    reported_status,
    status_of,
)
from bridge.domain.patient import Patient, VisitDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.errors import Conflict, Incomplete
from bridge.flows.register_patient import News
from bridge.store import authorizations, events, orders, patients
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_ORDER_TEXTS = (
    "requested_procedure_description",
    "requested_procedure_code",
    "requested_procedure_priority",
    "reason_for_the_requested_procedure",
    "requested_procedure_comments",
    "requesting_physician",
    "referring_physician_name",
    "institution_name",
)
_STEP_FIELDS = (
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


@dataclass(slots=True)
class Scheduled:
    """One order as it stands now. moved_from: the patient an XO took it from; source: for the timeline."""

    order: Order
    notices: list[Notice] = field(default_factory=list)
    moved_from: int | None = None


@dataclass(frozen=True, slots=True)
class OrderNews:
    """
    What comes with an order: its patient, the visit, who said it. mint: makes a Study Instance UID where none is named.

    stations_for: the AE titles that may do a modality's exams where the order names none.
    """

    patient: Patient
    news: News
    mint: Callable[[], str]
    stations_for: Callable[[str], tuple[str, ...]]
    visit: VisitDraft | None = None
    is_test: bool = False
    by: str = ""
    source_kind: str = "message"
    source_id: str = ""


def schedule_order(tx: WriteTx, draft: OrderDraft, told: OrderNews, rules: ReconcileRules) -> Scheduled:
    """
    Create, change or cancel the order of *draft*.

    A late message never moves a step backwards; older news than what is stored changes nothing.
    Raises: Incomplete, Conflict (AE 204 unknown order, 205 another patient's, 206 started).
    Source: HL7 2.5.1 4.4, IHE RAD TF-2 4.4, 4.13.
    """
    action, reported = action_of(draft), reported_status(draft)
    said_at = draft.transaction_at or told.news.said_at
    found = orders.find(
        tx,
        draft.filler_order_number,
        draft.placer_order_number,
        (draft.accession_number, draft.issuer_of_accession_number),
    )
    if found is None:
        if action != OrderAction.CREATE:
            raise Conflict("no such order", where="ORC-2", source="IHE RAD TF-2 4.13")
        return _create(tx, draft, told, rules, reported)
    if found.transaction_at is not None and found.transaction_at > said_at:
        return Scheduled(found, [Notice("I", "older than what is known of the order, nothing changed", "ORC-9")])
    if action == OrderAction.CANCEL:
        return _cancel(tx, found, draft, told)
    known = give_way(draft, found, orders.steps_of(tx, found.key))
    return _change(tx, found, known, told, rules, reported)


def refresh_worklist(tx: WriteTx, order: Order, patient: Patient | None = None) -> list[str]:
    """
    Encode the worklist answers of an order's steps anew: it, its patient or its visit changed.

    Returns where each open step now stands, in words.
    """
    live = patient or patients.survivor(tx, order.patient_key)
    places = []
    for step in orders.steps_of(tx, order.key):
        if step.status in FINAL:
            continue
        try:
            orders.set_encoded(tx, step.key, encode(WorklistEntry(live, order, step)))
            places.append(_place(step))
        except Incomplete as fault:
            orders.set_encoded(tx, step.key, None, f"{fault.where}: {fault.detail}")
            places.append(f"Kept off the worklist, which needs {fault.where}")
    return places


def refresh_worklist_of_patient(tx: WriteTx, patient_key: int, already: Container[int] = ()) -> None:
    """Encode the worklist answers of every live step of a patient anew, but for the orders in *already*."""
    waiting = dict.fromkeys(step.order_key for step in orders.live_steps_of_patient(tx, patient_key))
    for order_key in waiting:
        if order_key not in already:
            refresh_worklist(tx, orders.get(tx, order_key))


def set_order_status(tx: WriteTx, order: Order, told_at: News) -> Order:
    """Bring an order's state in line with its steps."""
    status = status_of(orders.steps_of(tx, order.key), order.status)
    return order if status == order.status else orders.save(tx, replace(order, status=status), told_at.heard_at)


def _create(
    tx: WriteTx, draft: OrderDraft, told: OrderNews, rules: ReconcileRules, reported: StepStatus | None
) -> Scheduled:
    notices = _check_keys(tx, draft, told.patient)
    blank = Order(
        key=0,
        patient_key=told.patient.key,
        accession_number=draft.accession_number,
        issuer_of_accession_number=draft.issuer_of_accession_number,
        placer_order_number=draft.placer_order_number,
        filler_order_number=draft.filler_order_number,
        requested_procedure_id=draft.requested_procedure_id,
        study_instance_uid=draft.study_instance_uid or told.mint(),
        status=StepStatus.SCHEDULED,
        is_test=told.is_test,
        ordered_at=told.news.heard_at,
    )
    filled = _filled(blank, draft, told)
    order = orders.add(tx, replace(filled, is_import=rules.makes_import(filled)), told.news.heard_at)
    for step_draft in draft.steps:
        _add_step(tx, order, step_draft, told, reported)
    _log(tx, order, told, Station.ORDER, f"Order received: {_title(order)}")
    return _finish(tx, order, draft, told, notices)


def _change(
    tx: WriteTx,
    found: Order,
    draft: OrderDraft,
    told: OrderNews,
    rules: ReconcileRules,
    reported: StepStatus | None,
) -> Scheduled:
    moved_from = None
    if patients.survivor(tx, found.patient_key).key != told.patient.key:
        if action_of(draft) == OrderAction.CREATE:
            raise Conflict("the order is another patient's", code="duplicate_key", where="ORC-3")
        moved_from = found.patient_key
    before = {_place(step) for step in orders.steps_of(tx, found.key)}
    filled = replace(_filled(found, draft, told), patient_key=told.patient.key)
    order = orders.save(tx, replace(filled, is_import=rules.makes_import(filled)), told.news.heard_at)
    notices = _change_steps(tx, order, draft, told, reported)
    what = "Order moved to another patient" if moved_from is not None else "Order changed"
    _log(tx, order, told, Station.ORDER, what)
    scheduled = _finish(tx, order, draft, told, notices, before)
    scheduled.moved_from = moved_from
    return scheduled


def _cancel(tx: WriteTx, found: Order, draft: OrderDraft, told: OrderNews) -> Scheduled:
    for step in orders.steps_of(tx, found.key):
        after = check_cancel(step)
        if after != step.status:
            orders.save_step(tx, replace(step, status=after))
    said_at = draft.transaction_at or told.news.said_at
    order = orders.save(tx, replace(found, transaction_at=said_at), told.news.heard_at)
    order = set_order_status(tx, order, told.news)
    _log(tx, order, told, Station.ORDER, "Order cancelled")
    return Scheduled(order)


def _finish(
    tx: WriteTx,
    order: Order,
    draft: OrderDraft,
    told: OrderNews,
    notices: list[Notice],
    before: Container[str] = (),
) -> Scheduled:
    """Bring order, authorizations and worklist in line. before: where its steps stood, so that only news is told."""
    order = set_order_status(tx, order, told.news)
    for place in refresh_worklist(tx, order, told.patient):
        if place not in before:
            _log(tx, order, told, Station.SCHEDULED, place)
    for authorization in draft.authorizations:
        notices += _authorize(tx, order, authorization, told)
    return Scheduled(order, notices)


def _place(step: Step) -> str:
    start = step.scheduled_start_local
    when = f"{start[:4]}-{start[4:6]}-{start[6:8]} {start[8:10]}:{start[10:12]}" if start else "no time yet"
    return f"On the worklist of {', '.join(step.scheduled_station_ae_title)} for {when}"


def _check_keys(tx: WriteTx, draft: OrderDraft, patient: Patient) -> list[Notice]:
    """Refuse a study of another patient; say when an accession number is used again."""
    for other in orders.by_study_uid(tx, draft.study_instance_uid) if draft.study_instance_uid else ():
        if patients.survivor(tx, other.patient_key).key != patient.key:
            raise Conflict("the study is another patient's", code="duplicate_key", where="ZDS-1")
    if not draft.accession_number:
        return []
    same_number = orders.by_accession(tx, draft.accession_number, draft.issuer_of_accession_number)
    if any(patients.survivor(tx, other.patient_key).key != patient.key for other in same_number):
        return [Notice("W", "the accession number was another patient's before", "OBR-18")]
    return []


def _change_steps(
    tx: WriteTx, order: Order, draft: OrderDraft, told: OrderNews, reported: StepStatus | None
) -> list[Notice]:
    """Apply the steps a message lists; those it no longer lists are cancelled while they only wait."""
    notices: list[Notice] = []
    known = {step.scheduled_procedure_step_id: step for step in orders.steps_of(tx, order.key)}
    for step_draft in draft.steps:
        step = known.pop(step_draft.scheduled_procedure_step_id, None)
        if step is None:
            _add_step(tx, order, step_draft, told, reported)
        elif step.status in FINAL:
            notices.append(Notice("I", "the step is finished and stays so", draft.where))
        else:
            orders.save_step(tx, _changed(step, step_draft, reported))
    for step in known.values():
        if draft.steps and step.status in WAITING:
            orders.save_step(tx, replace(step, status=StepStatus.CANCELED))
    return notices


def _add_step(tx: WriteTx, order: Order, draft: StepDraft, told: OrderNews, reported: StepStatus | None) -> None:
    blank = Step(
        key=0,
        order_key=order.key,
        scheduled_procedure_step_id=draft.scheduled_procedure_step_id,
        status=StepStatus.SCHEDULED,
    )
    step = _changed(blank, draft, reported)
    if not step.scheduled_station_ae_title:
        step = replace(step, scheduled_station_ae_title=told.stations_for(step.modality))
    orders.add_step(tx, step)


def _changed(step: Step, draft: StepDraft, reported: StepStatus | None) -> Step:
    said: dict[str, Any] = {name: value for name in _STEP_FIELDS if (value := getattr(draft, name)) is not None}
    if draft.scheduled_start_local == "":
        said["scheduled_start_at"] = None
    status = reported if reported is not None and may_follow(step.status, reported) else step.status
    return replace(step, **said, status=status)


def _filled(order: Order, draft: OrderDraft, told: OrderNews) -> Order:
    """Return *order* with what *draft* says; its study UID stays: images may carry it already."""
    said: dict[str, Any] = {name: value for name in _ORDER_TEXTS if (value := getattr(draft, name)) is not None}
    for name in ("placer_order_number", "filler_order_number", "accession_number", "issuer_of_accession_number"):
        said[name] = getattr(draft, name) or getattr(order, name)
    visit = told.visit
    if visit is not None and visit.admission_id:
        said["admission_id"] = visit.admission_id
    if visit is not None and visit.current_patient_location is not None:
        said["current_patient_location"] = visit.current_patient_location
    if visit is not None and visit.referring_physician_name and draft.referring_physician_name is None:
        said["referring_physician_name"] = visit.referring_physician_name
    said["transaction_at"] = draft.transaction_at or told.news.said_at
    return replace(order, **said)


def _authorize(tx: WriteTx, order: Order, draft: AuthorizationDraft, told: OrderNews) -> Sequence[Notice]:
    known = authorizations.find(tx, draft.payer_id, draft.number)
    if known is not None and patients.survivor(tx, known.patient_key).key != told.patient.key:
        return [Notice("W", "the authorization is another patient's and was left there", "IN1-14")]
    authorizations.put(tx, draft, told.patient.key, order.key, told.news.heard_at)
    if known is None:
        _log(tx, order, told, Station.AUTHORIZATION, f"Authorization {draft.number} named by the order")
    return []


def _log(tx: WriteTx, order: Order, told: OrderNews, station: Station, what: str) -> None:
    events.add(
        tx,
        Event(
            told.news.heard_at,
            station,
            what,
            by=told.by,
            source_kind=told.source_kind,
            source_id=told.source_id,
            order_key=order.key,
        ),
    )


def _title(order: Order) -> str:
    code = order.requested_procedure_code
    return order.requested_procedure_description or code.code_meaning or code.code_value or "procedure not named"
