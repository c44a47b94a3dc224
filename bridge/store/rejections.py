"""Rejection notes, what they name, and which instances are withheld because of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, insert, or_, select, update

from bridge.domain.rejection import JOINED, NOTE, SPLIT_OFF, Rejection, RejectionReason, RejectionState, gravest
from bridge.domain.study import Header
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import forwards, instances, rejected_instances, rejections, studies

_AT_ONCE = 500
# Withheld for another cause than a rejection.
_NO_CONTENT = (NOTE, SPLIT_OFF, JOINED)
_LATER = tuple(one.value for one in RejectionReason if one.meets_later_images)
_FOR_ARRIVAL = Prepared(
    select(rejections.c.reason, rejections.c.own_only, rejections.c.received_from)
    .join_from(rejected_instances, rejections, rejections.c.key == rejected_instances.c.rejection_key)
    .where(
        rejected_instances.c.sop_instance_uid == bindparam("sop_instance_uid"),
        rejections.c.study_instance_uid == bindparam("study_instance_uid"),
        rejections.c.state == RejectionState.APPLIED.value,
    )
)


def add(tx: WriteTx, rejection: Rejection, named: Iterable[str]) -> Rejection:
    """Store a new rejection (its key is ignored) and which instances it names."""
    values = {name: getattr(rejection, name) for name in Rejection.__slots__ if name not in ("key", "instances")}
    values |= {"reason": rejection.reason.value, "state": rejection.state.value}
    key = insert_row(tx, rejections, **values)
    rows = [{"rejection_key": key, "sop_instance_uid": uid} for uid in named]
    for at in range(0, len(rows), _AT_ONCE):
        tx.execute(insert(rejected_instances), rows[at : at + _AT_ONCE])
    return get(tx, key)


def get(tx: ReadTx, key: int) -> Rejection:
    """Return the rejection in row *key*. Raises: LookupError."""
    row = tx.execute(_query().where(rejections.c.key == key)).first()
    if row is None:
        raise LookupError(f"no rejection {key}")
    return _rejection(row)


def of_study(tx: ReadTx, study_instance_uid: str) -> list[Rejection]:
    """Return every note about a study, oldest first."""
    rows = tx.execute(_query().where(rejections.c.study_instance_uid == study_instance_uid).order_by(rejections.c.key))
    return [_rejection(row) for row in rows]


def decide(tx: WriteTx, rejection: Rejection, state: RejectionState, by: str, at: datetime, why: str) -> Rejection:
    """Note what a person made of a rejection; one that a person applies is about whatever it names."""
    own_only = rejection.own_only and state != RejectionState.APPLIED
    said = {"state": state.value, "own_only": own_only, "decided_by": by, "decided_at": at, "why": why}
    tx.execute(update(rejections).where(rejections.c.key == rejection.key).values(**said))
    return get(tx, rejection.key)


def withheld_on_arrival(tx: ReadTx, header: Header, sender: str) -> str:
    """Return why an instance that *sender* brings now is withheld, "" if no note was about it."""
    rows = _FOR_ARRIVAL.all(tx, sop_instance_uid=header.sop_instance_uid, study_instance_uid=header.study_instance_uid)
    reasons = (row.reason for row in rows if row.reason in _LATER and (not row.own_only or row.received_from == sender))
    return gravest(reasons)


def restore(tx: WriteTx, instance_key: int, at: datetime) -> None:
    """Take an instance in again whose retention had ended."""
    uid = select(instances.c.sop_instance_uid).where(instances.c.key == instance_key).scalar_subquery()
    expired = select(rejections.c.key).where(rejections.c.reason == RejectionReason.RETENTION.value)
    tx.execute(
        update(rejected_instances)
        .where(rejected_instances.c.sop_instance_uid == uid, rejected_instances.c.rejection_key.in_(expired))
        .values(restored_at=at)
    )
    tx.execute(update(instances).where(instances.c.key == instance_key).values(withheld=""))


def refresh(tx: WriteTx, study_key: int) -> int:
    """Withhold of a study just what the notes that stand reject; return for how many instances that changed."""
    reasons: dict[int, set[str]] = {}
    was: dict[int, str] = {}
    for row in tx.execute(_standing(study_key)):
        was[row.key] = row.withheld
        if row.reason is not None and (not row.own_only or _is_of(row.received_from, row.sender)):
            reasons.setdefault(row.key, set()).add(row.reason)
    changed: dict[str, list[int]] = {}
    for key, before in was.items():
        after = gravest(reasons.get(key, ()))
        if after != before:
            changed.setdefault(after, []).append(key)
    for withheld, keys in changed.items():
        for at in range(0, len(keys), _AT_ONCE):
            wanted = instances.c.key.in_(keys[at : at + _AT_ONCE])
            tx.execute(update(instances).where(wanted).values(withheld=withheld))
    return sum(len(keys) for keys in changed.values())


def has_content(tx: ReadTx, study_key: int) -> bool:
    """Say whether a study has an instance of its own, shown or rejected: no note, and none that stands elsewhere now."""
    mine = instances.c.study_key == study_key
    content = select(instances.c.key).where(mine, instances.c.withheld.not_in(_NO_CONTENT)).limit(1)
    return tx.execute(content).first() is not None


def leaves_nothing(tx: ReadTx, study_key: int) -> bool:
    """Say whether a study has instances, and every one of them is withheld."""
    shown = select(instances.c.key).where(instances.c.study_key == study_key, instances.c.withheld == "").limit(1)
    return has_content(tx, study_key) and tx.execute(shown).first() is None


def shows_nothing() -> ColumnElement[bool]:
    """Say, in a statement about `studies`, whether every instance of a study is withheld."""
    other = instances.alias("shown_of_it")
    shown = select(other.c.key).where(other.c.study_key == instances.c.study_key, other.c.withheld == "")
    emptied = select(instances.c.study_key).where(instances.c.withheld != "", ~shown.exists())
    return studies.c.key.in_(emptied)


def holds_one_image(tx: ReadTx, study_key: int) -> bool:
    """Say whether just one instance that is no rejection note was kept of a study."""
    other = select(instances.c.key).where(instances.c.study_key == study_key, instances.c.withheld != NOTE)
    return len(tx.execute(other.limit(2)).all()) == 1


def shown_uids(tx: ReadTx, study_key: int) -> set[str]:
    """Return the SOP Instance UIDs of what a study shows."""
    shown = select(instances.c.sop_instance_uid).where(instances.c.study_key == study_key, instances.c.withheld == "")
    return set(tx.execute(shown).scalars())


def brought_by(tx: ReadTx, study_key: int, sop_instance_uids: Iterable[str]) -> dict[str, str]:
    """Return who brought each of these instances of a study, by SOP Instance UID; none that is not here."""
    wanted, found = list(sop_instance_uids), {}
    for at in range(0, len(wanted), _AT_ONCE):
        named = instances.c.sop_instance_uid.in_(wanted[at : at + _AT_ONCE])
        query = select(instances.c.sop_instance_uid, instances.c.received_from)
        for row in tx.execute(query.where(instances.c.study_key == study_key, named)):
            found[row.sop_instance_uid] = row.received_from.rpartition("@")[0]
    return found


def named(tx: ReadTx, rejection_key: int) -> list[str]:
    """Return the SOP Instance UIDs that a rejection names, in its order."""
    query = select(rejected_instances.c.sop_instance_uid).where(rejected_instances.c.rejection_key == rejection_key)
    return list(tx.execute(query.order_by(rejected_instances.c.key)).scalars())


def holders(tx: ReadTx, rejection_key: int) -> dict[str, int]:
    """Return which archives have something that a rejection names, and the binding version that the last left with."""
    query = (
        select(forwards.c.destination, func.max(forwards.c.binding_version))
        .join(instances, instances.c.key == forwards.c.instance_key)
        .join(rejected_instances, rejected_instances.c.sop_instance_uid == instances.c.sop_instance_uid)
        .where(rejected_instances.c.rejection_key == rejection_key, instances.c.withheld != NOTE)
        .group_by(forwards.c.destination)
    )
    return {row[0]: int(row[1]) for row in tx.execute(query)}


def is_first_shown(tx: ReadTx, rejection: Rejection, study_key: int) -> bool:
    """Say whether a study shows something by now that was rejected before it came, and so was never shown before."""
    named_by = rejected_instances.c.rejection_key == rejection.key
    came_later = select(instances.c.key).join(
        rejected_instances, and_(named_by, rejected_instances.c.sop_instance_uid == instances.c.sop_instance_uid)
    )
    mine = (instances.c.study_key == study_key, instances.c.key > rejection.note_key, instances.c.withheld == "")
    return tx.execute(came_later.where(*mine).limit(1)).first() is not None


def of_note(tx: ReadTx, note_key: int) -> list[Rejection]:
    """Return what a note rejects, study by study."""
    rows = tx.execute(_query().where(rejections.c.note_key == note_key).order_by(rejections.c.key))
    return [_rejection(row) for row in rows]


def _standing(study_key: int) -> Select[Any]:
    """Return each instance of a study that is no note, once for each note that rejects it and once if none does."""
    stands = and_(
        rejections.c.key == rejected_instances.c.rejection_key,
        rejections.c.state == RejectionState.APPLIED.value,
        rejections.c.study_instance_uid == studies.c.study_instance_uid,
        or_(
            rejections.c.reason.in_(_LATER),
            and_(instances.c.received_at <= rejections.c.received_at, rejected_instances.c.restored_at.is_(None)),
        ),
    )
    columns = (instances.c.key, instances.c.withheld, instances.c.received_from)
    said = (rejections.c.reason, rejections.c.own_only, rejections.c.received_from.label("sender"))
    return (
        select(*columns, *said)
        .join_from(instances, studies, studies.c.key == instances.c.study_key)
        .outerjoin(rejected_instances, rejected_instances.c.sop_instance_uid == instances.c.sop_instance_uid)
        .outerjoin(rejections, stands)
        .where(instances.c.study_key == study_key, instances.c.withheld.not_in(_NO_CONTENT))
    )


def _is_of(received_from: str, sender: str) -> bool:
    return received_from.rpartition("@")[0] == sender


def _query() -> Select[Any]:
    count = select(func.count()).where(rejected_instances.c.rejection_key == rejections.c.key)
    return select(rejections, count.correlate(rejections).scalar_subquery().label("instances"))


def _rejection(row: Any) -> Rejection:
    values = {name: getattr(row, name) for name in Rejection.__slots__}
    return Rejection(**values | {"reason": RejectionReason(row.reason), "state": RejectionState(row.state)})
