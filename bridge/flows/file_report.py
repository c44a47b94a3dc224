"""
A report finds its exam and closes it. Takes part in its caller's transaction.

It is filed by the exam's own numbers and only with the patient whom its sender names: whoever differs is refused, whoever
is not known here yet lets it wait. A report that comes before its order is found again when the order is made, and one
that a merge explains when the records are merged. Source: HL7 2.5.1 7.3.1, IHE RAD TF-2 4.28.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from bridge.domain.identifiers import EntityIdentifier
from bridge.domain.identity_change import becomes_another_person
from bridge.domain.message import Notice
from bridge.domain.order import FINAL, Order, StepStatus
from bridge.domain.order_control import report as reported
from bridge.domain.patient import PatientDraft
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.report import Report, ReportContent, ReportDraft, ReportNumbers, ReportStatus, Said, takes_over
from bridge.errors import Conflict
from bridge.flows import follow_evidence
from bridge.flows.refresh_worklist import refresh_worklist, set_order_status
from bridge.flows.register_patient import News
from bridge.store import events, orders, patients, reports, studies
from bridge.store import news as looks
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station
from bridge.store.patient_records import record_of

_SOURCE = "HL7 2.5.1 7.3.1"
_NO_ORDER = "an order with its numbers"
_NO_PATIENT = "a patient with the number that its sender names"
_ANOTHERS = "an exam of its own patient: the one with its numbers is another's"
_WORDS = {
    ReportStatus.REGISTERED: "Report announced",
    ReportStatus.PARTIAL: "Partial report received",
    ReportStatus.PRELIMINARY: "Preliminary report received",
    ReportStatus.FINAL: "Final report received",
    ReportStatus.AMENDED: "Amended report received",
    ReportStatus.CORRECTED: "Corrected report received",
    ReportStatus.APPENDED: "Addendum to the report received",
    ReportStatus.CANCELLED: "Report cancelled",
    ReportStatus.ENTERED_IN_ERROR: "Report withdrawn as sent in error",
    ReportStatus.UNKNOWN: "Report received, without a status",
}


@dataclass(frozen=True, slots=True)
class ReportNews:
    """When and by whom something was said or done, and whether it is a test. source_kind: for the timeline."""

    news: News
    rules: ReconcileRules
    by: str = ""
    is_test: bool = False
    source_kind: str = "message"


@dataclass(slots=True)
class Filed:
    """What became of a report. version_key: the row of what was said, None if nothing new was."""

    report: Report | None = None
    version_key: int | None = None
    order: Order | None = None
    notices: list[Notice] = field(default_factory=list)


class _Placement(NamedTuple):
    """Where a report belongs; without a patient it waits."""

    patient_key: int | None = None
    order: Order | None = None
    waits_for: str = ""


def file_report(tx: WriteTx, draft: ReportDraft, told: ReportNews) -> Filed:
    """
    Keep what *draft* says as a version of its report, and file that with its exam.

    What is about no exam of ours, and does not show that it is about one at all, is not kept: nobody is registered
    and nothing is stored for a laboratory's result. Its documents are kept already, bytes before rows.
    Raises: Conflict (AE 205), if the exam or the report is another patient's.
    """
    known = _version_before(tx, draft, told)
    placement = _placement(tx, draft.numbers, draft.patient, told)
    if known is not None and known.patient_key is not None:
        _check_own(tx, known.patient_key, draft.patient, told)
        placement = placement if placement.patient_key is not None else _as_filed(tx, known)
    elif known is None and placement.patient_key is None and not (draft.may_wait and draft.numbers.identity):
        return Filed(notices=[Notice("I", "about no exam known here, kept in the journal alone", draft.where)])
    if known is not None and _same(known.content, draft.content) and _stays(known, placement):
        return Filed(known, notices=[Notice("I", "the report says so already, nothing changed", draft.where)])
    return _keep(tx, known, draft, placement, told)


def _version_before(tx: WriteTx, draft: ReportDraft, told: ReportNews) -> Report | None:
    """Return the report that *draft* is a version of; one that waits for another patient goes on waiting by itself."""
    known = reports.by_identity(tx, draft.numbers.identity)
    if known is None or known.patient_key is not None or _name_one_person(tx, known.patient, draft.patient):
        return known
    reports.leave_identity(tx, known, told.news.heard_at)
    return None


def _name_one_person(tx: ReadTx, one: PatientDraft, other: PatientDraft) -> bool:
    if {number.key for number in one.identifiers} & {number.key for number in other.identifiers}:
        return True
    first, second = (
        {patients.survivor(tx, holder.key).key for number in each.identifiers if (holder := patients.find(tx, number))}
        for each in (one, other)
    )
    return bool(first & second)


def look_again(tx: WriteTx, found: Iterable[Report], told: ReportNews) -> list[Filed]:
    """File *found* where they belong by what is known now; one whose exam became another patient's waits."""
    filed = []
    for report in found:
        try:
            placement = _placement(tx, report.numbers, report.patient, replace(told, is_test=report.is_test))
        except Conflict:
            placement = _Placement(waits_for=_ANOTHERS)
        if not _stays(report, placement):
            filed.append(_place(tx, report, placement, told))
    return filed


def _keep(tx: WriteTx, known: Report | None, draft: ReportDraft, placement: _Placement, told: ReportNews) -> Filed:
    said = Said(draft.content.issued_at or told.news.said_at, told.news.said_at)
    heard_at = told.news.heard_at
    report = known or reports.add(tx, draft, said, heard_at, is_test=told.is_test)
    number, version_key = reports.add_version(tx, report, draft.content, said, heard_at)
    if known is not None and not takes_over(known.content.status, known.said, draft.content.status, said):
        _log(tx, report.order_key, told, "An earlier version of the report came late")
        late = Notice("I", "older than the report that stands, kept as an earlier version", "OBR-22")
        return Filed(report, version_key, None, [late])
    report = reports.take_over(tx, report, draft, number, said, heard_at)
    looks.look_at(tx, looks.REPORT, report.key, heard_at)
    filed = _place(tx, report, placement, told)
    if not placement.patient_key:
        filed.notices.append(Notice("W", f"the report waits for {placement.waits_for}", draft.where))
    filed.version_key = version_key
    return filed


def _place(tx: WriteTx, report: Report, placement: _Placement, told: ReportNews) -> Filed:
    order = placement.order
    for key in dict.fromkeys((report.order_key, order.key if order is not None else None)):
        if key is not None:
            follow_evidence.reports_changed(tx, key, told.news.heard_at)
    if not _stays(report, placement):
        order_key = order.key if order is not None else None
        at = told.news.heard_at
        report = reports.place(tx, report, placement.patient_key, order_key, placement.waits_for, at)
        looks.look_at(tx, looks.REPORT, report.key, at)
    if order is not None:
        _log(tx, order.key, told, f"{_WORDS[report.content.status]}: {report.content.title}")
        if report.is_signed:
            order = close_exam(tx, order, told)
    return Filed(report, order=order)


def _placement(tx: ReadTx, numbers: ReportNumbers, patient: PatientDraft, told: ReportNews) -> _Placement:
    """Return the exam that *numbers* name. Raises: Conflict, if it is not this patient's."""
    order = _order_of(tx, numbers, patient)
    owner_key = order.patient_key if order is not None else None
    study = studies.by_uid(tx, numbers.study_instance_uid) if order is None and numbers.study_instance_uid else None
    if study is not None and study.is_bound:
        owner_key = study.patient_key
        order = orders.get(tx, study.order_key) if study.order_key is not None else None
    if owner_key is None or (order is not None and order.is_test != told.is_test):
        return _Placement(waits_for=_NO_ORDER)
    if not _is_of(tx, patient, owner_key, told, "the exam is another patient's"):
        return _Placement(waits_for=_NO_PATIENT)
    return _Placement(patients.survivor(tx, owner_key).key, order)


def _is_of(tx: ReadTx, patient: PatientDraft, owner_key: int, told: ReportNews, otherwise: str) -> bool:
    """
    Say whether *patient* is the owner, or the survivor of their merges; False where nobody has the number.

    Raises: Conflict (AE 205), if a number is somebody else's, or name and birth date both contradict the record.
    """
    owner = patients.survivor(tx, owner_key)
    holders = [patients.find(tx, one) for one in patient.identifiers]
    live = [patients.survivor(tx, one.key).key if one is not None else None for one in holders]
    if live[0] not in (None, owner.key) or (live[0] is None and set(live) - {None, owner.key}):
        raise Conflict(otherwise, code="duplicate_key", where="PID-3", source=_SOURCE)
    if owner.key not in live:
        return False
    said = replace(owner, patient_name=patient.patient_name or "", patient_birth_date=patient.patient_birth_date or "")
    if becomes_another_person(record_of(tx, owner), said, told.rules):
        raise Conflict(
            "name and birth date are not those of the exam's patient",
            code="duplicate_key",
            where="PID-5",
            source=_SOURCE,
        )
    return True


def _check_own(tx: ReadTx, owner_key: int, patient: PatientDraft, told: ReportNews) -> None:
    """Raises: Conflict, if a report that is filed already is not this patient's."""
    if not _is_of(tx, patient, owner_key, told, "the report is another patient's"):
        raise Conflict("the report is filed with a patient who has not this number", where="PID-3", source=_SOURCE)


def close_exam(tx: WriteTx, order: Order, told: ReportNews) -> Order:
    """A signed report says that the exam was done: what waited, was held or had started is completed, what ended otherwise stays so."""
    steps = [step for step in orders.steps_of(tx, order.key) if step.status not in FINAL]
    done = [reported(step, StepStatus.COMPLETED, by_filler=True) for step in steps]
    if done == steps:
        return order
    for step in done:
        orders.save_step(tx, step)
    order = set_order_status(tx, order, told.news)
    refresh_worklist(tx, order)
    _log(tx, order.key, told, "Exam completed: its report says so")
    return order


def _order_of(tx: ReadTx, numbers: ReportNumbers, patient: PatientDraft) -> Order | None:
    """
    Return the order that *numbers* name: by the study first, then by filler, placer and accession number.

    Of several orders of one study the one whose own number is named. Raises: Conflict, if the numbers are of two
    patients' exams.
    """
    of_study = orders.by_study_uid(tx, numbers.study_instance_uid) if numbers.study_instance_uid else []
    accession = (numbers.accession.value, numbers.accession.issuer)
    numbered = orders.find(tx, numbers.filler_order_number, numbers.placer_order_number, accession)
    if not of_study:
        return numbered or _order_by_bare_number(tx, numbers, patient)
    owners = {patients.survivor(tx, one.patient_key).key for one in (*of_study, *filter(None, (numbered,)))}
    if len(owners) > 1:
        raise Conflict("the numbers are of two patients' exams", code="duplicate_key", where="OBR-3", source=_SOURCE)
    return next((one for one in of_study if numbered is not None and one.key == numbered.key), of_study[0])


def _order_by_bare_number(tx: ReadTx, numbers: ReportNumbers, patient: PatientDraft) -> Order | None:
    """
    Return the one order of the patient with a number of the report's, where one of the two came without its issuer.

    Senders leave out in OBR what they say in ORC, and the issuer with it: then it is taken for the patient number's.
    Within one person's orders a number that names just one of them leaves no doubt; two issuers that differ do.
    """
    holder = patients.find(tx, patient.identifiers[0])
    if holder is None:
        return None
    unsaid = patient.identifiers[0].issuer_of_patient_id
    named = [one for one in (numbers.accession, numbers.filler_order_number, numbers.placer_order_number) if one]
    mine = orders.of_patient(tx, patients.survivor(tx, holder.key).key) if named else []
    found = [
        order
        for order in mine
        if any(
            said.value == known.value and (said.issuer == known.issuer or unsaid in (said.issuer, known.issuer))
            for said in named
            for known in _numbers_of(order)
        )
    ]
    return found[0] if len(found) == 1 else None


def _numbers_of(order: Order) -> tuple[EntityIdentifier, ...]:
    accession = EntityIdentifier(order.accession_number, order.issuer_of_accession_number)
    return accession, order.filler_order_number, order.placer_order_number


def _as_filed(tx: ReadTx, report: Report) -> _Placement:
    order = orders.get(tx, report.order_key) if report.order_key is not None else None
    return _Placement(report.patient_key, order)


def _stays(report: Report, placement: _Placement) -> bool:
    order_key = placement.order.key if placement.order is not None else None
    filed = (report.patient_key, report.order_key, report.waits_for)
    return filed == (placement.patient_key, order_key, placement.waits_for)


def _same(one: ReportContent, other: ReportContent) -> bool:
    """Say whether two versions say the same; documents are compared by what is in them."""
    return _comparable(one) == _comparable(other)


def _comparable(content: ReportContent) -> ReportContent:
    return replace(content, documents=tuple(replace(document, key=0) for document in content.documents))


def _log(tx: WriteTx, order_key: int | None, told: ReportNews, what: str) -> None:
    if order_key is not None:
        at: datetime = told.news.heard_at
        events.add(tx, Event(at, Station.PERFORMED, what, told.by, told.source_kind, "", order_key))
