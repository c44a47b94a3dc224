"""One exam whole: its row, steps, studies, the seven stations and the timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from bridge.domain.attachment import ClaimAttachment
from bridge.domain.authorization import Authorization
from bridge.domain.order import Order, Step
from bridge.domain.patient import Visit
from bridge.domain.performed import PerformedStep
from bridge.domain.study import Study, StudyState
from bridge.store import (
    authorization_links,
    authorization_warnings,
    authorizations,
    deliveries,
    events,
    links,
    orders,
    patients,
    performed,
    studies,
    visits,
)
from bridge.store.authorization_warnings import StandingWarning
from bridge.store.db import ReadTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station
from bridge.store.listings import elsewhere, exam_reports, exams, image_warnings, people
from bridge.store.listings.exam_reports import ReportOnExam
from bridge.store.listings.exams import ExamRow
from bridge.store.listings.people import Person
from bridge.store.tables import instances, mismatches, publications, series
from bridge.store.tables import orders as orders_table


@dataclass(frozen=True, slots=True)
class Published:
    """What stands at a FHIR server about a study."""

    server: str
    reference: str
    version: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StudyOnExam:
    """
    A study as the exam page shows it. mismatch_key: its open case, None if there is none.

    announced: how many instances its devices named, 0 for none; arrived: how many of these are here. warnings: kinds to
    the number of objects.
    """

    study: Study
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int
    mismatch_key: int | None
    announced: int
    arrived: int
    published: tuple[Published, ...]
    deliveries: tuple[Delivery, ...]
    warnings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedStep:
    """What a device reports of an exam. attributes: all of it, as DICOM JSON (PS3.18 F)."""

    step: PerformedStep
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReachedStation:
    """One of the seven. state: "done", "now", "waiting", "problem" or "stopped"; at: when it was first reached."""

    station: Station
    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Exam:
    """
    Everything the exam page and /api/exams/{id} show. others: ids of exams that share the accession number.

    warnings: what stands between it and its authorizations. visit: the one its order names. linked: who registration says is the same person. is_deleted: it deleted the record.
    """

    row: ExamRow
    order: Order | None
    steps: tuple[Step, ...]
    performed: tuple[ReportedStep, ...]
    studies: tuple[StudyOnExam, ...]
    authorizations: tuple[Authorization, ...]
    attachments: tuple[ClaimAttachment, ...]
    stations: tuple[ReachedStation, ...]
    timeline: tuple[Event, ...]
    others: tuple[str, ...] = ()
    visit: Visit | None = None
    linked: tuple[Person, ...] = ()
    is_deleted: bool = False
    reports: tuple[ReportOnExam, ...] = ()
    warnings: tuple[StandingWarning, ...] = ()


def find(tx: ReadTx, reference: str, *, unbound: bool) -> Exam:
    """
    Return the exam with this accession number (the newest, if several share it) or row id ("order-12", "study-3").

    unbound: with studies that nobody bound yet. Raises: LookupError.
    """
    same = _order_keys(tx, reference)
    if same:
        rows = exams.of_orders(tx, same, unbound=unbound)
        return replace(_of_order(tx, rows[0], unbound=unbound), others=tuple(row.id for row in rows[1:]))
    kind, _, number = reference.partition("-")
    if not number.isdecimal() or len(number) > 18:
        raise LookupError(reference)
    if kind == exams.ORDER:
        rows = exams.of_orders(tx, [int(number)], unbound=unbound)
    elif kind == exams.STUDY:
        rows = exams.of_studies(tx, [int(number)], unbound=unbound)
    else:
        raise LookupError(reference)
    if not rows:
        raise LookupError(reference)
    return _of_order(tx, rows[0], unbound=unbound) if rows[0].order_key is not None else _of_study(tx, rows[0])


def study_on_exam(tx: ReadTx, study: Study) -> StudyOnExam:
    """Return *study* with its counts, its open case, where it stands and what is under way."""
    kinds = tx.execute(
        select(series.c.modality, func.count()).where(series.c.study_key == study.key).group_by("modality")
    )
    modalities = {row[0]: int(row[1]) for row in kinds}
    shown = (instances.c.study_key == study.key, instances.c.withheld == "")
    announced = {uid for step in performed.of_study(tx, study.study_instance_uid) for uid in step.referenced_instances}
    case = select(mismatches.c.key).where(mismatches.c.study_key == study.key, mismatches.c.closed_at.is_(None))
    return StudyOnExam(
        study,
        tuple(sorted(filter(None, modalities))),
        sum(modalities.values()),
        int(tx.execute(select(func.count()).where(*shown)).scalar_one()),
        tx.execute(case).scalar(),
        len(announced),
        len(announced & studies.instance_uids(tx, study.key)) if announced else 0,
        tuple(published(tx, study.key)),
        tuple(deliveries.of_study(tx, study.key)),
        image_warnings.of_studies(tx, [study.key]).get(study.key, {}),
    )


def published(tx: ReadTx, study_key: int) -> list[Published]:
    """Return what stands outside about a study, oldest first."""
    query = select(publications).where(publications.c.study_key == study_key, publications.c.retired_at.is_(None))
    return [
        Published(row.server, row.reference, row.version, row.status, row.published_at)
        for row in tx.execute(query.order_by(publications.c.key))
    ]


def _order_keys(tx: ReadTx, accession_number: str) -> list[int]:
    query = select(orders_table.c.key).where(orders_table.c.accession_number == accession_number)
    return list(tx.execute(query.order_by(orders_table.c.key.desc()).limit(50)).scalars()) if accession_number else []


def _of_order(tx: ReadTx, row: ExamRow, *, unbound: bool) -> Exam:
    assert row.order_key is not None
    order = orders.get(tx, row.order_key)
    found = {study.key: study for study in studies.of_order(tx, order.key)}
    claimed = studies.by_uid(tx, order.study_instance_uid) if order.study_instance_uid else None
    if claimed is not None and (unbound or claimed.key in found):
        found.setdefault(claimed.key, claimed)
    shown = [study for study in found.values() if unbound or study.is_bound]
    # An order that was moved leaves its authorizations with whom they were given to.
    linked = [authorizations.get(tx, link.authorization_key) for link in authorization_links.of_orders(tx, [order.key])]
    every = {one.key: one for one in (*authorizations.of_order(tx, order.key), *linked)}
    mine = [every[key] for key in sorted(every) if every[key].patient_key == order.patient_key]
    return _whole(tx, replace(row, study_key=shown[0].key if shown else None), order, shown, mine)


def _of_study(tx: ReadTx, row: ExamRow) -> Exam:
    assert row.study_key is not None
    return _whole(tx, row, None, [studies.get(tx, row.study_key)], [])


def _whole(
    tx: ReadTx, row: ExamRow, order: Order | None, shown: Sequence[Study], mine: Sequence[Authorization]
) -> Exam:
    steps = orders.steps_of(tx, order.key) if order is not None else []
    uids = dict.fromkeys(
        [*(study.study_instance_uid for study in shown), *([order.study_instance_uid] if order else [])]
    )
    mine_too = performed.of_order(tx, order.key) if order is not None else []
    done = {
        step.key: step for step in (*(one for uid in uids if uid for one in performed.of_study(tx, uid)), *mine_too)
    }
    attached = [one for study in shown for one in authorizations.attachments_of_study(tx, study.key)]
    known = {one.key: one for one in mine}
    for one in attached:
        known.setdefault(one.authorization_key, authorizations.get(tx, one.authorization_key))
    on_exam = tuple(study_on_exam(tx, study) for study in shown)
    lines = events.timeline(tx, [order.key] if order is not None else [], [study.key for study in shown])
    lines += elsewhere.lines(tx, uids, {one.study.study_instance_uid: one.instance_count for one in on_exam})
    patient = patients.get(tx, row.patient.key) if row.patient is not None and row.patient.key else None
    linked = people.by_key(tx, links.of_patient(tx, patient.key)) if patient is not None else {}
    exam = Exam(
        row=row,
        order=order,
        steps=tuple(steps),
        performed=tuple(ReportedStep(done[key], performed.attributes_of(tx, key)) for key in sorted(done)),
        studies=on_exam,
        authorizations=tuple(known.values()),
        attachments=tuple(attached),
        stations=(),
        timeline=tuple(sorted(lines, key=lambda line: line.at)),
        visit=visits.find(tx, order.admission_id) if order is not None and order.admission_id else None,
        linked=tuple(linked.values()),
        is_deleted=patient is not None and patient.inactive,
        reports=exam_reports.of_exam(tx, order, shown),
        warnings=tuple(authorization_warnings.of_orders(tx, [order.key])) if order is not None else (),
    )
    return replace(exam, stations=tuple(_stations(exam)))


def _stations(exam: Exam) -> list[ReachedStation]:
    """Return the seven stations by what is so now; the timeline only says since when."""
    since: dict[Station, datetime] = {}
    for line in exam.timeline:
        # An order may name its authorization long before images stand on it: there the last line counts.
        if line.station == Station.AUTHORIZATION:
            since[line.station] = line.at
        since.setdefault(line.station, line.at)
    if exam.steps and Station.ORDER in since:
        since.setdefault(Station.SCHEDULED, since[Station.ORDER])
    reached = {
        Station.ORDER: exam.order is not None,
        Station.SCHEDULED: bool(exam.steps),
        Station.PERFORMED: bool(exam.performed) or any(s.status in ("STARTED", "COMPLETED") for s in exam.steps),
        Station.IMAGES: any(one.instance_count for one in exam.studies),
        Station.RECONCILED: any(one.study.is_bound for one in exam.studies),
        Station.CHART: any(one.published for one in exam.studies),
        Station.AUTHORIZATION: any(one.state in ("sent", "released") for one in exam.attachments),
    }
    stopped = exam.order is not None and exam.order.status in ("CANCELED", "DISCONTINUED") and not exam.studies
    found: list[ReachedStation] = []
    for station, is_reached in reached.items():
        state = "done" if is_reached else ("stopped" if stopped else "waiting")
        if station == Station.RECONCILED and any(_undecided(one) for one in exam.studies):
            state = "problem"
        if station == Station.CHART and any(d.state == "dead" for one in exam.studies for d in one.deliveries):
            state = "problem"
        found.append(ReachedStation(station, state, since.get(station) if is_reached else None))
    return found


def _undecided(one: StudyOnExam) -> bool:
    return one.study.state in (StudyState.REVIEW, StudyState.QUARANTINE) and not one.study.closed_reason
