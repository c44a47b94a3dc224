"""A prior authorization as a chart reads it: the Claim that asked for it and the ClaimResponse that granted it.

Fed by the rows of authorizations and their lines; what is attached stands in the rows of attachments. Nothing is known of
a claim but what the order or a person said of the payer's number. Source: FHIR R4 and R5 Claim and ClaimResponse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import people
from bridge.codecs.fhir.elements import clean, date, instant, period, shown, without_empty
from bridge.codecs.fhir.references import study_identifier, typed_identifier
from bridge.domain.authorization import Authorization, AuthorizationStatus

Json = dict[str, Any]

PAYER_SYSTEM = "urn:imaging-bridge:payer"
AUTHORIZATION_SYSTEM = "urn:imaging-bridge:authorization"
_TYPE: Json = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}],
}
_PRIORITY: Json = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal"}],
}
_ATTACHMENT: Json = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/claiminformationcategory", "code": "attachment"},
    ]
}
_CPT = "http://www.ama-assn.org/go/cpt"
_HCPCS = "urn:oid:2.16.840.1.113883.6.285"


@dataclass(frozen=True, slots=True)
class AuthorizationContent:
    """What both resources say. studies: Study Instance UIDs attached."""

    identifier: Json
    number: str
    subject: str
    provider: str
    payer: Json
    coverage: Json
    created: str
    valid: Json
    lines: tuple[Json, ...]
    studies: tuple[str, ...]
    outcome: str


COMPLETE = "complete"
# What is not decided is queued; whoever only has a number here is told no more than that it was given.
OUTCOMES = {
    AuthorizationStatus.DRAFT: "queued",
    AuthorizationStatus.SUBMITTED: "queued",
    AuthorizationStatus.PENDED: "queued",
    AuthorizationStatus.CONTACT_PAYER: "queued",
    AuthorizationStatus.PARTIAL: "partial",
    AuthorizationStatus.ERROR: "error",
}


def build(found: Authorization, subject: str, provider: str, studies: tuple[str, ...] = ()) -> AuthorizationContent:
    """Return what is said of an authorization. provider: the organization that asks."""
    payer = {"system": PAYER_SYSTEM, "value": found.payer_id} if found.payer_id else None
    member = {"identifier": typed_identifier("MB", PAYER_SYSTEM, found.member_id)} if found.member_id else {}
    name = clean(found.payer_name) or clean(found.payer_id) or "Payer"
    return AuthorizationContent(
        identifier={"system": AUTHORIZATION_SYSTEM, "value": clean(found.number)},
        number=clean(found.number),
        subject=subject,
        provider=clean(provider) or "Imaging provider",
        payer=people.organization(name, payer),
        coverage={"type": "Coverage"} | member | {"display": name},
        created=instant(found.created_at),
        valid=period(_day(found.effective_on), _day(found.expires_on)),
        lines=tuple(_line(one.code, one.description) for one in found.lines),
        studies=studies,
        outcome=OUTCOMES.get(found.status, COMPLETE),
    )


def claim(content: AuthorizationContent) -> Json:
    """Return the request as a Claim, which R4 and R5 write alike."""
    return without_empty(
        {
            "resourceType": "Claim",
            "identifier": [content.identifier],
            "status": "active",
            "type": _TYPE,
            "use": "preauthorization",
            "patient": {"reference": content.subject},
            "created": content.created,
            "insurer": content.payer,
            "provider": shown("Organization", content.provider),
            "priority": _PRIORITY,
            "supportingInfo": [
                {
                    "sequence": number,
                    "category": _ATTACHMENT,
                    "valueReference": {"type": "ImagingStudy", "identifier": study_identifier(uid)},
                }
                for number, uid in enumerate(content.studies, start=1)
            ],
            "insurance": [
                {"sequence": 1, "focal": True, "coverage": content.coverage, "preAuthRef": [content.number]},
            ],
            "item": [
                without_empty(
                    {
                        "sequence": number,
                        "productOrService": line,
                        "informationSequence": list(range(1, len(content.studies) + 1)),
                    }
                )
                for number, line in enumerate(content.lines, start=1)
            ],
        }
    )


def response(content: AuthorizationContent, claim: str = "") -> Json:
    """Return the payer's answer as a ClaimResponse, which R4 and R5 write alike. claim: "Claim/3"."""
    request: Json = {"type": "Claim", "identifier": content.identifier} | ({"reference": claim} if claim else {})
    return without_empty(
        {
            "resourceType": "ClaimResponse",
            "identifier": [content.identifier],
            "status": "active",
            "type": _TYPE,
            "use": "preauthorization",
            "patient": {"reference": content.subject},
            "created": content.created,
            "insurer": content.payer,
            "request": request,
            "outcome": content.outcome,
            "preAuthRef": content.number,
            "preAuthPeriod": content.valid,
        }
    )


def _line(code: str, description: str) -> Json:
    plain = clean(code)
    # Source: HCPCS level II begins with a letter, CPT (level I) with a digit.
    system = _HCPCS if plain[:1].isalpha() else _CPT
    return without_empty({"coding": [{"system": system, "code": plain}] if plain else [], "text": clean(description)})


def _day(text: str) -> str:
    return date(text.replace("-", ""))
