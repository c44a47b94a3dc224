"""A request for authorization as it is submitted in tests: an MR of the spine, asked for soon, with a packet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.codecs.fhir.inline_evidence import InlineEvidence
from bridge.codecs.fhir.pas_bundle import PasSubmission
from bridge.domain.authorization import Authorization, AuthorizationLine, Urgency
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Patient

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
STUDY_UID = "2.25.314159265"
PDF = b"%PDF-1.7\n" + b"packet " * 50 + b"\n%%EOF\n"
LINES = (
    AuthorizationLine(
        "72148",
        "MR lumbar spine without contrast",
        sequence=1,
        modifiers=("LT",),
        diagnoses=("M54.16", "M51.26"),
        requested_units="1",
        place_of_service="22",
        ordering_npi="1234567893",
        service_from="20260310",
        service_to="20260310",
    ),
    AuthorizationLine(
        "A9585", "Gadobutrol", sequence=2, diagnoses=("M51.26",), service_from="20260310", service_to="20260324"
    ),
)


def authorization(**more: Any) -> Authorization:
    said: dict[str, Any] = {"member_id": "W1122", "lines": LINES, "urgency": Urgency.EXPEDITED} | more
    return Authorization(7, said.pop("number", ""), "60054", "Acme Health Plan", 1, **said)


def evidence(control_number: str = "ABCD1234EFGH5678") -> InlineEvidence:
    return InlineEvidence(control_number, PDF, "MR lumbar spine 2026-03-01, 4 series", NOW, STUDY_UID)


def submission(one: Authorization | None = None, **more: Any) -> PasSubmission:
    person = Patient(1, (PatientIdentifier("00041001", "RIVERSIDE"),), "OKONKWO^ADAEZE", "19710312", "F")
    said: dict[str, Any] = {"evidence": (evidence(),)} | more
    base = "https://bridge.example.org/fhir/r4"
    return PasSubmission(
        one or authorization(), person, "TRACE0001", "Riverside Imaging", "1003000126", NOW, base, **said
    )


def system_of(issuer: str) -> str:
    return f"urn:imaging-bridge:authority:{issuer}"
