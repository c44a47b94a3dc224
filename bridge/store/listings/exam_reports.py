"""The reports of an exam with everything that was said of them, and those that could support an authorization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.domain.authorization import Authorization
from bridge.domain.order import Order
from bridge.domain.report import Report, ReportDocument, ReportVersion
from bridge.domain.study import Study
from bridge.store import authorizations, orders, reports, studies
from bridge.store.db import ReadTx


@dataclass(frozen=True, slots=True)
class ReportOnExam:
    """A report as the exam page shows it. versions: in the order they came, the one that stands among them."""

    report: Report
    versions: tuple[ReportVersion, ...]


def of_exam(tx: ReadTx, order: Order | None, shown: Sequence[Study]) -> tuple[ReportOnExam, ...]:
    """Return the reports filed with an exam, oldest first: with its order, or with a bound study that has none."""
    if order is not None:
        found = _own(reports.of_orders(tx, [order.key]), order.patient_key)
    else:
        bound = [study for study in shown if study.is_bound]
        found = [
            report
            for study in bound
            for report in _own(reports.of_study(tx, study.study_instance_uid), study.patient_key)
            if report.order_key is None
        ]
    return tuple(ReportOnExam(report, tuple(reports.versions(tx, report.key))) for report in found)


def for_authorization(tx: ReadTx, authorization: Authorization) -> list[Report]:
    """Return the reports of the exams that an authorization is for, or whose studies are attached to it, oldest first."""
    attached = authorizations.attachments_of(tx, authorization.key)
    keys = {authorization.order_key} | {studies.get(tx, one.study_key).order_key for one in attached}
    found = reports.of_orders(tx, [key for key in keys if key is not None])
    return [report for report in _own(found, authorization.patient_key) if not report.is_withdrawn]


def open_document(tx: ReadTx, document_key: int) -> tuple[ReportDocument, Report]:
    """
    Return a document and its report.

    Raises: LookupError, unless it came with the version that stands, of a report that is filed and not taken back.
    """
    document, report_key, number = reports.document(tx, document_key)
    report = reports.get(tx, report_key)
    order = orders.get(tx, report.order_key) if report.order_key is not None else None
    is_filed = report.patient_key is not None and (order is None or order.patient_key == report.patient_key)
    if not is_filed or report.is_withdrawn or report.current != number:
        raise LookupError(f"no document {document_key} of a report that stands")
    return document, report


def _own(found: Iterable[Report], patient_key: int | None) -> list[Report]:
    """Return the reports that are filed under that patient: an order that was moved leaves its reports behind."""
    return [report for report in found if patient_key is not None and report.patient_key == patient_key]
