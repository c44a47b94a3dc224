"""Authorizations of a referral, and the insurances of any message. Source: HL7 2.5.1 11.3.1 (REF), 6.5.6 (IN1), 11.6.2 (AUT)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bridge.codecs.hl7.er7 import Segment
from bridge.domain.authorization import AuthorizationLine, Urgency
from bridge.domain.authorization_news import AuthorizationNews, NewsKind
from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.member_id import Coverage, MemberId
from bridge.domain.patient import PatientDraft
from bridge.domain.records import replace
from bridge.errors import Incomplete
from bridge.mapping.evaluate import Evaluator
from bridge.mapping.grammar import Scope

# S and A of HL7 table 0280: stat, as soon as possible.
_SOON = frozenset({"S", "A"})
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def read_coverages(evaluator: Evaluator, insurances: Iterable[Segment]) -> tuple[Coverage, ...]:
    """Return the insurances that IN1 segments say and that have a payer and a member."""
    found = []
    for in1 in insurances:
        scope: Scope = {"IN1": [in1]}
        payer_id, member_id = evaluator.get("coverage.payer_id", scope), evaluator.get("coverage.member_id", scope)
        if payer_id and member_id:
            subscriber_id = evaluator.get("coverage.subscriber_id", scope) or ""
            name = evaluator.get("coverage.payer_name", scope) or ""
            found.append(Coverage(payer_id, name, MemberId(member_id, "", subscriber_id)))
    return tuple(dict.fromkeys(found))


def read_referral(
    evaluator: Evaluator, segments: Sequence[Segment], patient: PatientDraft | None
) -> tuple[AuthorizationNews, ...]:
    """
    Return the authorization that a referral names, with a line for each procedure; source and time are the receiver's to say.

    An AUT behind a procedure is that line's; its number is the line's own where it is another than the whole's.
    Raises: Incomplete, where neither an authorization nor the referral has a number.
    """
    scope: dict[str, list[Segment]] = {}
    for segment in segments:
        if segment.name not in ("AUT", "PR1", "OBR"):
            scope.setdefault(segment.name, []).append(segment)
    whole, lines = _groups(segments)
    head = _news(evaluator, {**scope, **whole}, patient)
    found = [_line(evaluator, {**scope, **group}, head.number) for group in lines]
    if not (head.number or head.trace or any(line.number for line in found)):
        raise Incomplete(
            "no number of an authorization or referral", code="missing", where="AUT-6", source="HL7 2.5.1 11.6.2"
        )
    return (replace(head, lines=tuple(line for line in found if line.code)),)


def _groups(segments: Sequence[Segment]) -> tuple[dict[str, list[Segment]], list[dict[str, list[Segment]]]]:
    """Return the AUT and OBR of the whole referral, and each procedure with its own AUT; without PR1 each OBR is one."""
    whole: dict[str, list[Segment]] = {}
    lines: list[dict[str, list[Segment]]] = []
    for segment in segments:
        if segment.name == "PR1":
            lines.append({"PR1": [segment]})
        elif segment.name == "AUT":
            (lines[-1] if lines and "OBR" not in whole else whole).setdefault("AUT", []).append(segment)
        elif segment.name == "OBR":
            whole.setdefault("OBR", []).append(segment)
    return whole, lines or [{"OBR": [obr]} for obr in whole.get("OBR", ())]


def _news(evaluator: Evaluator, scope: Scope, patient: PatientDraft | None) -> AuthorizationNews:
    urgency = evaluator.get("referral.urgency", scope) or ""
    bare = {name: ones for name, ones in scope.items() if name not in ("PR1",)}
    return AuthorizationNews(
        source="",
        said_at=_NEVER,
        kind=NewsKind.NAMED,
        payer_id=evaluator.get("authorization.payer_id", bare) or "",
        payer_name=evaluator.get("authorization.payer_name", bare) or "",
        number=evaluator.get("authorization.number", bare, required=False) or "",
        trace=evaluator.get("referral.trace", bare) or "",
        administrative_reference=evaluator.get("referral.reference", bare) or "",
        member_id=evaluator.get("authorization.member_id", bare) or "",
        patient_numbers=patient.identifiers if patient is not None else (),
        effective_on=evaluator.get("authorization.effective", bare) or "",
        expires_on=evaluator.get("authorization.expires", bare) or "",
        urgency=(Urgency.EXPEDITED if urgency.upper() in _SOON else Urgency.STANDARD) if urgency else None,
        placer_order_number=evaluator.get("referral.placer_number", bare) or EntityIdentifier(),
        filler_order_number=evaluator.get("referral.filler_number", bare) or EntityIdentifier(),
        accession_number=(evaluator.get("referral.accession", bare) or EntityIdentifier()).value,
    )


def _line(evaluator: Evaluator, scope: Scope, number: str) -> AuthorizationLine:
    code = evaluator.get("referral.procedure", scope)
    diagnosis = [evaluator.get("referral.diagnosis", {"DG1": [one]}) for one in scope.get("DG1", ())]
    own = evaluator.get(
        "authorization.number", {name: ones for name, ones in scope.items() if name == "AUT"}, required=False
    )
    return AuthorizationLine(
        code.code_value if code else "",
        code.code_meaning if code else "",
        modifiers=tuple(evaluator.get("referral.modifiers", scope) or ()),
        diagnoses=tuple(dict.fromkeys(one.code_value for one in diagnosis if one)),
        requested_units=evaluator.get("referral.requested_units", scope) or "",
        approved_units=evaluator.get("referral.approved_units", scope) or "",
        number=own if own and own != number else "",
    )
