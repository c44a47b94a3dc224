"""Lines of import checklists at which somebody should look, until somebody did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from bridge.domain.study import BOUND_STATES
from bridge.store.db import ReadTx, WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import instances, studies, study_looks

_columns = study_looks.c
_OF_STUDY = Prepared(select(study_looks).where(_columns.study_key == bindparam("study_key")).order_by(_columns.key))
_SIDES_OF = Prepared(
    select(instances.c.image_laterality)
    .where(
        instances.c.study_key == bindparam("study_key"), instances.c.image_laterality != "", instances.c.withheld == ""
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Look:
    """One line. seen_by: who looked, "" while nobody did; remark: what they said."""

    study_key: int
    subject: str
    sentence: str
    found_at: datetime
    seen_by: str
    seen_at: datetime | None
    remark: str


def of_study(tx: ReadTx, study_key: int) -> dict[str, Look]:
    """Return a study's lines by subject."""
    rows = _OF_STUDY.all(tx, study_key=study_key)
    return {row.subject: Look(**{name: getattr(row, name) for name in Look.__slots__}) for row in rows}


def keep(tx: WriteTx, study_key: int, found: Mapping[str, str], at: datetime) -> None:
    """Keep what is found now, subject to sentence: a line that says something else than before is to be looked at again."""
    before = of_study(tx, study_key)
    gone = [one.subject for one in before.values() if found.get(one.subject) != one.sentence]
    if gone:
        tx.execute(delete(study_looks).where(_columns.study_key == study_key, _columns.subject.in_(gone)))
    for subject, sentence in found.items():
        if subject in gone or subject not in before:
            tx.execute(insert(study_looks).values(study_key=study_key, subject=subject, sentence=sentence, found_at=at))


def see(tx: WriteTx, study_key: int, subject: str, *, by: str, remark: str, at: datetime) -> bool:
    """Note that somebody looked; False if there is no such line that waits for it."""
    waiting = (_columns.study_key == study_key, _columns.subject == subject, _columns.seen_at.is_(None))
    return bool(tx.execute(update(study_looks).where(*waiting).values(seen_by=by, seen_at=at, remark=remark)).rowcount)


def waiting_of(tx: ReadTx, study_keys: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return, for each of these studies that has any, what waits for a look: subject to sentence."""
    rows = tx.execute(
        select(_columns.study_key, _columns.subject, _columns.sentence)
        .where(_columns.study_key.in_(list(study_keys)), _columns.seen_at.is_(None))
        .order_by(_columns.key)
    )
    found: dict[int, dict[str, str]] = {}
    for study_key, subject, sentence in rows:
        found.setdefault(study_key, {})[subject] = sentence
    return found


def bound_waiting(tx: ReadTx, *, before: int | None, limit: int) -> list[tuple[int, Look]]:
    """Return what of bound studies waits for a look, newest first, each with its row."""
    # Not the bare state: nearly every study is bound, and planners would begin with all of them.
    is_bound = (studies.c.state + "").in_(sorted(BOUND_STATES))
    query = select(study_looks).join(studies, studies.c.key == _columns.study_key)
    query = query.where(_columns.seen_at.is_(None), is_bound)
    if before is not None:
        query = query.where(_columns.key < before)
    rows = tx.execute(query.order_by(_columns.key.desc()).limit(limit))
    return [(row.key, Look(**{name: getattr(row, name) for name in Look.__slots__})) for row in rows]


def sides_of(tx: ReadTx, study_key: int) -> frozenset[str]:
    """Return every Image Laterality (0020,0062) of a study's objects."""
    return frozenset(row.image_laterality for row in _SIDES_OF.all(tx, study_key=study_key))
