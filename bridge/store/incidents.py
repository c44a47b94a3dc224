"""Incidents: what had left of a study under a wrong patient, and what people must do about it elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, not_, or_, select, update

from bridge.domain.attachment import TO_PAYER
from bridge.domain.incident import SHOW_AGAIN, TOLD_AS_ONE, Disclosure, DisclosureKind, Incident, OutsideTask
from bridge.domain.submission import IS_THERE, MAY_BE_THERE
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import (
    archive_notices,
    attachments,
    audit_rows,
    authorizations,
    disclosures,
    forwards,
    incidents,
    merges,
    order_notices,
    outside_tasks,
    packets,
    payer_submissions,
    publications,
)

# Looks at a study's images or header, in the words of the audit trail.
_LOOKS = (
    "study_viewed",
    "chart_viewed",
    "image_viewed",
    "tags_viewed",
    "fhir_read",
    "dicom_retrieved",
    "dicomweb_retrieved",
    "dicomweb_metadata",
    "dicomweb_rendered",
    "dicomweb_pixels",
)


def left_under(
    tx: ReadTx, study_key: int, patient_keys: Collection[int], versions: Collection[int], since: datetime | None
) -> list[Disclosure]:
    """
    Return what of a study left under a patient's records. since: only what left after then.

    versions: the binding versions under which the study was theirs.
    """
    found = [
        *_in_charts(tx, study_key, patient_keys),
        *_copied(tx, study_key, versions),
        *_on_authorizations(tx, study_key, patient_keys),
        *_at_payers(tx, study_key, versions),
        *_told(tx, study_key, patient_keys),
        *_told_archives(tx, study_key, patient_keys),
        *_looked_at(tx, study_key, patient_keys, since),
    ]
    return [one for one in found if since is None or one.last_at > since]


def copies(tx: ReadTx, instance_keys: Sequence[int]) -> tuple[Disclosure, ...]:
    """Return which places have copies of these instances."""
    c = forwards.c
    query = select(c.destination, func.count(), func.min(c.sent_at), func.max(c.sent_at))
    rows = tx.execute(query.where(c.instance_key.in_(instance_keys)).group_by(c.destination).order_by(c.destination))
    return tuple(Disclosure(DisclosureKind.COPY, row[0], f"{row[1]} objects", row[2], row[3], row[1]) for row in rows)


def add(tx: WriteTx, incident: Incident) -> int:
    """Append an incident with its disclosures (its key is ignored); return its key."""
    values = {name: getattr(incident, name) for name in Incident.__slots__ if name not in ("key", "disclosures")}
    key = insert_row(tx, incidents, **values)
    for one in incident.disclosures:
        said = {name: getattr(one, name) for name in Disclosure.__slots__} | {"kind": one.kind.value}
        tx.execute(insert(disclosures).values(incident_key=key, **said))
    return key


def last_found(tx: ReadTx, study_key: int, patient_keys: Collection[int]) -> datetime | None:
    """Return when an incident about a study and a wrong patient was recorded last, None if none was."""
    mine = (incidents.c.study_key == study_key, incidents.c.wrong_patient_key.in_(list(patient_keys)))
    found: datetime | None = tx.execute(
        select(incidents.c.found_at).where(*mine).order_by(incidents.c.key.desc()).limit(1)
    ).scalar()
    return found


def recent(tx: ReadTx, *, before: int | None, limit: int) -> list[Incident]:
    """Return incidents, newest first."""
    query = select(incidents).order_by(incidents.c.key.desc()).limit(limit)
    if before is not None:
        query = query.where(incidents.c.key < before)
    return _with_disclosures(tx, tx.execute(query).all())


def of_study(tx: ReadTx, study_key: int) -> list[Incident]:
    """Return the incidents of a study, oldest first."""
    rows = tx.execute(select(incidents).where(incidents.c.study_key == study_key).order_by(incidents.c.key))
    return _with_disclosures(tx, rows.all())


def open_task(tx: WriteTx, study_key: int, destination: str, what: str, at: datetime) -> None:
    """
    Ask a person for something at another system, once while it waits; about the same study it says what is so by now.

    What was rejected there, or told by ADT, is a task beside whose the images are.
    """
    same = _waits(study_key, destination, what)
    if not tx.execute(update(outside_tasks).where(*same).values(what=what)).rowcount:
        tx.execute(insert(outside_tasks).values(study_key=study_key, destination=destination, what=what, opened_at=at))


def has_open_task(tx: ReadTx, study_key: int, destination: str) -> bool:
    """Say whether a person is asked to correct or clear up a study at another system."""
    waits = _waits(study_key, destination)
    return tx.execute(select(outside_tasks.c.key).where(*waits).limit(1)).first() is not None


def was_done(tx: ReadTx, study_key: int, destination: str, since: datetime) -> bool:
    """Say whether a person has done what was asked about a study at another system, at *since* or later."""
    c = outside_tasks.c
    mine = (c.study_key == study_key, c.destination == destination, c.done_at >= since)
    return tx.execute(select(c.key).where(*mine).limit(1)).first() is not None


def rejected_again(tx: WriteTx, study_key: int, by: str, at: datetime) -> None:
    """Ask nobody any more to have images shown at other systems: they are rejected again."""
    c = outside_tasks.c
    waits = (c.study_key == study_key, c.what == SHOW_AGAIN, c.done_at.is_(None))
    tx.execute(update(outside_tasks).where(*waits).values(done_at=at, done_by=by, why="rejected again"))


def end_task(tx: WriteTx, study_key: int, what: str, by: str, why: str, at: datetime) -> list[str]:
    """Ask nobody any more for *what*; return where somebody has done it."""
    c = outside_tasks.c
    same = (c.study_key == study_key, c.what == what)
    done = list(tx.execute(select(c.destination).where(*same, c.done_at.is_not(None)).distinct()).scalars())
    tx.execute(update(outside_tasks).where(*same, c.done_at.is_(None)).values(done_at=at, done_by=by, why=why))
    return done


def end_parting(tx: WriteTx, study_key: int, destination: str, by: str, why: str, at: datetime) -> None:
    """Ask nobody any more to part what a system was told is one: it is one again."""
    waits = _waits(study_key, destination, TOLD_AS_ONE)
    tx.execute(update(outside_tasks).where(*waits).values(done_at=at, done_by=by, why=why))


def _waits(study_key: int, destination: str, what: str = "") -> tuple[ColumnElement[bool], ...]:
    """Return what is open about a study at a system in the same matter as *what*."""
    c = outside_tasks.c
    is_told = c.what.startswith(TOLD_AS_ONE, autoescape=True)
    about: ColumnElement[bool] = and_(not_(is_told), c.what != SHOW_AGAIN)
    if what == SHOW_AGAIN or what.startswith(TOLD_AS_ONE):
        about = c.what == SHOW_AGAIN if what == SHOW_AGAIN else is_told
    return c.study_key == study_key, c.destination == destination, c.done_at.is_(None), about


def close_task(tx: WriteTx, key: int, by: str, why: str, at: datetime) -> OutsideTask:
    """Note that a person did what was asked. Raises: LookupError, if there is none that waits."""
    waits = (outside_tasks.c.key == key, outside_tasks.c.done_at.is_(None))
    if not tx.execute(update(outside_tasks).where(*waits).values(done_at=at, done_by=by, why=why)).rowcount:
        raise LookupError(f"no open task {key}")
    return _task(tx.execute(select(outside_tasks).where(outside_tasks.c.key == key)).one())


def tasks(tx: ReadTx, *, is_open: bool, limit: int, study_key: int | None = None) -> list[OutsideTask]:
    """Return what people are asked to do elsewhere, oldest first; or what they did, newest first."""
    done = outside_tasks.c.done_at
    query = select(outside_tasks).where(done.is_(None) if is_open else done.is_not(None)).limit(limit)
    if study_key is not None:
        query = query.where(outside_tasks.c.study_key == study_key)
    order = outside_tasks.c.key if is_open else outside_tasks.c.key.desc()
    return [_task(row) for row in tx.execute(query.order_by(order))]


def _in_charts(tx: ReadTx, study_key: int, patient_keys: Collection[int]) -> Iterable[Disclosure]:
    c = publications.c
    for row in tx.execute(select(publications).where(c.study_key == study_key, c.patient_key.in_(list(patient_keys)))):
        until = row.retired_at or row.published_at
        yield Disclosure(DisclosureKind.CHART, row.server, row.reference, row.published_at, until)


def _copied(tx: ReadTx, study_key: int, versions: Collection[int]) -> Iterable[Disclosure]:
    c = forwards.c
    query = select(c.destination, func.count(), func.min(c.sent_at), func.max(c.sent_at))
    mine = (c.study_key == study_key, c.binding_version.in_(list(versions)))
    for place, count, first, last in tx.execute(query.where(*mine).group_by(c.destination).order_by(c.destination)):
        yield Disclosure(DisclosureKind.COPY, place, f"{count} objects", first, last, count)


def _on_authorizations(tx: ReadTx, study_key: int, patient_keys: Collection[int]) -> Iterable[Disclosure]:
    c = attachments.c
    was_sent: ColumnElement[bool] = or_(c.state == "sent", c.state_before == "sent", c.reference != "")
    by_itself = c.kind.not_in([one.value for one in TO_PAYER])
    query = (
        select(c.kind, c.reference, c.updated_at, c.attached_at, authorizations.c.number)
        .join(authorizations, authorizations.c.key == c.authorization_key)
        .where(c.study_key == study_key, authorizations.c.patient_key.in_(list(patient_keys)), was_sent, by_itself)
    )
    for row in tx.execute(query.order_by(c.key)):
        what = f"{row.kind} {row.reference}".strip()
        yield Disclosure(DisclosureKind.AUTHORIZATION, row.number, what, row.attached_at, row.updated_at)


def _at_payers(tx: ReadTx, study_key: int, versions: Collection[int]) -> Iterable[Disclosure]:
    """Return what payers have, or may have: under whose name it left, its packet's binding says, not where its authorization is now."""
    c, said = attachments.c, payer_submissions.c
    there = said.state.in_([one.value for one in MAY_BE_THERE])
    query = (
        select(c.kind, said.control_number, said.state, said.released_at, said.updated_at, authorizations.c.number)
        .join(payer_submissions, said.attachment_key == c.key)
        .join(packets, packets.c.key == said.packet_key)
        .join(authorizations, authorizations.c.key == c.authorization_key)
        .where(c.study_key == study_key, packets.c.binding_version.in_(list(versions)), there)
    )
    for row in tx.execute(query.order_by(said.key)):
        what = f"{row.kind} {row.control_number}" + ("" if row.state in IS_THERE else ", which may be there")
        yield Disclosure(DisclosureKind.AUTHORIZATION, row.number, what, row.released_at, row.updated_at)


def _told(tx: ReadTx, study_key: int, patient_keys: Collection[int]) -> Iterable[Disclosure]:
    c = order_notices.c
    mine = (c.study_key == study_key, c.patient_key.in_(list(patient_keys)), c.said != "")
    for row in tx.execute(select(order_notices).where(*mine).order_by(c.key)):
        what = f"{row.times_taken} messages, last {row.control_id}"
        yield Disclosure(DisclosureKind.NOTICE, row.destination, what, row.told_at, row.told_at, row.times_taken or 1)


def _told_archives(tx: ReadTx, study_key: int, patient_keys: Collection[int]) -> Iterable[Disclosure]:
    """Return the archives which were told that the number a study stood under there had ended in a patient's."""
    c = archive_notices.c
    query = select(archive_notices, merges.c.moved).join(merges, merges.c.key == c.merge_key)
    told = (c.patient_key.in_(list(patient_keys)), c.trigger == "A40", c.begun_at.is_not(None))
    sent = select(forwards.c.key).where(forwards.c.study_key == study_key, forwards.c.destination == c.archive)
    for row in tx.execute(query.where(*told, sent.exists()).order_by(c.key)):
        if study_key in row.moved.get("studies", ()):
            what = f"{row.trigger} for {row.archive}, message {row.control_id}"
            yield Disclosure(DisclosureKind.NOTICE, row.destination, what, row.begun_at, row.told_at or row.begun_at)


def _looked_at(
    tx: ReadTx, study_key: int, patient_keys: Collection[int], since: datetime | None
) -> Iterable[Disclosure]:
    c = audit_rows.c
    mine = [c.study_key == study_key, c.patient_key.in_(list(patient_keys)), c.action.in_(_LOOKS)]
    mine += [c.at > since] if since is not None else []
    query = select(c.actor, func.count(), func.min(c.at), func.max(c.at)).where(*mine)
    for actor, count, first, last in tx.execute(query.group_by(c.actor).order_by(c.actor)):
        yield Disclosure(DisclosureKind.LOOK, actor, f"{count} look{'s' * (count != 1)}", first, last, count)


def _with_disclosures(tx: ReadTx, rows: Iterable[Any]) -> list[Incident]:
    found = list(rows)
    mine: dict[int, list[Disclosure]] = {row.key: [] for row in found}
    query = select(disclosures).where(disclosures.c.incident_key.in_(list(mine))).order_by(disclosures.c.key)
    for row in tx.execute(query):
        values = {name: getattr(row, name) for name in Disclosure.__slots__} | {"kind": DisclosureKind(row.kind)}
        mine[row.incident_key].append(Disclosure(**values))
    names = [name for name in Incident.__slots__ if name != "disclosures"]
    return [Incident(**{name: getattr(row, name) for name in names}, disclosures=tuple(mine[row.key])) for row in found]


def _task(row: Any) -> OutsideTask:
    return OutsideTask(**{name: getattr(row, name) for name in OutsideTask.__slots__})
