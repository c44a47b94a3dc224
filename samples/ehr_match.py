"""The strict EHR's Patient/$match: name and birth date equal is certain, one of the two is probable. Source: FHIR R4 $match."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def matches(parameters: Json, patients: list[Json]) -> list[Json]:
    """Return the entries of the answer, the best first; ValueError, if nobody is described."""
    said = {one.get("name"): one for one in parameters.get("parameter", [])}
    wanted = said.get("resource", {}).get("resource")
    if not isinstance(wanted, dict) or wanted.get("resourceType") != "Patient":
        raise ValueError("no Patient to match")
    only_certain = bool(said.get("onlyCertainMatches", {}).get("valueBoolean"))
    graded = [(patient, _grade(wanted, patient)) for patient in patients if patient.get("active") is not False]
    entries = [_entry(patient, grade) for patient, grade in graded if grade == "certain"]
    entries += [_entry(patient, grade) for patient, grade in graded if grade == "probable" and not only_certain]
    return entries[: int(said.get("count", {}).get("valueInteger", 20))]


def _grade(wanted: Json, patient: Json) -> str:
    same_name, same_day = _names(wanted) & _names(patient), wanted.get("birthDate") == patient.get("birthDate")
    if same_name and same_day:
        return "certain"
    return "probable" if same_name or same_day else ""


def _names(patient: Json) -> set[tuple[str, ...]]:
    return {
        (str(one.get("family", "")).casefold(), *(str(given).casefold() for given in one.get("given", [])[:1]))
        for one in patient.get("name", [])
    }


def _entry(patient: Json, grade: str) -> Json:
    scores = {"certain": 1.0, "probable": 0.6}
    extension = [{"url": _GRADE, "valueCode": grade}]
    return {"resource": patient, "search": {"mode": "match", "score": scores[grade], "extension": extension}}
