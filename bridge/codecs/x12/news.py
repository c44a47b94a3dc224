"""278 to `AuthorizationNews`: what a request asks and what a payer's answer decides, in the words of every other source.

A 277 that asks for documents is news too, of the authorizations that its claim names.

A number is the authorization's only where HCR01 grants: on an answer that pends or denies, HCR02 is the payer's own
reference. Source: 005010X217 2000E, 2000F (TRN, UM, HCR, REF, DTP, HI, PWK).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, tzinfo

from bridge.codecs.x12.facts import Decision, Reference, Rejection, Service, Trace, When
from bridge.codecs.x12.parties import Member, Party
from bridge.codecs.x12.prior_authorization import Event, Line, PriorAuthorization
from bridge.domain.authorization import GRANTING, AuthorizationLine, Urgency
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.claim_outcome import ClaimOutcome, OutcomeStatus
from bridge.domain.records import replace
from bridge.errors import Malformed

_AUTHORIZATION, _ADMINISTRATIVE = "BB", "NT"
_EFFECTIVE, _EXPIRES, _SERVICE = "007", "036", "472"
_NPI, _PLACE_OF_SERVICE = "XX", "B"
_RENDERING, _ORDERING, _SITE = ("SJ", "82"), ("DK", "DN"), ("FA", "77")
# UM06. Source: ASC X12 element 1338.
_URGENCY = {"03": Urgency.EXPEDITED, "U": Urgency.EXPEDITED, "E": Urgency.STANDARD}


def news_of(said: PriorAuthorization, source: str, zone: tzinfo) -> AuthorizationNews:
    """
    Return what a 278 says.

    source: "x12:" and the file, or who sent it. zone: the sender's, in which its date and time are told.
    Raises: Malformed where it does not say when it was written: news without a time have no place among others.
    """
    event = said.event
    patient = said.dependent or said.subscriber
    subscriber_id = said.subscriber.party.number if said.subscriber is not None else ""
    member_id = said.dependent.party.number if said.dependent is not None else subscriber_id
    news = AuthorizationNews(
        source=source,
        said_at=_said_at(said.created, zone),
        kind=NewsKind.ANSWERED if said.is_answer else NewsKind.REQUESTED,
        payer_id=said.payer.number,
        payer_name=said.payer.name,
        patient_name=_name(patient),
        birth_date=f"{patient.birth_on:%Y%m%d}" if patient is not None and patient.birth_on is not None else "",
        member_id=member_id,
        subscriber_id=subscriber_id,
        error_codes=tuple(dict.fromkeys(one.reason for one in _rejections(said))),
    )
    return replace(news, **_of_event(event, said.is_answer)) if event is not None else news


def news_of_request_for_documents(said: ClaimOutcome, source: str, zone: tzinfo) -> list[AuthorizationNews]:
    """
    Return what a 277 that asks for documents says of the authorizations that its claim names (REF*G1); [] of any other.

    source, zone: as for `news_of`. A status of a claim decides nothing on an authorization.
    """
    if said.status is not OutcomeStatus.ASKED or not said.wanted or said.said_on is None:
        return []
    return [
        AuthorizationNews(
            source=source,
            said_at=datetime.combine(said.said_on, time(), zone),
            kind=NewsKind.ANSWERED,
            payer_id=said.payer_id,
            payer_name=said.payer_name,
            number=number,
            wanted=said.wanted,
        )
        for number in said.authorization_numbers
    ]


def _of_event(event: Event, is_answer: bool) -> dict[str, object]:
    known = _reference(event.references, _AUTHORIZATION)
    number, reference = _numbers(event.decision, known) if is_answer else ("", "")
    decision = event.decision if is_answer else None
    period = _period(event.dates, _EFFECTIVE)
    return {
        "number": number,
        "administrative_reference": _reference(event.references, _ADMINISTRATIVE) or reference,
        "replaces": "" if is_answer else known,
        "trace": _trace(event.traces, is_answer),
        "request_category": event.review.category,
        "certification": event.review.certification,
        "service_type": event.review.service_type,
        "urgency": _URGENCY.get(event.review.level_of_service),
        "decision": decision.action if decision is not None else "",
        "reason_codes": decision.reasons if decision is not None else (),
        "wanted": tuple(dict.fromkeys(_wanted(event))) if is_answer else (),
        "effective_on": period[0],
        "expires_on": _period(event.dates, _EXPIRES)[1] or (period[1] if period[1] != period[0] else ""),
        "lines": tuple(_line(one, event, is_answer) for one in event.lines),
    }


def _line(line: Line, event: Event, is_answer: bool) -> AuthorizationLine:
    # A payer may decide on a line and name no procedure: a decision must not be lost with it.
    service = line.service or Service("")
    number = ""
    if is_answer:
        number, _ = _numbers(line.decision, _reference(line.references, _AUTHORIZATION))
    decision = line.decision if is_answer else None
    units = line.delivery.values[1] if line.delivery is not None and len(line.delivery.values) > 1 else ""
    facility = line.review.facility if line.review is not None else ("", "")
    place = next((one for one, kind in (facility, event.review.facility) if one and kind == _PLACE_OF_SERVICE), "")
    parties = (*line.parties, *event.parties)
    period = _period(line.dates, _SERVICE)
    return AuthorizationLine(
        code=service.code,
        description=service.description,
        trace=_trace(line.traces, is_answer),
        modifiers=service.modifiers,
        diagnoses=_diagnoses(service.pointers, event),
        requested_units="" if is_answer else service.quantity or units,
        approved_units=(service.quantity or units) if decision is not None and decision.action in GRANTING else "",
        place_of_service=place,
        rendering_npi=_npi(parties, _RENDERING),
        ordering_npi=_npi(parties, _ORDERING),
        site_npi=_npi(parties, _SITE),
        site_name=next((one.name for one in parties if one.role in _SITE), ""),
        service_from=period[0],
        service_to=period[1],
        decision=decision.action if decision is not None else "",
        number=number,
        reason_codes=decision.reasons if decision is not None else (),
    )


def _numbers(decision: Decision | None, known: str) -> tuple[str, str]:
    """Return the authorization's number and the payer's own reference, as a decision makes the one or the other of HCR02."""
    if decision is None:
        return known, ""
    if decision.action in GRANTING:
        return decision.number or known, ""
    return "", decision.number


def _trace(traces: tuple[Trace, ...], is_answer: bool) -> str:
    """Return the requester's number; an answer refers to it (TRN01 2), or repeats the request's own TRN."""
    wanted = ("2", "1") if is_answer else ("1", "2")
    return next((one.number for kind in wanted for one in traces if one.kind == kind), "")


def _rejections(said: PriorAuthorization) -> Iterable[Rejection]:
    """Yield why the payer could not work on the request as a whole; a line's own refusal leaves the others."""
    people = [said.payer, said.requester, *(one.party for one in (said.subscriber, said.dependent) if one is not None)]
    yield from said.rejections
    for party in people:
        yield from party.rejections if party is not None else ()
    if said.event is not None:
        yield from said.event.rejections


def _wanted(event: Event) -> Iterable[str]:
    """Yield what the payer asks to see: LOINC codes, then PWK01, of the event and of its lines."""
    every: list[Event | Line] = [event, *event.lines]
    for one in every:
        yield from (code.code for code in one.asked_for)
        yield from (evidence.report_type for evidence in one.evidence)


def _diagnoses(pointers: tuple[str, ...], event: Event) -> tuple[str, ...]:
    places = [int(one) for one in pointers if one.isascii() and one.isdigit() and len(one) <= 2]
    return tuple(event.diagnoses[place - 1].code for place in places if 1 <= place <= len(event.diagnoses))


def _npi(parties: Iterable[Party], roles: tuple[str, ...]) -> str:
    return next((one.number for one in parties if one.role in roles and one.qualifier == _NPI), "")


def _reference(references: Iterable[Reference], code: str) -> str:
    return next((one.number for one in references if one.code == code), "")


def _period(dates: Iterable[When], code: str) -> tuple[str, str]:
    """Return first and last day as "YYYYMMDD", "" where none is told."""
    found = next((one for one in dates if one.code == code), None)
    if found is None:
        return "", ""
    first, last = (f"{one:%Y%m%d}" if one is not None else "" for one in (found.begins, found.ends))
    return first, last


def _name(member: Member | None) -> str:
    if member is None:
        return ""
    return "^".join((member.party.name, member.party.first, member.party.middle)).rstrip("^")


def _said_at(created: str, zone: tzinfo) -> datetime:
    """Return when a 278 was written; without a time, the beginning of its day."""
    digits = created[:12].ljust(12, "0")
    try:
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError
        return datetime.strptime(digits, "%Y%m%d%H%M").replace(tzinfo=zone)
    except ValueError as fault:
        raise Malformed(
            "it does not say when it was written", code="date", where="BHT04", source="005010X217"
        ) from fault
