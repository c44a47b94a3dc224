"""An authorization as somebody types it, or as a row of a list says it, read into news; every fault is noted with its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from bridge.domain.authorization import DECISIONS, AuthorizationLine, AuthorizationStatus, Urgency
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, is_npi
from bridge.mapping.typed_fields import Fields, stop_at_faults

KEYS = (
    "number",
    "payer",
    "payer_name",
    "patient",
    "accession_number",
    "placer_order_number",
    "member_id",
    "member_suffix",
    "subscriber_id",
    "status",
    "urgency",
    "effective_on",
    "expires_on",
    "received_at",
    "administrative_reference",
    "trace",
    "request_category",
    "certification",
    "service_type",
    "reason_codes",
    "wanted",
    "replaces",
    "lines",
)
LINE_KEYS = (
    "code",
    "description",
    "sequence",
    "trace",
    "modifiers",
    "diagnoses",
    "requested_units",
    "approved_units",
    "place_of_service",
    "rendering_npi",
    "ordering_npi",
    "site_npi",
    "site_name",
    "service_from",
    "service_to",
    "decision",
    "number",
    "reason_codes",
)
_LINES_MAX = 99
# How people and lists say what a payer decided; HCR01's codes are taken as well.
_DECIDED: Mapping[str, str] = {
    **{code: code for code in DECISIONS},
    **{status.value.upper(): code for code, status in DECISIONS.items()},
    "CERTIFIED": "A1",
    "CERTIFIED IN TOTAL": "A1",
    "AUTHORIZED": "A1",
    "APPROVED IN PART": "A2",
    "PARTIALLY APPROVED": "A2",
    "NOT CERTIFIED": "A3",
    "REFUSED": "A3",
    "PENDING": "A4",
    "IN REVIEW": "A4",
    "CANCELED": "C",
    "CONTACT PAYER": "CT",
    "NOT REQUIRED": "NA",
    "NO AUTHORIZATION REQUIRED": "NA",
}
_ASKED: Mapping[str, NewsKind] = {
    "DRAFT": NewsKind.DRAFTED,
    "SUBMITTED": NewsKind.REQUESTED,
    "REQUESTED": NewsKind.REQUESTED,
    "UNCONFIRMED": NewsKind.NAMED,
}
_URGENCIES = {
    "STANDARD": Urgency.STANDARD,
    "ROUTINE": Urgency.STANDARD,
    "EXPEDITED": Urgency.EXPEDITED,
    "URGENT": Urgency.EXPEDITED,
}
_DECISION_WORDS = ", ".join((*DECISIONS, *(one.value for one in AuthorizationStatus if one.value.upper() in _DECIDED)))


@dataclass(frozen=True, slots=True)
class Typing:
    """Who typed when. zone: of the hospital's clock; authority: what a patient's number without an issuer means."""

    source: str
    at: datetime
    zone: tzinfo
    authority: str


def read_typed_authorization(said: Mapping[str, Any], typing: Typing) -> AuthorizationNews:
    """
    Return what was typed, with the fields of `POST /api/authorizations`.

    Raises: Incomplete, with every fault and its field.
    """
    faults: list[tuple[str, str]] = []
    of = Fields(said, faults)
    of.only(KEYS)
    news = _read(of, typing)
    stop_at_faults(faults)
    return news


def _read(of: Fields, typing: Typing) -> AuthorizationNews:
    kind, decision = _status(of, "status")
    number = of.text("number") or ""
    known_otherwise = any(of.text(name) for name in ("trace", "administrative_reference"))
    if not number and not known_otherwise:
        of.fault("number", "needed, or a trace or administrative reference while there is none")
    received = of.moment("received_at", typing.zone)
    plain: dict[str, Any] = {name: of.text(name) or "" for name in _PLAIN}
    return AuthorizationNews(
        source=typing.source,
        said_at=typing.at,
        kind=kind,
        payer_id=of.text("payer", limit=80, required=True) or "",
        payer_name=of.text("payer_name", limit=80) or "",
        number=number,
        patient_numbers=_patient(of, typing),
        accession_number=of.text("accession_number") or "",
        placer_order_number=EntityIdentifier(of.text("placer_order_number") or ""),
        decision=decision,
        urgency=_urgency(of),
        reason_codes=_words(of, "reason_codes"),
        wanted=_words(of, "wanted"),
        effective_on=of.day("effective_on") or "",
        expires_on=of.day("expires_on") or "",
        received_at=received.at if received is not None else (typing.at if kind == NewsKind.REQUESTED else None),
        lines=tuple(_line(one) for one in of.objects("lines", limit=_LINES_MAX)),
        **plain,
    )


_PLAIN = (
    "member_id",
    "member_suffix",
    "subscriber_id",
    "administrative_reference",
    "trace",
    "request_category",
    "certification",
    "service_type",
    "replaces",
)


def _status(of: Fields, name: str) -> tuple[NewsKind, str]:
    """Return the kind of news and the decision that a status says; silence names, and decides nothing."""
    said = (of.text(name, limit=40) or "").upper().replace("_", " ")
    if not said:
        return NewsKind.NAMED, ""
    for word in (said, said.replace("-", " ")):
        if word in _ASKED:
            return _ASKED[word], ""
        if word in _DECIDED:
            return NewsKind.ANSWERED, _DECIDED[word]
    of.fault(name, f"not known; wanted is one of {_DECISION_WORDS}, submitted, draft, unconfirmed")
    return NewsKind.NAMED, ""


def _urgency(of: Fields) -> Urgency | None:
    said = of.table("urgency", _URGENCIES, "standard or expedited")
    return Urgency(said) if said else None


def _patient(of: Fields, typing: Typing) -> tuple[PatientIdentifier, ...]:
    if "patient" not in of:
        return ()
    inner = of.inner("patient")
    if inner is None:
        return ()
    inner.only(("patient_id", "issuer_of_patient_id", "name"))
    number = inner.text("patient_id", required=True) or ""
    return (PatientIdentifier(number, inner.text("issuer_of_patient_id") or typing.authority),) if number else ()


def _line(of: Fields) -> AuthorizationLine:
    of.only(LINE_KEYS)
    _, decision = _status(of, "decision")
    service_from, service_to = of.day("service_from") or "", of.day("service_to") or ""
    if service_from and service_to and service_to < service_from:
        of.fault("service_to", "lies before service_from")
    return AuthorizationLine(
        of.text("code", limit=20, required=True) or "",
        of.text("description", limit=400) or "",
        sequence=_sequence(of),
        trace=of.text("trace") or "",
        modifiers=tuple(one.upper() for one in _words(of, "modifiers")),
        diagnoses=_words(of, "diagnoses"),
        requested_units=_units(of, "requested_units"),
        approved_units=_units(of, "approved_units"),
        place_of_service=of.text("place_of_service", limit=2) or "",
        rendering_npi=_npi(of, "rendering_npi"),
        ordering_npi=_npi(of, "ordering_npi"),
        site_npi=_npi(of, "site_npi"),
        site_name=of.text("site_name", limit=80) or "",
        service_from=service_from,
        service_to=service_to,
        decision=decision,
        number=of.text("number") or "",
        reason_codes=_words(of, "reason_codes"),
    )


def _sequence(of: Fields) -> int:
    said = of.pick(["sequence"]).get("sequence") or 0
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= 9999:
        of.fault("sequence", "a whole number from 1 to 9999 is wanted")
        return 0
    return said


def _units(of: Fields, name: str) -> str:
    """Return units as written: a text or a number, nothing below nought."""
    said = of.pick([name]).get(name)
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = f"{said:g}"
    text = said.strip() if isinstance(said, str) else ""
    plain = text.replace(".", "", 1)
    if said not in (None, "") and not (plain.isascii() and plain.isdecimal() and len(text) <= 10):
        of.fault(name, "a number of units is wanted")
        return ""
    return text


def _npi(of: Fields, name: str) -> str:
    said = of.text(name, limit=10) or ""
    if said and not is_npi(said):
        of.fault(name, "not a National Provider Identifier")
        return ""
    return said


def _words(of: Fields, name: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    said = of.pick([name]).get(name)
    if said is None:
        return ()
    if not isinstance(said, list) or len(said) > _LINES_MAX or not all(isinstance(one, str) for one in said):
        of.fault(name, "a list of texts is wanted")
        return ()
    return tuple(word for one in said if (word := one.strip()[:40]))
