"""Appointment drafts from scheduling messages. Source: HL7 2.5.1 10.3, 10.4 (SIU), 10.6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.appointment import TAKES_PLACE, AppointmentDraft, AppointmentState, Slot
from bridge.domain.details import StepDetails
from bridge.domain.identifiers import EntityIdentifier, check_ae_title
from bridge.domain.order import Code, OrderDraft, StepDraft
from bridge.errors import Incomplete
from bridge.mapping.convert import Moment
from bridge.mapping.dates import minutes_between
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope
from bridge.mapping.numbers import fill_numbers

_OF_A_GROUP = ("AIG", "AIL", "AIP")


def read_appointment(
    evaluator: Evaluator, segments: Sequence[Segment], admission_id: EntityIdentifier, message_at: datetime | None
) -> AppointmentDraft:
    """
    Return what a scheduling message says of its one appointment.

    admission_id: the visit's. message_at: when it was said. Raises: Incomplete, without a number or a known event.
    """
    policy = evaluator.context.site.policy
    head = _head(segments)
    placer = evaluator.get("appointment.placer_id", head) or EntityIdentifier()
    filler = evaluator.get("appointment.filler_id", head) or EntityIdentifier()
    if not placer and not filler:
        raise Incomplete("no appointment number", code="missing", where="SCH-1", source="HL7 2.5.1 10.6.1")
    state = _state(evaluator, head)
    scopes = _services(segments, head)
    slots = []
    for number, scope in enumerate(scopes, 1):
        evaluator.numbers = {"appointment": number} if len(scopes) > 1 else {}
        slots.append(_slot(evaluator, scope))
    evaluator.numbers = {}
    by_visit = policy.appointment_order == "visit_and_service"
    draft = AppointmentDraft(
        placer,
        filler,
        state,
        placer_order_number=evaluator.get("appointment.placer_order_number", head) or EntityIdentifier(),
        filler_order_number=evaluator.get("appointment.filler_order_number", head) or EntityIdentifier(),
        admission_id=admission_id if by_visit else EntityIdentifier(),
        slots=tuple(slots),
        keeps_order=policy.cancelled_appointment == "keep_order",
    )
    if policy.appointment_without_order == "wait" or state not in TAKES_PLACE:
        return draft
    return replace(draft, order=_order(evaluator, draft, scopes, message_at))


def _head(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Return the segments that speak of the whole appointment, by name."""
    head: dict[str, list[Segment]] = {}
    for segment in segments:
        if segment.name not in ("AIS", "NTE") and segment.name not in _OF_A_GROUP:
            head.setdefault(segment.name, []).append(segment)
    return head


def _services(segments: Sequence[Segment], head: Mapping[str, list[Segment]]) -> list[Scope]:
    """
    Return a scope for each AIS with its notes and the resources of its group; without any, one of all resources there are.
    """
    groups: list[dict[str, list[Segment]]] = [{}]
    notes: dict[int, list[Segment]] = {}
    last = ""
    for segment in segments:
        if segment.name == "NTE" and last == "AIS":
            notes.setdefault(groups[-1]["AIS"][-1].number, []).append(segment)
        last = last if segment.name == "NTE" else segment.name
        if segment.name == "RGS":
            groups.append({})
        elif segment.name == "AIS" or segment.name in _OF_A_GROUP:
            groups[-1].setdefault(segment.name, []).append(segment)
    services = [
        {**head, **group, "AIS": [service], "NTE": notes.get(service.number, [])}
        for group in groups
        for service in group.get("AIS", ())
    ]
    if services:
        return list(services)
    together = dict(head)
    for group in groups:
        for name, found in group.items():
            together[name] = [*together.get(name, ()), *found]
    return [together]


def _state(evaluator: Evaluator, head: Scope) -> AppointmentState:
    """Return what the event makes of the appointment; a booking may say by its status that it is none."""
    site, trigger = evaluator.context.site, evaluator.context.message.envelope.trigger
    status = evaluator.get("appointment.status", head) or ""
    by_event = site.tables["appointment_event"].get(trigger, "")
    by_status = {code.lower(): state for code, state in site.tables["appointment_status"].items()}.get(
        status.lower(), ""
    )
    if by_event not in tuple(AppointmentState):
        raise Incomplete("an event without a meaning", code="not_in_table", where="MSH-9.2", source="HL7 2.5.1 10.3")
    found = by_status if by_event == AppointmentState.BOOKED and by_status in tuple(AppointmentState) else by_event
    return AppointmentState(found)


def _slot(evaluator: Evaluator, scope: Scope) -> Slot:
    start = evaluator.get("appointment.start", scope)
    station = evaluator.get("appointment.station_ae_title", scope)
    return Slot(
        service=evaluator.get("appointment.service", scope) or Code(),
        scheduled_start_local=start.local if isinstance(start, Moment) else "",
        scheduled_start_at=start.at if isinstance(start, Moment) else None,
        scheduled_station_ae_title=(check_ae_title(station, "AIG-3"),) if station else (),
        scheduled_procedure_step_location=evaluator.get("appointment.location", scope) or "",
        scheduled_performing_physician_name=evaluator.get("appointment.performing_physician", scope) or "",
        details=_details(evaluator, scope, start),
    )


def _details(evaluator: Evaluator, scope: Scope, start: Moment | str | None) -> StepDetails:
    details = StepDetails()
    if duration := _duration(evaluator, scope, start):
        details["scheduled_duration"] = duration
    if comments := evaluator.get("appointment.comments", scope):
        details["comments_on_the_scheduled_procedure_step"] = comments
    if number := evaluator.get("appointment.performing_physician_number", scope):
        details["scheduled_performing_physician_code"] = number
    return details


def _duration(evaluator: Evaluator, scope: Scope, start: Moment | str | None) -> str:
    """Return how many minutes a service takes, "" if nothing says so: its own duration, or the appointment's end."""
    duration: str | None = evaluator.get("appointment.duration", scope)
    end = evaluator.get("appointment.end", scope) if not duration else None
    if isinstance(end, Moment) and isinstance(start, Moment) and end.at > start.at:
        return minutes_between(start, end)
    return duration or ""


def _order(
    evaluator: Evaluator, draft: AppointmentDraft, scopes: Sequence[Scope], message_at: datetime | None
) -> OrderDraft:
    """Return the order that a site which orders by its appointments makes of one. Its numbers are the appointment's."""
    service = draft.slots[0].service
    made = OrderDraft(
        "NW",
        placer_order_number=draft.placer_order_number or draft.placer_appointment_id,
        filler_order_number=draft.filler_order_number or draft.filler_appointment_id or draft.placer_appointment_id,
        requested_procedure_description=service.code_meaning or service.code_value or None,
        requested_procedure_code=service or None,
        transaction_at=message_at,
        steps=tuple(_step(evaluator, slot, scope) for slot, scope in zip(draft.slots, scopes, strict=True)),
        where="SCH",
    )
    return fill_numbers(evaluator, made, scopes[0])


def _step(evaluator: Evaluator, slot: Slot, scope: Scope) -> StepDraft:
    return StepDraft(
        modality=evaluator.get("appointment.modality_of_service", scope) or None,
        scheduled_station_ae_title=slot.scheduled_station_ae_title or None,
        scheduled_start_local=slot.scheduled_start_local or None,
        scheduled_start_at=slot.scheduled_start_at,
        scheduled_procedure_step_description=slot.service.code_meaning or None,
        scheduled_protocol_code=slot.service or None,
        scheduled_performing_physician_name=slot.scheduled_performing_physician_name or None,
        scheduled_procedure_step_location=slot.scheduled_procedure_step_location or None,
        details=slot.details,
    )
