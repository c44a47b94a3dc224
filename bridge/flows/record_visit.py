"""What a message says of a visit: its state and place, and the exams that follow the patient there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bridge.domain.adt_events import adt_event
from bridge.domain.details import OrderDetails, merged
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.message import Notice
from bridge.domain.order import WAITING, Order, StepStatus
from bridge.domain.patient import Patient, Visit, VisitDraft, VisitState, shown_on_orders
from bridge.flows.refresh_worklist import refresh_worklist, set_order_status
from bridge.flows.register_patient import News
from bridge.store import events, merges, orders, patients, visits
from bridge.store.db import WriteTx
from bridge.store.events import Event, Station

_TEXTS = (
    "patient_class",
    "current_patient_location",
    "referring_physician_name",
    "admitted_local",
    "discharged_local",
)


@dataclass(frozen=True, slots=True)
class VisitNews:
    """
    What a message means for a visit. number: the patient's number it came under; arrived_on: the day ("YYYYMMDD") on
    which the patient came for the exams, "" for no news of that; cancels_exams: an ended visit takes its exams along.
    moved_at: when its account was moved since, None if it was not.
    """

    draft: VisitDraft
    news: News
    number: PatientIdentifier
    arrived_on: str = ""
    cancels_exams: bool = False
    moved_at: datetime | None = None


@dataclass(slots=True)
class Recorded:
    """
    What became of it. patient: whose visit it is; admission_id: by which number it goes now. orders: those that changed.

    details: what devices are told of the visit; is_news: whether that is not as it was.
    """

    patient: Patient
    admission_id: EntityIdentifier
    details: OrderDetails = field(default_factory=OrderDetails)
    is_news: bool = False
    notices: list[Notice] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


def record_visit(tx: WriteTx, patient: Patient, told: VisitNews) -> Recorded:
    """
    Store what is new of a visit; older news than what is stored changes nothing.

    A visit that was moved to another patient or renumbered after this was said is that patient's, under that number.
    """
    draft, news = told.draft, told.news
    recorded = Recorded(patient, draft.admission_id)
    known = visits.standing(tx, draft.admission_id) if draft.admission_id else None
    if known is None and draft.admission_id and draft.account_number:
        told = _account_followed(tx, recorded, told)
        draft = told.draft
        known = visits.standing(tx, draft.admission_id)
    if known is not None:
        _claim(tx, recorded, known, news)
        recorded.details = shown_on_orders(known)
        if known.as_of is not None and known.as_of > news.said_at:
            return recorded
    new = Visit(0, recorded.patient.key, recorded.admission_id, patient_number=told.number, moved_at=told.moved_at)
    before = known or new
    after = _after(before, recorded, told)
    recorded.details = shown_on_orders(after)
    recorded.is_news = (known is not None or bool(draft.details)) and recorded.details != shown_on_orders(before)
    if draft.admission_id and known is None:
        visits.add(tx, after)
    elif draft.admission_id and after != before:
        visits.save(tx, after)
    if not news.is_order:
        is_moved = not draft.admission_id or after.current_patient_location != before.current_patient_location
        _tell_exams(tx, recorded, told, after, is_moved=is_moved or known is None)
    return recorded


def close_exams(tx: WriteTx, told: Iterable[Order], why: str, news: News) -> list[Order]:
    """Cancel the steps of these orders that only wait; those that have started go on. why: a sentence for the timeline."""
    closed = []
    for order in told:
        waiting = [step for step in orders.steps_of(tx, order.key) if step.status in WAITING]
        for step in waiting:
            orders.save_step(tx, replace(step, status=StepStatus.CANCELED))
        if waiting:
            closed.append(set_order_status(tx, order, news))
            _log(tx, order, why, news)
    return closed


def _account_followed(tx: WriteTx, recorded: Recorded, told: VisitNews) -> VisitNews:
    """Return news of a visit that nobody knows as it reads after a later move of its account."""
    account = told.draft.account_number
    moved = merges.account_moved_since(tx, account, told.news.said_at) if account else None
    if moved is None:
        return told
    owner = patients.survivor(tx, moved.survivor_key)
    if owner.key != recorded.patient.key:
        recorded.patient = owner
        recorded.notices.append(Notice("I", "the account was moved to another patient since", "PID-18"))
    if told.draft.admission_id == account:
        recorded.admission_id = moved.new_number
    draft = replace(told.draft, admission_id=recorded.admission_id, account_number=moved.new_number)
    return replace(told, draft=draft, moved_at=moved.merged_at)


def _claim(tx: WriteTx, recorded: Recorded, known: Visit, news: News) -> None:
    """Say whose visit it is: a later move decides against the message, later news decides for it."""
    recorded.admission_id = known.admission_id
    if known.patient_key == recorded.patient.key:
        return
    holder = patients.survivor(tx, known.patient_key)
    if holder.key == recorded.patient.key:
        return
    if known.moved_at is not None and known.moved_at > news.said_at:
        recorded.patient = holder
        recorded.notices.append(Notice("I", "the visit was moved to another patient since", "PV1-19"))
    else:
        recorded.notices.append(Notice("W", "the visit was another patient's before", "PV1-19"))


def _after(before: Visit, recorded: Recorded, told: VisitNews) -> Visit:
    draft, news = told.draft, told.news
    said: dict[str, Any] = {name: value for name in _TEXTS if (value := getattr(draft, name)) is not None}
    state = adt_event(news.event).visit
    if state is not None:
        said["state"] = state
    if state == VisitState.OPEN:
        said.setdefault("discharged_local", "")
    is_moved = before.key and before.moved_at is not None and before.moved_at > news.said_at
    if draft.account_number and not (is_moved and before.account_number):
        said["account_number"] = draft.account_number
    if recorded.patient.key != before.patient_key or not before.patient_number.patient_id:
        said["patient_number"] = told.number
    if draft.details:
        said["details"] = merged(before.details, draft.details)
    return replace(before, **said, patient_key=recorded.patient.key, as_of=news.said_at)


def _tell_exams(tx: WriteTx, recorded: Recorded, told: VisitNews, visit: Visit, *, is_moved: bool) -> None:
    """Let the visit's open exams follow: the place on the worklist, the arrival, the end of the visit."""
    location = told.draft.current_patient_location
    ended = visit.state == VisitState.CANCELLED and adt_event(told.news.event).visit == VisitState.CANCELLED
    if not (ended or told.arrived_on or recorded.is_news or (is_moved and location is not None)):
        return
    mine = [
        order
        for order in orders.open_of_patient(tx, recorded.patient.key)
        if not visit.admission_id or not order.admission_id or order.admission_id == visit.admission_id
    ]
    for order in mine:
        changed = replace(order, details=merged(order.details, recorded.details))
        if is_moved and location is not None:
            changed = replace(changed, current_patient_location=location)
        changed = orders.save(tx, changed, told.news.heard_at) if changed != order else order
        if told.arrived_on:
            changed = _arrive(tx, changed, told)
        if changed is not order:
            refresh_worklist(tx, changed)
            recorded.orders.append(changed)
    if ended:
        of_visit = [order for order in mine if order.admission_id and order.admission_id == visit.admission_id]
        _end(tx, recorded, told, of_visit)


def _end(tx: WriteTx, recorded: Recorded, told: VisitNews, mine: list[Order]) -> None:
    if not mine:
        return
    if told.cancels_exams:
        recorded.orders += close_exams(tx, mine, "The visit was cancelled, and the exam with it", told.news)
        return
    recorded.notices.append(Notice("W", "the visit was cancelled, and exams of it wait on the worklist", "PV1-19"))
    for order in mine:
        _log(
            tx, order, "The visit was cancelled; the exam stays on the worklist until its order is cancelled", told.news
        )
    recorded.orders += mine


def _arrive(tx: WriteTx, order: Order, told: VisitNews) -> Order:
    """Bring the steps of this visit, or of this day where a visit is not named, from SCHEDULED to ARRIVED."""
    same_visit = bool(order.admission_id) and order.admission_id == told.draft.admission_id
    here = [
        step
        for step in orders.steps_of(tx, order.key)
        if step.status == StepStatus.SCHEDULED and (same_visit or step.scheduled_start_local[:8] == told.arrived_on)
    ]
    for step in here:
        orders.save_step(tx, replace(step, status=StepStatus.ARRIVED))
    if not here:
        return order
    _log(tx, order, "The patient has arrived", told.news, Station.SCHEDULED)
    return set_order_status(tx, order, told.news)


def _log(tx: WriteTx, order: Order, what: str, news: News, station: Station = Station.ORDER) -> None:
    events.add(tx, Event(news.heard_at, station, what, news.teller, source_kind="message", order_key=order.key))
