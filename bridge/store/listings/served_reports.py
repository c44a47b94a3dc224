"""
Reports as FHIR serves them: filed with an exam of their own patient whose images, if there are any, are bound to them.

A report whose images somebody still has to decide about is not found: what leaves speaks of bound studies only. Neither is
one of a patient whose record an update made another person of, until somebody says which is right, nor one that a person
took out of the charts, or whose images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, cast, exists, func, literal, not_, or_, select

from bridge.domain.chart import REPORT
from bridge.domain.report import Report
from bridge.domain.study import StudyState
from bridge.store.chart_withdrawals import coming_taken_out, parts_taken_out, taken_out
from bridge.store.db import ReadTx
from bridge.store.tables import orders, patients, reports, studies

_BOUND = (StudyState.BOUND.value, StudyState.BOUND_WITH_CORRECTION.value)


@dataclass(frozen=True, slots=True)
class WantedReports:
    """
    What a search asks for; None leaves it open. values: filler, placer or accession numbers, UIDs of study or SR.

    changed: (comparison, moment) pairs, "ge" or "lt".
    """

    keys: tuple[int, ...] | None = None
    values: tuple[str, ...] | None = None
    patient_keys: tuple[int, ...] | None = None
    statuses: tuple[str, ...] | None = None
    changed: tuple[tuple[str, datetime], ...] = ()


def find(tx: ReadTx, wanted: WantedReports, *, before: int | None, limit: int) -> tuple[list[int], int]:
    """Return the keys of the reports that may be served, newest first, and how many there are in all."""
    clauses = [*_asked(wanted), *may_leave()]
    total = int(tx.execute(select(func.count()).select_from(reports).where(*clauses)).scalar_one())
    query = select(reports.c.key).where(*clauses).order_by(reports.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(reports.c.key < before)
    return list(tx.execute(query).scalars()), total


def studies_of(tx: ReadTx, report: Report) -> list[int]:
    """Return the studies bound to a report's own patient that it is about."""
    about = [studies.c.study_instance_uid == report.numbers.study_instance_uid]
    if report.order_key is not None:
        about.append(studies.c.order_key == report.order_key)
    query = select(studies.c.key).where(
        or_(*about), studies.c.patient_key == report.patient_key, studies.c.state.in_(_BOUND)
    )
    return list(tx.execute(query.order_by(studies.c.key)).scalars())


def _asked(wanted: WantedReports) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if wanted.keys is not None:
        clauses.append(reports.c.key.in_(wanted.keys))
    if wanted.values is not None:
        numbers = ("filler_order_number", "placer_order_number", "accession_number", "study_instance_uid")
        named = [reports.c[name].in_(wanted.values) for name in (*numbers, "sr_instance_uid")]
        clauses.append(or_(*named))
    if wanted.patient_keys is not None:
        clauses.append(reports.c.patient_key.in_(wanted.patient_keys))
    if wanted.statuses is not None:
        clauses.append(reports.c.status.in_(wanted.statuses))
    for how, at in wanted.changed:
        clauses.append(reports.c.updated_at >= at if how == "ge" else reports.c.updated_at < at)
    return clauses


def may_leave() -> Sequence[ColumnElement[bool]]:
    """Return what must hold of a report, its order and every study it may be about."""
    own_order = select(orders.c.key).where(
        orders.c.key == reports.c.order_key, orders.c.patient_key == reports.c.patient_key
    )
    own_uid = select(orders.c.study_instance_uid).where(orders.c.key == reports.c.order_key)
    # Two selects deep, it is the outer report's only where that is said: else it is any report's.
    uid_of_order = own_uid.correlate(reports).scalar_subquery()
    about = or_(
        and_(reports.c.study_instance_uid != "", studies.c.study_instance_uid == reports.c.study_instance_uid),
        studies.c.study_instance_uid == uid_of_order,
    )
    doubted = select(patients.c.key).where(patients.c.key == reports.c.patient_key, patients.c.in_question.is_not(None))
    out = select(orders.c.key).where(
        orders.c.key == reports.c.order_key, orders.c.study_instance_uid.in_(coming_taken_out())
    )
    is_own = and_(studies.c.state.in_(_BOUND), studies.c.patient_key == reports.c.patient_key)
    return (
        reports.c.patient_key.is_not(None),
        reports.c.is_test.is_(False),
        or_(reports.c.order_key.is_(None), exists(own_order)),
        not_(exists(doubted)),
        not_(exists(select(studies.c.key).where(about, or_(not_(is_own), studies.c.key.in_(taken_out()))))),
        not_(exists(out)),
        reports.c.study_instance_uid.not_in(coming_taken_out()),
        (literal(f"{REPORT}:") + cast(reports.c.key, String)).not_in(parts_taken_out()),
    )
