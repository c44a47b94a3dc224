"""A study on a prior authorization: Claim.supportingInfo, added once, found again and taken out, all else untouched.

Source: FHIR R4 Claim.supportingInfo, Claim.item.informationSequence; Da Vinci PAS (sequences never change).
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir.elements import objects_in
from bridge.codecs.fhir.references import same_target, study_identifier

Json = dict[str, Any]

_CATEGORY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/claiminformationcategory", "code": "attachment"}]
}


@dataclass(frozen=True, slots=True)
class StudyOnClaim:
    """The study to be named. reference: its ImagingStudy on this server ("ImagingStudy/5"). codes: the lines it is for."""

    study_instance_uid: str
    reference: str
    description: str
    codes: Collection[str] = ()


def with_study(claim: Json, study: StudyOnClaim) -> Json:
    """
    Return *claim* with one entry for the study; the same claim, if it says so already.

    An entry that names the study by its UID or reference is kept with its sequence and brought up to date; a new one gets
    the number after the highest. Lines whose code is one of *study.codes* refer to it, all lines if no codes are known.
    """
    changed = copy.deepcopy(claim)
    entries: list[Json] = changed.setdefault("supportingInfo", [])
    ours = next((entry for entry in entries if _names(entry, study)), None)
    if ours is None:
        ours = {"sequence": max((_sequence(entry) for entry in entries), default=0) + 1, "category": _CATEGORY}
        entries.append(ours)
    ours["valueReference"] = {
        "reference": study.reference,
        "type": "ImagingStudy",
        "identifier": study_identifier(study.study_instance_uid),
        "display": study.description,
    }
    if not study.description:
        del ours["valueReference"]["display"]
    for item in changed.get("item", []):
        if _is_for(item, study.codes) and ours["sequence"] not in item.setdefault("informationSequence", []):
            item["informationSequence"].append(ours["sequence"])
    return changed


def without_study(claim: Json, study: StudyOnClaim) -> Json:
    """
    Return *claim* without any entry for the study; the same claim, if it names it nowhere.

    The other entries keep their sequences, and lines that referred to the study do so no more. A list that ends empty is
    left out, as FHIR has no empty lists.
    """
    changed = copy.deepcopy(claim)
    gone = [entry for entry in objects_in(changed.get("supportingInfo")) if _names(entry, study)]
    if not gone:
        return changed
    _keep(changed, "supportingInfo", [entry for entry in changed["supportingInfo"] if entry not in gone])
    sequences = {_sequence(entry) for entry in gone}
    for item in objects_in(changed.get("item")):
        if "informationSequence" in item:
            _keep(item, "informationSequence", [one for one in item["informationSequence"] if one not in sequences])
    return changed


def holds_number(claim: Json, number: str) -> bool:
    """Say whether *claim* is the authorization *number*: by an identifier's value, or as an insurance's preAuthRef."""
    wanted = _plain(number)
    if any(_plain(str(one.get("value", ""))) == wanted for one in objects_in(claim.get("identifier"))):
        return True
    return any(
        _plain(str(said)) == wanted
        for one in objects_in(claim.get("insurance"))
        for said in (one.get("preAuthRef") or [])
    )


def is_open_preauthorization(claim: Json) -> bool:
    """Say whether *claim* asks for an authorization and is not withdrawn. Source: FHIR R4 Claim.use, Claim.status."""
    return claim.get("use") == "preauthorization" and claim.get("status") in ("active", "draft")


def _names(entry: Json, study: StudyOnClaim) -> bool:
    value = entry.get("valueReference")
    if not isinstance(value, dict):
        return False
    wanted = study_identifier(study.study_instance_uid)
    identifier = value.get("identifier") or {}
    by_uid = identifier.get("system") == wanted["system"] and identifier.get("value") == wanted["value"]
    return by_uid or same_target(value, study.reference)


def _keep(element: Json, name: str, values: list[Any]) -> None:
    if values:
        element[name] = values
    else:
        del element[name]


def _sequence(entry: Json) -> int:
    sequence = entry.get("sequence")
    return sequence if isinstance(sequence, int) else 0


def _is_for(item: Json, codes: Collection[str]) -> bool:
    if not codes:
        return True
    concept = item.get("productOrService") or {}
    return any(coding.get("code") in codes for coding in objects_in(concept.get("coding")))


def _plain(number: str) -> str:
    """Return a number without the blanks and hyphens that people type into it."""
    return "".join(char for char in number.upper() if char.isalnum())
