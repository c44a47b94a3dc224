"""ServiceRequest and Task: orders, and the steps that are scheduled for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, false, not_, or_, select, true

from bridge.domain.order import StepStatus
from bridge.domain.resource_query import Span, Target, Term
from bridge.store.db import ReadTx
from bridge.store.order_tokens import CODE, REQUESTER
from bridge.store.searches import conditions, imaging_studies, order_tokens
from bridge.store.searches.conditions import Condition, House, Search
from bridge.store.tables import orders, steps

_STATUSES = {
    "on-hold": (StepStatus.HELD.value,),
    "revoked": (StepStatus.CANCELED.value, StepStatus.DISCONTINUED.value),
    "completed": (StepStatus.COMPLETED.value,),
}
_ACTIVE = tuple(one.value for one in StepStatus if all(one.value not in named for named in _STATUSES.values()))
_PRIORITIES = {"stat": ("STAT",), "urgent": ("HIGH",), "asap": ("MEDIUM",), "routine": ("ROUTINE",)}
_TASK_STATUSES = {
    "requested": (StepStatus.SCHEDULED.value,),
    "received": (StepStatus.ARRIVED.value,),
    "ready": (StepStatus.READY.value,),
    "in-progress": (StepStatus.STARTED.value,),
    "completed": (StepStatus.COMPLETED.value,),
    "failed": (StepStatus.DISCONTINUED.value,),
    "cancelled": (StepStatus.CANCELED.value,),
    "on-hold": (StepStatus.HELD.value,),
}
_EVERY_STATUS = [one.value for one in StepStatus]
_SCT, _IMAGING = "http://snomed.info/sct", "363679005"
_NUMBERS = ("accession_number", "placer_order_number", "filler_order_number")


def _standing(_: ReadTx, __: Sequence[Term], house: House) -> list[Condition]:
    return [] if house.only_patients is None else [orders.c.patient_key.in_(house.only_patients)]


def _id(tx: ReadTx, term: Term, house: House) -> Condition:
    return orders.c.key.in_(_named(tx, term, house, codes=True))


def _named(tx: ReadTx, term: Term, house: House, *, codes: bool = False) -> list[int]:
    named = [Target("", one.code) for one in term.tokens()] if codes else list(term.targets())
    found = [imaging_studies.order_key(tx, one, house) for one in named if one.kind in ("", "ServiceRequest")]
    return [one for one in found if one is not None]


def _code(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is None:
        return orders.c.key.in_(order_tokens.of_codes(CODE, term.tokens()))
    names = ("code", "code_meaning", "description")
    told = or_(*(orders.c[f"requested_procedure_{name}"] != "" for name in names))
    return not_(told) if term.is_missing else told


def _requester_number(_: ReadTx, term: Term, house: House) -> Condition:
    return orders.c.key.in_(order_tokens.of_people(REQUESTER, term.tokens(), house))


def _occurrence(_: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        known = select(steps.c.order_key).where(steps.c.scheduled_start_at.is_not(None))
        return orders.c.key.not_in(known) if term.is_missing else orders.c.key.in_(known)
    return or_(false(), *(orders.c.key.in_(_starting(one, house)) for one in term.spans()))


def _starting(span: Span, house: House) -> Select[tuple[int]]:
    """Find the steps by the hospital's clock, for which there is an index, and then by the moment."""
    day = timedelta(days=1)
    found = [steps.c.status.in_(_EVERY_STATUS), conditions.moment(steps.c.scheduled_start_at, span)]
    if span.how in ("eq", "gt", "ge", "sa") and span.begin.year > 1:
        found.append(steps.c.scheduled_start_local >= f"{house.local(span.begin) - day:%Y%m%d}")
    if span.how in ("eq", "lt", "le", "eb") and span.end.year < 9999:
        found.append(steps.c.scheduled_start_local <= f"{house.local(span.end) + 2 * day:%Y%m%d}")
    return select(steps.c.order_key).where(*found)


def _encounter(_: ReadTx, term: Term, __: House) -> Condition:
    if term.is_missing is not None:
        return orders.c.admission_id == "" if term.is_missing else orders.c.admission_id != ""
    return orders.c.key.in_(imaging_studies.of_visits(term.targets()))


_PRIORITY = conditions.coded(
    orders.c.requested_procedure_priority, _PRIORITIES, ("http://hl7.org/fhir/request-priority",)
)
ORDERS = Search(
    rows=orders,
    key=orders.c.key,
    standing=_standing,
    terms={
        "_id": _id,
        "_lastUpdated": conditions.within(orders.c.updated_at),
        "identifier": conditions.numbered((orders.c[name], orders.c[f"issuer_of_{name}"]) for name in _NUMBERS),
        "patient": conditions.subjects(orders.c.patient_key),
        "subject": conditions.subjects(orders.c.patient_key),
        "patient.identifier": conditions.subjects_by_number(orders.c.patient_key),
        "subject.identifier": conditions.subjects_by_number(orders.c.patient_key),
        "code": _code,
        "status": conditions.coded(
            orders.c.status, _STATUSES | {"active": _ACTIVE}, ("http://hl7.org/fhir/request-status",)
        ),
        "intent": conditions.always(("order",), ("http://hl7.org/fhir/request-intent",)),
        "category": conditions.always((_IMAGING,), (_SCT,)),
        "priority": _PRIORITY,
        "authored": conditions.within(orders.c.ordered_at),
        "occurrence": _occurrence,
        "encounter": _encounter,
        "requester": conditions.in_words(orders.c.requesting_physician != ""),
        "requester.identifier": _requester_number,
        "performer": conditions.never,
        "performer.identifier": conditions.never,
        "based-on": conditions.never,
        "based-on.identifier": conditions.never,
        "requisition": conditions.never,
        "body-site": conditions.never,
        "body-structure": conditions.never,
        "body-structure.identifier": conditions.never,
        "code-reference": conditions.never,
        "code-reference.identifier": conditions.never,
    },
    sorts={"_id": orders.c.key, "authored": orders.c.ordered_at, "_lastUpdated": orders.c.updated_at},
)


def _focus(tx: ReadTx, term: Term, house: House) -> Condition:
    if term.is_missing is not None:
        return false() if term.is_missing else true()
    return steps.c.order_key.in_(_named(tx, term, house))


TASKS = Search(
    rows=steps.join(orders, orders.c.key == steps.c.order_key),
    key=steps.c.key,
    standing=_standing,
    terms={
        "_id": conditions.keys(steps.c.key),
        "patient": conditions.subjects(orders.c.patient_key),
        "subject": conditions.subjects(orders.c.patient_key),
        "patient.identifier": conditions.subjects_by_number(orders.c.patient_key),
        "subject.identifier": conditions.subjects_by_number(orders.c.patient_key),
        "encounter": _encounter,
        "focus": _focus,
        "focus.identifier": lambda _, term, house: steps.c.order_key.in_(imaging_studies.orders_numbered(term, house)),
        "status": conditions.coded(steps.c.status, _TASK_STATUSES, ("http://hl7.org/fhir/task-status",)),
        "intent": conditions.always(("order",), ("http://hl7.org/fhir/request-intent",)),
        "priority": _PRIORITY,
        "authored-on": conditions.within(orders.c.ordered_at),
        "period": conditions.within(steps.c.scheduled_start_at),
    },
    sorts={"_id": steps.c.key, "authored-on": orders.c.ordered_at},
)
