"""What peers say they have of studies, here or not: knowledge, never a promise to keep anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from bridge.domain.availability import Availability, AvailabilityNote, InstanceSaid
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import availability_notes, instances, orders, stated_instances, studies

_C = stated_instances.c
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StatedCopy:
    """
    What one peer says it has of a study. counts: instances by availability, none that is 0; here: how many of those that
    are kept here it has online. since: when it last said anything new; online_since: when it last said so of one.
    """

    ae_title: str
    counts: dict[Availability, int]
    here: int
    since: datetime
    online_since: datetime | None
    retrieve_ae_titles: tuple[str, ...]
    retrieve_url: str

    @property
    def online(self) -> int:
        return self.counts.get(Availability.ONLINE, 0)


def is_known(tx: ReadTx, sop_instance_uid: str) -> bool:
    """Say whether a note with this UID was taken."""
    found = select(availability_notes.c.key).where(availability_notes.c.sop_instance_uid == sop_instance_uid)
    return tx.execute(found).first() is not None


def take(tx: WriteTx, sop_instance_uid: str, ae_title: str, note: AvailabilityNote, at: datetime) -> int:
    """Let a peer's *note* count from now on and return of how many instances it says something new."""
    study = note.study_instance_uid
    names = {"sop_instance_uid": sop_instance_uid, "ae_title": ae_title, "study_instance_uid": study}
    insert_row(tx, availability_notes, **names, noted_at=at)
    stand = _said_of(tx, study, ae_title)
    news = [one for one in note.instances if stand.get(one.sop_instance_uid) != one]
    known = [one.sop_instance_uid for one in news if one.sop_instance_uid in stand]
    for start in range(0, len(known), _AT_ONCE):
        gone = _C.sop_instance_uid.in_(known[start : start + _AT_ONCE])
        tx.execute(delete(stated_instances).where(_C.study_instance_uid == study, _C.ae_title == ae_title, gone))
    if news:
        rows = [
            {
                "study_instance_uid": study,
                "ae_title": ae_title,
                "sop_instance_uid": one.sop_instance_uid,
                "instance_availability": one.availability.value,
                "retrieve_ae_title": one.retrieve_ae_title,
                "retrieve_url": one.retrieve_url,
                "since": at,
            }
            for one in news
        ]
        tx.execute(insert(stated_instances), rows)
    return len(news)


def of_study(tx: ReadTx, study_instance_uid: str) -> list[StatedCopy]:
    """Return what each peer says it has of a study, by AE title."""
    columns = (_C.ae_title, _C.instance_availability, _C.retrieve_ae_title)
    rows = tx.execute(
        select(*columns, func.count(), func.max(_C.since), func.max(_C.retrieve_url))
        .where(_C.study_instance_uid == study_instance_uid)
        .group_by(*columns)
        .order_by(*columns)
    ).all()
    here = _online_here(tx, study_instance_uid) if rows else {}
    return [
        _copy([row for row in rows if row[0] == title], here.get(title, 0))
        for title in dict.fromkeys(row[0] for row in rows)
    ]


def forget_unknown(tx: WriteTx, before: datetime) -> int:
    """Forget what was said before then of studies that neither images nor an order ever named; return of how many instances."""
    known = (
        select(studies.c.key).where(studies.c.study_instance_uid == _C.study_instance_uid).exists()
        | select(orders.c.key).where(orders.c.study_instance_uid == _C.study_instance_uid).exists()
    )
    return int(tx.execute(delete(stated_instances).where(_C.since < before, ~known)).rowcount)


def _said_of(tx: ReadTx, study_instance_uid: str, ae_title: str) -> dict[str, InstanceSaid]:
    columns = (_C.sop_instance_uid, _C.instance_availability, _C.retrieve_ae_title, _C.retrieve_url)
    rows = tx.execute(select(*columns).where(_C.study_instance_uid == study_instance_uid, _C.ae_title == ae_title))
    return {row[0]: InstanceSaid(row[0], Availability(row[1]), row[2], row[3]) for row in rows}


def _online_here(tx: ReadTx, study_instance_uid: str) -> dict[str, int]:
    """Return how many of the instances of the study that is here each peer has online."""
    rows = tx.execute(
        select(_C.ae_title, func.count())
        .join(instances, instances.c.sop_instance_uid == _C.sop_instance_uid)
        .join(studies, studies.c.key == instances.c.study_key)
        .where(_C.study_instance_uid == study_instance_uid, studies.c.study_instance_uid == study_instance_uid)
        .where(_C.instance_availability == Availability.ONLINE.value)
        .group_by(_C.ae_title)
    )
    return {row[0]: int(row[1]) for row in rows}


def _copy(rows: Sequence[tuple[str, str, str, int, datetime, str]], here: int) -> StatedCopy:
    counts: dict[Availability, int] = {}
    for _, said, _, count, _, _ in rows:
        counts[Availability(said)] = counts.get(Availability(said), 0) + count
    online = [row for row in rows if row[1] == Availability.ONLINE]
    return StatedCopy(
        rows[0][0],
        counts,
        here,
        max(row[4] for row in rows),
        max((row[4] for row in online), default=None),
        tuple(dict.fromkeys(row[2] for row in rows)),
        max(row[5] for row in rows),
    )
