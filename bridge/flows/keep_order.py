"""What an order group describes, kept: a new order with its steps, or what is new about a known one."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, cast

from bridge.domain.authorization import date_of
from bridge.domain.authorization_news import AuthorizationNews
from bridge.domain.by_hand import hear
from bridge.domain.details import OrderDetails, StepDetails, merged
from bridge.domain.message import Notice
from bridge.domain.order import (
    FINAL,
    ORDER_TEXTS,
    STEP_FIELDS,
    WAITING,
    AuthorizationDraft,
    Order,
    OrderAction,
    OrderDraft,
    Step,
    StepDraft,
    StepStatus,
    give_way,
)
from bridge.domain.order_control import report
from bridge.domain.patient import Patient
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.errors import Conflict
from bridge.flows.meet_order import meet_order
from bridge.flows.move_order import STALE, move_order
from bridge.flows.refresh_worklist import (
    OrderNews,
    Scheduled,
    log_on_timeline,
    place_of,
    refresh_worklist,
    set_order_status,
)
from bridge.flows.take_authorization_news import NewsOutcome, Taking, take_authorization_news
from bridge.store import news, orders, patients
from bridge.store.db import WriteTx
from bridge.store.events import Station

_NUMBERS = ("placer_order_number", "filler_order_number", "accession_number", "issuer_of_accession_number")
# What an appointment says; while it stands, an order's own word on it is not taken.
_BOOKED_FIELDS = frozenset(
    {
        "scheduled_station_ae_title",
        "scheduled_start_local",
        "scheduled_start_at",
        "scheduled_performing_physician_name",
        "scheduled_station_name",
        "scheduled_procedure_step_location",
    }
)
_BOOKED_DETAILS = frozenset({"scheduled_duration", "scheduled_performing_physician_code"})


def keep_order(
    tx: WriteTx, found: Order | None, draft: OrderDraft, told: OrderNews, rules: ReconcileRules
) -> Scheduled:
    """
    Create the order of *draft*, or apply what is new in it to *found*.

    A late message never moves a step backwards; older news than what is stored changes nothing, but for the state that
    it reports, which has a time of its own. Raises: Conflict (AE 205), if order or study is another patient's.
    """
    if found is None:
        return _create(tx, draft, told, rules)
    said_at = draft.transaction_at or told.news.said_at
    if found.transaction_at is None or found.transaction_at <= said_at:
        known = give_way(draft, found, orders.steps_of(tx, found.key))
        return _change(tx, found, known, told, rules)
    if draft.reported is not None:
        return move_order(tx, found, draft, told)
    return Scheduled(found, "nothing changed", [Notice("I", STALE, "ORC-9")])


def check_study(tx: WriteTx, order_key: int, study_instance_uid: str, patient: Patient) -> None:
    """Refuse a study of another patient. Raises: Conflict (AE 205)."""
    if _is_of_another(tx, order_key, study_instance_uid, patient):
        raise Conflict("the study is another patient's", code="duplicate_key", where="ZDS-1")


def _is_of_another(tx: WriteTx, order_key: int, study_instance_uid: str, patient: Patient) -> bool:
    others = orders.by_study_uid(tx, study_instance_uid) if study_instance_uid else ()
    return any(
        other.key != order_key and patients.survivor(tx, other.patient_key).key != patient.key for other in others
    )


def _create(tx: WriteTx, draft: OrderDraft, told: OrderNews, rules: ReconcileRules) -> Scheduled:
    if "study_instance_uid" in draft.derived and _is_of_another(tx, 0, draft.study_instance_uid, told.patient):
        # Made from an accession number that was somebody else's before: nobody said that it is that study.
        draft = replace(draft, study_instance_uid="")
    check_study(tx, 0, draft.study_instance_uid, told.patient)
    notices = _number_used_again(tx, draft, told.patient)
    blank = Order(
        key=0,
        patient_key=told.patient.key,
        patient_number=told.number or told.patient.primary,
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
    if rules.makes_import(filled):
        filled = replace(filled, is_import=True)
    order = orders.add(tx, filled, told.news.heard_at)
    for step_draft in draft.steps:
        _add_step(tx, order, step_draft, told, draft)
    log_on_timeline(tx, order, told, Station.ORDER, f"Order received: {_title(order)}")
    notices += meet_order(tx, order, told)
    scheduled = _finish(tx, order, draft, told, rules, notices)
    scheduled.what = "order created"
    news.look_at(tx, news.ORDER, order.key, told.news.heard_at)
    return scheduled


def _change(tx: WriteTx, found: Order, draft: OrderDraft, told: OrderNews, rules: ReconcileRules) -> Scheduled:
    moved_from = None
    if patients.survivor(tx, found.patient_key).key != told.patient.key:
        if draft.action != OrderAction.CHANGE:
            raise Conflict("the order is another patient's", code="duplicate_key", where="ORC-3")
        check_study(tx, found.key, found.study_instance_uid, told.patient)
        moved_from = found.patient_key
    before = {place_of(step) for step in orders.steps_of(tx, found.key)}
    filled = replace(_filled(found, draft, told), patient_key=told.patient.key)
    if moved_from is not None:
        filled = replace(filled, patient_number=told.number or told.patient.primary)
    order = orders.save(tx, replace(filled, is_import=rules.makes_import(filled)), told.news.heard_at)
    notices = _change_steps(tx, found, draft, told)
    is_renumbered = any(getattr(found, name) != getattr(order, name) for name in _NUMBERS)
    if is_renumbered:
        notices += meet_order(tx, order, told)
    what = "Order moved to another patient" if moved_from is not None else "Order changed"
    log_on_timeline(tx, order, told, Station.ORDER, what)
    scheduled = _finish(tx, order, draft, told, rules, notices, before=before)
    scheduled.what, scheduled.moved_from, scheduled.is_renumbered = what.lower(), moved_from, is_renumbered
    return scheduled


def _finish(
    tx: WriteTx,
    order: Order,
    draft: OrderDraft,
    told: OrderNews,
    rules: ReconcileRules,
    notices: list[Notice],
    *,
    before: Container[str] = (),
) -> Scheduled:
    """Bring order, authorizations and worklist in line. before: where its steps stood, so that only news is told."""
    steps = orders.steps_of(tx, order.key)
    order = set_order_status(tx, order, told.news, steps)
    for place in refresh_worklist(tx, order, told.patient, steps):
        if place not in before:
            log_on_timeline(tx, order, told, Station.SCHEDULED, place)
    for authorization in draft.authorizations:
        notices += _authorize(tx, order, authorization, told, rules)
    return Scheduled(order, notices=notices, steps=tuple(steps))


def _number_used_again(tx: WriteTx, draft: OrderDraft, patient: Patient) -> list[Notice]:
    if not draft.accession_number:
        return []
    same_number = orders.by_accession(tx, draft.accession_number, draft.issuer_of_accession_number)
    if any(patients.survivor(tx, other.patient_key).key != patient.key for other in same_number):
        return [Notice("W", "the accession number was another patient's before", "OBR-18")]
    return []


def _change_steps(tx: WriteTx, found: Order, draft: OrderDraft, told: OrderNews) -> list[Notice]:
    """Apply the steps a message lists; those it no longer lists are cancelled while they only wait."""
    notices: list[Notice] = []
    known = {step.scheduled_procedure_step_id: step for step in orders.steps_of(tx, found.key)}
    has_ended = _has_ended(found, list(known.values()), draft, told)
    for step_draft in draft.steps:
        step = known.pop(step_draft.scheduled_procedure_step_id, None)
        if step is None and has_ended:
            notices.append(Notice("I", "the order has ended, and no step was added to it", draft.where))
        elif step is None:
            _add_step(tx, found, step_draft, told, draft)
        elif step.status in FINAL:
            notices.append(Notice("I", "the step is finished and stays so", draft.where))
        else:
            orders.save_step(tx, _changed(step, step_draft, told, draft, _is_news(found, draft, told)))
    for step in known.values():
        if draft.steps and step.status in WAITING:
            orders.save_step(tx, replace(step, status=StepStatus.CANCELED))
    return notices


def _has_ended(found: Order, steps: Sequence[Step], draft: OrderDraft, told: OrderNews) -> bool:
    """Say whether the order is over for this message: only a new order that is newer than the end adds to it."""
    if not steps or any(step.status not in FINAL for step in steps):
        return False
    return draft.action == OrderAction.CHANGE or not _is_news(found, draft, told)


def _is_news(found: Order, draft: OrderDraft, told: OrderNews) -> bool:
    """Say whether no later word on the order's state is known."""
    return found.status_at is None or found.status_at <= (draft.transaction_at or told.news.said_at)


def _add_step(tx: WriteTx, order: Order, step_draft: StepDraft, told: OrderNews, draft: OrderDraft) -> None:
    blank = Step(
        key=0,
        order_key=order.key,
        scheduled_procedure_step_id=step_draft.scheduled_procedure_step_id,
        status=StepStatus.SCHEDULED,
    )
    step = _changed(blank, step_draft, told, draft, True)
    if not step.scheduled_station_ae_title:
        step = replace(step, scheduled_station_ae_title=told.stations_for(step.modality))
    orders.add_step(tx, step)


def _changed(step: Step, said_of: StepDraft, told: OrderNews, draft: OrderDraft, is_news: bool) -> Step:
    """Return *step* with what is said of it. is_news: whether the state that is reported is the newest word on it."""
    said: dict[str, Any] = {name: value for name in STEP_FIELDS if (value := getattr(said_of, name)) is not None}
    if said_of.scheduled_start_local == "":
        said["scheduled_start_at"] = None
    details = said_of.details
    if step.appointment_key is not None and _appointment_stands(step, said_of, told, draft):
        said = {name: value for name, value in said.items() if name not in _BOOKED_FIELDS}
        details = cast(StepDetails, {name: one for name, one in details.items() if name not in _BOOKED_DETAILS})
    elif said_of.scheduled_start_local:
        said["withheld"] = ""
    if details:
        said["details"] = merged(step.details, details)
    changed = hear(step, said, draft.transaction_at or told.news.said_at)
    return report(changed, draft.reported, by_filler=draft.by_filler) if is_news else changed


def _appointment_stands(step: Step, said_of: StepDraft, told: OrderNews, draft: OrderDraft) -> bool:
    """Say whether a step's appointment says when and where: until it ends, and then until an order's later news does."""
    if not step.withheld or step.booked_at is None:
        return True
    return not said_of.scheduled_start_local or step.booked_at >= (draft.transaction_at or told.news.said_at)


def _filled(order: Order, draft: OrderDraft, told: OrderNews) -> Order:
    """Return *order* with what *draft* says; its study UID stays: images may carry it already."""
    said: dict[str, Any] = {name: value for name in ORDER_TEXTS if (value := getattr(draft, name)) is not None}
    for name in _NUMBERS:
        said[name] = getattr(draft, name) or getattr(order, name)
    visit = told.visit
    if visit is not None and visit.admission_id:
        said["admission_id"] = visit.admission_id
    if visit is not None and visit.current_patient_location is not None:
        said["current_patient_location"] = visit.current_patient_location
    if visit is not None and visit.referring_physician_name and draft.referring_physician_name is None:
        said["referring_physician_name"] = visit.referring_physician_name
    said["details"] = merged(merged(order.details, _visit_of(told)), _first_issued(order, draft))
    said["transaction_at"] = draft.transaction_at or told.news.said_at
    if draft.reported is not None and _is_news(order, draft, told):
        said["status_at"] = said["transaction_at"]
    return replace(order, **said)


def _first_issued(order: Order, draft: OrderDraft) -> OrderDetails:
    """Return what is said of the order, but for when it was issued where that is known: a change issues nothing."""
    if "issue_of_imaging_service_request" not in order.details:
        return draft.details
    said = {**draft.details}
    said.pop("issue_of_imaging_service_request", None)
    return cast(OrderDetails, said)


def _visit_of(told: OrderNews) -> OrderDetails:
    """Return what devices are told of the visit, and the OID of whoever gave it its number."""
    visit = told.visit
    oid = visit.admission_id.issuer_universal_id if visit is not None else ""
    if visit is None or not oid:
        return told.visit_details
    return {**told.visit_details, "issuer_universal_ids": {visit.admission_id.issuer: oid}}


def _authorize(
    tx: WriteTx, order: Order, draft: AuthorizationDraft, told: OrderNews, rules: ReconcileRules
) -> Sequence[Notice]:
    said = AuthorizationNews(
        source=told.by,
        said_at=told.news.said_at,
        payer_id=draft.payer_id,
        payer_name=draft.payer_name,
        number=draft.number,
        member_id=draft.member_id,
        effective_on=date_of(draft.effective_on),
        expires_on=date_of(draft.expires_on),
        policy_level=draft.policy_level,
    )
    taking = Taking(rules, told.news.heard_at, told.by, order, source_kind=told.source_kind, source_id=told.source_id)
    taken = take_authorization_news(tx, said, taking)
    if taken.outcome == NewsOutcome.WAITS:
        return [Notice("W", taken.why, "IN1-14")]
    return []


def _title(order: Order) -> str:
    code = order.requested_procedure_code
    return order.requested_procedure_description or code.code_meaning or code.code_value or "procedure not named"
