"""What archives are to be told by ADT of the patients whose images they hold, and what they were told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from bridge.domain.identifiers import PatientIdentifier
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import archive_notices, deliveries, forwards, patient_identifiers, studies

_LIVE = ("pending", "sending", "held")


@dataclass(frozen=True, slots=True)
class ArchiveNotice:
    """
    One event for one archive.

    destination: its ADT door. trigger: "A08", "A40" or "A47". patient_key: who lives on. merge_key: the journal's entry
    of the number that ended, None for an update. number: the one that ended, new_number: the one that lives on, both as
    images carry them. cause: what said so to us. begun_at: when its bytes may have reached the archive first, None for
    never or for refused; told_at: when the archive took it.
    """

    key: int
    destination: str
    archive: str
    trigger: str
    patient_key: int
    merge_key: int | None
    number: PatientIdentifier
    new_number: PatientIdentifier
    cause: str
    said_at: datetime
    control_id: str = ""
    begun_at: datetime | None = None
    told_at: datetime | None = None


def held_studies(tx: ReadTx, archive: str, patient_key: int, among: Collection[int] | None = None) -> list[int]:
    """Return the studies that are a patient's and of which *archive* was sent something; among: of these only."""
    query = select(studies.c.key).where(studies.c.patient_key == patient_key)
    sent = select(forwards.c.key).where(forwards.c.study_key == studies.c.key, forwards.c.destination == archive)
    found = tx.execute(query.where(sent.exists()).order_by(studies.c.key)).scalars()
    return [key for key in found if among is None or key in among]


def held_of(tx: ReadTx, archive: str, study_keys: Collection[int]) -> list[int]:
    """Return the studies of these of which *archive* was sent something, whoever they are bound to."""
    c = forwards.c
    query = select(c.study_key).where(c.study_key.in_(list(study_keys)), c.destination == archive).distinct()
    return sorted(tx.execute(query).scalars())


def add(tx: WriteTx, notice: ArchiveNotice) -> int:
    """Note that an archive is to be told (its key is ignored)."""
    return insert_row(
        tx,
        archive_notices,
        destination=notice.destination,
        archive=notice.archive,
        trigger=notice.trigger,
        patient_key=notice.patient_key,
        merge_key=notice.merge_key,
        number=notice.number.patient_id,
        issuer_of_number=notice.number.issuer_of_patient_id,
        new_number=notice.new_number.patient_id,
        issuer_of_new_number=notice.new_number.issuer_of_patient_id,
        cause=notice.cause,
        said_at=notice.said_at,
    )


def get(tx: ReadTx, key: int) -> ArchiveNotice:
    """Return the notice in row *key*. Raises: LookupError."""
    row = tx.execute(select(archive_notices).where(archive_notices.c.key == key)).first()
    if row is None:
        raise LookupError(f"no notice {key}")
    return _notice(row)


def of_merge(tx: ReadTx, merge_key: int) -> list[ArchiveNotice]:
    """Return what archives are told of one entry of the journal."""
    query = select(archive_notices).where(archive_notices.c.merge_key == merge_key).order_by(archive_notices.c.key)
    return [_notice(row) for row in tx.execute(query)]


def waiting_update(tx: ReadTx, destination: str, patient_key: int) -> ArchiveNotice | None:
    """Return the newest notice about a patient if it is an update of which nothing left yet."""
    c = archive_notices.c
    mine = (c.destination == destination, c.patient_key == patient_key)
    row = tx.execute(select(archive_notices).where(*mine).order_by(c.key.desc()).limit(1)).first()
    return _notice(row) if row is not None and row.trigger == "A08" and row.begun_at is None else None


def due_before(
    tx: ReadTx, notice: ArchiveNotice, records: Collection[int], topic: str, order_of: Callable[[int], str]
) -> datetime | None:
    """
    Return when what is told of one of *records* before *notice*, and has not ended, is due; None if all of it has ended.

    topic, order_of: of the deliveries that bring notices, by a notice's key.
    """
    c = archive_notices.c
    earlier = (c.destination == notice.destination, c.key < notice.key, c.patient_key.in_(list(records)))
    names = [order_of(key) for key in tx.execute(select(c.key).where(*earlier)).scalars()]
    d = deliveries.c
    live = (d.topic == topic, d.destination == notice.destination, d.order_of.in_(names), d.state.in_(_LIVE))
    due: datetime | None = tx.execute(select(func.max(d.next_at)).where(*live)).scalar() if names else None
    return due


def note(tx: WriteTx, key: int, **values: Any) -> None:
    """Write what became of a notice."""
    tx.execute(update(archive_notices).where(archive_notices.c.key == key).values(**values))


def first_position(tx: ReadTx, patient_key: int) -> int | None:
    """Return the place of a record's first number."""
    c = patient_identifiers.c
    found: int | None = tx.execute(select(func.min(c.position)).where(c.patient_key == patient_key)).scalar()
    return found


def _notice(row: Any) -> ArchiveNotice:
    return ArchiveNotice(
        number=PatientIdentifier(row.number, row.issuer_of_number),
        new_number=PatientIdentifier(row.new_number, row.issuer_of_new_number),
        **{name: getattr(row, name) for name in ArchiveNotice.__slots__ if name not in ("number", "new_number")},
    )
