"""Worklist items: one scheduled step encoded once, beside its row, and cut to each query's keys. Source: PS3.4 K.6."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bridge.codecs.dicom import answers, charset, values, worklist_details, worklist_model
from bridge.codecs.dicom.answers import Given, Plan
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.device_text import FOLLOWS, Reading
from bridge.codecs.dicom.worklist_query import WorklistQuery
from bridge.domain import matching
from bridge.domain.identifiers import PatientIdentifier, is_oid
from bridge.domain.order import LIVE, WAITING, Order, Step
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

    study_started_local: when the study began ("YYYYMMDDHHMMSS"), "" as long as it has not: what a device or the first
    image said. Source: PS3.4 Table K.6-1 (Study Date, Study Time).
    """

    patient: Patient
    order: Order
    step: Step
    study_started_local: str = ""


def encode(entry: WorklistEntry) -> bytes:
    """
    Return the whole item, implicit VR little endian, UTF-8, to be stored beside the step.

    Raises: Incomplete, code "incomplete_worklist_entry", naming every type 1 attribute that has no value; Malformed,
    code "too_long", for an identifier beyond its VR. Source: PS3.4 Table K.6-1.
    """
    root = _patient(entry) | _order(entry.order, entry.step)
    root |= worklist_details.moment(entry.study_started_local, 0x00080020, 0x00080030)
    root |= _time_zone(entry.step)
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


def as_begun(kept: bytes | None, now: bytes, numbers: Collection[tuple[str, str]]) -> bytes:
    """
    Return the item of a step that is under way: as the device read it, whatever was said since.

    What a device copied from it stands in every image, and what it reads for an appended series must agree with that; so
    only the state, the beginning of the study and who may see it are news. kept: the item as it was stored, None if it was not; now: as it
    would be encoded now. numbers: the patient's, issuer first: an item that names somebody else's, as the order was moved
    or the number changed, is put right.
    """
    before, after = answers.read_record(kept or b""), answers.read_record(now)
    (was,) = answers.read_items(before.get(worklist_model.STEP_SEQUENCE, b"")) or ({},)
    (is_now,) = answers.read_items(after[worklist_model.STEP_SEQUENCE])
    number = (_text(before, 0x00100021), _text(before, 0x00100020))
    if _text(was, 0x00400020) in WAITING or number not in numbers:
        return now
    step: Values = {**was, 0x00400020: is_now[0x00400020]}
    root: Values = {**before, worklist_model.STEP_SEQUENCE: [answers.encode_record(step)]}
    for tag in (0x00080020, 0x00080030, 0x00401008, 0x00403001):
        root[tag] = after.get(tag, b"")
    return answers.encode_record(root)


class Answering(NamedTuple):
    """How one query is answered. status: of every answer; keys we do not know have zero length (FF01)."""

    status: int
    asked: Plan
    wanted: CharacterSet | None
    reading: Reading

    def give(self, encoded: bytes) -> Given:
        """Return the answer from the stored item *encoded*: exactly the keys asked for. Source: PS3.4 K.2.2.1.2."""
        return answers.give(self.asked, encoded, self.wanted, self.reading)


def answering(query: WorklistQuery, transfer_syntax_uid: str, reading: Reading = FOLLOWS) -> Answering:
    """Return how *query* is answered. reading: what the device can take. Source: PS3.4 K.4.1.1.4."""
    status = PENDING if query.is_fully_supported else PENDING_WITH_UNSUPPORTED_KEYS
    return Answering(status, answers.plan(query.keys, transfer_syntax_uid), query.character_set, reading)


def _text(record: answers.Record, tag: int) -> str:
    return record.get(tag, b"").decode("utf-8").strip(" \0")


def _patient(entry: WorklistEntry) -> Values:
    patient = entry.patient
    primary, others = _numbers(patient.identifiers)
    oids = patient.details.get("issuer_universal_ids", {})
    record: Values = {
        0x00100010: values.person_name(patient.patient_name),
        0x00100020: values.identifier(0x00100020, primary.patient_id, "PatientID"),
        0x00100021: values.identifier(0x00100021, primary.issuer_of_patient_id, "IssuerOfPatientID"),
        0x00100024: _qualifiers(primary.issuer_of_patient_id, oids),
        0x00100030: matching.normal_date(patient.patient_birth_date).encode(),
        0x00100040: values.text(0x00100040, patient.patient_sex),
        0x00101040: values.text(0x00101040, patient.patient_address),
        0x00102154: worklist_details.telephones((patient.patient_telephone,), 0x00102154),
    }
    if others:
        # The retired Other Patient IDs as well: an older console asks for no other (PS3.6).
        record[0x00101000] = values.several(0x00101000, tuple(other.patient_id for other in others))
        record[0x00101002] = [_other_patient_id(other, oids) for other in others]
    if patient.other_patient_names:
        record[0x00101001] = b"\\".join(values.person_name(name) for name in patient.other_patient_names)
    start, alerts = entry.step.scheduled_start_local, entry.order.details.get("medical_alerts", ())
    if patient.findings or alerts:
        record |= worklist_details.write_findings(patient.findings, start, alerts)
    return record | worklist_details.write(patient.details, primary.issuer_of_patient_id)


def _numbers(identifiers: Sequence[PatientIdentifier]) -> tuple[PatientIdentifier, Sequence[PatientIdentifier]]:
    return (identifiers[0], identifiers[1:]) if identifiers else (PatientIdentifier(""), ())


def _qualifiers(issuer: str, oids: Mapping[str, str]) -> list[bytes]:
    """Return the Issuer of Patient ID Qualifiers: none where nothing but the name is known. Source: PS3.3 Table 10-18."""
    oid = oids.get(issuer, issuer if is_oid(issuer) else "")
    return values.issuer("", oid)


def _other_patient_id(other: PatientIdentifier, oids: Mapping[str, str]) -> bytes:
    return answers.encode_record(
        {
            0x00100020: values.text(0x00100020, other.patient_id),
            0x00100021: values.text(0x00100021, other.issuer_of_patient_id),
            0x00100022: b"TEXT",
            0x00100024: _qualifiers(other.issuer_of_patient_id, oids),
        }
    )


def _order(order: Order, step: Step) -> Values:
    code, details = order.requested_procedure_code, order.details
    described = (order.requested_procedure_description, code.code_meaning, step.scheduled_procedure_step_description)
    description = next((text for text in (*described, code.code_value) if text), "")
    authority, oids = order.issuer_of_accession_number, details.get("issuer_universal_ids", {})
    admission, placer, filler = order.admission_id, order.placer_order_number, order.filler_order_number
    record: Values = {
        0x00080050: values.identifier(0x00080050, order.accession_number, "AccessionNumber"),
        0x00080051: values.issuer(authority, oids.get(authority, "")),
        0x00080080: values.text(0x00080080, order.institution_name),
        0x00080090: values.person_name(order.referring_physician_name),
        0x0020000D: values.identifier(0x0020000D, order.study_instance_uid, "StudyInstanceUID"),
        0x00321032: values.person_name(order.requesting_physician),
        0x00321060: values.text(0x00321060, description),
        0x00321064: values.code(code, authority),
        0x00380010: values.identifier(0x00380010, admission.value, "AdmissionID"),
        0x00380014: values.issuer(admission.issuer, oids.get(admission.issuer, "")),
        0x00380300: values.text(0x00380300, order.current_patient_location),
        0x00400026: values.issuer(placer.issuer, oids.get(placer.issuer, "")),
        0x00400027: values.issuer(filler.issuer, oids.get(filler.issuer, "")),
        0x00401001: values.identifier(0x00401001, order.requested_procedure_id, "RequestedProcedureID"),
        0x00401002: values.text(0x00401002, order.reason_for_the_requested_procedure),
        0x00401003: values.text(0x00401003, order.requested_procedure_priority),
        0x00401400: values.text(0x00401400, order.requested_procedure_comments),
        0x00402016: values.text(0x00402016, placer.value),
        0x00402017: values.text(0x00402017, filler.value),
    }
    return record | worklist_details.write(details, authority) if details else record


def _time_zone(step: Step) -> Values:
    """Return how far the hospital's clock is from UTC when the step begins. Source: PS3.3 C.12.1.1.8."""
    at, local = step.scheduled_start_at, step.scheduled_start_local
    if at is None or len(local) != 14 or not local.isdecimal():
        return {}
    year, month, day, hour, minute = (
        int(local[:4]),
        int(local[4:6]),
        int(local[6:8]),
        int(local[8:10]),
        int(local[10:12]),
    )
    ahead = datetime(year, month, day, hour, minute, tzinfo=UTC) - at.replace(second=0, microsecond=0)
    minutes = round(ahead.total_seconds() / 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return {0x00080201: f"{sign}{minutes // 60:02}{minutes % 60:02}".encode()}


def _step(step: Step, order: Order) -> Values:
    code, ordered = step.scheduled_protocol_code, order.requested_procedure_code
    details, authority = step.details, order.issuer_of_accession_number
    described = (step.scheduled_procedure_step_description, code.code_meaning, order.requested_procedure_description)
    coded = (code.code_value, ordered.code_meaning, ordered.code_value)
    start, status = step.scheduled_start_local, step.status
    record: Values = {
        0x00080060: values.identifier(0x00080060, step.modality, "Modality"),
        0x00321070: values.text(0x00321070, step.requested_contrast_agent),
        0x00400001: _station_ae_titles(step),
        worklist_model.START_DATE: matching.normal_date(start[:8]).encode(),
        # Exactly six digits: some consoles drop an item whose time is shorter or has a fraction.
        worklist_model.START_TIME: matching.normal_time(start[8:14].ljust(6, "0"))[:6].encode() if start else b"",
        0x00400006: values.person_name(step.scheduled_performing_physician_name),
        0x00400007: values.text(0x00400007, next((text for text in (*described, *coded) if text), "")),
        0x00400008: values.code(code, authority),
        0x00400009: values.identifier(0x00400009, step.scheduled_procedure_step_id, "ScheduledProcedureStepID"),
        0x00400010: values.text(0x00400010, step.scheduled_station_name),
        0x00400011: values.text(0x00400011, step.scheduled_procedure_step_location),
        0x00400012: values.text(0x00400012, step.pre_medication),
        0x00400020: status.value.encode() if status in LIVE else b"",
    }
    if not details:
        return record
    record |= worklist_details.moment(_end(start, details.get("scheduled_duration", "")), 0x00400004, 0x00400005)
    people = details.get("scheduled_performing_physician_code", ())
    record[0x0040000B] = worklist_details.performing_physician(people, authority, order.institution_name)
    return record | worklist_details.write(details, authority)


def _end(start: str, minutes: str) -> str:
    """Return when a step ends, "YYYYMMDDHHMMSS", "" without a start or a duration, or beyond the calendar."""
    if not minutes.isdecimal() or len(start) != 14 or not start.isdecimal():
        return ""
    try:
        end = datetime.strptime(start, "%Y%m%d%H%M%S") + timedelta(minutes=int(minutes))
    except OverflowError:
        return ""
    return end.strftime("%Y%m%d%H%M%S")


def _station_ae_titles(step: Step) -> bytes:
    titles = [
        values.identifier(0x00400001, title, "ScheduledStationAETitle") for title in step.scheduled_station_ae_title
    ]
    return b"\\".join(title for title in titles if title)
