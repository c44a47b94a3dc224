"""One of everything that is written as FHIR, full and bare, in each version: what validators are given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.codecs.fhir import (
    appointment,
    audit_event,
    authorization,
    diagnostic_report,
    document_reference,
    encounter,
    endpoint,
    imaging_selection,
    procedure,
    provenance,
    r4,
    r5,
    service_request,
    task,
)
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links
from bridge.domain.appointment import Appointment, AppointmentState, Slot
from bridge.domain.authorization import Authorization, AuthorizationLine
from bridge.domain.code import Code
from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.key_images import KeySelection, SelectedImage
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.patient import PatientDraft, Visit, VisitState
from bridge.domain.performed import PerformedStatus, PerformedStep
from bridge.domain.report import (
    Report,
    ReportContent,
    ReportDocument,
    ReportNumbers,
    ReportSection,
    ReportStatus,
    Said,
)

Json = dict[str, Any]

AT = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
UID = "2.25.77"
LINKS = Links(
    "Patient/7", "ServiceRequest/9", ("Endpoint/3",), "2.25.5", encounter="Encounter/4", procedures=("Procedure/2",)
)
ORDER = Order(
    key=1,
    patient_key=1,
    accession_number="A1",
    issuer_of_accession_number="RIS",
    placer_order_number=EntityIdentifier("P1", "EHR"),
    filler_order_number=EntityIdentifier("F1", "RIS"),
    requested_procedure_id="R1",
    study_instance_uid=UID,
    status=StepStatus.COMPLETED,
    requested_procedure_description="CT CHEST",
    requested_procedure_code=Code("71260", "C4", "CT thorax with contrast"),
    requested_procedure_priority="STAT",
    reason_for_the_requested_procedure="cough",
    requested_procedure_comments="please call",
    requesting_physician="BRANDT^EVA^MARIE^DR",
    referring_physician_name="BRANDT^EVA^MARIE^DR",
    admission_id=EntityIdentifier("V1", "EHR"),
    ordered_at=AT,
    patient_number=PatientIdentifier("00041003", "RIVERSIDE", "MR"),
)
MPPS = PerformedStep(
    key=1,
    sop_instance_uid="2.25.900",
    status=PerformedStatus.COMPLETED,
    study_instance_uid=UID,
    performed_station_ae_title="CT1",
    modality="CT",
    started_local="20260302101500",
    ended_local="20260302103000",
    referenced_instances=(f"{UID}.1.1",),
)
ATTRIBUTES: Json = {
    "00081032": {
        "vr": "SQ",
        "Value": [
            {
                "00080100": {"vr": "SH", "Value": ["CTCHEST"]},
                "00080102": {"vr": "SH", "Value": ["99RIS"]},
                "00080104": {"vr": "LO", "Value": ["CT Chest"]},
            }
        ],
    },
    "00400254": {"vr": "LO", "Value": ["CT chest with contrast"]},
    "00400243": {"vr": "SH", "Value": ["ROOM 2"]},
    "00400280": {"vr": "ST", "Value": ["patient moved"]},
    "00400340": {
        "vr": "SQ",
        "Value": [
            {
                "0020000E": {"vr": "UI", "Value": [f"{UID}.1"]},
                "00081050": {"vr": "PN", "Value": [{"Alphabetic": "ODA^KENJI"}]},
                "00081070": {"vr": "PN", "Value": [{"Alphabetic": "RUIZ^ANA"}, {"Alphabetic": "RUIZ^ANA"}]},
            }
        ],
    },
}
VISIT = Visit(
    key=1,
    patient_key=1,
    admission_id=EntityIdentifier("V1", "EHR"),
    account_number=EntityIdentifier("ACC1", "EHR"),
    state=VisitState.CLOSED,
    patient_class="I",
    current_patient_location="WARD 4^12^B",
    referring_physician_name="BRANDT^EVA",
    admitted_local="20260301080000",
    discharged_local="20260304",
)
STEP = Step(
    key=1,
    order_key=1,
    scheduled_procedure_step_id="S1",
    status=StepStatus.STARTED,
    modality="CT",
    scheduled_station_ae_title=("CT1",),
    scheduled_start_local="20260302100000",
    scheduled_start_at=AT,
    scheduled_procedure_step_description="CT chest",
    scheduled_protocol_code=Code("CT01", "99RIS", "CT chest"),
    scheduled_procedure_step_location="ROOM 2",
)
REPORT = Report(
    key=1,
    numbers=ReportNumbers(filler_order_number=EntityIdentifier("F1", "RIS"), sr_instance_uid="2.25.78"),
    patient_key=1,
    order_key=1,
    said=Said(AT, AT),
    patient=PatientDraft((PatientIdentifier("00041003", "RIVERSIDE", "MR"),)),
    current=1,
    content=ReportContent(
        status=ReportStatus.FINAL,
        title="CT CHEST",
        issued_at=AT,
        observed_local="20260302101500",
        observed_at=AT,
        interpreters=("ODA^KENJI",),
        sections=(ReportSection("Impression", "No finding."),),
        documents=(ReportDocument("Report", "application/pdf", 1000, "a" * 64, 5),),
    ),
)
KEY_IMAGES = KeySelection(
    key=1,
    study_key=1,
    study_instance_uid=UID,
    sop_instance_uid=f"{UID}.9.1",
    withheld="",
    title=Code("113000", "DCM", "Of Interest"),
    made_local="20260302101530",
    timezone_offset_from_utc="-0500",
    images=(
        SelectedImage(f"{UID}.1", f"{UID}.1.1", "1.2.840.10008.5.1.4.1.1.2", 1),
        SelectedImage(f"{UID}.1", f"{UID}.1.2", "1.2.840.10008.5.1.4.1.1.4.1", 2, (1, 3)),
    ),
)
_BARE_KEY_IMAGES = replace(
    KEY_IMAGES,
    title=Code("KEY", "99RIV", ""),
    made_local="",
    images=(*KEY_IMAGES.images, SelectedImage(f"{UID}.2", f"{UID}.2.1", "1.2.840.10008.5.1.4.1.1.2")),
)
AUTHORIZATION = Authorization(
    key=1,
    number="PA-7",
    payer_id="60054",
    payer_name="Acme Health",
    patient_key=1,
    order_key=1,
    member_id="M1",
    lines=(AuthorizationLine("71260", "CT thorax"), AuthorizationLine("Q9967", "contrast")),
    effective_on="20260101",
    expires_on="2026-06-30",
    created_at=AT,
)


def system_of(issuer: str) -> str:
    return f"urn:example:{issuer}"


HOUSE = House(ZoneInfo("America/New_York"), system_of)
_BARE_ORDER = replace(
    ORDER,
    accession_number="",
    placer_order_number=EntityIdentifier(),
    requested_procedure_code=Code(),
    requested_procedure_description="",
    requested_procedure_priority="",
    admission_id=EntityIdentifier(),
)


def _selections() -> list[Json]:
    """Return marked images of one series and of two, and those that were rejected."""
    rejected = replace(KEY_IMAGES, withheld="113001")
    return [
        imaging_selection.r5(KEY_IMAGES, "ImagingStudy/5", ORDER, LINKS, HOUSE),
        imaging_selection.r5(_BARE_KEY_IMAGES, "ImagingStudy/5", None, Links("Patient/7"), HOUSE),
        imaging_selection.r5(rejected, "ImagingStudy/5", ORDER, LINKS, HOUSE),
    ]


def everything(version: str) -> list[Json]:
    """Return one of every resource but ImagingStudy and Patient, and bare ones. version: "R4" or "R5"."""
    is_r4 = version == "R4"
    at, about = "https://x.example.org/Binary", ("ImagingStudy/5",)
    links = diagnostic_report.ReportLinks("Patient/7", about, at, order="ServiceRequest/9", encounter="Encounter/4")
    report = diagnostic_report.build(REPORT, ORDER, links, HOUSE)
    document = document_reference.of_report(REPORT, REPORT.content.documents[0], ORDER, links, HOUSE)
    ordered = [service_request.service_request(one, (STEP,), "Patient/7", system_of) for one in (ORDER, _BARE_ORDER)]
    granted = authorization.build(AUTHORIZATION, "Patient/7", "Riverside Imaging", (UID,))
    documents = document_reference.r4 if is_r4 else document_reference.r5
    return [
        (r4 if is_r4 else r5).diagnostic_report(report),
        documents(document),
        *([] if is_r4 else _selections()),
        *(one if is_r4 else service_request.as_r5(one) for one in ordered),
        authorization.claim(granted),
        authorization.response(granted, "Claim/3"),
        *_performed(is_r4),
        *_visits(is_r4),
        *_provenances(is_r4),
        *_endpoints(is_r4),
        *_audited(is_r4),
        *_tasks(is_r4),
        *_appointments(is_r4),
    ]


def _performed(is_r4: bool) -> list[Json]:
    write = procedure.r4 if is_r4 else procedure.r5
    stopped = replace(
        MPPS,
        status=PerformedStatus.DISCONTINUED,
        referenced_instances=(),
        discontinuation_code="110513",
        discontinuation_meaning="Discontinued for unspecified reason",
    )
    steps = [
        (MPPS, ATTRIBUTES, ORDER),
        (stopped, ATTRIBUTES, ORDER),
        (stopped, {}, None),
        (replace(MPPS, status=PerformedStatus.IN_PROGRESS, ended_local=""), {}, None),
        (replace(MPPS, status=PerformedStatus.IN_PROGRESS, timed_out_at=AT, started_local=""), {}, _BARE_ORDER),
    ]
    return [write(procedure.build(step, said, order, LINKS, HOUSE)) for step, said, order in steps]


def _visits(is_r4: bool) -> list[Json]:
    write = encounter.r4 if is_r4 else encounter.r5
    bare = Visit(1, 1, EntityIdentifier("V2", "EHR"))
    states = [replace(bare, state=one) for one in VisitState]
    return [write(encounter.build(one, "Patient/7", HOUSE)) for one in (VISIT, *states)]


def _provenances(is_r4: bool) -> list[Json]:
    write = provenance.r4 if is_r4 else provenance.r5
    full = provenance.ProvenanceContent(
        target="ImagingStudy/5/_history/2",
        recorded_at=AT,
        activity=provenance.Activity.UPDATE,
        organization="Riverside Imaging",
        approved_by=("user:maria", "B01"),
        sources=(
            provenance.Source("message", "MSG00001", "RIS|MERCYW"),
            provenance.Source("performed step", "2.25.900"),
            provenance.Source("study", UID),
        ),
        why=provenance.Why.SAFETY,
        reason="wrong patient chosen at the scanner",
        occurred_from=AT,
        occurred_to=AT,
        patient="Patient/7",
    )
    bare = provenance.ProvenanceContent("ImagingStudy/5", AT, provenance.Activity.CREATE)
    return [write(full), write(bare)]


def _endpoints(is_r4: bool) -> list[Json]:
    write = endpoint.r4 if is_r4 else endpoint.r5
    return [
        write(endpoint.build(connection, "https://x.example.org/dicom-web", "Riverside"))
        for connection in endpoint.Connection
    ]


def _audited(is_r4: bool) -> list[Json]:
    write = audit_event.r4 if is_r4 else audit_event.r5
    actions = ("fhir_read", "fhir_searched", "dicom_searched", "sign_in", "study_received", "exams_listed", "new")
    actors = ("user:maria", "token:ris", "peer:CT1", "sender:RIS|MERCYW", "system")
    said = audit_event.AuditEventContent("", AT, "", "", "10.0.0.7", "Riverside", "Patient/7", "ImagingStudy/5")
    rows = [replace(said, action=action, actor=actor) for action in actions for actor in actors]
    bare = audit_event.AuditEventContent("sign_in", AT, "wrong_password", "user:maria", "", "Riverside")
    named = replace(
        said, action="fhir_read", actor="peer:CT1", origin="CT1", request_id="r-1", order="ServiceRequest/1"
    )
    return [write(one) for one in (*rows, bare, named)]


def _tasks(is_r4: bool) -> list[Json]:
    write = task.r4 if is_r4 else task.r5
    states = [replace(STEP, status=one) for one in StepStatus]
    bare = Step(2, 1, "S2", StepStatus.SCHEDULED)
    pairs = [*((one, ORDER) for one in states), (bare, _BARE_ORDER)]
    return [write(task.build(step, order, LINKS, HOUSE)) for step, order in pairs]


def _appointments(is_r4: bool) -> list[Json]:
    write = appointment.r4 if is_r4 else appointment.r5
    slot = Slot(
        service=Code("CT01", "99RIS", "CT chest"),
        scheduled_start_local="20260302100000",
        scheduled_start_at=AT,
        scheduled_station_ae_title=("CT1",),
        scheduled_procedure_step_location="ROOM 2",
        scheduled_performing_physician_name="ODA^KENJI",
        details={"scheduled_duration": "30"},
    )
    numbers = (EntityIdentifier("AP1", "SCHED"), EntityIdentifier("FAP1", "SCHED"))
    states = [Appointment(1, 7, 9, *numbers, state, (slot, slot), AT) for state in AppointmentState]
    open_ended = replace(states[0], slots=(slot, replace(slot, details={})))
    bare = [replace(one, filler_appointment_id=EntityIdentifier(), slots=(Slot(),)) for one in states]
    ordered = [appointment.build(one, "Patient/7", "ServiceRequest/9", HOUSE) for one in (*states, open_ended)]
    waiting = [appointment.build(one, "Patient/7", "", HOUSE) for one in bare]
    return [write(one) for one in (*ordered, *waiting)]
