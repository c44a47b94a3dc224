"""Worklist items: one scheduled step encoded once, beside its row, and cut to each query's keys. Source: PS3.4 K.6."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.codecs.dicom import answers, charset, values, worklist_model
from bridge.codecs.dicom.answers import Record
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import WorklistQuery
from bridge.domain import matching
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.order import LIVE, Order, Step
from bridge.domain.patient import Patient
from bridge.errors import Incomplete

PENDING = 0xFF00
PENDING_WITH_UNSUPPORTED_KEYS = 0xFF01

Values = dict[int, bytes | list[bytes]]

_NAMES_OF_REQUIRED = {
    0x00100010: "PatientName",
    0x00100020: "PatientID",
    0x0020000D: "StudyInstanceUID",
    0x00401001: "RequestedProcedureID",
    0x00321060: "RequestedProcedureDescription",
}
_NAMES_OF_REQUIRED_IN_STEP = {
    0x00400001: "ScheduledStationAETitle",
    0x00400002: "ScheduledProcedureStepStartDate",
    0x00400003: "ScheduledProcedureStepStartTime",
    0x00080060: "Modality",
    0x00400009: "ScheduledProcedureStepID",
    0x00400007: "ScheduledProcedureStepDescription",
}


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """
    What one scheduled step shows a modality: the step, its order and the patient the order now belongs to.

    What an order does not carry may be added: pregnancy_status 1 not, 2 possibly, 3 definitely, 4 unknown (PS3.3
    C.7.2.3); patient_weight in kg and patient_size in m, as DS; issuer_universal_id: the issuer's OID.
    """

    patient: Patient
    order: Order
    step: Step
    issuer_universal_id: str = ""
    pregnancy_status: int | None = None
    patient_weight: str = ""
    patient_size: str = ""
    medical_alerts: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    special_needs: str = ""
    patient_state: str = ""


def encode(entry: WorklistEntry) -> bytes:
    """
    Return the whole item, implicit VR little endian, UTF-8, to be stored beside the step.

    Raises: Incomplete, code "incomplete_worklist_entry", naming every type 1 attribute that has no value; Malformed,
    code "too_long", for an identifier beyond its VR. Source: PS3.4 Table K.6-1.
    """
    root = _patient(entry) | _order(entry.order, entry.step)
    step = _step(entry.step, entry.order)
    missing = [name for tag, name in _NAMES_OF_REQUIRED.items() if not root.get(tag)]
    missing += [name for tag, name in _NAMES_OF_REQUIRED_IN_STEP.items() if not step.get(tag)]
    if missing:
        raise Incomplete(
            "the worklist entry lacks required values",
            code="incomplete_worklist_entry",
            where=", ".join(missing),
            source="PS3.4 Table K.6-1",
        )
    # The set that the bytes are in; answers choose their own.
    root[worklist_model.CHARACTER_SET] = charset.UTF8.value
    root[worklist_model.STEP_SEQUENCE] = [answers.encode_record(step)]
    return answers.encode_record(root)


def answer(
    encoded: bytes, query: WorklistQuery, transfer_syntax_uid: str, charset_setting: str = ""
) -> tuple[int, bytes]:
    """
    Return status and identifier that answer *query* with the stored item *encoded*.

    Exactly the keys asked for, at every level; ones we do not know with zero length (FF01). charset_setting: what the
    peer's settings say it can read, "" if nothing. Source: PS3.4 K.2.2.1.2, K.4.1.1.4.
    """
    asked = answers.plan(query.keys, transfer_syntax_uid)
    forced = charset.parse_setting(charset_setting)
    status = PENDING if query.is_fully_supported else PENDING_WITH_UNSUPPORTED_KEYS
    return status, answers.answer(asked, encoded, query.character_set, forced)


def matches(encoded: bytes, query: WorklistQuery) -> bool:
    """Say whether the stored item *encoded* is one that *query* asks for. Source: PS3.4 K.2.2.1.1."""
    record = answers.read_record(encoded)
    steps = answers.read_items(record.get(worklist_model.STEP_SEQUENCE, b""))
    return (
        _fields_match(record, query, worklist_model.MATCHED_AT_ROOT)
        and matching.match_date_range(query.birth_dates, _text(record, worklist_model.PATIENT_BIRTH_DATE))
        and any(_step_matches(step, query) for step in steps)
    )


def _step_matches(step: Record, query: WorklistQuery) -> bool:
    start = _text(step, worklist_model.START_DATE), _text(step, worklist_model.START_TIME)
    return _fields_match(step, query, worklist_model.MATCHED_IN_STEP) and matching.match_date_time(
        query.start_dates, query.start_times, start
    )


def _fields_match(record: Record, query: WorklistQuery, fields: Mapping[int, str]) -> bool:
    for tag, name in fields.items():
        keys: tuple[str, ...] = getattr(query, name)
        if keys and not matching.match_any(_match_for(tag), keys, _text(record, tag).split("\\")):
            return False
    return True


def _match_for(tag: int) -> Callable[[str, str], bool]:
    vr = vr_of(tag)
    if vr == "PN":
        return matching.match_person_name
    return matching.match_single if vr == "UI" else matching.match_wildcard


def _text(record: Record, tag: int) -> str:
    return record.get(tag, b"").decode("utf-8").strip(" \0")


def _patient(entry: WorklistEntry) -> Values:
    patient = entry.patient
    primary = patient.identifiers[0] if patient.identifiers else PatientIdentifier("")
    pregnancy = entry.pregnancy_status
    return {
        0x00100010: values.person_name(patient.patient_name),
        0x00100020: values.identifier(0x00100020, primary.patient_id, "PatientID"),
        0x00100021: values.identifier(0x00100021, primary.issuer_of_patient_id, "IssuerOfPatientID"),
        0x00100024: values.issuer("", entry.issuer_universal_id),
        0x00100030: matching.normal_date(patient.patient_birth_date).encode(),
        0x00100040: values.text(0x00100040, patient.patient_sex),
        0x00101002: [_other_patient_id(other) for other in patient.identifiers[1:]],
        0x00101020: values.text(0x00101020, entry.patient_size),
        0x00101030: values.text(0x00101030, entry.patient_weight),
        0x00101040: values.text(0x00101040, patient.patient_address),
        0x00102000: values.several(0x00102000, entry.medical_alerts),
        0x00102110: values.several(0x00102110, entry.allergies),
        0x00102154: values.text(0x00102154, patient.patient_telephone),
        # US: two bytes, not the digit. Source: PS3.3 C.7.2.3.
        0x001021C0: b"" if pregnancy is None else struct.pack("<H", pregnancy),
        0x00380050: values.text(0x00380050, entry.special_needs),
        0x00380500: values.text(0x00380500, entry.patient_state),
    }


def _other_patient_id(other: PatientIdentifier) -> bytes:
    return answers.encode_record(
        {
            0x00100020: values.text(0x00100020, other.patient_id),
            0x00100021: values.text(0x00100021, other.issuer_of_patient_id),
            0x00100022: b"TEXT",
        }
    )


def _order(order: Order, step: Step) -> Values:
    described = (order.requested_procedure_description, order.requested_procedure_code.code_meaning)
    description = next((text for text in (*described, step.scheduled_procedure_step_description) if text), "")
    return {
        0x00080050: values.identifier(0x00080050, order.accession_number, "AccessionNumber"),
        0x00080051: values.issuer(order.issuer_of_accession_number),
        0x00080080: values.text(0x00080080, order.institution_name),
        0x00080090: values.person_name(order.referring_physician_name),
        0x0020000D: values.identifier(0x0020000D, order.study_instance_uid, "StudyInstanceUID"),
        0x00321032: values.person_name(order.requesting_physician),
        0x00321060: values.text(0x00321060, description),
        0x00321064: values.code(order.requested_procedure_code),
        0x00380010: values.identifier(0x00380010, order.admission_id.value, "AdmissionID"),
        0x00380014: values.issuer(order.admission_id.issuer),
        0x00380300: values.text(0x00380300, order.current_patient_location),
        0x00400026: values.issuer(order.placer_order_number.issuer),
        0x00400027: values.issuer(order.filler_order_number.issuer),
        0x00401001: values.identifier(0x00401001, order.requested_procedure_id, "RequestedProcedureID"),
        0x00401002: values.text(0x00401002, order.reason_for_the_requested_procedure),
        0x00401003: values.text(0x00401003, order.requested_procedure_priority),
        0x00401400: values.text(0x00401400, order.requested_procedure_comments),
        0x00402016: values.text(0x00402016, order.placer_order_number.value),
        0x00402017: values.text(0x00402017, order.filler_order_number.value),
    }


def _step(step: Step, order: Order) -> Values:
    described = (step.scheduled_procedure_step_description, step.scheduled_protocol_code.code_meaning)
    start, status = step.scheduled_start_local, step.status
    return {
        0x00080060: values.identifier(0x00080060, step.modality, "Modality"),
        0x00321070: values.text(0x00321070, step.requested_contrast_agent),
        0x00400001: _station_ae_titles(step),
        worklist_model.START_DATE: matching.normal_date(start[:8]).encode(),
        # Exactly six digits: some consoles drop an item whose time is shorter or has a fraction.
        worklist_model.START_TIME: matching.normal_time(start[8:14].ljust(6, "0"))[:6].encode() if start else b"",
        0x00400006: values.person_name(step.scheduled_performing_physician_name),
        0x00400007: values.text(
            0x00400007, next((text for text in (*described, order.requested_procedure_description) if text), "")
        ),
        0x00400008: values.code(step.scheduled_protocol_code),
        0x00400009: values.identifier(0x00400009, step.scheduled_procedure_step_id, "ScheduledProcedureStepID"),
        0x00400010: values.text(0x00400010, step.scheduled_station_name),
        0x00400011: values.text(0x00400011, step.scheduled_procedure_step_location),
        0x00400012: values.text(0x00400012, step.pre_medication),
        0x00400020: status.value.encode() if status in LIVE else b"",
    }


def _station_ae_titles(step: Step) -> bytes:
    titles = [
        values.identifier(0x00400001, title, "ScheduledStationAETitle") for title in step.scheduled_station_ae_title
    ]
    return b"\\".join(title for title in titles if title)
