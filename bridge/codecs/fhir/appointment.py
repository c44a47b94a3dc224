"""An appointment as the scheduling system said it; fed by the rows of appointments. Source: FHIR R4 and R5 Appointment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import concept, instant, shown, without_empty
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import typed_identifier
from bridge.domain.appointment import Appointment, AppointmentState, Slot
from bridge.domain.order_people import Person

Json = dict[str, Any]

# Source: FHIR R4 appointment-status; HL7 v2-to-FHIR, table 0278.
STATUSES = {
    AppointmentState.PENDING: "pending",
    AppointmentState.BOOKED: "booked",
    AppointmentState.ARRIVED: "arrived",
    AppointmentState.CANCELLED: "cancelled",
    AppointmentState.NO_SHOW: "noshow",
}
# Whoever has a start has an end (app-2), and who has neither is only proposed or cancelled (app-3): what nobody said stands so.
_UNKNOWN: Json = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


@dataclass(frozen=True, slots=True)
class AppointmentContent:
    """What both versions say. starts, ends: FHIR instants, "" for not known. participants: References to who and where."""

    identifiers: tuple[Json, ...]
    status: str
    services: tuple[Json, ...]
    starts: str
    ends: str
    order: str
    subject: str
    participants: tuple[Json, ...]


def build(one: Appointment, subject: str, order: str, house: House) -> AppointmentContent:
    """Return what is said of an appointment. subject: "Patient/7"; order: "ServiceRequest/order-9", "" while it waits for one."""
    starts = [slot.scheduled_start_at for slot in one.slots if slot.scheduled_start_at is not None]
    numbers = (("PLAC", one.placer_appointment_id), ("FILL", one.filler_appointment_id))
    places = [each for slot in one.slots for each in _places(slot, house)]
    return AppointmentContent(
        identifiers=tuple(typed_identifier(kind, house.system_of(no.issuer), no.value) for kind, no in numbers if no),
        status=STATUSES[one.state],
        services=tuple(_distinct([said for slot in one.slots if (said := concept(slot.service))])),
        starts=instant(min(starts, default=None)),
        ends=instant(_end(one.slots)),
        order=order,
        subject=subject,
        participants=tuple(_distinct(places)),
    )


def r4(content: AppointmentContent) -> Json:
    """Return *content* as an R4 Appointment."""
    return _frame(content) | without_empty({"serviceType": list(content.services)})


def r5(content: AppointmentContent) -> Json:
    """Return *content* as an R5 Appointment."""
    services = [{"concept": one} for one in content.services]
    return _frame(content) | without_empty({"serviceType": services, "subject": {"reference": content.subject}})


def _frame(content: AppointmentContent) -> Json:
    answered = "needs-action" if content.status == STATUSES[AppointmentState.PENDING] else "accepted"
    actors = ({"reference": content.subject}, *content.participants)
    said = {
        "resourceType": "Appointment",
        "identifier": list(content.identifiers),
        "status": content.status,
        "start": content.starts,
        "end": content.ends,
        "basedOn": [{"reference": content.order}] if content.order else [],
        "participant": [{"actor": actor, "status": answered} for actor in actors],
    }
    absent = {} if content.starts else {"_start": _UNKNOWN}
    return without_empty(said) | absent | ({} if content.ends else {"_end": _UNKNOWN})


def _places(slot: Slot, house: House) -> list[Json]:
    physician = people.practitioner(Person(slot.scheduled_performing_physician_name), house.system_of)
    stations = [people.device(title) for title in slot.scheduled_station_ae_title]
    place = shown("Location", slot.scheduled_procedure_step_location)
    return [one for one in (place, *stations, physician) if one]


def _end(slots: tuple[Slot, ...]) -> datetime | None:
    """Return when the last service ends, None where one of them does not say how long it takes."""
    found = [_slot_end(slot) for slot in slots]
    known = [one for one in found if one is not None]
    return max(known) if known and len(known) == len(found) else None


def _slot_end(slot: Slot) -> datetime | None:
    try:
        minutes = float(slot.details.get("scheduled_duration", ""))
        return slot.scheduled_start_at + timedelta(minutes=minutes) if slot.scheduled_start_at is not None else None
    except (ValueError, OverflowError):
        return None


def _distinct(said: list[Json]) -> list[Json]:
    return [one for place, one in enumerate(said) if one not in said[:place]]
