"""What is to stand in a chart of an exam beside its images, as the rows are now: whose it is, or that it is nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.codecs.fhir import diagnostic_report, document_reference, imaging_selection, procedure, r4, r5
from bridge.codecs.fhir.diagnostic_report import ReportLinks
from bridge.codecs.fhir.imaging_study import House
from bridge.codecs.fhir.references import Links
from bridge.domain.chart import PROCEDURE, REPORT, Part
from bridge.domain.order import Order
from bridge.domain.patient import Patient
from bridge.domain.performed import may_be_of
from bridge.domain.performed_reasons import INCORRECT_WORKLIST_ENTRY
from bridge.domain.report import Report
from bridge.domain.study import Study
from bridge.store import key_objects, orders, patients, performed, publications, reports, studies
from bridge.store.chart_subjects import why_out
from bridge.store.db import ReadTx
from bridge.store.listings import served_reports
from bridge.store.listings.served_reports import WantedReports

Json = dict[str, Any]

_NOT_FILED = "it is not filed with an exam whose images are its patient's"


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a chart is to have. make: the resource in "R4" or "R5", of what it points to there.

    study: whose binding it rests on, None where no image of it is here. why_not: why it is to stand in no chart, "" if
    it is to stand. is_taken_back: its sender took it back, so that only who has it is told.
    """

    identity: str
    patient: Patient | None = None
    order: Order | None = None
    study: Study | None = None
    make: Callable[[str, Links], Json] | None = None
    why_not: str = ""
    is_taken_back: bool = False


def procedure_of(tx: ReadTx, key: int, house: House) -> Wanted:
    """Return what is to be said of a performed step: in the chart of its order's patient, whose its images are, too."""
    mpps = performed.get(tx, key)
    study = studies.by_uid(tx, mpps.study_instance_uid) if mpps.study_instance_uid else None
    ordered = [orders.get(tx, one) for one in dict.fromkeys(s.order_key for s in orders.get_steps(tx, mpps.step_keys))]
    owners = {one.key: one for order in ordered for one in [patients.survivor(tx, order.patient_key)]}
    identity = mpps.sop_instance_uid
    about = [study] if study is not None else []
    why_not = _why_not(tx, owners.values(), ordered, about) or why_out(tx, Part(PROCEDURE, key))
    if not why_not and not all(may_be_of(mpps, patients.records_of(tx, owner)) for owner in owners):
        why_not = "its device names another patient"
    if mpps.discontinuation_code == INCORRECT_WORKLIST_ENTRY:
        why_not = "its device says that it was of another worklist entry"
    if why_not:
        return Wanted(identity, study=study, why_not=why_not)
    attributes = performed.attributes_of(tx, key)

    def made(release: str, links: Links) -> Json:
        content = procedure.build(mpps, attributes, ordered[0], links, house)
        return procedure.r5(content) if release == "R5" else procedure.r4(content)

    return Wanted(identity, next(iter(owners.values())), ordered[0], study, made)


def report_of(tx: ReadTx, key: int, server: str, house: House, documents_at: Mapping[str, str]) -> Wanted:
    """Return what is to be said of a report, with the studies of its own patient that the server has."""
    report, wanted, about = _filed(tx, Part(REPORT, key), server)
    if wanted.why_not:
        return wanted

    def made(release: str, links: Links) -> Json:
        named = ReportLinks(links.subject, about, documents_at[release], links.service_request, links.encounter)
        content = diagnostic_report.build(report, wanted.order, named, house)
        return r5.diagnostic_report(content) if release == "R5" else r4.diagnostic_report(content)

    return Wanted(wanted.identity, wanted.patient, wanted.order, wanted.study, made, is_taken_back=report.is_withdrawn)


def document_of(tx: ReadTx, part: Part, server: str, house: House, documents_at: Mapping[str, str]) -> Wanted:
    """Return what is to be said of a document of a report."""
    report, wanted, about = _filed(tx, part, server)
    identity = f"{wanted.identity}|{part.digest}"
    document = next((one for one in report.content.documents if one.digest == part.digest), None)
    if document is None or report.is_withdrawn or wanted.why_not:
        return Wanted(identity, study=wanted.study, why_not=wanted.why_not or "its report has another document by now")

    def made(release: str, links: Links) -> Json:
        about_it = ReportLinks(links.subject, about, documents_at[release], links.service_request, links.encounter)
        content = document_reference.of_report(report, document, wanted.order, about_it, house)
        return document_reference.r5(content) if release == "R5" else document_reference.r4(content)

    return Wanted(identity, wanted.patient, wanted.order, wanted.study, made)


def selection_of(tx: ReadTx, part: Part, server: str, house: House) -> Wanted:
    """Return what is to be said of marked images: where their study stands, while it shows the document and one of them."""
    selection = key_objects.get(tx, part.key)
    study, identity = studies.get(tx, selection.study_key), selection.sop_instance_uid
    out = why_out(tx, part)
    if out or not study.is_bound or study.patient_key is None:
        return Wanted(identity, study=study, why_not=out or "its images are not bound to a patient")
    if not selection.stands:
        return Wanted(identity, study=study, why_not="it was rejected, or every image that it names")
    patient = patients.survivor(tx, study.patient_key)
    about = _standing_at(tx, [study.key], server, patient)
    if not about:
        return Wanted(identity, study=study, why_not="its study does not stand there")
    order = orders.get(tx, study.order_key) if study.order_key is not None else None

    def made(release: str, links: Links) -> Json:
        return imaging_selection.r5(selection, about[0], order, links, house)

    return Wanted(identity, patient, order, study, made)


def _filed(tx: ReadTx, part: Part, server: str) -> tuple[Report, Wanted, tuple[str, ...]]:
    """Return the report that is *part*, or that it came with, whose it is, and the references to its studies on *server*."""
    report = reports.get(tx, part.key)
    out = why_out(tx, part)
    may_leave = not out and bool(served_reports.find(tx, WantedReports(keys=(part.key,)), before=None, limit=1)[0])
    # Two reports of one number may wait for two people: whom its sender named belongs to what it is.
    first = report.patient.identifiers[0] if report.patient.identifiers else None
    identity = f"{report.numbers.identity}|{first.key if first else ''}"
    study_keys = served_reports.studies_of(tx, report) if may_leave else []
    study = studies.get(tx, study_keys[0]) if study_keys else None
    if not may_leave or report.patient_key is None:
        return report, Wanted(identity, why_not=out or _NOT_FILED), ()
    patient = patients.survivor(tx, report.patient_key)
    order = orders.get(tx, report.order_key) if report.order_key is not None else None
    return report, Wanted(identity, patient, order, study), _standing_at(tx, study_keys, server, patient)


def _standing_at(tx: ReadTx, study_keys: Iterable[int], server: str, patient: Patient) -> tuple[str, ...]:
    """Return the references to these studies in their patient's chart on *server*."""
    return tuple(
        one.reference
        for study_key in study_keys
        for one in publications.of_study(tx, study_key, server)
        if one.retired_at is None and _is_of(tx, one.patient_key, patient)
    )


def _why_not(tx: ReadTx, owners: Iterable[Patient], ordered: list[Order], about: list[Study]) -> str:
    found = list(owners)
    if not ordered:
        return "it is of no order"
    if len(found) > 1:
        return "its orders are of several patients"
    if any(one.is_test for one in ordered):
        return "it is of a test"
    if any(one.in_question for one in patients.records_of(tx, found[0].key)):
        return "its patient's record is in question"
    if any(not one.is_bound or not _is_of(tx, one.patient_key, found[0]) for one in about):
        return "its images are not bound to its order's patient"
    return ""


def _is_of(tx: ReadTx, patient_key: int | None, patient: Patient) -> bool:
    return patient_key is not None and patients.survivor(tx, patient_key).key == patient.key
