"""Orders that come without HL7, as a program, a form or a line of a list has them: one shape, read to the same drafts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from bridge.domain.details import Finding
from bridge.domain.identifiers import PatientIdentifier, check_uid
from bridge.domain.order import AuthorizationDraft, OrderDraft, StepDraft
from bridge.domain.patient import PatientDraft, VisitDraft
from bridge.domain.records import replace
from bridge.errors import Malformed
from bridge.mapping.typed_fields import Faults, Fields, Moment, moment_of, stop_at_faults

STEP_KEYS = (
    "modality",
    "station_ae_title",
    "station_ae_titles",
    "station_name",
    "location",
    "scheduled",
    "performing_physician",
    "contrast_agent",
    "pre_medication",
    "protocol",
)
ORDER_KEYS = (
    "patient",
    "visit",
    "accession_number",
    "issuer_of_accession_number",
    "placer_order_number",
    "filler_order_number",
    "requested_procedure_id",
    "study_instance_uid",
    "procedure",
    *STEP_KEYS,
    "steps",
    "priority",
    "reason",
    "comments",
    "referring_physician_name",
    "requesting_physician",
    "institution_name",
    "authorization",
    "authorizations",
)
_PATIENT_KEYS = (
    "patient_id",
    "issuer_of_patient_id",
    "name",
    "birth_date",
    "sex",
    "other_names",
    "address",
    "telephone",
    "weight_kg",
    "size_m",
    "pregnancy",
    "allergies",
    "medical_alerts",
    "confirmed",
)
_AUTHORIZATION_KEYS = ("number", "payer_id", "payer_name", "member_id", "effective_on", "expires_on")
_SEXES = {one: one for one in "MFO"} | {"U": "", "MALE": "M", "FEMALE": "F", "OTHER": "O"}
_PRIORITIES = {name: name for name in ("STAT", "HIGH", "ROUTINE", "MEDIUM", "LOW")} | {"URGENT": "HIGH", "ASAP": "HIGH"}
# Source: PS3.3 C.7.2.3 (Pregnancy Status).
_PREGNANCY = {"NO": "1", "POSSIBLE": "2", "YES": "3", "UNKNOWN": "4"}
# What is to be done where nobody says so beforehand: the visit is the order. Source: IHE RAD Encounter-Based Imaging.
_OF_THE_VISIT = "Encounter-based imaging"
_LINES = 1000
_NUMBERS = ("accession_number", "requested_procedure_id", "study_instance_uid")


@dataclass(frozen=True, slots=True)
class TypedGround:
    """
    What is read by. modalities: what a modality may be called; procedures: the modality of a procedure's code, of every
    site; stations: of a device, by its AE title. authority: of numbers that name none. now: when an exam is that nobody gives a time, None for none at all.
    """

    zone: tzinfo
    authority: str
    modalities: Mapping[str, str] = field(default_factory=dict)
    procedures: Mapping[str, str] = field(default_factory=dict)
    stations: Mapping[str, str] = field(default_factory=dict)
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class TypedOrder:
    """
    What was typed. patient: its identifiers are empty for somebody whose number is not known; None where the order's
    patient stays. confirmed: a person says that the patient with this number is meant, whatever name was typed. start: of
    a new order's steps that have no time.
    """

    order: OrderDraft
    patient: PatientDraft | None = None
    visit: VisitDraft | None = None
    confirmed: bool = False
    start: Moment | None = None


def read_typed_order(said: Mapping[str, Any], ground: TypedGround, *, is_change: bool = False) -> TypedOrder:
    """
    Return what *said* asks for.

    is_change: of an order that is known, so that nothing need be said again. Raises: Incomplete, with every fault.
    """
    faults: Faults = []
    body = Fields(said, faults)
    body.only(ORDER_KEYS)
    patient, confirmed = _patient(body, ground, is_change=is_change)
    visit = _visit(body, ground)
    order = _order(body, ground, visit, is_change=is_change)
    stop_at_faults(faults)
    start = moment_of(ground.now, ground.zone) if ground.now is not None else None
    return TypedOrder(order, patient, visit, confirmed, start)


def _patient(body: Fields, ground: TypedGround, *, is_change: bool) -> tuple[PatientDraft | None, bool]:
    of = body.inner("patient")
    if of is None:
        if not is_change and "patient" not in {where for where, _ in body.faults}:
            body.fault("patient", "an object with a name, and a patient_id where there is one")
        return None, False
    of.only(_PATIENT_KEYS)
    number = of.short("patient_id", limit=64)
    issuer = of.short("issuer_of_patient_id", limit=64) or ground.authority
    draft = PatientDraft(
        identifiers=(PatientIdentifier(number, issuer, "MR"),) if number else (),
        patient_name=of.person_name("name", required=not (is_change and number)),
        patient_birth_date=of.day("birth_date"),
        patient_sex=of.table("sex", _SEXES, "M, F, O or U"),
        other_patient_names=_other_names(of),
        patient_address=of.text("address", limit=200),
        patient_telephone=of.text("telephone", limit=64),
        findings=_findings(of),
    )
    return draft, of.flag("confirmed")


def _findings(of: Fields) -> dict[str, Finding]:
    """Return what was measured or learned of the patient; null erases."""
    said = {
        "patient_weight": of.measure("weight_kg", 700),
        "patient_size": of.measure("size_m", 3),
        "pregnancy_status": of.table("pregnancy", _PREGNANCY, "no, possible, yes or unknown"),
    }
    found = {name: Finding(value) for name, value in said.items() if value is not None}
    texts = {name: of.text(name, limit=_LINES) for name in ("allergies", "medical_alerts")}
    several = {
        name: tuple(filter(None, map(str.strip, text.split(";")))) for name, text in texts.items() if text is not None
    }
    return found | {name: Finding(value) for name, value in several.items()}


def _other_names(of: Fields) -> tuple[str, ...] | None:
    name = of.person_name("other_names")
    return None if name is None else tuple(filter(None, (name,)))


def _visit(body: Fields, ground: TypedGround) -> VisitDraft | None:
    of = body.inner("visit")
    if of is None:
        return None
    of.only(("admission_id", "patient_class", "location"))
    return VisitDraft(
        admission_id=of.entity("admission_id"),
        patient_class=of.text("patient_class", limit=16),
        current_patient_location=of.text("location"),
    )


def _order(body: Fields, ground: TypedGround, visit: VisitDraft | None, *, is_change: bool) -> OrderDraft:
    procedure = body.code("procedure")
    description = procedure.code_meaning if procedure is not None else None
    if procedure is None and not is_change:
        if visit is None or not visit.admission_id:
            body.fault("procedure", "what is to be done: an object with code and meaning, or a text")
        description = _OF_THE_VISIT
    accession = body.short("accession_number")
    order = OrderDraft(
        order_control="XO" if is_change else "NW",
        accession_number=accession,
        issuer_of_accession_number=body.short("issuer_of_accession_number", limit=64),
        placer_order_number=body.entity("placer_order_number"),
        filler_order_number=body.entity("filler_order_number"),
        requested_procedure_id=body.short("requested_procedure_id"),
        study_instance_uid=_uid(body),
        requested_procedure_description=description,
        requested_procedure_code=procedure if procedure is not None and procedure.code_value else None,
        requested_procedure_priority=body.table("priority", _PRIORITIES, ", ".join(_PRIORITIES)),
        reason_for_the_requested_procedure=body.text("reason", limit=_LINES, lines=True),
        requested_procedure_comments=body.text("comments", limit=_LINES, lines=True),
        requesting_physician=body.person_name("requesting_physician"),
        referring_physician_name=body.person_name("referring_physician_name"),
        institution_name=body.text("institution_name"),
        authorizations=_authorizations(body),
        where="",
        derived=frozenset(name for name in _NUMBERS if not body.text(name)),
    )
    return _with_steps(body, ground, order, is_change=is_change)


def _uid(body: Fields) -> str:
    value = body.text("study_instance_uid") or ""
    try:
        return check_uid(value, "study_instance_uid") if value else ""
    except Malformed:
        body.fault("study_instance_uid", "not a UID")
        return ""


def _with_steps(body: Fields, ground: TypedGround, order: OrderDraft, *, is_change: bool) -> OrderDraft:
    """Return *order* with the steps that are listed, or with the one whose fields stand in the body itself."""
    own = body.pick(STEP_KEYS)
    listed = body.objects("steps")
    if "steps" in body and not listed:
        body.fault("steps", "at least one step is wanted")
    for one in listed:
        one.only(("id", "description", *STEP_KEYS))
    if not listed and is_change and not own:
        return order
    drafts = tuple(_step(one.over(own), ground, order, is_change=is_change) for one in listed or [body])
    ids = [draft.scheduled_procedure_step_id for draft in drafts if draft.scheduled_procedure_step_id]
    if len(ids) != len(set(ids)):
        body.fault("steps", "two steps have the same id")
    unnamed = {"scheduled_procedure_step_id"} if len(ids) < len(drafts) else set()
    return replace(order, steps=drafts, derived=order.derived | unnamed)


def _step(of: Fields, ground: TypedGround, order: OrderDraft, *, is_change: bool) -> StepDraft:
    protocol = of.code("protocol")
    procedure = order.requested_procedure_code
    start = of.moment("scheduled", ground.zone)
    is_listed = bool(of.path)
    description = of.text("description") if is_listed else None
    return StepDraft(
        scheduled_procedure_step_id=of.short("id") if is_listed else "",
        modality=_modality(of, ground, order, is_change=is_change),
        scheduled_station_ae_title=_stations(of),
        scheduled_start_local=start.local if start is not None else None,
        scheduled_start_at=start.at if start is not None else None,
        scheduled_procedure_step_description=description
        or (protocol.code_meaning if protocol is not None else order.requested_procedure_description),
        scheduled_protocol_code=protocol if protocol is not None and protocol.code_value else procedure,
        scheduled_performing_physician_name=of.person_name("performing_physician"),
        scheduled_station_name=of.text("station_name", limit=16),
        scheduled_procedure_step_location=of.text("location", limit=16),
        requested_contrast_agent=of.text("contrast_agent"),
        pre_medication=of.text("pre_medication"),
    )


def _modality(of: Fields, ground: TypedGround, order: OrderDraft, *, is_change: bool) -> str | None:
    said = of.table("modality", ground.modalities, "a modality as DICOM has it: CT, MR, US, DX, ES …")
    code = order.requested_procedure_code
    if not said and code is not None:
        said = ground.procedures.get(code.code_value) or None
    if not said:
        said = next((ground.stations[one] for one in _stations(of) or () if ground.stations.get(one)), None) or said
    if not said and not is_change and "modality" not in of:
        of.fault("modality", "needed: neither the device nor a table for the procedure says it")
    return said


def _stations(of: Fields) -> tuple[str, ...] | None:
    if "station_ae_titles" in of:
        return tuple(of.ae_titles("station_ae_titles"))
    title = of.ae_title("station_ae_title")
    return None if title is None else tuple(filter(None, (title,)))


def _authorizations(body: Fields) -> tuple[AuthorizationDraft, ...]:
    one = body.inner("authorization")
    return tuple(_authorization(of) for of in [*([one] if one else []), *body.objects("authorizations")])


def _authorization(of: Fields) -> AuthorizationDraft:
    of.only(_AUTHORIZATION_KEYS)
    return AuthorizationDraft(
        number=of.text("number", required=True) or "",
        payer_id=of.text("payer_id", limit=80) or "",
        payer_name=of.text("payer_name", limit=80) or "",
        member_id=of.text("member_id") or "",
        effective_on=of.day("effective_on") or "",
        expires_on=of.day("expires_on") or "",
    )
