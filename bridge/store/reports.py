"""Reports, every version of them, and the documents that came with each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select, update

from bridge.domain.identifiers import EntityIdentifier, PatientIdentifier
from bridge.domain.order import Code, Order
from bridge.domain.patient import PatientDraft
from bridge.domain.report import (
    Report,
    ReportContent,
    ReportDocument,
    ReportDraft,
    ReportNumbers,
    ReportSection,
    ReportStatus,
    ReportVersion,
    Said,
)
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import report_documents, report_versions, reports

# On the path of every new order: most find nothing, and must find it fast. Whether a report waits is looked at afterwards,
# as the index of those that wait would be walked whole.
_SHARING = Prepared(
    select(reports.c.key, reports.c.order_key).where(
        or_(
            and_(reports.c.filler_order_number == bindparam("filler"), reports.c.filler_order_number != ""),
            and_(reports.c.placer_order_number == bindparam("placer"), reports.c.placer_order_number != ""),
            and_(reports.c.accession_number == bindparam("accession"), reports.c.accession_number != ""),
            and_(reports.c.study_instance_uid == bindparam("study"), reports.c.study_instance_uid != ""),
        ),
    )
)


def get(tx: ReadTx, key: int) -> Report:
    """Return the report in row *key*. Raises: LookupError."""
    found = get_many(tx, [key])
    if not found:
        raise LookupError(f"no report {key}")
    return found[0]


def get_many(tx: ReadTx, keys: Iterable[int]) -> list[Report]:
    """Return the reports in rows *keys*, in their order; unknown ones are left out."""
    wanted = list(dict.fromkeys(keys))
    found = {report.key: report for report in _list(tx, reports.c.key.in_(wanted))} if wanted else {}
    return [found[key] for key in wanted if key in found]


def by_identity(tx: ReadTx, identity: str) -> Report | None:
    """Return the report that *identity* names, None if nothing was heard of it."""
    found = _list(tx, reports.c.identity == identity) if identity else []
    return found[0] if found else None


def of_orders(tx: ReadTx, order_keys: Iterable[int]) -> list[Report]:
    """Return the reports that are filed with these orders, oldest first."""
    wanted = list(order_keys)
    return _list(tx, reports.c.order_key.in_(wanted)) if wanted else []


def of_patient(tx: ReadTx, patient_key: int) -> list[Report]:
    """Return the reports filed under a patient, oldest first."""
    return _list(tx, reports.c.patient_key == patient_key)


def of_study(tx: ReadTx, study_instance_uid: str) -> list[Report]:
    """Return the reports that name a study, whether they are filed or wait, oldest first."""
    return _list(tx, reports.c.study_instance_uid == study_instance_uid) if study_instance_uid else []


def waiting_for(tx: ReadTx, order: Order) -> list[Report]:
    """Return the reports without an order that share a number with *order*: whoever asks looks whether it is theirs."""
    rows = _SHARING.all(
        tx,
        filler=order.filler_order_number.value,
        placer=order.placer_order_number.value,
        accession=order.accession_number,
        study=order.study_instance_uid,
    )
    return get_many(tx, [row.key for row in rows if row.order_key is None])


def waiting_about(tx: ReadTx, numbers: Iterable[PatientIdentifier]) -> list[Report]:
    """Return the reports without an order whose sender named one of these patient numbers."""
    wanted = [
        and_(reports.c.patient_id == one.patient_id, reports.c.issuer_of_patient_id == one.issuer_of_patient_id)
        for one in numbers
    ]
    return _list(tx, reports.c.order_key.is_(None), or_(*wanted)) if wanted else []


def versions(tx: ReadTx, report_key: int) -> list[ReportVersion]:
    """Return everything that was said of a report, in the order it came."""
    rows = tx.execute(
        select(report_versions).where(report_versions.c.report_key == report_key).order_by(report_versions.c.number)
    ).all()
    documents = _documents(tx, [row.key for row in rows])
    return [
        ReportVersion(row.number, _content(row, documents[row.key]), row.said_at, row.heard_at, row.message_key)
        for row in rows
    ]


def document(tx: ReadTx, key: int) -> tuple[ReportDocument, int, int]:
    """Return a document, the row of its report, and the number of the version it came with. Raises: LookupError."""
    row = tx.execute(
        select(report_documents, report_versions.c.report_key, report_versions.c.number)
        .join(report_versions, report_versions.c.key == report_documents.c.version_key)
        .where(report_documents.c.key == key)
    ).first()
    if row is None:
        raise LookupError(f"no document {key}")
    return _document(row), row.report_key, row.number


def add(tx: WriteTx, draft: ReportDraft, said: Said, at: datetime, *, is_test: bool) -> Report:
    """Store a report that was not heard of before, filed nowhere yet and without a version."""
    key = insert_row(
        tx,
        reports,
        identity=draft.numbers.identity,
        **_draft_values(draft),
        status=draft.content.status.value,
        current=0,
        said_at=said.issued_at,
        sent_at=said.sent_at,
        is_test=is_test,
        created_at=at,
        updated_at=at,
    )
    return Report(key, draft.numbers, draft.patient, draft.content, 0, said, is_test=is_test, updated_at=at)


def add_version(tx: WriteTx, report: Report, content: ReportContent, said: Said, at: datetime) -> tuple[int, int]:
    """Append what was said and return its number and its row."""
    last = tx.execute(
        select(report_versions.c.number)
        .where(report_versions.c.report_key == report.key)
        .order_by(report_versions.c.number.desc())
        .limit(1)
    ).scalar()
    number = (last or 0) + 1
    key = insert_row(
        tx,
        report_versions,
        report_key=report.key,
        number=number,
        status=content.status.value,
        code_value=content.code.code_value,
        coding_scheme_designator=content.code.coding_scheme_designator,
        code_meaning=content.code.code_meaning,
        title=content.title,
        issued_at=content.issued_at,
        observed_local=content.observed_local,
        observed_at=content.observed_at,
        interpreters=list(content.interpreters),
        sections=[[section.title, section.text] for section in content.sections],
        links=list(content.links),
        said_at=said.issued_at,
        heard_at=at,
    )
    for one in content.documents:
        insert_row(
            tx,
            report_documents,
            version_key=key,
            title=one.title,
            content_type=one.content_type,
            size_bytes=one.size_bytes,
            digest=one.digest,
        )
    return number, key


def take_over(tx: WriteTx, report: Report, draft: ReportDraft, number: int, said: Said, at: datetime) -> Report:
    """Let version *number*, and whom and what it names, be what stands. Raises: LookupError, if it changed meanwhile."""
    after = replace(
        report, numbers=draft.numbers, patient=draft.patient, content=draft.content, current=number, said=said
    )
    values = _draft_values(draft) | {
        "status": draft.content.status.value,
        "current": number,
        "said_at": said.issued_at,
        "sent_at": said.sent_at,
    }
    return _save(tx, after, values, at)


def place(
    tx: WriteTx, report: Report, patient_key: int | None, order_key: int | None, waits_for: str, at: datetime
) -> Report:
    """File a report with an order and its patient, or let it wait. Raises: LookupError, if it changed meanwhile."""
    values = {"patient_key": patient_key, "order_key": order_key, "waits_for": waits_for}
    after = replace(report, patient_key=patient_key, order_key=order_key, waits_for=waits_for)
    return _save(tx, after, values, at)


def leave_identity(tx: WriteTx, report: Report, at: datetime) -> Report:
    """Let another report be what its numbers name. Raises: LookupError, if it changed meanwhile."""
    return _save(tx, report, {"identity": f"{report.numbers.identity}|left|{report.key}"}, at)


def name_message(tx: WriteTx, version_keys: Sequence[int], message_key: int) -> None:
    """Note which message said these versions."""
    if version_keys:
        tx.execute(
            update(report_versions).where(report_versions.c.key.in_(version_keys)).values(message_key=message_key)
        )


def _save(tx: WriteTx, report: Report, values: dict[str, Any], at: datetime) -> Report:
    done = tx.execute(
        update(reports)
        .where(reports.c.key == report.key, reports.c.version == report.version)
        .values(**values, version=report.version + 1, updated_at=at)
    )
    if done.rowcount != 1:
        raise LookupError(f"report {report.key} changed meanwhile")
    return replace(report, version=report.version + 1, updated_at=at)


def _draft_values(draft: ReportDraft) -> dict[str, Any]:
    numbers, patient = draft.numbers, draft.patient
    first, *others = patient.identifiers
    return {
        "accession_number": numbers.accession.value,
        "issuer_of_accession_number": numbers.accession.issuer,
        "placer_order_number": numbers.placer_order_number.value,
        "issuer_of_placer_order_number": numbers.placer_order_number.issuer,
        "filler_order_number": numbers.filler_order_number.value,
        "issuer_of_filler_order_number": numbers.filler_order_number.issuer,
        "study_instance_uid": numbers.study_instance_uid,
        "sr_instance_uid": numbers.sr_instance_uid,
        "patient_id": first.patient_id,
        "issuer_of_patient_id": first.issuer_of_patient_id,
        "other_patient_ids": [[one.patient_id, one.issuer_of_patient_id, one.identifier_type] for one in others],
        "patient_name": patient.patient_name or "",
        "patient_birth_date": patient.patient_birth_date or "",
    }


def _list(tx: ReadTx, *clauses: ColumnElement[bool]) -> list[Report]:
    rows = tx.execute(select(reports).where(*clauses).order_by(reports.c.key)).all()
    if not rows:
        return []
    standing = and_(report_versions.c.report_key == reports.c.key, report_versions.c.number == reports.c.current)
    found = tx.execute(select(report_versions).join(reports, standing).where(*clauses))
    current = {row.report_key: row for row in found}
    documents = _documents(tx, [row.key for row in current.values()])
    return [_report(row, current[row.key], documents[current[row.key].key]) for row in rows if row.key in current]


def _documents(tx: ReadTx, version_keys: Sequence[int]) -> dict[int, tuple[ReportDocument, ...]]:
    found: dict[int, list[ReportDocument]] = {key: [] for key in version_keys}
    if version_keys:
        query = select(report_documents).where(report_documents.c.version_key.in_(version_keys))
        for row in tx.execute(query.order_by(report_documents.c.key)):
            found[row.version_key].append(_document(row))
    return {key: tuple(group) for key, group in found.items()}


def _document(row: Row[Any]) -> ReportDocument:
    return ReportDocument(row.title, row.content_type, row.size_bytes, row.digest, row.key)


def _content(row: Row[Any], documents: tuple[ReportDocument, ...]) -> ReportContent:
    return ReportContent(
        ReportStatus(row.status),
        Code(row.code_value, row.coding_scheme_designator, row.code_meaning),
        row.title,
        row.issued_at,
        row.observed_local,
        row.observed_at,
        tuple(row.interpreters),
        tuple(ReportSection(title, text) for title, text in row.sections),
        documents,
        tuple(row.links),
    )


def _report(row: Row[Any], current: Row[Any], documents: tuple[ReportDocument, ...]) -> Report:
    numbers = ReportNumbers(
        EntityIdentifier(row.accession_number, row.issuer_of_accession_number),
        EntityIdentifier(row.placer_order_number, row.issuer_of_placer_order_number),
        EntityIdentifier(row.filler_order_number, row.issuer_of_filler_order_number),
        row.study_instance_uid,
        row.sr_instance_uid,
    )
    first = PatientIdentifier(row.patient_id, row.issuer_of_patient_id)
    others = tuple(PatientIdentifier(*one) for one in row.other_patient_ids)
    patient = PatientDraft(
        (first, *others), patient_name=row.patient_name or None, patient_birth_date=row.patient_birth_date or None
    )
    return Report(
        key=row.key,
        numbers=numbers,
        patient=patient,
        content=_content(current, documents),
        current=row.current,
        said=Said(row.said_at, row.sent_at),
        patient_key=row.patient_key,
        order_key=row.order_key,
        waits_for=row.waits_for,
        is_test=row.is_test,
        updated_at=row.updated_at,
        version=row.version,
    )
