"""A visit as an Encounter; fed by the rows of visits (PV1). Source: FHIR R4 and R5 Encounter, HL7 v2-to-FHIR PV1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import local_time, period, shown, without_empty
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import typed_identifier
from bridge.domain.order_people import Person
from bridge.domain.patient import Visit, VisitState

Json = dict[str, Any]

_CLASSES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_NULLS = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
_PARTICIPATIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
# Source: HL7 v2-to-FHIR, concept map of table 0004.
_CLASS_OF = {
    "E": ("EMER", "emergency"),
    "I": ("IMP", "inpatient encounter"),
    "O": ("AMB", "ambulatory"),
    "R": ("AMB", "ambulatory"),
    "B": ("IMP", "inpatient encounter"),
    "P": ("PRENC", "pre-admission"),
}
_STATUSES = {
    VisitState.PRE_ADMIT: "planned",
    VisitState.OPEN: "in-progress",
    VisitState.CLOSED: "finished",
    VisitState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class EncounterContent:
    """What both versions say. status: as R4 names it. started, ended: FHIR dateTimes, "" for none."""

    status: str
    identifiers: tuple[Json, ...]
    kind: Json
    subject: str
    started: str
    ended: str
    location: Json
    referrer: Json


def build(visit: Visit, subject: str, house: House) -> EncounterContent:
    """Return what is said of a visit. subject: "Patient/7"."""
    code, display = _CLASS_OF.get(visit.patient_class.upper(), ("", ""))
    number, account = visit.admission_id, visit.account_number
    return EncounterContent(
        status=_STATUSES[visit.state],
        identifiers=tuple(
            typed_identifier(kind, house.system_of(one.issuer), one.value)
            for kind, one in (("VN", number), ("AN", account))
            if one
        ),
        kind={"system": _CLASSES, "code": code, "display": display} if code else {"system": _NULLS, "code": "UNK"},
        subject=subject,
        started=local_time(visit.admitted_local, house.zone),
        ended=local_time(visit.discharged_local, house.zone),
        location=shown("Location", visit.current_patient_location.replace("^", " ")),
        referrer=people.practitioner(Person(visit.referring_physician_name), house.system_of),
    )


def r4(content: EncounterContent) -> Json:
    """Return *content* as an R4 Encounter."""
    return _frame(content) | without_empty(
        {
            "status": content.status,
            "class": content.kind,
            "period": period(content.started, content.ended),
            "participant": [{"type": [_REFERRER], "individual": content.referrer}] if content.referrer else [],
        }
    )


def r5(content: EncounterContent) -> Json:
    """Return *content* as an R5 Encounter."""
    return _frame(content) | without_empty(
        {
            "status": "completed" if content.status == "finished" else content.status,
            "class": [{"coding": [content.kind]}],
            "actualPeriod": period(content.started, content.ended),
            "participant": [{"type": [_REFERRER], "actor": content.referrer}] if content.referrer else [],
        }
    )


_REFERRER: Json = {"coding": [{"system": _PARTICIPATIONS, "code": "REF", "display": "referrer"}]}


def _frame(content: EncounterContent) -> Json:
    return without_empty(
        {
            "resourceType": "Encounter",
            "identifier": list(content.identifiers),
            "subject": {"reference": content.subject},
            "location": [{"location": content.location}] if content.location else [],
        }
    )
