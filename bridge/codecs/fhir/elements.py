"""Data types of FHIR that R4 and R5 write alike: texts, moments, concepts, references by number. Source: FHIR R4 2.24."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from bridge.domain.code import Code

Json = dict[str, Any]

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
URI = "urn:ietf:rfc:3986"

_UNSIGNED_MAX = 2147483647
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]+")
# Source: HL7 table 0396, PS3.16 8; what is not here is the sender's own and has no address.
_SCHEMES = {
    "LN": LOINC,
    "LOINC": LOINC,
    "SCT": SNOMED,
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "RADLEX": "http://www.radlex.org",
    "DCM": DCM,
}


def without_empty(said: Json) -> Json:
    """Return *said* without what has no value: FHIR forbids empty strings, arrays and objects."""
    return {name: value for name, value in said.items() if value not in (None, "", [], {}, ())}


def objects_in(value: object) -> list[Json]:
    """Return the objects of a list that somebody else wrote, [] of anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def reference_in(value: object) -> str:
    """Return what a Reference that somebody else wrote points to, "" of anything else."""
    said = value.get("reference") if isinstance(value, dict) else None
    return said if isinstance(said, str) else ""


def clean(text: str) -> str:
    """Return *text* as a FHIR string: no control characters, no padding."""
    return (text if text.isprintable() else _CONTROLS.sub(" ", text)).strip()


def unsigned(number: int | None) -> int | None:
    """Return *number* if FHIR's unsignedInt holds it."""
    return number if number is not None and 0 <= number <= _UNSIGNED_MAX else None


def date(value: str) -> str:
    """Return "YYYYMMDD" as a FHIR date, "" if it is none."""
    try:
        return datetime.strptime(value, "%Y%m%d").strftime("%Y-%m-%d") if len(value) == 8 else ""
    except ValueError:
        return ""


def date_time(date: str, time: str, zone: tzinfo) -> str:
    """
    Return a DICOM date and time as a FHIR dateTime, "" without a date.

    date: "YYYYMMDD". time: "HHMMSS.F" or shorter; without minutes only the date is said, since midnight would be made
    up. Source: PS3.5 6.2 (DA, TM), FHIR R4 dateTime.
    """
    try:
        day = datetime.strptime(date, "%Y%m%d")
    except ValueError:
        return ""
    digits = time.replace(":", "").split(".")[0]
    if len(digits) < 4 or not (digits.isascii() and digits.isdigit()):
        return f"{day:%Y-%m-%d}"
    hour, minute, second = int(digits[:2]), int(digits[2:4]), min(int(digits[4:6] or 0), 59)
    if hour > 23 or minute > 59:
        return f"{day:%Y-%m-%d}"
    return day.replace(hour=hour, minute=minute, second=second, tzinfo=zone).isoformat()


def local_time(local: str, zone: tzinfo) -> str:
    """Return "YYYYMMDDHHMMSS", or less of it, as the hospital's clock says, as a FHIR dateTime; "" for none."""
    return date_time(local[:8], local[8:], zone)


def instant(at: datetime | None) -> str:
    """Return an aware moment as a FHIR instant, UTC; "" for none."""
    return "" if at is None else at.astimezone(UTC).isoformat()


def period(start: str, end: str) -> Json:
    """
    Return a Period of two dateTimes, "" where one is not known.

    An end before its start is a clock's fault, not a fact: it is left out.
    """
    if start and end and _moment(end) < _moment(start):
        return {"start": start}
    return without_empty({"start": start, "end": end})


def display_name(person_name: str) -> str:
    """Return a PN as it is said: prefix, given, middle, family, suffix of its first group. Source: PS3.5 6.2.1.1."""
    group = next((part for part in person_name.split("=") if part.strip("^ ")), "")
    family, given, middle, prefix, suffix = (clean(part) for part in (group.split("^") + [""] * 5)[:5])
    return " ".join(part for part in (prefix, given, middle, family, suffix) if part)


def coding_of(code: Code) -> Json:
    """Return the Coding of *code*; one of a scheme without an address keeps its code and its words."""
    return without_empty(
        {
            "system": system_of_scheme(code.coding_scheme_designator),
            "code": " ".join(clean(code.code_value).split()),
            "display": clean(code.code_meaning),
        }
    )


def system_of_scheme(coding_scheme_designator: str) -> str:
    """Return the address of a coding scheme, "" for one that is the sender's own."""
    return _SCHEMES.get(coding_scheme_designator.upper(), "")


def schemes_of(system: str) -> tuple[str, ...]:
    """Return the coding schemes that *system* is the address of, in capitals."""
    return tuple(scheme for scheme, known in _SCHEMES.items() if known == system)


# The schemes that have an address.
ADDRESSED_SCHEMES = tuple(_SCHEMES)


def concept(code: Code, text: str = "") -> Json:
    """Return a CodeableConcept of *code*, in the sender's own words where it has any."""
    coding = coding_of(code)
    return without_empty({"coding": [coding] if coding else [], "text": clean(text or code.code_meaning)})


def concept_of(coding: Json) -> Json:
    """Return a CodeableConcept; a coding that is nothing but words becomes text."""
    return {"coding": [coding]} if "code" in coding else {"text": coding["display"]}


def in_words(text: str) -> list[Json]:
    """Return a list of one CodeableConcept that has only words, empty without any."""
    plain = clean(text)
    return [{"text": plain}] if plain else []


def uid_identifier(uid: str) -> Json:
    """Return a DICOM UID as an identifier. Source: FHIR R4 ImagingStudy, notes."""
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid.removeprefix('urn:oid:')}"}


def shown(kind: str, display: str) -> Json:
    """Return a Reference to a resource of *kind* that is known by nothing but its words; {} without any."""
    plain = clean(display)
    return {"type": kind, "display": plain} if plain else {}


def _moment(text: str) -> datetime:
    """Return the earliest moment that a dateTime may mean; a date without zone lies before every moment of it."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
