"""Claims and exams as the proof counts them: one row each, made anew from what was said and done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from bridge.domain.attachment import AttachmentState
from bridge.domain.claim_story import ClaimStory, ClaimWord
from bridge.domain.proof import Warned
from bridge.domain.study import BOUND_STATES
from bridge.store.claim_outcomes import read_outcome
from bridge.store.db import ReadTx, WriteTx, insert_row, lock
from bridge.store.tables import (
    attachments,
    authorization_links,
    authorization_warnings,
    authorizations,
    claim_denials,
    claim_figures,
    claim_outcomes,
    exam_figures,
    figure_months,
    orders,
    studies,
)

_BOUND = studies.c.state.in_([state.value for state in BOUND_STATES])


@dataclass(frozen=True, slots=True)
class Imaged:
    """An exam's images. study_keys: oldest first; device: whose the first were; study_date: as its header says."""

    study_keys: tuple[int, ...]
    device: str
    study_date: str
    first_image_at: datetime
    last_image_at: datetime


@dataclass(frozen=True, slots=True)
class ExamFigure:
    """One exam under an authorization, as it is counted."""

    order_key: int
    exam_on: str
    payer: str
    payer_name: str
    device: str
    warned: Warned
    evidence_minutes: int | None


def words_on(tx: ReadTx, claim_number: str) -> list[ClaimWord]:
    """Return all that was said of the claims with that number, as it was heard."""
    columns = (claim_outcomes.c.key, claim_outcomes.c.content, claim_outcomes.c.order_key)
    query = select(*columns).where(claim_outcomes.c.claim_number == claim_number).order_by(claim_outcomes.c.key)
    return [ClaimWord(row.key, read_outcome(row.content), row.order_key) for row in tx.execute(query)]


def replace_claims(tx: WriteTx, claim_number: str, found: Iterable[tuple[ClaimStory, str, str]]) -> None:
    """Let *found* be the claims with that number, each with its day of service ("" for none) and its device."""
    ours = claim_figures.c.claim_number == claim_number
    days = set(tx.execute(select(claim_figures.c.service_on).where(ours)).scalars())
    standing = select(claim_figures.c.key).where(ours)
    tx.execute(delete(claim_denials).where(claim_denials.c.claim_figure_key.in_(standing)))
    tx.execute(delete(claim_figures).where(ours))
    for story, service_on, device in found:
        days.add(service_on)
        key = insert_row(tx, claim_figures, **_claim_values(story, service_on, device))
        denials = [] if story.is_void else story.denials
        rows = [{"category": one.category.value, "code": one.code, "service_on": service_on} for one in denials]
        if rows:
            tx.execute(insert(claim_denials), [row | {"claim_figure_key": key} for row in rows])
    _counted_anew(tx, days)


def _claim_values(story: ClaimStory, service_on: str, device: str) -> dict[str, Any]:
    return {
        "claim_number": story.claim_number,
        "service_on": service_on,
        "payer": story.payer,
        "payer_name": story.payer_name,
        "device": device,
        "order_key": story.order_key,
        "first": story.first.value,
        "was_returned": story.was_returned,
        "was_asked": story.was_asked,
        "is_void": story.is_void,
        "category": story.category.value if story.category is not None else "",
        "days_to_payment": story.days_to_payment,
    }


def _counted_anew(tx: WriteTx, days: Iterable[str]) -> None:
    months = sorted({day[:6] for day in days if day})
    if months:
        lock(tx, "figure_months")
    for month in months:
        ours = figure_months.c.month == month
        if not tx.execute(update(figure_months).where(ours).values(version=figure_months.c.version + 1)).rowcount:
            tx.execute(insert(figure_months).values(month=month))


def images_of(tx: ReadTx, order_keys: Collection[int]) -> dict[int, Imaged]:
    """Return the bound images of exams, by order; none of tests."""
    columns = (studies.c.key, studies.c.order_key, studies.c.source_ae_title, studies.c.study_date)
    query = (
        select(*columns, studies.c.first_instance_at, studies.c.last_instance_at)
        .join(orders, orders.c.key == studies.c.order_key)
        .where(studies.c.order_key.in_(list(order_keys)), _BOUND, orders.c.is_test.is_(False))
        .order_by(studies.c.first_instance_at, studies.c.key)
    )
    found: dict[int, list[Any]] = {}
    for row in tx.execute(query):
        found.setdefault(int(row.order_key), []).append(row)
    return {key: _imaged(rows) for key, rows in found.items()}


def orders_from(tx: ReadTx, after: int, limit: int) -> list[int]:
    """Return the next orders by row, those whose row is greater than *after*."""
    query = select(orders.c.key).where(orders.c.key > after).order_by(orders.c.key).limit(limit)
    return list(tx.execute(query).scalars())


def orders_with_images_since(tx: ReadTx, since: datetime) -> list[int]:
    """Return the orders of studies that had images since an instant."""
    of_order = studies.c.order_key.is_not(None)
    query = select(studies.c.order_key).where(studies.c.last_instance_at >= since, of_order).distinct()
    return sorted(tx.execute(query).scalars())


def payers_of(tx: ReadTx, order_keys: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return id and name of the payer whose authorization each exam is under, by order; the first one's of several."""
    query = (
        select(authorization_links.c.order_key, authorizations.c.payer_id, authorizations.c.payer_name)
        .join(authorizations, authorizations.c.key == authorization_links.c.authorization_key)
        .where(authorization_links.c.order_key.in_(list(order_keys)), authorization_links.c.ended_at.is_(None))
        .order_by(authorization_links.c.key.desc())
    )
    return {row.order_key: (row.payer_id or row.payer_name, row.payer_name) for row in tx.execute(query)}


def first_warned_at(tx: ReadTx, order_keys: Collection[int]) -> dict[int, datetime]:
    """Return when it was first warned of anything between an exam and an authorization, by order."""
    columns = authorization_warnings.c
    query = select(columns.order_key, func.min(columns.opened_at)).where(columns.order_key.in_(list(order_keys)))
    return {int(key): at for key, at in tx.execute(query.group_by(columns.order_key)) if key is not None}


def first_sent_at(tx: ReadTx, study_keys: Collection[int]) -> dict[int, datetime]:
    """Return when the first attachment of a study had left, by study; none that left under another patient."""
    columns = attachments.c
    query = select(columns.study_key, func.min(columns.sent_at)).where(columns.study_key.in_(list(study_keys)))
    counts = columns.sent_at.is_not(None), columns.state != AttachmentState.REVIEW.value
    rows = tx.execute(query.where(*counts).group_by(columns.study_key))
    return {int(key): at for key, at in rows}


def other_exams(tx: ReadTx, order_keys: Collection[int], found: Iterable[ExamFigure]) -> list[int]:
    """Return the exams of these of which something else is counted than *found*."""
    wanted = {one.order_key: one for one in found}
    standing = _standing(tx, order_keys)
    return [key for key in order_keys if standing.get(key) != wanted.get(key)]


def replace_exams(tx: WriteTx, order_keys: Collection[int], found: Iterable[ExamFigure]) -> None:
    """Let *found* be what is counted of these exams."""
    new = list(found)
    days = {one.exam_on for one in (*_standing(tx, order_keys).values(), *new)}
    tx.execute(delete(exam_figures).where(exam_figures.c.order_key.in_(list(order_keys))))
    if new:
        tx.execute(insert(exam_figures), [_values(one) for one in new])
    _counted_anew(tx, days)


def _standing(tx: ReadTx, order_keys: Collection[int]) -> dict[int, ExamFigure]:
    columns = [one for one in exam_figures.c if one.name != "key"]
    query = select(*columns).where(exam_figures.c.order_key.in_(list(order_keys)))
    return {row.order_key: ExamFigure(**(row._asdict() | {"warned": Warned(row.warned)})) for row in tx.execute(query)}


def other_devices(tx: ReadTx, order_keys: Collection[int], devices: Mapping[int, str]) -> dict[int, str]:
    """Return the device of each claim of these exams that is noted with another one, by the claim's row."""
    columns = claim_figures.c
    query = select(columns.key, columns.order_key, columns.device).where(columns.order_key.in_(list(order_keys)))
    rows = [(row.key, row.device, devices.get(row.order_key, "")) for row in tx.execute(query)]
    return {key: device for key, noted, device in rows if noted != device}


def put_devices(tx: WriteTx, devices: Mapping[int, str]) -> None:
    """Note of claims, by their rows, whose images they are; one that was made anew meanwhile has no such row."""
    for key, device in devices.items():
        tx.execute(update(claim_figures).where(claim_figures.c.key == key).values(device=device))
    days = select(claim_figures.c.service_on).where(claim_figures.c.key.in_(list(devices)))
    _counted_anew(tx, set(tx.execute(days).scalars()))


def _values(one: ExamFigure) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ExamFigure.__slots__} | {"warned": one.warned.value}


def _imaged(rows: list[Any]) -> Imaged:
    first = rows[0]
    return Imaged(
        tuple(row.key for row in rows),
        first.source_ae_title,
        first.study_date,
        first.first_instance_at,
        max(row.last_instance_at for row in rows),
    )
