"""An order without HL7: what a small clinic's own program, or a person, sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from bridge.domain.accounts import Permission
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier, check_accession_number, check_ae_title
from bridge.domain.order import Code, OrderDraft, StepDraft
from bridge.domain.patient import PatientDraft
from bridge.errors import Incomplete, Malformed
from bridge.web import bodies
from bridge.web.access import caller, needs, services

blueprint = Blueprint("api_orders", __name__, url_prefix="/api")

ORDER_KEYS = (
    "patient",
    "accession_number",
    "placer_order_number",
    "procedure",
    "modality",
    "station_ae_title",
    "scheduled",
    "priority",
    "reason",
    "comments",
    "referring_physician_name",
    "requesting_physician",
    "study_instance_uid",
)
_PATIENT_KEYS = ("patient_id", "issuer_of_patient_id", "name", "birth_date", "sex")


@blueprint.post("/orders")
@needs(Permission.ENTER_ORDERS)
def enter_order() -> tuple[Response, int]:
    """Put an exam on the worklist. procedure: {code, scheme, meaning}; scheduled: by the hospital's clock."""
    body = bodies.only(bodies.json_object(), *ORDER_KEYS)
    number = services().flows.enter_order(order=_order(body), patient=_patient(body), actor=caller().name)
    response = jsonify(accession_number=number)
    return response, 201


def _patient(body: dict[str, Any]) -> PatientDraft:
    said = body.get("patient")
    if not isinstance(said, dict):
        raise Incomplete("an object with patient_id and name is wanted", code="missing", where="patient")
    bodies.only(said, *_PATIENT_KEYS)
    sex = bodies.text(said, "sex", limit=1).upper()
    if sex not in ("", "M", "F", "O"):
        raise Incomplete("one of M, F, O is wanted", code="not_in_table", where="sex", source="PS3.3 C.7.1.1")
    issuer = bodies.text(said, "issuer_of_patient_id", limit=64) or services().settings.identity.authority
    return PatientDraft(
        identifiers=(PatientIdentifier(bodies.text(said, "patient_id", required=True, limit=64), issuer, "MR"),),
        patient_name=bodies.text(said, "name", required=True, limit=194),
        patient_birth_date=_date(bodies.text(said, "birth_date", limit=10)) or None,
        patient_sex=sex or None,
    )


def _order(body: dict[str, Any]) -> OrderDraft:
    procedure = body.get("procedure")
    if not isinstance(procedure, dict):
        raise Incomplete("an object with code and meaning is wanted", code="missing", where="procedure")
    bodies.only(procedure, "code", "scheme", "meaning")
    code = Code(
        bodies.text(procedure, "code", limit=16),
        bodies.text(procedure, "scheme", limit=16) or "99LOCAL",
        bodies.text(procedure, "meaning", required=True, limit=64),
    )
    number = bodies.text(body, "accession_number", limit=64)
    return OrderDraft(
        order_control="NW",
        accession_number=check_accession_number(number, "accession_number"),
        placer_order_number=EntityIdentifier(bodies.text(body, "placer_order_number", limit=64)),
        study_instance_uid=bodies.text(body, "study_instance_uid", limit=64),
        requested_procedure_description=code.code_meaning,
        requested_procedure_code=code if code.code_value else None,
        requested_procedure_priority=bodies.text(body, "priority", limit=16).upper() or None,
        reason_for_the_requested_procedure=bodies.text(body, "reason", limit=1000) or None,
        requested_procedure_comments=bodies.text(body, "comments", limit=1000) or None,
        requesting_physician=bodies.text(body, "requesting_physician", limit=194) or None,
        referring_physician_name=bodies.text(body, "referring_physician_name", limit=194) or None,
        steps=(_step(body, code),),
        where="body",
    )


def _step(body: dict[str, Any], code: Code) -> StepDraft:
    title = bodies.text(body, "station_ae_title", limit=64)
    local, instant = _scheduled(bodies.text(body, "scheduled", required=True, limit=19))
    return StepDraft(
        modality=bodies.text(body, "modality", required=True, limit=16).upper(),
        scheduled_station_ae_title=(check_ae_title(title, "station_ae_title"),) if title else None,
        scheduled_start_local=local,
        scheduled_start_at=instant,
        scheduled_procedure_step_description=code.code_meaning,
        scheduled_protocol_code=code if code.code_value else None,
    )


def _scheduled(text: str) -> tuple[str, datetime]:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("YYYY-MM-DDTHH:MM is wanted", where="scheduled", source="ISO 8601") from None
    zone = services().settings.time_zone
    if local.tzinfo is not None:
        local = local.astimezone(zone)
    return local.strftime("%Y%m%d%H%M%S"), local.replace(tzinfo=zone)


def _date(text: str) -> str:
    if not text:
        return ""
    try:
        return datetime.strptime(text, "%Y-%m-%d").strftime("%Y%m%d")
    except ValueError:
        raise Malformed("YYYY-MM-DD is wanted", where="birth_date", source="ISO 8601") from None
