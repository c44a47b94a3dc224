"""Patient $match: what is asked, and which of its answers is certain. Source: FHIR R4 Patient $match."""

from __future__ import annotations

from typing import Any

from bridge.domain.outside import Question
from bridge.errors import Malformed

Json = dict[str, Any]

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_GENDERS = {"M": "male", "F": "female", "O": "other"}
# More than one certain match is none.
_MOST = 5


def match_parameters(question: Question, identifiers: list[Json]) -> Json:
    """Return the Parameters that ask for *question*'s patient."""
    family, _, given = question.patient_name.partition("=")[0].partition("^")
    names = [part.strip() for part in given.split("^")[:2] if part.strip()]
    born = question.birth_date
    patient: Json = {
        "resourceType": "Patient",
        "name": [{"family": family.strip(), "given": names}],
        "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:]}",
    }
    if identifiers:
        patient["identifier"] = identifiers
    if question.sex:
        patient["gender"] = _GENDERS[question.sex]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": patient},
            {"name": "onlyCertainMatches", "valueBoolean": True},
            {"name": "count", "valueInteger": _MOST},
        ],
    }


def certain_matches(answer: Json) -> list[Json]:
    """
    Return the patients that the server calls a certain match; a probable one, or one without a grade, is none.

    Raises: Malformed, if it is no answer to $match.
    """
    entries = answer.get("entry") or []
    if answer.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise Malformed("the answer to $match is no Bundle", code="other_answer")
    found = []
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == "Patient" and _grade_of(entry) == "certain":
            found.append(resource)
    return found


def _grade_of(entry: Json) -> str:
    search = entry.get("search")
    extensions = search.get("extension") if isinstance(search, dict) else None
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("url") == _GRADE:
            return str(one.get("valueCode", ""))
    return ""
