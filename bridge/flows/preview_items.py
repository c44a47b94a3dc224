"""What a message's drafts would come to if nothing were known before: worklist items and FHIR resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from bridge.codecs.dicom.worklist_item import WorklistEntry, encode
from bridge.codecs.fhir import diagnostic_report, r4
from bridge.codecs.fhir import patient as patient_codec
from bridge.codecs.fhir.diagnostic_report import ReportLinks
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links, SystemOf, accession_identifier, order_reference, study_identifier
from bridge.codecs.fhir.service_request import service_request
from bridge.domain.order import Order, OrderDraft, Step, StepDraft, StepStatus
from bridge.domain.patient import Patient, PatientDraft
from bridge.domain.report import Report, ReportDraft, Said
from bridge.errors import BridgeError
from bridge.mapping.apply import Mapped

Json = dict[str, Any]
StationsFor = Callable[[str], tuple[str, ...]]

_NO_TIME = datetime(1, 1, 1, tzinfo=UTC)
_CANCELS = frozenset({"CA", "DC", "OC", "OD"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One order of a message as it would stand in the store, with its steps."""

    patient: Patient
    order: Order
    steps: tuple[Step, ...]


def entries(mapped: Mapped, stations_for: StationsFor) -> list[Entry]:
    """Return every order of *mapped*, the devices of its steps filled in where the message names none."""
    if mapped.patient is None:
        return []
    patient = _patient(mapped.patient)
    return [_entry(patient, draft, stations_for) for draft in mapped.orders]


def worklist_items(found: Iterable[Entry]) -> list[Json]:
    """Return one line for each step, with why it would be kept back if a value it must have is missing."""
    return [_item(entry, step) for entry in found for step in entry.steps]


def resources(mapped: Mapped, found: Iterable[Entry], house: House) -> list[Json]:
    """Return the FHIR resources: patients, orders, what each study's ImagingStudy would begin with, and reports."""
    drafts = [mapped.patient, *(merge.survivor for merge in mapped.merges)]
    drafts += [report.patient for report in mapped.reports[:1]]
    out = [patient_codec.patient(_patient(draft), house.system_of) for draft in drafts if draft is not None]
    subject = "Patient/1"
    out += [_report(draft, mapped.message_at or _NO_TIME, house) for draft in mapped.reports]
    for entry in found:
        out.append(service_request(entry.order, entry.steps, subject, house.system_of))
        if entry.order.study_instance_uid and entry.order.status != StepStatus.CANCELED:
            out.append(_study(entry.order, subject, house.system_of))
    return out


def _study(order: Order, subject: str, system_of: SystemOf) -> Json:
    accession = accession_identifier(order, system_of)
    based_on = order_reference(order, Links(subject), system_of)
    return {
        "resourceType": "ImagingStudy",
        "identifier": [study_identifier(order.study_instance_uid), *([accession] if accession else [])],
        "status": "registered",
        "subject": {"reference": subject},
        **({"basedOn": [based_on]} if based_on else {}),
    }


def _report(draft: ReportDraft, said_at: datetime, house: House) -> Json:
    said = Said(draft.content.issued_at or said_at, said_at)
    report = Report(0, draft.numbers, draft.patient, draft.content, 1, said)
    return r4.diagnostic_report(diagnostic_report.build(report, None, ReportLinks("Patient/1"), house))


def _entry(patient: Patient, draft: OrderDraft, stations_for: StationsFor) -> Entry:
    status = StepStatus.CANCELED if draft.order_control in _CANCELS else StepStatus.SCHEDULED
    order = Order(
        **_said(draft, Order),
        key=0,
        patient_key=0,
        status=status,
    )
    steps = (Step(**_said(step, Step), key=0, order_key=0, status=status) for step in draft.steps)
    return Entry(patient, order, tuple(_with_stations(step, stations_for) for step in steps))


def _with_stations(step: Step, stations_for: StationsFor) -> Step:
    if step.scheduled_station_ae_title:
        return step
    return replace(step, scheduled_station_ae_title=stations_for(step.modality))


def _said(draft: OrderDraft | StepDraft, noun: type[Order] | type[Step]) -> dict[str, Any]:
    """Return what the draft says, by the names that draft and noun share."""
    shared = {one.name for one in fields(noun)} & {one.name for one in fields(draft)}
    return {name: value for name in shared if (value := getattr(draft, name)) is not None}


def _item(entry: Entry, step: Step) -> Json:
    incomplete = ""
    try:
        encode(WorklistEntry(entry.patient, entry.order, step))
    except BridgeError as fault:
        incomplete = f"{fault.where}: {fault.detail}"
    order = entry.order
    return {
        "patient_name": entry.patient.patient_name,
        "patient_id": entry.patient.primary.patient_id,
        "accession_number": order.accession_number,
        "study_instance_uid": order.study_instance_uid,
        "scheduled_procedure_step_id": step.scheduled_procedure_step_id,
        "scheduled_station_ae_title": list(step.scheduled_station_ae_title),
        "modality": step.modality,
        "scheduled_start_local": step.scheduled_start_local,
        "description": step.scheduled_procedure_step_description or order.requested_procedure_description,
        "incomplete": incomplete,
    }


def _patient(draft: PatientDraft) -> Patient:
    return Patient(
        0,
        draft.identifiers,
        patient_name=draft.patient_name or "",
        patient_birth_date=draft.patient_birth_date or "",
        patient_sex=draft.patient_sex or "",
        details=draft.details,
        findings=draft.findings,
    )
