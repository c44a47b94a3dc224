"""What a modality performed, as a Procedure; fed by the rows of performed_steps (MPPS) and their order.

Source: FHIR R4 and R5 Procedure, PS3.3 C.4.13 to C.4.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.dicom_json import first_text, items_of, texts_of
from bridge.codecs.fhir.elements import (
    SNOMED,
    clean,
    concept,
    local_time,
    period,
    shown,
    uid_identifier,
    without_empty,
)
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.people import OPERATORS, PERFORMED_SERIES, PERFORMING
from bridge.codecs.fhir.references import Links, encounter_reference, order_reference, reasons_of
from bridge.domain.code import Code
from bridge.domain.order import Order
from bridge.domain.order_people import Person
from bridge.domain.performed import PerformedStatus, PerformedStep

Json = dict[str, Any]

IMAGING: Json = {"coding": [{"system": SNOMED, "code": "363679005", "display": "Imaging"}]}
_PROCEDURE_CODES, _DESCRIPTION, _LOCATION = "00081032", "00400254", "00400243"
_COMMENTS = "00400280"
_CODE, _SCHEME, _MEANING = "00080100", "00080102", "00080104"


@dataclass(frozen=True, slots=True)
class ProcedureContent:
    """What both versions say. performers: (function, Reference). started, ended: FHIR dateTimes, "" for none."""

    status: str
    identifiers: tuple[Json, ...]
    subject: str
    encounter: Json | None
    based_on: Json | None
    code: Json
    status_reason: Json
    started: str
    ended: str
    performers: tuple[tuple[Json, Json], ...]
    location: Json
    reasons: tuple[Json, ...]
    note: str


def build(
    mpps: PerformedStep, attributes: Mapping[str, Any], order: Order | None, links: Links, house: House
) -> ProcedureContent:
    """
    Return what is said of a performed step of a patient who is known.

    attributes: what its device sent, DICOM JSON. Source: PS3.18 F, IHE RAD TF-2 4.6, 4.7.
    """
    said = (
        Code(*(first_text(item, tag) for tag in (_CODE, _SCHEME, _MEANING)))
        if (item := next(iter(items_of(attributes, _PROCEDURE_CODES)), None))
        else Code()
    )
    ordered = order.requested_procedure_code if order else Code()
    words = first_text(attributes, _DESCRIPTION) or (order.requested_procedure_description if order else "")
    return ProcedureContent(
        status=_status(mpps, attributes),
        identifiers=(uid_identifier(mpps.sop_instance_uid),),
        subject=links.subject,
        encounter=None if order is None else encounter_reference(order, links, house.system_of),
        based_on=None if order is None else order_reference(order, links, house.system_of),
        code=concept(said or ordered, words) or {"text": "Imaging procedure"},
        status_reason=_reason(mpps),
        started=local_time(mpps.started_local, house.zone),
        ended=local_time(mpps.ended_local, house.zone),
        performers=_performers(mpps, attributes, house),
        location=shown("Location", first_text(attributes, _LOCATION)),
        reasons=reasons_of(order) if order else (),
        note=clean(first_text(attributes, _COMMENTS)),
    )


def r4(content: ProcedureContent) -> Json:
    """Return *content* as an R4 Procedure."""
    return _frame(content) | without_empty(
        {
            "category": IMAGING,
            "performedPeriod": period(content.started, content.ended),
            "reasonCode": list(content.reasons),
        }
    )


def r5(content: ProcedureContent) -> Json:
    """Return *content* as an R5 Procedure."""
    return _frame(content) | without_empty(
        {
            "category": [IMAGING],
            "occurrencePeriod": period(content.started, content.ended),
            "reason": [{"concept": one} for one in content.reasons],
        }
    )


def _status(mpps: PerformedStep, attributes: Mapping[str, Any]) -> str:
    """Return the event status; what was stopped before anything was acquired was not done."""
    if mpps.status == PerformedStatus.COMPLETED:
        return "completed"
    if mpps.status == PerformedStatus.IN_PROGRESS:
        return "in-progress" if mpps.is_open else "unknown"
    return "stopped" if mpps.referenced_instances or items_of(attributes, PERFORMED_SERIES) else "not-done"


def _reason(mpps: PerformedStep) -> Json:
    if mpps.status != PerformedStatus.DISCONTINUED:
        return {}
    return concept(Code(mpps.discontinuation_code, "DCM", mpps.discontinuation_meaning))


def _performers(mpps: PerformedStep, attributes: Mapping[str, Any], house: House) -> tuple[tuple[Json, Json], ...]:
    found = dict.fromkeys(
        (function, name)
        for item in (attributes, *items_of(attributes, PERFORMED_SERIES))
        for tag, function in ((PERFORMING, "PPRF"), (OPERATORS, "SPRF"))
        for name in texts_of(item, tag)
    )
    named = [
        (_function(function), reference)
        for function, name in found
        if (reference := people.practitioner(Person(name), house.system_of))
    ]
    machine = people.device(mpps.performed_station_ae_title)
    return (*named, ({}, machine)) if machine else tuple(named)


def _function(code: str) -> Json:
    display = {"PPRF": "primary performer", "SPRF": "secondary performer"}[code]
    system = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _frame(content: ProcedureContent) -> Json:
    return without_empty(
        {
            "resourceType": "Procedure",
            "identifier": list(content.identifiers),
            "basedOn": [content.based_on] if content.based_on else [],
            "status": content.status,
            "statusReason": content.status_reason,
            "code": content.code,
            "subject": {"reference": content.subject},
            "encounter": content.encounter,
            "performer": [
                without_empty({"function": function, "actor": actor}) for function, actor in content.performers
            ],
            "location": content.location,
            "note": [{"text": content.note}] if content.note else [],
        }
    )
