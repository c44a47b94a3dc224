"""What a message would do, and why, without doing it: no database, nothing kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.ack import verdict_of
from bridge.codecs.hl7.envelope import read_envelope
from bridge.codecs.hl7.lint import lint
from bridge.domain.order import Code, Order, OrderDraft, Step, StepDraft, StepStatus
from bridge.domain.patient import Patient, PatientDraft
from bridge.errors import BridgeError
from bridge.mapping.apply import Mapped, apply
from bridge.mapping.resolve import MappingSet
from bridge.mapping.show import show
from bridge.mapping.site import Defaults


def preview_message(
    raw: bytes,
    mappings: MappingSet,
    defaults: Defaults,
    stations_for: Callable[[str], tuple[str, ...]],
    site_name: str = "",
) -> dict[str, Any]:
    """
    Return what *raw* would do: site, drafts as text, worklist items, the trace of every value, notices, lint.

    site_name: read it by this site's rules rather than its sender's. A message that would be refused says so under
    "error", with the answer's code and place.
    """
    envelope = read_envelope(raw)
    site = mappings.site(site_name) if site_name else None
    site = site or mappings.resolve(envelope.sending_application, envelope.sending_facility)
    preview: dict[str, Any] = {
        "site": site.name if site is not None else "",
        "known_sender": site is not None,
        "event": envelope.message_type,
        "control_id": envelope.control_id,
        "drafts": "",
        "worklist": [],
        "trace": [],
        "notices": [],
        "lint": [],
        "error": None,
    }
    try:
        if envelope.fault is not None:
            raise envelope.fault
        message = er7.parse(raw, (site or mappings.base).charset)
        preview["charset"] = message.codec
        preview["lint"] = lint(message)
        mapped = apply(message, site or mappings.base, defaults)
    except BridgeError as fault:
        preview["error"] = _error(fault)
        return preview
    preview["drafts"] = show(mapped)
    preview["trace"] = [line._asdict() for line in mapped.trace]
    preview["notices"] = [asdict(notice) for notice in mapped.notices]
    preview["worklist"] = [_item(mapped, order, step, stations_for) for order in mapped.orders for step in order.steps]
    return preview


def _error(fault: BridgeError) -> dict[str, str]:
    verdict = verdict_of(fault)
    return {
        "code": verdict.acknowledgment_code,
        "error_code": verdict.error_code,
        "where": verdict.where,
        "detail": fault.to_caller,
        "source": fault.source,
    }


def _item(
    mapped: Mapped, order: OrderDraft, step: StepDraft, stations_for: Callable[[str], tuple[str, ...]]
) -> dict[str, Any]:
    """Return one worklist line, with why it would be kept back if a value it must have is missing."""
    patient = _patient(mapped.patient)
    stations = step.scheduled_station_ae_title or stations_for(step.modality or "")
    incomplete = ""
    try:
        encode(WorklistEntry(patient, _order(order), replace(_step(step), scheduled_station_ae_title=stations)))
    except BridgeError as fault:
        incomplete = f"{fault.where}: {fault.detail}"
    return {
        "patient_name": patient.patient_name,
        "patient_id": patient.primary.patient_id,
        "accession_number": order.accession_number,
        "study_instance_uid": order.study_instance_uid,
        "scheduled_procedure_step_id": step.scheduled_procedure_step_id,
        "scheduled_station_ae_title": list(stations),
        "modality": step.modality or "",
        "scheduled_start_local": step.scheduled_start_local or "",
        "description": step.scheduled_procedure_step_description or order.requested_procedure_description or "",
        "incomplete": incomplete,
    }


def _patient(draft: PatientDraft | None) -> Patient:
    if draft is None:
        raise AssertionError("an order names its patient")
    return Patient(
        0,
        draft.identifiers,
        patient_name=draft.patient_name or "",
        patient_birth_date=draft.patient_birth_date or "",
        patient_sex=draft.patient_sex or "",
    )


def _order(draft: OrderDraft) -> Order:
    return Order(
        key=0,
        patient_key=0,
        accession_number=draft.accession_number,
        issuer_of_accession_number=draft.issuer_of_accession_number,
        placer_order_number=draft.placer_order_number,
        filler_order_number=draft.filler_order_number,
        requested_procedure_id=draft.requested_procedure_id,
        study_instance_uid=draft.study_instance_uid,
        status=StepStatus.SCHEDULED,
        requested_procedure_description=draft.requested_procedure_description or "",
        requested_procedure_code=draft.requested_procedure_code or Code(),
    )


def _step(draft: StepDraft) -> Step:
    said: Iterable[str] = (
        "modality",
        "scheduled_start_local",
        "scheduled_start_at",
        "scheduled_procedure_step_description",
        "scheduled_protocol_code",
        "scheduled_performing_physician_name",
        "scheduled_station_name",
        "scheduled_procedure_step_location",
    )
    values = {name: value for name in said if (value := getattr(draft, name)) is not None}
    return Step(0, 0, draft.scheduled_procedure_step_id, StepStatus.SCHEDULED, **values)
