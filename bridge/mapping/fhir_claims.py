"""What a payer answered to a claim for payment, read from a ClaimResponse: paid, denied and why; R4 and R5 alike.

Money and reasons decide, as in an 835: an outcome `complete` says that the claim was worked on, not that it was paid.
Source: FHIR R4 ClaimResponse, value set adjudication; HL7 terminology, X12 claim adjustment reason and remittance advice remark codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from bridge.codecs.x12.reasons import category_of
from bridge.domain.claim_outcome import (
    NOTHING,
    Adjustment,
    ClaimOutcome,
    LineOutcome,
    OutcomeStatus,
    reversal_of,
    status_of_payment,
)
from bridge.domain.records import replace
from bridge.errors import Incomplete
from bridge.mapping.fhir_authorizations import payer_of
from bridge.mapping.fhir_fields import Json, Resource, name_of

_CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
_RARC = "https://x12.org/codes/remittance-advice-remark-codes"
_GROUP = "https://x12.org/codes/claim-adjustment-group-codes"
_SUBMITTED, _PAID = "submitted", ("benefit", "paidtoprovider")
_PATIENT_SHARES, _PATIENT_SHARE = ("copay", "deductible", "unallocdeduct", "coinsurance"), "memberliability"
_TAKEN_BACK = ("cancelled", "entered-in-error")
# CLP02: as the first, second or third insurer.
_AS_INSURER = {1: "1", 2: "2", 3: "3"}
_MOST = Decimal("1e9")
_CENT = Decimal("0.01")
_TEXT_MAX = 80


def read_claim_outcome(resource: Resource, source: str) -> ClaimOutcome | None:
    """
    Return what a ClaimResponse says of a claim for payment, None for one that is about something else.

    source: who told it, part of the number by which it is known again. Raises: Malformed, Incomplete.
    """
    status = resource.text("status")
    if resource.text("use") != "claim" or status not in ("active", *_TAKEN_BACK):
        return None
    if not resource.id:
        raise Incomplete("a ClaimResponse needs its id", where=resource.place("id"))
    request = resource.resolve(resource.first("request"), "request")
    asked = {_count(one.get("sequence")): one for one in request.each("item")} if request is not None else {}
    lines = tuple(_line(item, asked.get(_count(item.get("itemSequence")), {})) for item in resource.each("item"))
    shares = (_share(_objects(item.get("adjudication"))) for item in resource.each("item"))
    own, totals = resource.each("adjudication"), resource.each("total")
    payment = resource.first("payment")
    payer_id, payer_name = payer_of(resource)
    service = _days(request, asked.values())
    said = ClaimOutcome(
        claim_number=_claim_number(resource, request),
        payer_claim_number=_first_value(resource.each("identifier")),
        payer_id=payer_id,
        payer_name=payer_name,
        # A total is of the whole claim, what stands beside it of the claim alone: the same money is counted once.
        charged=_sum(totals, (_SUBMITTED,)) or _sum(own, (_SUBMITTED,)) or sum((one.charged for one in lines), NOTHING),
        paid=_amount(payment) or _paid(totals) or _paid(own) or sum((one.paid for one in lines), NOTHING),
        patient_share=_share(totals) or _share(own) or sum(shares, NOTHING),
        adjustments=tuple(_adjustments(resource.each("adjudication"))),
        remarks=_remarks(resource.each("adjudication")),
        lines=lines,
        said_on=_day(payment.get("date")) or _day(resource.said.get("created")),
        service_from=min(service, default=None),
        service_to=max(service, default=None),
        payment_number=_value_of(payment.get("identifier")),
        authorization_numbers=_authorizations(resource, request),
        source_number=f"{source}/ClaimResponse/{resource.id}",
    )
    if status in _TAKEN_BACK:
        return reversal_of(said)
    return _decided(said, resource.text("outcome"), _as_insurer(request))


def _decided(said: ClaimOutcome, outcome: str, processed_as: str) -> ClaimOutcome:
    if outcome == "error":
        return replace(said, status=OutcomeStatus.RETURNED)
    if outcome == "queued":
        return replace(said, status=OutcomeStatus.PENDED)
    if not said.charged:
        # Without what was asked for nobody can tell a denial from a claim of which no money is told.
        return said
    said = replace(said, processed_as=processed_as)
    if said.paid <= 0 and not said.patient_share and not said.every_adjustment:
        return replace(said, status=OutcomeStatus.DENIED)
    return replace(said, status=status_of_payment(said))


def _line(item: Json, asked: Json) -> LineOutcome:
    parts = _objects(item.get("adjudication"))
    concept = asked.get("productOrService")
    begins = _days(None, [asked])
    return LineOutcome(
        code=next((code for _, code in _codings(concept)), ""),
        modifiers=tuple(code for one in _objects(asked.get("modifier")) for _, code in list(_codings(one))[:1]),
        charged=_sum(parts, (_SUBMITTED,)) or _amount({"amount": asked.get("net")}),
        paid=_paid(parts),
        service_from=min(begins, default=None),
        service_to=max(begins, default=None),
        adjustments=tuple(_adjustments(parts)),
        remarks=_remarks(parts),
    )


def _adjustments(parts: Sequence[Json]) -> Iterator[Adjustment]:
    """Yield each reason (CARC) with the money beside it; a group that is not said stays empty."""
    remarks = _remarks(parts)
    for part in parts:
        codings = list(_codings(part.get("reason")))
        group = next((code for system, code in codings if system == _GROUP), "")
        for system, code in codings:
            if system == _CARC:
                is_payment = any(each in _PAID for _, each in _codings(part.get("category")))
                amount = NOTHING if is_payment else _amount(part)
                yield Adjustment(group, code, amount, category_of(code, remarks))


def _remarks(parts: Iterable[Json]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(code for part in parts for system, code in _codings(part.get("reason")) if system == _RARC)
    )


def _sum(parts: Iterable[Json], kinds: Iterable[str]) -> Decimal:
    wanted = frozenset(kinds)
    mine = (part for part in parts if any(code in wanted for _, code in _codings(part.get("category"))))
    return sum((_amount(part) for part in mine), NOTHING)


def _paid(parts: Sequence[Json]) -> Decimal:
    """Return what the payer pays: by the benefit, where that is said; what it pays the provider of it is the same money."""
    return next(filter(None, (_sum(parts, (kind,)) for kind in _PAID)), NOTHING)


def _share(parts: Sequence[Json]) -> Decimal:
    """Return what is left to the patient, which is told as one amount or in parts."""
    return _sum(parts, (_PATIENT_SHARE,)) or _sum(parts, _PATIENT_SHARES)


def _amount(part: Mapping[str, object]) -> Decimal:
    said = part.get("amount")
    value = said.get("value") if isinstance(said, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return NOTHING
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return NOTHING
    return found.quantize(_CENT) if found.is_finite() and abs(found) < _MOST else NOTHING


def _claim_number(resource: Resource, request: Resource | None) -> str:
    """Return the provider's number of the claim, else what its own server calls it, so that its answers stay together."""
    known = _first_value(request.each("identifier")) if request is not None else ""
    logical = _value_of(resource.first("request").get("identifier"))
    return known or logical or name_of(resource.first("request"), "Claim") or f"ClaimResponse/{resource.id}"


def _authorizations(resource: Resource, request: Resource | None) -> tuple[str, ...]:
    insurances = request.each("insurance") if request is not None else []
    named = [resource.text("preAuthRef")]
    for one in insurances:
        said = one.get("preAuthRef")
        named += [each[:_TEXT_MAX] for each in said if isinstance(each, str)] if isinstance(said, list) else []
    return tuple(dict.fromkeys(filter(None, named)))


def _as_insurer(request: Resource | None) -> str:
    """Return as which insurer's the claim was worked on: the one that the claim names as its own."""
    insurances = request.each("insurance") if request is not None else []
    focal = next((one for one in insurances if one.get("focal") is True), {})
    return _AS_INSURER.get(_count(focal.get("sequence")), _AS_INSURER[1])


def _days(request: Resource | None, items: Collection[Json]) -> list[date]:
    """Return the days of service that are said."""
    periods = [one.get("servicedPeriod") for one in items]
    said = [one.get("servicedDate") for one in items]
    for period in [*periods, request.first("billablePeriod") if request is not None else None]:
        if isinstance(period, Mapping):
            said += [period.get("start"), period.get("end")]
    return [found for one in said if (found := _day(one)) is not None]


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _first_value(identifiers: Iterable[Json]) -> str:
    return next(filter(None, map(_value_of, identifiers)), "")


def _value_of(identifier: object) -> str:
    value = identifier.get("value") if isinstance(identifier, Mapping) else None
    return value.strip()[:_TEXT_MAX] if isinstance(value, str) else ""


def _codings(concept: object) -> Iterator[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    for one in _objects(codings):
        system, code = one.get("system"), one.get("code")
        if isinstance(code, str) and code:
            yield system if isinstance(system, str) else "", code[:20]


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
