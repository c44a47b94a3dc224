"""A payer's Task that asks for attachments, read element by element.

Source: HL7 Da Vinci CDex, task attachment request; PAS, Task for additional information.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from bridge.domain.evidence_request import EvidenceRequest
from bridge.errors import Incomplete, Malformed
from bridge.mapping.fhir_fields import Resource, identifier_type

Json = Mapping[str, Any]

_CODES = frozenset({"attachment-request-code", "attachment-request-questionnaire"})
_QUESTIONNAIRE_CODE = "102089-0"
_CODE_MAX = 20
_MOST = 50


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request, and how its Task stands at the payer."""

    request: EvidenceRequest
    status: str


def read_attachment_request(task: Resource, payer: str, zone: tzinfo) -> ReadRequest | None:
    """
    Return what a Task asks for, None if it is of another kind. zone: the payer's, in which a day without time ends.

    Raises: Malformed; Incomplete, if it has no id or no number to answer under.
    """
    kinds = {code for _, code in task.codings("code")}
    if not kinds & _CODES:
        return None
    if not task.id:
        raise Incomplete("required", code="missing", where=task.place("id"))
    system, number = _identifier(task, "tracking-id", any_will_do=True)
    if not number:
        raise Incomplete("required", code="missing", where=task.place("identifier"), source="CDex, tracking-id")
    inputs = [(_kind(one), one) for one in task.each("input")]
    needed = [one for kind, one in inputs if kind == "attachments-needed"]
    codes = [code for one in needed for code in _codes(task, one)]
    codes += [_QUESTIONNAIRE_CODE] if "attachment-request-questionnaire" in kinds else []
    patient = task.resolve(task.first("for"), "for")
    reason = {code for _, code in task.codings("reasonCode")}
    is_claim = "claim" in reason
    use = next((code for kind, one in inputs if kind == "purpose-of-use" for code in _codes(task, one)), "")
    service = next((one for kind, one in inputs if kind == "service-date"), {})
    request = EvidenceRequest(
        key=0,
        payer=payer,
        task_id=task.id,
        tracking_id=number,
        tracking_system=system,
        administrative_reference=_identifier(task, "admin-ref-number")[1],
        attach_to="claim" if is_claim else "preauthorization",
        claim_number=_claim_number(task),
        member_id=_member(patient),
        patient_name=_name(patient),
        birth_date=(patient.day("birthDate") or "") if patient is not None else "",
        codes=tuple(dict.fromkeys(codes))[:_MOST],
        lines=tuple(sorted({line for one in needed for line in _lines(one)}))[:_MOST],
        service_on=_day(task, service),
        wants_signature=any(kind == "signature-flag" and one.get("valueBoolean") is True for kind, one in inputs),
        purpose_of_use=use or ("CLMATTCH" if is_claim else "COVAUTH"),
        due_at=_due(task, zone),
    )
    return ReadRequest(request, task.text("status"))


def _identifier(task: Resource, kind: str, *, any_will_do: bool = False) -> tuple[str, str]:
    """Return system and value of the identifier of a kind; the first of no other kind, where that will do."""
    every = task.each("identifier")
    found = [one for one in every if identifier_type(one) == kind]
    found += [one for one in every if any_will_do and not identifier_type(one)]
    chosen = found[0] if found else {}
    return task.checked(chosen.get("system") or "", "identifier"), task.checked(chosen.get("value") or "", "identifier")


def _kind(one: Json) -> str:
    said = one.get("type")
    codings = said.get("coding") if isinstance(said, Mapping) else None
    first = codings[0] if isinstance(codings, list) and codings else {}
    return str(first.get("code", "")) if isinstance(first, Mapping) else ""


def _codes(task: Resource, one: Json) -> list[str]:
    said = one.get("valueCodeableConcept")
    codings = said.get("coding") if isinstance(said, Mapping) else None
    found = [each.get("code") for each in (codings if isinstance(codings, list) else []) if isinstance(each, Mapping)]
    found += [one["valueCode"]] if isinstance(one.get("valueCode"), str) else []
    if any(not isinstance(code, str) or not 0 < len(code) <= _CODE_MAX for code in found):
        raise Malformed("a code of at most 20 characters is wanted", where=task.place("input.value"))
    return [str(code) for code in found]


def _lines(one: Json) -> list[int]:
    """Return the numbers of the request's lines that an input is for, wherever the extension stands."""
    said = one.get("valueCodeableConcept")
    inner = said.get("extension") if isinstance(said, Mapping) else None
    extensions = [each for found in (one.get("extension"), inner) if isinstance(found, list) for each in found]
    values = [
        each.get("valuePositiveInt", each.get("valueInteger")) for each in extensions if isinstance(each, Mapping)
    ]
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1000]


def _claim_number(task: Resource) -> str:
    reference = task.first("reasonReference")
    named = reference.get("identifier")
    if isinstance(named, Mapping):
        return task.checked(named.get("value") or "", "reasonReference.identifier")
    claim = task.resolve(reference, "reasonReference")
    values = [one.get("value") for one in claim.each("identifier")] if claim is not None else []
    return task.checked(values[0] if values and values[0] else "", "reasonReference")


def _member(patient: Resource | None) -> str:
    every = patient.each("identifier") if patient is not None else []
    members = [one for one in every if identifier_type(one) in ("MB", "UMB")] or every[:1]
    return str(members[0].get("value") or "").strip() if members else ""


def _name(patient: Resource | None) -> str:
    said = patient.first("name") if patient is not None else {}
    given = said.get("given")
    first = str(given[0]) if isinstance(given, list) and given else ""
    family = said.get("family")
    return f"{family}^{first}".replace("\\", " ").strip("^") if isinstance(family, str) and family else ""


def _day(task: Resource, one: Json) -> str:
    said = one.get("valueDate") or one.get("valueDateTime") or ""
    period = one.get("valuePeriod")
    said = (period.get("start") or "") if isinstance(period, Mapping) and not said else said
    return task.checked(said, "input.value")[:10].replace("-", "")


def _due(task: Resource, zone: tzinfo) -> datetime | None:
    """Return until when an answer is wanted: a day without a time ends at its last moment by the payer's clock."""
    restriction = task.first("restriction")
    period = restriction.get("period")
    said = task.checked((period.get("end") or "") if isinstance(period, Mapping) else "", "restriction.period.end")
    try:
        at = datetime.fromisoformat(said) if said else None
        if at is None:
            return None
        if "T" not in said:
            at = at.replace(tzinfo=zone) + timedelta(days=1, seconds=-1)
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        # The last day that there is means that there is none.
        return None
    except ValueError:
        raise Malformed("not a date", where=task.place("restriction.period.end")) from None
