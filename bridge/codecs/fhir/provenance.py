"""Where a published version comes from: who made and who approved it, of what, and why it changed.

Fed by the rows of decisions (who, why), messages (MSH-10), performed_steps (MPPS) and studies (the UID as received).
Source: FHIR R4 and R5 Provenance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import clean, instant, period, uid_identifier, without_empty
from bridge.domain.study import is_person

Json = dict[str, Any]

CONTROL_ID_SYSTEM = "urn:imaging-bridge:message-control-id"
_OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_PARTICIPANTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Activity(StrEnum):
    """What was done to the resource. Source: v3-DataOperation."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Why(StrEnum):
    """Why a version corrects the one before. Source: v3-ActReason."""

    RECORDS = "RECORDMGT"
    SAFETY = "PATSFTY"


_MEANINGS = {Why.RECORDS: "records management", Why.SAFETY: "patient safety"}


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that a version was made of. kind: "message" (its MSH-10), "performed step" or "study" (a UID)."""

    kind: str
    value: str
    sender: str = ""


@dataclass(frozen=True, slots=True)
class ProvenanceContent:
    """
    What both versions say of one version of one resource.

    target: "ImagingStudy/5/_history/2". approved_by: actors who decided whose it is ("user:maria"); rules are no agents.
    why: None where nothing was corrected; reason: the same in a person's words. patient: "Patient/7", "" for none.
    """

    target: str
    recorded_at: datetime
    activity: Activity
    organization: str = ""
    approved_by: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    why: Why | None = None
    reason: str = ""
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    patient: str = ""


def r4(content: ProvenanceContent) -> Json:
    """Return *content* as an R4 Provenance."""
    return _frame(content) | without_empty({"reason": [_reason(content)] if content.why else []})


def r5(content: ProvenanceContent) -> Json:
    """Return *content* as an R5 Provenance."""
    return _frame(content) | without_empty(
        {
            "authorization": [{"concept": _reason(content)}] if content.why else [],
            "patient": {"reference": content.patient} if content.patient else {},
        }
    )


def _frame(content: ProvenanceContent) -> Json:
    display = {Activity.CREATE: "create", Activity.UPDATE: "revise", Activity.DELETE: "delete"}[content.activity]
    return without_empty(
        {
            "resourceType": "Provenance",
            "target": [{"reference": content.target}],
            "occurredPeriod": period(instant(content.occurred_from), instant(content.occurred_to)),
            "recorded": instant(content.recorded_at),
            "activity": {
                "coding": [{"system": _OPERATIONS, "code": content.activity.value, "display": display}],
            },
            "agent": [
                _agent("assembler", "Assembler", people.software(), people.organization(content.organization)),
                *(
                    _agent("verifier", "Verifier", people.user(one), people.organization(content.organization))
                    for one in content.approved_by
                    if is_person(one)
                ),
            ],
            "entity": [{"role": "source", "what": _what(one)} for one in content.sources],
        }
    )


def _agent(code: str, display: str, who: Json, on_behalf_of: Json) -> Json:
    kind = {"coding": [{"system": _PARTICIPANTS, "code": code, "display": display}]}
    return without_empty({"type": kind, "who": who, "onBehalfOf": on_behalf_of})


def _what(source: Source) -> Json:
    if source.kind != "message":
        kinds = {"study": "ImagingStudy", "performed step": "Procedure"}
        return {"type": kinds[source.kind], "identifier": uid_identifier(source.value)}
    identifier: Json = {"system": CONTROL_ID_SYSTEM, "value": clean(source.value)}
    if source.sender:
        identifier["assigner"] = {"display": clean(source.sender)}
    return {"identifier": identifier, "display": "HL7 v2 message"}


def _reason(content: ProvenanceContent) -> Json:
    assert content.why is not None
    coding = {"system": _REASONS, "code": content.why.value, "display": _MEANINGS[content.why]}
    return without_empty({"coding": [coding], "text": clean(content.reason)})
