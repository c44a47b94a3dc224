"""Which studies a part of an exam is about, bound to its patient or not: what it stands and falls with in a chart."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select

from bridge.domain.chart import DOCUMENT, PROCEDURE, REPORT, SELECTION, Part
from bridge.store import key_objects, performed, reports
from bridge.store import studies as study_rows
from bridge.store.chart_withdrawals import Coming, Subject, withdrawal_of
from bridge.store.db import ReadTx
from bridge.store.tables import orders, studies


def studies_of(tx: ReadTx, part: Part) -> list[int]:
    """Return the rows of the studies that *part* is about, the oldest first; none of an order, which has its own life."""
    if part.kind == PROCEDURE:
        uid = performed.get(tx, part.key).study_instance_uid
        key = study_rows.key_by_uid(tx, uid) if uid else None
        return [] if key is None else [key]
    if part.kind == SELECTION:
        return [key_objects.get(tx, part.key).study_key]
    return _of_report(tx, part.key) if part.kind in (REPORT, DOCUMENT) else []


def coming_of(tx: ReadTx, part: Part) -> list[Coming]:
    """Return the studies that *part* is about by their UIDs, whether images of them are here or not."""
    if part.kind == PROCEDURE:
        named = [performed.get(tx, part.key).study_instance_uid]
    elif part.kind in (REPORT, DOCUMENT):
        report = reports.get(tx, part.key)
        of_order = select(orders.c.study_instance_uid).where(orders.c.key == report.order_key)
        named = [report.numbers.study_instance_uid, *tx.execute(of_order).scalars()]
    else:
        named = []
    return [Coming(uid) for uid in dict.fromkeys(named) if uid]


def why_out(tx: ReadTx, part: Part) -> str:
    """Return why a part is in no chart by a person's word, "" where nobody said so."""
    if any(withdrawal_of(tx, one) is not None for one in part.rests_on):
        return "a person took it out of every chart"
    about: list[Subject] = [*studies_of(tx, part), *coming_of(tx, part)]
    if any(withdrawal_of(tx, one) is not None for one in about):
        return "a person took its images out of every chart"
    return ""


def _of_report(tx: ReadTx, key: int) -> list[int]:
    report = reports.get(tx, key)
    uid_of_order = select(orders.c.study_instance_uid).where(orders.c.key == report.order_key)
    named = [one for one in (report.numbers.study_instance_uid,) if one]
    about: list[ColumnElement[bool]] = [
        studies.c.study_instance_uid.in_(named),
        studies.c.study_instance_uid.in_(uid_of_order),
    ]
    if report.order_key is not None:
        about.append(studies.c.order_key == report.order_key)
    return list(tx.execute(select(studies.c.key).where(or_(*about)).order_by(studies.c.key)).scalars())
