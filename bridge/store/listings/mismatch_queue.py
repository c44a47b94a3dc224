"""The intake desk's queue: what waits for a person, the riskiest first, and what was decided, the latest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from bridge.domain.case_risk import CaseRisk
from bridge.store import presences
from bridge.store.db import ReadTx
from bridge.store.listings import queues
from bridge.store.listings.queues import MismatchRow
from bridge.store.presences import Presence
from bridge.store.tables import case_proposals, mismatches, questions
from bridge.store.tables import presences as presences_table

# How long a case waits, as the queue tells it: name, and from when on it is of the next one.
AGES = (
    ("1h", timedelta(hours=1)),
    ("4h", timedelta(hours=4)),
    ("1d", timedelta(days=1)),
    ("3d", timedelta(days=3)),
    ("old", timedelta(days=36500)),
)
SORTS = ("risk", "oldest", "newest")
LOOKED_AT = ("me", "others", "nobody")
ASKED = ("waiting", "answered")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A cursor that was made up leads to no date beyond the calendar.
_LAST = 250_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """
    What of the queue is wanted; "" for all of it. age: of `AGES`; open_by: of `LOOKED_AT`; actor: who "me" is.
    asked: of `ASKED`: cases whose technologist was asked. is_proposed: cases that wait for a second person.

    is_closed: what was decided instead; decided_by narrows it. now: what ages are measured from.
    """

    now: datetime
    rule: str = ""
    risk: CaseRisk | None = None
    device: str = ""
    age: str = ""
    open_by: str = ""
    asked: str = ""
    is_proposed: bool = False
    actor: str = ""
    sort: str = "risk"
    is_closed: bool = False
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case of the queue. presences: who has it open. place: what the next page begins after."""

    case: MismatchRow
    presences: tuple[Presence, ...]
    place: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QueueTally:
    """How many cases are open: in all, by rule, by risk, by device, and by age in the order of `AGES`."""

    total: int
    rules: Mapping[str, int] = field(default_factory=dict)
    risks: Mapping[CaseRisk, int] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)
    ages: tuple[int, ...] = ()


def read_queue(
    tx: ReadTx, wanted: QueueFilter, *, after: Sequence[int] = (), limit: int, but: int | None = None
) -> list[QueueRow]:
    """
    Return the cases that are *wanted*, in their order.

    after: the place of the last row of the page before. but: a study that is left out.
    """
    query = queue_query(wanted, after=after).limit(limit)
    if but is not None:
        query = query.where(mismatches.c.study_key != but)
    places = {row.key: _place(row, wanted) for row in tx.execute(query)}
    shown = {row.key: row for row in queues.mismatches_by_key(tx, list(places))}
    present = presences.at_cases(tx, [row.study_key for row in shown.values()], wanted.now)
    return [
        QueueRow(shown[key], tuple(present.get(shown[key].study_key, ())), place)
        for key, place in places.items()
        if key in shown
    ]


def queue_query(wanted: QueueFilter, *, after: Sequence[int] = ()) -> Select[Any]:
    """Return the statement behind one page: an index range of what is open, or of what was decided."""
    query = select(mismatches.c.key, mismatches.c.risk, mismatches.c.closed_at).where(*_conditions(wanted))
    if wanted.is_closed:
        if len(after) == 2:
            query = query.where(_beyond_closed(after))
        return query.order_by(mismatches.c.closed_at.desc(), mismatches.c.key.desc())
    # Not the bare key: planners would walk all that was ever closed instead of the index of what is open.
    key = mismatches.c.key + 0
    if wanted.sort == "oldest":
        return (query.where(mismatches.c.key > after[0]) if after else query).order_by(key)
    if wanted.sort == "newest":
        return (query.where(mismatches.c.key < after[0]) if after else query).order_by(key.desc())
    if len(after) == 2:
        risk, last = mismatches.c.risk, after[0]
        query = query.where(or_(risk > after[1], and_(risk == after[1], mismatches.c.key > last)))
    return query.order_by(mismatches.c.risk, mismatches.c.key)


def tally_queue(tx: ReadTx, now: datetime) -> QueueTally:
    """Count what is open; one pass over the index of what is."""
    is_open = mismatches.c.closed_at.is_(None)
    groups = (mismatches.c.rule, mismatches.c.risk, mismatches.c.device)
    rules, risks, devices = dict[str, int](), dict[CaseRisk, int](), dict[str, int]()
    for rule, risk, device, number in tx.execute(select(*groups, func.count()).where(is_open).group_by(*groups)):
        rules[rule] = rules.get(rule, 0) + number
        risks[CaseRisk(risk)] = risks.get(CaseRisk(risk), 0) + number
        devices[device] = devices.get(device, 0) + number
    bucket = case(*((mismatches.c.opened_at > now - end, at) for at, (_, end) in enumerate(AGES[:-1])), else_=4)
    aged = select(bucket.label("age"), func.count()).where(is_open).group_by("age")
    by_age = {row[0]: int(row[1]) for row in tx.execute(aged)}
    return QueueTally(
        total=sum(rules.values()),
        rules=dict(sorted(rules.items())),
        risks=dict(sorted(risks.items())),
        devices=dict(sorted(devices.items())),
        ages=tuple(by_age.get(at, 0) for at in range(len(AGES))),
    )


def _conditions(wanted: QueueFilter) -> list[ColumnElement[bool]]:
    closed_at = mismatches.c.closed_at
    found: list[ColumnElement[bool]] = [closed_at.is_not(None) if wanted.is_closed else closed_at.is_(None)]
    found += [mismatches.c.rule == wanted.rule] if wanted.rule else []
    found += [mismatches.c.risk == int(wanted.risk)] if wanted.risk is not None else []
    found += [mismatches.c.device == wanted.device] if wanted.device else []
    found += [mismatches.c.closed_by == wanted.decided_by] if wanted.decided_by else []
    ends = dict(AGES)
    if wanted.age in ends and not wanted.is_closed:
        at = [name for name, _ in AGES].index(wanted.age)
        found.append(mismatches.c.opened_at > wanted.now - ends[wanted.age] if wanted.age != "old" else _EVER)
        found += [mismatches.c.opened_at <= wanted.now - AGES[at - 1][1]] if at else []
    if wanted.open_by in LOOKED_AT:
        found.append(_open_by(wanted))
    if wanted.asked in ASKED:
        found.append(_asked(wanted.asked))
    if wanted.is_proposed:
        proposed = select(case_proposals.c.study_key).where(case_proposals.c.settled_at.is_(None))
        found.append(mismatches.c.study_key.in_(proposed))
    return found


_EVER = mismatches.c.opened_at.is_not(None)


def _asked(state: str) -> ColumnElement[bool]:
    """Take the cases whose technologist has not answered yet, or has."""
    c = questions.c
    wanted = c.settled_at.is_(None) if state == "waiting" else c.settled_as == "answered"
    return mismatches.c.study_key.in_(select(c.study_key).where(wanted))


def _open_by(wanted: QueueFilter) -> ColumnElement[bool]:
    now = presences_table.c.until > wanted.now
    at_it = select(presences_table.c.study_key).where(now)
    if wanted.open_by == "nobody":
        return mismatches.c.study_key.not_in(at_it)
    is_me = presences_table.c.actor == wanted.actor
    return mismatches.c.study_key.in_(at_it.where(is_me if wanted.open_by == "me" else ~is_me))


def _place(row: Any, wanted: QueueFilter) -> tuple[int, ...]:
    if wanted.is_closed:
        return (row.key, (row.closed_at - _EPOCH) // _MICROSECOND)
    return (row.key, row.risk) if wanted.sort == "risk" else (row.key,)


def _beyond_closed(after: Sequence[int]) -> ColumnElement[bool]:
    closed_at, at = mismatches.c.closed_at, _EPOCH + min(after[1], _LAST) * _MICROSECOND
    return or_(closed_at < at, and_(closed_at == at, mismatches.c.key < after[0]))
