"""What a worklist item only hands on: details of patient, visit, order and step as elements. Source: PS3.4 Table K.6-1."""

from __future__ import annotations

import struct
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from bridge.codecs.dicom import values
from bridge.codecs.dicom.answers import encode_record
from bridge.domain.code import Code
from bridge.domain.details import Findings, pregnancy_on
from bridge.domain.matching import normal_date, normal_time

Values = dict[int, bytes | list[bytes]]

_LO_MAX = 64
_SH_MAX = 16
_TELEPHONE_PADDING = str.maketrans("", "", " -./()")


def _texts(value: tuple[str, ...], tag: int) -> bytes:
    """Return several texts, each cut to its VR."""
    return values.several(tag, value)


def _one(value: str, tag: int) -> bytes:
    return values.text(tag, value)


def _names(value: tuple[str, ...], tag: int) -> bytes:
    return b"\\".join(found for name in value if (found := values.person_name(name)))


def _name(value: str, tag: int) -> bytes:
    return values.person_name(value)


def _wrapped(value: tuple[str, ...], tag: int) -> bytes:
    """Return texts as long as they come: a warning goes on in the next value rather than being cut."""
    lines = (line for text in value for line in textwrap.wrap(text.replace("\\", "/"), _LO_MAX))
    return values.several(tag, tuple(lines))


def _together(value: tuple[str, ...], tag: int) -> bytes:
    return values.text(tag, ", ".join(value))


def telephones(value: tuple[str, ...], tag: int) -> bytes:
    """Return the numbers that fit, without what only parts their digits; a cut number would be somebody else's."""
    short = (one if len(one) <= _SH_MAX else one.translate(_TELEPHONE_PADDING) for one in value)
    return values.several(tag, tuple(one for one in short if len(one) <= _SH_MAX))


def _telephone(value: tuple[str, ...], tag: int) -> bytes:
    return telephones(value, tag).partition(b"\\")[0]


_WRITTEN: Mapping[str, tuple[int, Callable[[Any, int], bytes]]] = {
    "patient_mother_birth_name": (0x00101060, _name),
    "patient_telephone_numbers": (0x00102154, telephones),
    "patient_telecom_information": (0x00102155, _together),
    "patient_comments": (0x00104000, _one),
    "additional_patient_history": (0x001021B0, _one),
    "patient_species_description": (0x00102201, _one),
    "patient_breed_description": (0x00102292, _one),
    "responsible_person": (0x00102297, _name),
    "responsible_organization": (0x00102299, _one),
    "admitting_diagnoses_description": (0x00081080, _texts),
    "special_needs": (0x00380050, _together),
    "confidentiality_constraint_on_patient_data_description": (0x00403001, _one),
    "route_of_admissions": (0x00380016, _one),
    "patient_state": (0x00380500, _one),
    "patient_transport_arrangements": (0x00401004, _one),
    "requested_procedure_location": (0x00401005, _one),
    "confidentiality_code": (0x00401008, _one),
    "reporting_priority": (0x00401009, _one),
    "names_of_intended_recipients_of_results": (0x00401010, _names),
    "requesting_service": (0x00321033, _one),
    "reason_for_the_imaging_service_request": (0x00402001, _one),
    "imaging_service_request_comments": (0x00402400, _one),
    "order_entered_by": (0x00402008, _name),
    "order_enterer_location": (0x00402009, _one),
    "order_callback_phone_number": (0x00402010, _telephone),
    "institution_address": (0x00080081, _one),
    "institutional_department_name": (0x00081040, _one),
    "comments_on_the_scheduled_procedure_step": (0x00400400, _one),
}
_CODED: Mapping[str, int] = {
    "patient_primary_language_code": 0x00100101,
    "admitting_diagnoses_code": 0x00081084,
    "reason_for_requested_procedure_code": 0x0040100A,
    "institution_code": 0x00080082,
}
_MOMENTS: Mapping[str, tuple[int, int]] = {
    "admitted": (0x00380020, 0x00380021),
    "issue_of_imaging_service_request": (0x00402004, 0x00402005),
}


# An order's own diagnoses come before those of its visit.
_OWN = (("diagnoses_description", "admitting_diagnoses_description"), ("diagnoses_code", "admitting_diagnoses_code"))


def write(details: Mapping[str, Any], authority: str = "") -> Values:
    """
    Return the elements of *details*, nothing for what is not said.

    authority: whose local codes are meant where a code names no scheme.
    """
    record: Values = {}
    if own := {of_visit: details[name] for name, of_visit in _OWN if name in details}:
        details = {**details, **own}
    for name, value in details.items():
        if name in _WRITTEN:
            tag, written = _WRITTEN[name]
            record[tag] = written(value, tag)
        elif name in _CODED:
            record[_CODED[name]] = codes(value, authority)
        elif name in _MOMENTS:
            record |= moment(value, *_MOMENTS[name])
    if 0x00401008 in record:
        # An order that is confidential makes the patient's data so, where the visit does not say anything itself.
        record.setdefault(0x00403001, record[0x00401008])
    return record


def codes(entries: tuple[Code, ...], authority: str) -> list[bytes]:
    """Return a code sequence of several items."""
    return [item for entry in entries for item in values.code(entry, authority)]


def moment(local: str, date_tag: int, time_tag: int) -> Values:
    """Return "YYYYMMDDHHMMSS" as date and time, the time always of six digits; of a day alone the date, of nothing nothing."""
    if not local:
        return {}
    if len(local) == len("YYYYMMDD"):
        return {date_tag: normal_date(local).encode()}
    time = normal_time(local[8:14].ljust(6, "0"))[:6]
    return {date_tag: normal_date(local[:8]).encode(), time_tag: time.encode()}


def write_findings(findings: Findings, start: str, alerts: tuple[str, ...]) -> Values:
    """
    Return what is known of the patient's body.

    start: when the exam is ("YYYYMMDD…"), "" while nobody knows. alerts: what the order itself warns of.
    """
    record: Values = {}
    for name, tag in (("patient_weight", 0x00101030), ("patient_size", 0x00101020)):
        found = findings.get(name)
        if found is not None and isinstance(found.value, str):
            record[tag] = values.text(tag, found.value)
    if pregnancy := pregnancy_on(findings, start):
        # US: two bytes, not the digit. Source: PS3.3 C.7.2.3.
        record[0x001021C0] = struct.pack("<H", int(pregnancy))
    record[0x00102110] = _wrapped(_several(findings, "allergies"), 0x00102110)
    record[0x00102000] = _wrapped((*_several(findings, "medical_alerts"), *alerts), 0x00102000)
    return record


def _several(findings: Findings, name: str) -> tuple[str, ...]:
    found = findings.get(name)
    return found.value if found is not None and isinstance(found.value, tuple) else ()


def performing_physician(entries: tuple[Code, ...], authority: str, institution: str) -> list[bytes]:
    """
    Return the number of whoever is to perform the step, as a person identification, [] without one.

    The institution is needed there: whose number it is. Source: PS3.3 Table 10-1.
    """
    return [_person(entry, authority, institution) for entry in entries if entry.code_value]


@lru_cache(maxsize=1024)
def _person(entry: Code, authority: str, institution: str) -> bytes:
    local = Code(entry.code_value, "", entry.code_meaning)
    return encode_record(
        {
            0x00401101: values.code(local, entry.coding_scheme_designator or authority),
            0x00080080: values.text(0x00080080, institution or entry.coding_scheme_designator or authority),
        }
    )
