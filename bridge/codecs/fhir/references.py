"""Identifiers and references: whose number a number is, and how one resource points to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bridge.codecs.fhir.elements import concept, in_words
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, derive_uid
from bridge.domain.order import Order

Json = dict[str, Any]
SystemOf = Callable[[str], str]

STUDY_SYSTEM = "urn:dicom:uid"
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
# One study as it stands in one chart: what tells a withdrawn resource from the one that took its place.
PLACEMENT_SYSTEM = "urn:imaging-bridge:placement"


@dataclass(frozen=True, slots=True)
class Links:
    """
    What an ImagingStudy points to on one server.

    subject: "Patient/7". service_request: "ServiceRequest/9", "" to name the order by its numbers only.
    endpoints: the ways to the images, "Endpoint/3". placement: the value of PLACEMENT_SYSTEM, "" for none.
    encounter: "Encounter/4", "" to name the visit by its number only. procedures: what was performed, "Procedure/2".
    series_endpoints: of series that are found elsewhere than their study, by UID.
    """

    subject: str
    service_request: str = ""
    endpoints: tuple[str, ...] = ()
    placement: str = ""
    encounter: str = ""
    procedures: tuple[str, ...] = ()
    series_endpoints: Mapping[str, str] = field(default_factory=dict)


def derived_id(*parts: str) -> str:
    """Return the id that belongs to *parts*, the same one every time, in the form that every server takes: a UUID's."""
    return str(UUID(int=int(derive_uid(*parts).rpartition(".")[2])))


def study_value(study_instance_uid: str) -> str:
    """Return a UID as FHIR writes it as an identifier's value; one that has the prefix keeps it once."""
    return f"urn:oid:{study_instance_uid.removeprefix('urn:oid:')}"


def study_identifier(study_instance_uid: str) -> Json:
    """Return the identifier that every ImagingStudy has. Source: FHIR R4 ImagingStudy, notes."""
    return {"system": STUDY_SYSTEM, "value": study_value(study_instance_uid)}


def typed_identifier(code: str, system: str, value: str) -> Json:
    """Return an identifier of a type of HL7 table 0203 (ACSN, PLAC, FILL, MR)."""
    return {"type": {"coding": [{"system": IDENTIFIER_TYPES, "code": code}]}, "system": system, "value": value}


def accession_identifier(order: Order, system_of: SystemOf) -> Json | None:
    """Return the order's accession number with its issuer, None if it has none: without a system numbers collide."""
    if not order.accession_number:
        return None
    return typed_identifier("ACSN", system_of(order.issuer_of_accession_number), order.accession_number)


def order_identifiers(order: Order, system_of: SystemOf) -> list[Json]:
    """Return every number an order goes by, the best for a look-up first."""
    found = [
        typed_identifier(code, system_of(number.issuer), number.value)
        for code, number in (("PLAC", order.placer_order_number), ("FILL", order.filler_order_number))
        if number
    ]
    accession = accession_identifier(order, system_of)
    return [*found, accession] if accession is not None else found


def order_reference(order: Order, links: Links, system_of: SystemOf) -> Json | None:
    """
    Return the reference to *order*: to its ServiceRequest if the server has exactly one, by its number in any case.

    The accession number comes first, as R5 finds a study's accession here. Source: FHIR R5 ImagingStudy, notes.
    """
    numbers = order_identifiers(order, system_of)
    identifier = accession_identifier(order, system_of) or (numbers[0] if numbers else None)
    if identifier is None and not links.service_request:
        return None
    reference: Json = {"type": "ServiceRequest"}
    if links.service_request:
        reference["reference"] = links.service_request
    if identifier is not None:
        reference["identifier"] = identifier
    return reference


def reasons_of(order: Order) -> tuple[Json, ...]:
    """Return why an exam was ordered, as CodeableConcepts: its codes, and words that none of them says."""
    codes = (concept(one) for one in order.details.get("reason_for_requested_procedure_code", ()))
    found = tuple(one for one in codes if one)
    said = {one.get("text") for one in found}
    return found + tuple(one for one in in_words(order.reason_for_the_requested_procedure) if one["text"] not in said)


def visit_identifier(number: EntityIdentifier, system_of: SystemOf) -> Json:
    """Return a visit's number as FHIR writes it."""
    return typed_identifier("VN", system_of(number.issuer), number.value)


def encounter_reference(order: Order, links: Links, system_of: SystemOf) -> Json | None:
    """Return the reference to the visit that *order* came under: by its number (PV1-19) in any case, None without one."""
    number = order.admission_id
    if not number:
        return {"reference": links.encounter, "type": "Encounter"} if links.encounter else None
    reference: Json = {"type": "Encounter", "identifier": visit_identifier(number, system_of)}
    return reference | ({"reference": links.encounter} if links.encounter else {})


def patient_identifier(identifier: PatientIdentifier, system_of: SystemOf) -> Json:
    """Return a patient's number as FHIR writes it."""
    system, value = system_of(identifier.issuer_of_patient_id), identifier.patient_id
    return typed_identifier(identifier.identifier_type or "MR", system, value)


def token(identifier: Json) -> str:
    """Return an identifier as a search token, system and value. Source: FHIR R4 search 3.1.1.4.10, escaping 3.1.1.4.7."""
    return "|".join(_escaped(str(identifier[name])) for name in ("system", "value"))


def holds(resource: Json, identifier: Json) -> bool:
    """Say whether *resource* really has *identifier*: a server may ignore what it was asked for."""
    found = resource.get("identifier")
    return any(
        isinstance(one, dict) and one.get("system") == identifier["system"] and one.get("value") == identifier["value"]
        for one in (found if isinstance(found, list) else [found])
    )


def same_target(reference: object, target: str) -> bool:
    """Say whether a Reference element points to *target* ("Patient/7"), written relative, absolute or with a version."""
    said = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(said, str):
        return False
    return bool(target) and "/".join(said.split("/_history/")[0].split("/")[-2:]) == target


def _escaped(text: str) -> str:
    for char in "\\|,$":
        text = text.replace(char, "\\" + char)
    return text
