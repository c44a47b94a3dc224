"""Preauthorization Claims and ClaimResponses, read into news of authorizations; R4 and R5 alike.

The payer's word is the review action (HCR01) on an item or on the whole: an outcome, or a reference number, decides nothing.
Source: HL7 Da Vinci PAS, profile-claim and profile-claimresponse; FHIR R4 Claim, ClaimResponse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.domain.authorization import DECISIONS, GRANTING, AuthorizationLine, Urgency, combined
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import PatientIdentifier, is_npi
from bridge.domain.records import replace
from bridge.mapping.fhir_fields import FhirGround, Json, Resource, inner_reference
from bridge.mapping.fhir_patients import numbers_of, person_name_of

_BILLED = frozenset(
    {
        "http://www.ama-assn.org/go/cpt",
        "urn:oid:2.16.840.1.113883.6.285",
        "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    }
)
_NPI = "http://hl7.org/fhir/sid/us-npi"
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
    asked = {line.sequence: line for line in _lines_of_claim(request)} if request is not None else {}
    answered = (_answered(item, asked) for item in resource.each("item"))
    lines = tuple(line for line in answered if line.sequence or line.code)
    action = _review(resource.said) or next(
        (one for each in resource.each("adjudication") if (one := _review(each))), {}
    )
    decision = _code(action, "reviewActionCode")
    decided = decision or combined(line.decision for line in lines)
    reference = resource.text("preAuthRef")[:_TEXT_MAX] or _text_of(action, "number")
    is_number = decided in GRANTING
    period = resource.first("preAuthPeriod")
    tracking = list(filter(None, map(_own_reference, resource.each("item"))))
    said = AuthorizationNews(
        source=source,
        said_at=_said_at(resource, now),
        kind=NewsKind.ANSWERED,
        number=reference if is_number else "",
        administrative_reference=next(iter(tracking), "") or ("" if is_number else reference),
        trace=_trace(resource) or (_trace(request) if request is not None else ""),
        decision=decision,
        reason_codes=_reasons(action),
        wanted=_wanted(resource),
        error_codes=tuple(code for _, code in _codings_of(resource.each("error"), "code"))[:20],
        effective_on=_day(period.get("start")),
        expires_on=_day(period.get("end")),
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
        administrative_reference=next(filter(None, map(_own_reference, resource.each("item"))), ""),
        trace=_trace(resource) or (_trace(request) if request is not None else ""),
        lines=tuple(_answered(item, {}) for item in resource.each("item")),
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
        for one in _extensions(resource.said, "levelOfServiceCode")
        for code in _codes_of(one.get("valueCodeableConcept"))
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
        request_category=_first_code(items, "serviceItemRequestType"),
        certification=_first_code(items, "certificationType"),
        service_type=next((code for _, code in _codings_of(items[:1], "category")), ""),
        urgency=Urgency.EXPEDITED if levels & _SOON else Urgency.STANDARD,
        received_at=_instant(resource.text("created")) if status == "active" else None,
        lines=tuple(_lines_of_claim(resource)),
    )
    return _with_people(said, resource, resource, ground)


def _own_reference(item: Json) -> str:
    """Return what the payer calls an item that it did not grant: its tracking number, else the number beside its decision."""
    tracking = _value(item, "administrationReferenceNumber")
    action = _review_of_item(item)
    return tracking or ("" if _code(action, "reviewActionCode") in GRANTING else _text_of(action, "number"))


def _review_of_item(item: Json) -> Json:
    adjudications = item.get("adjudication") or []
    return next((one for each in _objects(adjudications) if (one := _review(each))), {})


def _answered(item: Json, asked: Mapping[int, AuthorizationLine]) -> AuthorizationLine:
    """Return what was decided on an item: its number stands in its review action, else beside it."""
    sequence = _number(item.get("itemSequence"))
    line = asked.get(sequence, AuthorizationLine("", sequence=sequence))
    action = _review_of_item(item)
    period = next((one.get("valuePeriod") for one in _extensions(item, "itemPreAuthPeriod")), None)
    period = period if isinstance(period, Mapping) else {}
    detail = next(iter(_extensions(item, "itemAuthorizedDetail")), {})
    authorized = _billed(_inner(detail, "productOrServiceCode").get("valueCodeableConcept"))
    quantity = _inner(detail, "quantity").get("valueQuantity")
    decision = _code(action, "reviewActionCode")
    number = _text_of(action, "number") or _value(item, "authorizationNumber")
    return replace(
        line,
        code=authorized or line.code,
        decision=decision,
        number=number if decision in GRANTING else "",
        reason_codes=_reasons(action),
        approved_units=_quantity(quantity),
        service_from=_day(period.get("start")) or line.service_from,
        service_to=_day(period.get("end")) or line.service_to,
    )


def _lines_of_claim(claim: Resource) -> Iterator[AuthorizationLine]:
    diagnoses = {
        _number(one.get("sequence")): next(iter(_codes_of(one.get("diagnosisCodeableConcept"))), "")
        for one in claim.each("diagnosis")
    }
    performers = [npi for one in claim.each("careTeam") if (npi := _npi_of(claim, one.get("provider")))]
    for item in claim.each("item"):
        period = item.get("servicedPeriod")
        period = period if isinstance(period, Mapping) else {}
        sequences = item.get("diagnosisSequence")
        named = (
            [diagnoses.get(_number(one), "") for one in sequences]
            if isinstance(sequences, list)
            else diagnoses.values()
        )
        concept = item.get("productOrService")
        yield AuthorizationLine(
            _billed(concept) or next(iter(_codes_of(concept)), "")[:20],
            _words(concept),
            sequence=_number(item.get("sequence")),
            trace=_item_trace(item),
            modifiers=tuple(code.upper() for one in _objects(item.get("modifier")) for code in _codes_of(one)[:1]),
            diagnoses=tuple(filter(None, named)),
            requested_units=_quantity(item.get("quantity")),
            place_of_service=next(iter(_codes_of(item.get("locationCodeableConcept"))), "")[:2],
            rendering_npi=next(iter(performers), ""),
            service_from=_day(item.get("servicedDate")) or _day(period.get("start")),
            service_to=_day(period.get("end")),
        )


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


def _npi_of(resource: Resource, reference: object) -> str:
    found = resource.resolve(reference, "careTeam") if isinstance(reference, Mapping) else None
    if found is not None and found.kind == "PractitionerRole":
        found = found.resolve(found.first("practitioner"), "practitioner")
    numbers = found.each("identifier") if found is not None else []
    values = (str(one.get("value") or "") for one in numbers if one.get("system") == _NPI)
    return next((one for one in values if is_npi(one)), "")


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


def _item_trace(item: Json) -> str:
    for one in _extensions(item, "itemTraceNumber"):
        identifier = one.get("valueIdentifier")
        if isinstance(identifier, Mapping):
            return str(identifier.get("value") or "")[:_TEXT_MAX]
    return ""


def _logical(reference: object) -> str:
    identifier = reference.get("identifier") if isinstance(reference, Mapping) else None
    return str(identifier.get("value") or "")[:_TEXT_MAX] if isinstance(identifier, Mapping) else ""


def _extensions(said: object, name: str) -> list[Json]:
    """Return the extensions whose address ends in *name*, as releases of the guide place them under other bases."""
    found = said.get("extension") if isinstance(said, Mapping) else None
    return [one for one in _objects(found) if str(one.get("url") or "").endswith(f"extension-{name}")]


def _inner(said: Json, name: str) -> Json:
    """Return the part *name* of an extension that has parts."""
    parts = _objects(said.get("extension"))
    return next(
        (one for one in parts if str(one.get("url") or "").rpartition("/")[2] in (name, f"extension-{name}")), {}
    )


def _review(said: object) -> Json:
    return next(iter(_extensions(said, "reviewAction")), {})


def _code(action: Json, name: str) -> str:
    codes = _codes_of(_inner(action, name).get("valueCodeableConcept"))
    return next((one for one in codes if one in DECISIONS), "")


def _reasons(action: Json) -> tuple[str, ...]:
    parts = [one for one in _objects(action.get("extension")) if "reasonCode" in str(one.get("url") or "")]
    return tuple(code for one in parts for code in _codes_of(one.get("valueCodeableConcept")))[:5]


def _text_of(action: Json, name: str) -> str:
    return str(_inner(action, name).get("valueString") or "")[:_TEXT_MAX]


def _value(item: Json, name: str) -> str:
    return next((str(one.get("valueString") or "") for one in _extensions(item, name)), "")[:_TEXT_MAX]


def _first_code(items: list[Json], name: str) -> str:
    found = (
        code for item in items for one in _extensions(item, name) for code in _codes_of(one.get("valueCodeableConcept"))
    )
    return next(found, "")


def _codings(concept: object) -> list[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [
        (str(one.get("system") or ""), str(one.get("code") or "")[:40]) for one in _objects(codings) if one.get("code")
    ]


def _codings_of(items: list[Json], name: str) -> list[tuple[str, str]]:
    return [pair for item in items for pair in _codings(item.get(name))]


def _codes_of(concept: object) -> list[str]:
    return [code for _, code in _codings(concept)]


def _billed(concept: object) -> str:
    return next((code for system, code in _codings(concept) if system in _BILLED), "")


def _words(concept: object) -> str:
    if not isinstance(concept, Mapping):
        return ""
    displays = (one.get("display") for one in _objects(concept.get("coding")))
    return str(next((one for one in displays if one), "") or concept.get("text") or "")[:400]


def _quantity(said: object) -> str:
    value = said.get("value") if isinstance(said, Mapping) else None
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _number(said: object) -> int:
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 10_000 else 0


def _day(said: object) -> str:
    at = said[:10].replace("-", "") if isinstance(said, str) else ""
    return at if len(at) == 8 and at.isascii() and at.isdecimal() else ""


def _objects(said: Any) -> list[Json]:
    found = said if isinstance(said, list) else [said] if isinstance(said, Mapping) else []
    return [one for one in found if isinstance(one, Mapping)]
