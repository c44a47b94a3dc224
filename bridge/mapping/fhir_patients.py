"""A FHIR Patient, or what an order says of one, as a patient's draft. Source: FHIR R4 and R5 Patient, HL7 v2-to-FHIR PID."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.domain.identifiers import NOT_A_PERSONS_OWN, EntityIdentifier, PatientIdentifier
from bridge.domain.patient import PatientDraft, VisitDraft
from bridge.errors import Incomplete, Malformed
from bridge.mapping.fhir_fields import FhirGround, Json, Resource, identifier_type, inner_reference

_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": ""}
_NUMBER_MAX = 64
_GROUP_MAX = 64
_NAME_USES = ("official", "usual", "", "temp", "nickname", "anonymous", "old", "maiden")
_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def read_patient(patient: Resource, ground: FhirGround) -> PatientDraft:
    """Return who a Patient is. Raises: Incomplete, without an identifier; Malformed."""
    numbers = _numbers(patient, patient.each("identifier"), ground)
    if not numbers:
        raise Incomplete("a patient needs an identifier", code="missing", where=patient.place("identifier"))
    gender = patient.text("gender")
    if gender and gender not in _SEXES:
        raise Incomplete("not a gender", code="not_in_table", where=patient.place("gender"))
    telephones = [one for one in patient.each("telecom") if one.get("system") == "phone"]
    return PatientDraft(
        identifiers=numbers,
        patient_name=_name(patient) or None,
        patient_birth_date=patient.day("birthDate"),
        patient_sex=_SEXES[gender] if gender else None,
        multiple_birth=_multiple_birth(patient),
        patient_telephone=str(telephones[0].get("value", ""))[:_NUMBER_MAX] or None if telephones else None,
    )


def numbers_of(patient: Json, ground: FhirGround) -> tuple[PatientIdentifier, ...]:
    """Return the numbers by which a Patient is looked for: a person's own, each with a system. Raises: Malformed."""
    resource = Resource(patient)
    said = [one for one in resource.each("identifier") if one.get("system")]
    found = _numbers(resource, said, ground)
    return tuple(one for one in found if one.identifier_type not in NOT_A_PERSONS_OWN)


def _multiple_birth(patient: Resource) -> bool | None:
    """Return whether this is a twin or more, None where it is not said; a place in the order of birth says so, too."""
    said = patient.said.get("multipleBirthBoolean")
    if isinstance(said, bool):
        return said
    return True if isinstance(patient.said.get("multipleBirthInteger"), int) else None


def patient_of(resource: Resource, reference: Json, name: str, ground: FhirGround) -> PatientDraft | None:
    """Return who a reference means: a Patient at hand, or its identifier; None where it names somebody elsewhere."""
    found = resource.resolve(reference, name)
    if found is not None:
        if found.kind != "Patient":
            raise Incomplete("a Patient is wanted", code="not_supported", where=resource.place(name))
        return read_patient(found, ground)
    identifier = inner_reference(reference).get("identifier")
    if not isinstance(identifier, Mapping):
        return None
    numbers = _numbers(resource, [identifier], ground)
    display = resource.checked(inner_reference(reference).get("display") or "", name)
    return PatientDraft(numbers, patient_name=_of_display(display) or None) if numbers else None


def visit_of(resource: Resource, ground: FhirGround) -> VisitDraft | None:
    """Return the visit that an order's encounter is, None where none is named by a number."""
    reference = resource.first("encounter")
    found = resource.resolve(reference, "encounter") if reference else None
    numbers = found.each("identifier") if found is not None else [reference.get("identifier") or {}]
    for one in numbers:
        value = resource.checked(one.get("value") or "", "encounter") if isinstance(one, Mapping) else ""
        if value:
            issuer = ground.issuer_of(str(one.get("system") or ""))
            where = found.first("location").get("location") if found is not None else None
            place = str(where.get("display") or "")[:_NUMBER_MAX] if isinstance(where, Mapping) else ""
            return VisitDraft(EntityIdentifier(value[:_NUMBER_MAX], issuer), current_patient_location=place or None)
    return None


def person_name_of(resource: Resource, reference: Json, name: str) -> str:
    """Return the name of whoever a reference means (a Practitioner at hand, or its display), "" for nobody."""
    found = resource.resolve(reference, name)
    if found is not None and found.kind == "PractitionerRole":
        return person_name_of(found, found.first("practitioner"), "practitioner")
    if found is not None and found.kind in ("Practitioner", "Patient", "RelatedPerson"):
        return _name(found)
    return _of_display(resource.checked(inner_reference(reference).get("display") or "", name))


def _numbers(resource: Resource, said: list[Json], ground: FhirGround) -> tuple[PatientIdentifier, ...]:
    """Return the identifiers, the medical record number of an authority first; old ones are left out."""
    found = []
    for one in said:
        value = resource.checked(one.get("value") or "", "identifier")
        if not value or one.get("use") == "old":
            continue
        if len(value) > _NUMBER_MAX or "\\" in value:
            raise Malformed("not a number that DICOM can hold", where=resource.place("identifier.value"))
        system = resource.checked(one.get("system") or "", "identifier.system")
        issuer = ground.issuer_of(system)
        if len(issuer) > _NUMBER_MAX:
            resource.warn("an identifier of a system longer than 64 characters was left out", "identifier.system")
            continue
        kind = identifier_type(one)
        known = issuer != system
        found.append((kind != "MR", not known, PatientIdentifier(value, issuer, kind or "MR")))
    return tuple(dict.fromkeys(number for _, _, number in sorted(found, key=lambda each: each[:2])))


def _name(resource: Resource) -> str:
    """Return a HumanName as PN: the official one, with its other writings as groups."""
    names = resource.each("name")
    groups = {"ABC": "", "IDE": "", "SYL": ""}
    ranked = sorted(
        names, key=lambda one: _NAME_USES.index(one.get("use") or "") if one.get("use") in _NAME_USES else 2
    )
    for one in ranked:
        group = _group_of(one)
        groups[group] = groups[group] or _written(resource, one)
    return "=".join(groups.values()).rstrip("=")


def _group_of(name: Json) -> str:
    extensions = name.get("extension")
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, Mapping) and one.get("url") == _REPRESENTATION and one.get("valueCode") in ("IDE", "SYL"):
            return str(one["valueCode"])
    return "ABC"


def _written(resource: Resource, name: Json) -> str:
    def several(part: str) -> list[str]:
        value = name.get(part) or []
        if not isinstance(value, list):
            raise Malformed("a list of texts is wanted", where=resource.place(f"name.{part}"))
        return [_clean(resource.checked(one, f"name.{part}")) for one in value]

    given = several("given")
    family = _clean(resource.checked(name.get("family") or "", "name.family"))
    parts = [
        family,
        given[0] if given else "",
        " ".join(given[1:]),
        " ".join(several("prefix")),
        " ".join(several("suffix")),
    ]
    written = "^".join(parts).rstrip("^")
    written = written or _of_display(resource.checked(name.get("text") or "", "name.text"))
    return written[:_GROUP_MAX]


def _of_display(text: str) -> str:
    """Return a name in one piece: "Family, Given", else all of it as the family name, as nobody can say which is which."""
    family, comma, given = text.partition(",")
    return f"{_clean(family)}^{_clean(given)}"[:_GROUP_MAX] if comma else _clean(text)[:_GROUP_MAX]


def _clean(text: str) -> str:
    return " ".join("".join(" " if c in "^=\\" or not c.isprintable() else c for c in text).split())
