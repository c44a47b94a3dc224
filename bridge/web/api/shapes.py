"""Rows as JSON: names are DICOM PN strings, dates and times ISO 8601. Source: contract of the REST interface."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bridge.codecs.dicom.performed_details import details_of
from bridge.domain.image_warnings import WarningWords
from bridge.domain.performed_reasons import reason_in_words
from bridge.domain.report import Report, ReportDocument, ReportVersion
from bridge.flows.enter_order import Entered
from bridge.store.audit import AuditRow
from bridge.store.events import Event
from bridge.store.listings.exam_detail import Exam, Published, ReachedStation, ReportedStep, StudyOnExam
from bridge.store.listings.exams import ExamRow
from bridge.store.listings.journal import MessageRow
from bridge.store.listings.people import Person
from bridge.store.listings.queues import DeliveryRow, MergeRow, MismatchRow
from bridge.store.listings.worklists import WorklistRow
from bridge.store.replays import Replay

Json = dict[str, Any]


def instant(at: datetime | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    return at.isoformat(timespec="milliseconds") if at is not None else None


def date(dicom: str) -> str | None:
    """Return "YYYYMMDD" as "YYYY-MM-DD", None if it is none."""
    return f"{dicom[:4]}-{dicom[4:6]}-{dicom[6:8]}" if len(dicom) == 8 and dicom.isdecimal() else None


def local_time(dicom: str) -> str | None:
    """Return "YYYYMMDDHHMMSS" as "YYYY-MM-DDTHH:MM:SS" by the hospital's clock, None if there is no date."""
    day = date(dicom[:8])
    if day is None or len(dicom) < 12:
        return day
    return f"{day}T{dicom[8:10]}:{dicom[10:12]}:{dicom[12:14] or '00'}"


def person(one: Person | None) -> Json | None:
    """Return a patient."""
    if one is None:
        return None
    return {
        "patient_id": one.patient_id,
        "issuer_of_patient_id": one.issuer_of_patient_id,
        "name": one.name,
        "birth_date": date(one.birth_date),
        "sex": one.sex or None,
    }


def entered(one: Entered) -> Json:
    """Return an order that was typed, as it stands. accession_number, patient_id: made up where nobody typed them."""
    order, number = one.order, one.order.patient_number
    return {
        "id": f"order-{order.key}",
        "accession_number": order.accession_number,
        "placer_order_number": order.placer_order_number.value or None,
        "filler_order_number": order.filler_order_number.value or None,
        "requested_procedure_id": order.requested_procedure_id,
        "study_instance_uid": order.study_instance_uid,
        "status": order.status.value,
        "patient": {
            "patient_id": number.patient_id,
            "issuer_of_patient_id": number.issuer_of_patient_id,
            "name": one.patient.patient_name,
            "provisional": one.patient.provisional,
        },
        "is_new": one.is_new,
        "is_changed": one.is_changed,
        "notices": [notice.detail for notice in one.notices],
    }


def exam_row(row: ExamRow) -> Json:
    """Return one exam of a list."""
    return {
        "id": row.id,
        "accession_number": row.accession_number or None,
        "patient": person(row.patient),
        "study_instance_uid": row.study_instance_uid or None,
        "station": row.station.value,
        "status": row.status or None,
        "study_state": row.study_state or None,
        "procedure": row.procedure or None,
        "modality": row.modality or None,
        "station_ae_titles": list(row.station_ae_titles),
        "scheduled": local_time(row.scheduled_local),
        "at": instant(row.at),
        "is_test": row.is_test,
    }


def exam(one: Exam) -> Json:
    """Return one exam whole."""
    return exam_row(one.row) | {
        "stations": [_station(each) for each in one.stations],
        "timeline": [timeline_line(each) for each in one.timeline],
        "studies": [_study_on_exam(each) for each in one.studies],
        "authorizations": [
            {
                "id": a.key,
                "number": a.number,
                "payer": a.payer_name,
                "status": a.status.value,
                "warnings": [
                    {"kind": w.warning.kind.value, "sentence": w.warning.sentence}
                    for w in one.warnings
                    if w.authorization_key == a.key
                ],
            }
            for a in one.authorizations
        ],
        "performed": [_performed(each) for each in one.performed],
        "reports": [report(each.report, each.versions) for each in one.reports],
        "others": list(one.others),
    }


def report(one: Report, versions: Iterable[ReportVersion] = ()) -> Json:
    """Return a report as it stands; what was taken back keeps its status and loses its text and documents."""
    said, told = one.content, not one.is_withdrawn
    return {
        "id": one.key,
        "status": said.status.value,
        "is_signed": one.is_signed,
        "title": said.title,
        "code": {"code": said.code.code_value, "scheme": said.code.coding_scheme_designator},
        "filler_order_number": one.numbers.filler_order_number.value or None,
        "study_instance_uid": one.numbers.study_instance_uid or None,
        "issued_at": instant(said.issued_at),
        "observed": local_time(said.observed_local),
        "interpreters": list(said.interpreters),
        "impression": said.impression if told else "",
        "sections": [{"title": part.title, "text": part.text} for part in said.sections] if told else [],
        "documents": [_document(each) for each in said.documents] if told else [],
        "links": list(said.links) if told else [],
        "version": one.current,
        "versions": [_report_version(each) for each in versions],
    }


def _document(one: ReportDocument) -> Json:
    return {
        "id": one.key,
        "title": one.title,
        "content_type": one.content_type,
        "size_bytes": one.size_bytes,
        "url": f"/api/documents/{one.key}",
    }


def _report_version(one: ReportVersion) -> Json:
    return {
        "number": one.number,
        "status": one.content.status.value,
        "issued_at": instant(one.said_at),
        "received_at": instant(one.heard_at),
        "message_id": one.message_key,
    }


def timeline_line(line: Event) -> Json:
    """Return one line of a timeline. source: where it can be looked up, else its kind and number."""
    return {
        "at": instant(line.at),
        "station": line.station.value,
        "what": line.what,
        "by": line.by,
        "source": _source(line),
    }


def worklist_row(row: WorklistRow) -> Json:
    """Return one worklist entry."""
    return {
        "id": row.step_key,
        "accession_number": row.accession_number or None,
        "patient": person(row.patient),
        "procedure": row.procedure or None,
        "modality": row.modality or None,
        "station_ae_titles": list(row.station_ae_titles),
        "scheduled": local_time(row.scheduled_local),
        "status": row.status,
        "scheduled_procedure_step_id": row.scheduled_procedure_step_id,
        "requested_procedure_id": row.requested_procedure_id,
        "study_instance_uid": row.study_instance_uid,
        "incomplete": row.incomplete or None,
    }


def mismatch_row(row: MismatchRow) -> Json:
    """Return one case of the queue."""
    return {
        "id": row.key,
        "study_instance_uid": row.study_instance_uid,
        "state": row.state,
        "rule": row.rule,
        "sentence": row.sentence,
        "opened_at": instant(row.opened_at),
        "received": person(row.received),
        "received_accession_number": row.received_accession_number or None,
        "modality": row.modality or None,
        "source_ae_title": row.source_ae_title or None,
        "instances": row.instance_count,
        "warnings": dict(row.warnings),
        "looks": dict(row.looks),
        "question": (row.question.settled_as or "open") if row.question is not None else None,
        "closed_at": instant(row.closed_at),
    }


def merge_row(row: MergeRow) -> Json:
    """Return one merge, move or changed number. survivor: whose it is since, retired: whose it was."""
    return {
        "id": row.key,
        "kind": row.kind,
        "number": row.number,
        "new_number": row.new_number,
        "survivor": person(row.survivor),
        "retired": person(row.retired),
        "merged_at": instant(row.merged_at),
        "message_id": row.message_key,
        "undone_at": instant(row.undone_at),
        "undone_by": row.undone_by or None,
        "undo_reason": row.undo_reason or None,
        "undo_note": row.undo_note or None,
    }


def message_row(row: MessageRow) -> Json:
    """Return one message of the list."""
    return {
        "id": row.key,
        "received_at": instant(row.received_at),
        "peer": row.peer,
        "sending_application": row.sending_application,
        "sending_facility": row.sending_facility,
        "control_id": row.control_id,
        "message_type": row.message_type,
        "site": row.site or None,
        "state": row.state,
        "answer_code": row.answer_code,
        "error": {"code": row.error_code, "where": row.error_where, "detail": row.error_detail}
        if row.error_code
        else None,
        "is_test": row.is_test,
        "times_received": row.times_received,
    }


def replay(one: Replay) -> Json:
    """Return how far a replay of many messages has come."""
    counted = {name: getattr(one, name) for name in ("total", "done", "applied", "refused", "failed", "changed")}
    return {
        "id": one.key,
        "state": one.state.value,
        "dry_run": one.dry_run,
        "asked_by": one.asked_by,
        **counted,
        "created_at": instant(one.created_at),
        "started_at": instant(one.started_at),
        "ended_at": instant(one.ended_at),
    }


def delivery_row(row: DeliveryRow) -> Json:
    """Return one delivery."""
    one = row.delivery
    return {
        "id": one.key,
        "topic": one.topic,
        "destination": one.destination,
        "state": one.state.value,
        "study_instance_uid": row.study_instance_uid or None,
        "exam": row.exam or None,
        "attempts": one.attempts,
        "next_at": instant(one.next_at) if one.state == "pending" else None,
        "held_for": one.hold_kind.value or None,
        "held_reason": one.held_reason or None,
        "last_error": one.last_error or None,
        "detail": one.detail or None,
        "created_at": instant(one.created_at),
        "updated_at": instant(one.updated_at),
        "settled_at": instant(one.settled_at),
    }


def audit_row(row: AuditRow, patient: Person | None) -> Json:
    """Return one access. user: who; what: the action; from: the address."""
    return {
        "id": row.key,
        "at": instant(row.at),
        "user": row.actor,
        "what": row.action,
        "from": row.origin,
        "outcome": row.outcome or "success",
        "patient": person(patient),
        "study": row.study_key,
        "order": row.order_key,
        "detail": dict(row.detail),
    }


def published(one: Published) -> Json:
    """Return what stands at a server."""
    return {"server": one.server, "reference": one.reference, "version": one.version, "at": instant(one.at)}


def image_warning(one: WarningWords) -> Json:
    """Return what a person should know of a study's images."""
    return {"kind": one.kind, "instances": one.count, "sentence": one.sentence, "grave": one.is_grave}


def _station(one: ReachedStation) -> Json:
    return {"station": one.station.value, "state": one.state, "at": instant(one.at)}


def _performed(one: ReportedStep) -> Json:
    """Return what a device reports of an exam. details: dose, consumption and billing, in words."""
    step = one.step
    return {
        "sop_instance_uid": step.sop_instance_uid,
        "status": step.status.value,
        "station_ae_title": step.performed_station_ae_title or step.calling_ae_title,
        "modality": step.modality or None,
        "started": local_time(step.started_local),
        "ended": local_time(step.ended_local),
        "reason": reason_in_words(step.discontinuation_code, step.discontinuation_meaning) or None,
        "incomplete": step.incomplete or None,
        "timed_out_at": instant(step.timed_out_at),
        "proposal": step.proposal.value or None,
        "instances": len(step.referenced_instances),
        "details": [{"what": what, "value": value} for what, value in details_of(one.attributes)],
    }


def _study_on_exam(one: StudyOnExam) -> Json:
    return {
        "study_instance_uid": one.study.study_instance_uid,
        "state": one.study.state.value,
        "series": one.series_count,
        "instances": one.instance_count,
        "expected": one.announced or None,
        "received": one.arrived if one.announced else None,
        "warnings": dict(one.warnings),
        "published": [published(each) for each in one.published],
    }


def _source(line: Event) -> str:
    place = {"message": "messages", "delivery": "deliveries"}.get(line.source_kind)
    if place and line.source_id:
        return f"/api/{place}/{line.source_id}"
    return " ".join(filter(None, (line.source_kind, line.source_id)))
