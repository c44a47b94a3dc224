"""A document for a payer as a DocumentReference with its bytes inside. Source: FHIR R4 DocumentReference, Da Vinci PAS and CDex."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.codecs.fhir.elements import LOINC, clean, instant
from bridge.codecs.fhir.references import study_identifier

Json = dict[str, Any]

# Of our own control numbers, by which a document is found again.
EVIDENCE_SYSTEM = "urn:imaging-bridge:evidence"
_CATEGORY: Json = {
    "coding": [
        {"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "code": "clinical-note"}
    ]
}


@dataclass(frozen=True, slots=True)
class InlineEvidence:
    """
    A document that goes inside. control_number: PWK06. report_type: PWK01; loinc: what kind of document it is, in words.

    dated: when it was made. study_instance_uid: of the study that it tells of.
    """

    control_number: str
    content: bytes
    title: str
    dated: datetime
    study_instance_uid: str
    content_type: str = "application/pdf"
    report_type: str = "RB"
    loinc: tuple[str, str] = ("18748-4", "Diagnostic imaging study")


def document(one: InlineEvidence, resource_id: str, subject: Json) -> Json:
    """Return the DocumentReference of *one*. subject: a Reference to the patient."""
    code, words = one.loinc
    attachment = {
        "contentType": one.content_type,
        "data": base64.b64encode(one.content).decode("ascii"),
        "size": len(one.content),
        "title": clean(one.title),
    }
    return {
        "resourceType": "DocumentReference",
        "id": resource_id,
        "identifier": [{"system": EVIDENCE_SYSTEM, "value": one.control_number}],
        "status": "current",
        "type": {"coding": [{"system": LOINC, "code": code, "display": words}]},
        "category": [_CATEGORY],
        "subject": subject,
        "date": instant(one.dated),
        "description": clean(one.title),
        "content": [{"attachment": attachment}],
        "context": {"related": [{"type": "ImagingStudy", "identifier": study_identifier(one.study_instance_uid)}]},
    }
