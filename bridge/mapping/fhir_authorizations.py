"""Preauthorization Claims and ClaimResponses, read into news of authorizations; R4 and R5 alike.

The payer's word is the review action (HCR01) on an item or on the whole: an outcome, or a reference number, decides nothing.
Source: HL7 Da Vinci PAS, profile-claim and profile-claimresponse; FHIR R4 Claim, ClaimResponse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bridge.domain.authorization import GRANTING, Urgency, combined
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.records import replace
from bridge.mapping.fhir_fields import FhirGround, Resource, inner_reference
from bridge.mapping.fhir_patients import numbers_of, person_name_of
from bridge.mapping.pas_items import (
    answered_lines,
    codes_of,
    codings_of,
    day_of,
    decision_of,
    extensions,
    first_code,
    lines_of_claim,
    own_reference,
    reasons,
    review_of,
    text_of,
)

# X12 1338: level of service.
_SOON = frozenset({"03", "U", "stat"})
_TEXT_MAX = 64
_TAKEN_BACK = ("cancelled", "entered-in-error")


def read_claim_response(resource: Resource, source: str, ground: FhirGround, now: datetime) -> AuthorizationNews | None:
    """
    Return a payer's answer, or that it took one back; None for what is neither, or not of a preauthorization.

    Raises: Malformed, Incomplete.
    """
    status = resource.text("status")
    if resource.text("use") != "preauthorization" or status not in ("active", *_TAKEN_BACK):
        return None
    request = resource.resolve(resource.first("request"), "request")
    if status in _TAKEN_BACK:
        return _taken_back(resource, request, source, ground, now)
    asked = {line.sequence: line for line in lines_of_claim(request)} if request is not None else {}
    lines = answered_lines(resource, asked)
    action = review_of(resource.said) or next(
        (one for each in resource.each("adjudication") if (one := review_of(each))), {}
    )
    decision = decision_of(action)
    decided = decision or combined(line.decision for line in lines)
    reference = resource.text("preAuthRef")[:_TEXT_MAX] or text_of(action, "number")
    is_number = decided in GRANTING
    period = resource.first("preAuthPeriod")
    tracking = list(filter(None, map(own_reference, resource.each("item"))))
    said = AuthorizationNews(
        source=source,
        said_at=_said_at(resource, now),
        kind=NewsKind.ANSWERED,
        number=reference if is_number else "",
        administrative_reference=next(iter(tracking), "") or ("" if is_number else reference),
        trace=_trace(resource) or (_trace(request) if request is not None else ""),
        decision=decision,
        reason_codes=reasons(action),
        wanted=_wanted(resource),
        error_codes=tuple(code for _, code in codings_of(resource.each("error"), "code"))[:20],
        effective_on=day_of(period.get("start")),
        expires_on=day_of(period.get("end")),
        lines=lines,
    )
    return _with_people(said, resource, request, ground)


def _taken_back(
    resource: Resource, request: Resource | None, source: str, ground: FhirGround, now: datetime
) -> AuthorizationNews:
    """Return that an answer counts no more, with the numbers by which its authorization is found."""
    reference = resource.text("preAuthRef")[:_TEXT_MAX]
    said = AuthorizationNews(
        source=source,
        said_at=_said_at(resource, now),
        kind=NewsKind.WITHDRAWN,
        number=reference,
        administrative_reference=next(filter(None, map(own_reference, resource.each("item"))), ""),
        trace=_trace(resource) or (_trace(request) if request is not None else ""),
        lines=answered_lines(resource, {}),
    )
    return _with_people(said, resource, request, ground)


def read_claim(resource: Resource, source: str, ground: FhirGround, now: datetime) -> AuthorizationNews | None:
    """Return a request for authorization, None for another claim or one that was taken back. Raises: Malformed, Incomplete."""
    status = resource.text("status")
    if resource.text("use") != "preauthorization" or status not in ("active", "draft"):
        return None
    insurance = next((one for one in resource.each("insurance") if one.get("focal")), resource.first("insurance"))
    numbers = insurance.get("preAuthRef") or []
    named = next((one for one in numbers if isinstance(one, str)), "") if isinstance(numbers, list) else ""
    levels = {
        code
        for one in extensions(resource.said, "levelOfServiceCode")
        for code in codes_of(one.get("valueCodeableConcept"))
    }
    levels |= {code for _, code in resource.codings("priority")}
    items = resource.each("item")
    related = resource.first("related").get("claim")
    said = AuthorizationNews(
        source=source,
        said_at=_said_at(resource, now),
        kind=NewsKind.REQUESTED if status == "active" else NewsKind.DRAFTED,
        number=named[:_TEXT_MAX],
        trace=_trace(resource),
        replaces=_logical(related),
        request_category=first_code(items, "serviceItemRequestType"),
        certification=first_code(items, "certificationType"),
        service_type=next((code for _, code in codings_of(items[:1], "category")), ""),
        urgency=Urgency.EXPEDITED if levels & _SOON else Urgency.STANDARD,
        received_at=_instant(resource.text("created")) if status == "active" else None,
        lines=tuple(lines_of_claim(resource)),
    )
    return _with_people(said, resource, resource, ground)


def _with_people(
    said: AuthorizationNews, resource: Resource, request: Resource | None, ground: FhirGround
) -> AuthorizationNews:
    patient = resource.resolve(resource.first("patient"), "patient")
    numbers: tuple[PatientIdentifier, ...] = ()
    name = birth_date = ""
    if patient is not None and patient.kind == "Patient":
        numbers = numbers_of(patient.said, ground)
        # Who it is said to be counts without a number, too: it must not be another person's.
        name, birth_date = (
            person_name_of(resource, resource.first("patient"), "patient"),
            patient.day("birthDate") or "",
        )
        if not numbers:
            resource.warn("its patient has no identifier", "patient")
    payer_id, payer_name = payer_of(resource)
    member_id, suffix, subscriber = _member(request) if request is not None else ("", "", "")
    return replace(
        said,
        patient_numbers=numbers,
        patient_name=name,
        birth_date=birth_date,
        payer_id=payer_id,
        payer_name=payer_name,
        member_id=member_id,
        member_suffix=suffix,
        subscriber_id=subscriber,
    )


def payer_of(resource: Resource) -> tuple[str, str]:
    """Return the payer's identifier and name; one that only has a name goes by it."""
    reference = resource.first("insurer")
    found = resource.resolve(reference, "insurer")
    name = found.text("name") if found is not None else str(inner_reference(reference).get("display") or "")
    numbers = found.each("identifier") if found is not None else [inner_reference(reference).get("identifier") or {}]
    values = [str(one.get("value") or "") for one in numbers if isinstance(one, Mapping)]
    return (next(filter(None, values), "") or name)[:80], name[:80]


def _member(claim: Resource) -> tuple[str, str, str]:
    """Return member number, suffix and subscriber number of the claim's coverage."""
    for one in claim.each("insurance"):
        coverage = claim.resolve(one.get("coverage") or {}, "insurance")
        if coverage is None or coverage.kind != "Coverage":
            continue
        said = coverage.said.get("subscriberId")
        # In R5 it is a list of Identifiers.
        first = said[0].get("value") if isinstance(said, list) and said and isinstance(said[0], Mapping) else said
        subscriber = first[:_TEXT_MAX] if isinstance(first, str) else ""
        numbers = [str(each.get("value") or "")[:_TEXT_MAX] for each in coverage.each("identifier")]
        return next(filter(None, numbers), "") or subscriber, coverage.text("dependent")[:8], subscriber
    return "", "", ""


def _wanted(resource: Resource) -> tuple[str, ...]:
    """Return what the payer asks to see, by code where it gives one."""
    found: list[str] = []
    for reference in resource.each("communicationRequest"):
        asked = resource.resolve(reference, "communicationRequest")
        codes = [code for _, code in asked.codings("category", "reasonCode")] if asked is not None else []
        found += codes or ["papers"]
    return tuple(dict.fromkeys(found))[:20]


def _said_at(resource: Resource, now: datetime) -> datetime:
    """Return when it was said, by its server; a clock that runs ahead of ours must not make it the newest for ever."""
    at = resource.updated_at() or _instant(resource.text("created")) or now
    return min(at, now)


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
        return None if at is None else (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _trace(resource: Resource) -> str:
    return next((value for one in resource.each("identifier") if (value := str(one.get("value") or ""))), "")[
        :_TEXT_MAX
    ]


def _logical(reference: object) -> str:
    identifier = reference.get("identifier") if isinstance(reference, Mapping) else None
    return str(identifier.get("value") or "")[:_TEXT_MAX] if isinstance(identifier, Mapping) else ""
