"""A patient as the read-only FHIR server shows them; R4 and R5 write these elements alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.codecs.fhir.elements import clean, date, without_empty
from bridge.codecs.fhir.references import SystemOf, patient_identifier
from bridge.domain.patient import Patient

Json = dict[str, Any]

_GENDERS = {"M": "male", "F": "female", "O": "other"}
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
# The three groups of a PN, in their order. Source: PS3.5 6.2.1.2.
_GROUPS = ("ABC", "IDE", "SYL")


def patient(record: Patient, system_of: SystemOf, links: Iterable[tuple[str, str]] = ()) -> Json:
    """
    Return *record* as a Patient with its numbers, names, birth date and sex.

    links: (reference, type) of other records: "replaced-by" the survivor of a merge, "replaces" what was merged into
    this one, "seealso" one that registration says is the same person's. Source: FHIR R4 and R5, Patient.link.
    """
    names = [_name(group, at) for at, group in enumerate(record.patient_name.split("=")) if group.strip("^ ")]
    return without_empty(
        {
            "resourceType": "Patient",
            "identifier": [patient_identifier(one, system_of) for one in record.identifiers],
            "active": record.merged_into is None and not record.inactive,
            "name": names,
            "gender": _GENDERS.get(record.patient_sex, "unknown"),
            "birthDate": date(record.patient_birth_date),
            "link": [{"other": {"reference": reference}, "type": kind} for reference, kind in links],
        }
    )


def _name(group: str, at: int) -> Json:
    family, given, middle, prefix, suffix = (clean(part) for part in (group.split("^") + [""] * 5)[:5])
    name = without_empty(
        {
            "family": family,
            "given": [part for part in (given, middle) if part],
            "prefix": [prefix] if prefix else [],
            "suffix": [suffix] if suffix else [],
        }
    )
    if at and at < len(_GROUPS):
        name["extension"] = [{"url": _REPRESENTATION, "valueCode": _GROUPS[at]}]
    return name
