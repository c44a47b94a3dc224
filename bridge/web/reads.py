"""Look-ups that pages and REST share: read, write the audit row, hand out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from flask import Response

from bridge.flows.charted import ChartedExam
from bridge.flows.record_access import record_access, record_look_at
from bridge.store import audit
from bridge.store.listings import exam_detail, exam_reports, search
from bridge.store.listings.exam_detail import Exam
from bridge.store.listings.people import Person
from bridge.store.listings.search import Found
from bridge.store.report_bytes import read_document
from bridge.web import documents
from bridge.web.access import caller, origin, services


def note(action: str, **about: Unpack[audit.About]) -> None:
    """Write the audit row of a look. Raises: Unavailable; then nothing may be shown."""
    here = services()
    record_access(here.store, here.clock, action=action, actor=caller().name, **({"origin": origin()} | about))


def note_each(action: str, people: Iterable[Person | None]) -> None:
    """Write one audit row for each person a list shows, or one in all if it shows nobody known."""
    here = services()
    keys = [one.key for one in people if one is not None and one.key]
    record_look_at(here.store, here.clock, keys, action=action, actor=caller().name, origin=origin())


def note_charts(exam: ChartedExam, *, sees_all: bool) -> None:
    """Write the audit row of a look at what charts have of an exam. sees_all: of its patient, too."""
    study_key = exam.study.key if exam.study is not None else None
    about: audit.About = {"study_key": study_key} if study_key is not None else {"order_key": exam.order_key}
    if sees_all:
        about["patient_key"] = exam.patient_key
    note("chart_viewed", **about)


def note_compared(study_key: int, people: Iterable[Person]) -> None:
    """Write one audit row for each person whose record is shown beside images that nobody has bound."""
    for key in dict.fromkeys(one.key for one in people):
        note("candidates_compared", study_key=study_key, patient_key=key)


def find_exams(text: str) -> Found:
    """Return what the search box finds for this caller; audited for each person found."""
    with services().store.read() as tx:
        found = search.find(tx, text, unbound=caller().sees_unbound)
    note_each("exams_searched", (row.patient for row in found.exams))
    return found


def read_exam(reference: str) -> Exam:
    """Return one exam; audited. Raises: LookupError."""
    with services().store.read() as tx:
        exam = exam_detail.find(tx, reference, unbound=caller().sees_unbound)
    row = exam.row
    patient_key = row.patient.key if row.patient is not None and row.patient.key else None
    note("exam_viewed", patient_key=patient_key, order_key=row.order_key, study_key=row.study_key)
    return exam


def open_document(document_key: int) -> Response:
    """Return a report's document as a file; audited. Raises: LookupError, Unavailable."""
    with services().store.read() as tx:
        document, report = exam_reports.open_document(tx, document_key)
    content = read_document(documents.blobs(), document)
    note("document_read", patient_key=report.patient_key, order_key=report.order_key)
    return documents.as_file(document, content)


def note_keys(action: str, patient_keys: Iterable[int], message_key: int) -> None:
    """Write the audit rows of a look at a message: one for each patient it touched."""
    keys: list[int | None] = [*dict.fromkeys(patient_keys)]
    for key in keys or [None]:
        note(action, patient_key=key, detail={"message": message_key})


def note_patients(action: str, patient_keys: Iterable[int | None]) -> None:
    """Write one audit row for each patient a search showed, or one in all if it showed none."""
    here = services()
    keys = [key for key in patient_keys if key is not None]
    record_look_at(here.store, here.clock, keys, action=action, actor=caller().name, origin=origin())
