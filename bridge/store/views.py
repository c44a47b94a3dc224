"""Browsers that look at one person's studies and at nothing else. Their secrets are kept as digests only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import views

_c = views.c


@dataclass(frozen=True, slots=True)
class View:
    """
    A view that was opened. name: stands in its addresses. actor: as audit rows say it. user_key: an account here, if any.

    record_keys: the records that were meant, as they were then. study_keys: () for all of the person's. issuer: the EHR's,
    "" for a link's.
    """

    key: int
    name: str
    token_digest: str
    actor: str
    record_keys: tuple[int, ...]
    study_keys: tuple[int, ...]
    issuer: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime
    user_key: int | None = None
    link_key: int | None = None


def add(tx: WriteTx, view: View) -> int:
    """Remember a view (its key is ignored); returns its key."""
    values = {name: getattr(view, name) for name in View.__slots__ if name != "key"}
    lists = {"record_keys": list(view.record_keys), "study_keys": list(view.study_keys)}
    return insert_row(tx, views, **(values | lists))


def find(tx: ReadTx, name: str) -> View | None:
    """Return the view called *name*, whatever its age."""
    row = tx.execute(select(views).where(_c.name == name)).first()
    return _view(row) if row is not None else None


def touch(tx: WriteTx, key: int, at: datetime) -> None:
    """Move a view's last sign of life."""
    tx.execute(update(views).where(_c.key == key).values(seen_at=at))


def close(tx: WriteTx, key: int) -> None:
    """Forget one view."""
    tx.execute(delete(views).where(_c.key == key))


def close_of_link(tx: WriteTx, link_key: int) -> int:
    """Forget what a link opened; returns how many."""
    return int(tx.execute(delete(views).where(_c.link_key == link_key)).rowcount)


def forget_ended(tx: WriteTx, now: datetime) -> int:
    """Forget views that ran out; returns how many."""
    return int(tx.execute(delete(views).where(_c.ends_at < now)).rowcount)


def _view(row: Any) -> View:
    values = {name: getattr(row, name) for name in View.__slots__}
    return View(**(values | {"record_keys": tuple(row.record_keys), "study_keys": tuple(row.study_keys)}))
