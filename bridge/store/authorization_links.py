"""Which orders an authorization is for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, or_, select, update

from bridge.domain.authorization_links import Link, LinkRule
from bridge.store import news
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import authorization_links, authorizations

_COLUMNS = authorization_links.c


def of_authorization(tx: ReadTx, authorization_key: int, *, ended: bool = False) -> list[Link]:
    """Return the orders under an authorization, as they were linked; ended: with those that no longer are."""
    query = select(authorization_links).where(_COLUMNS.authorization_key == authorization_key)
    if not ended:
        query = query.where(_COLUMNS.ended_at.is_(None))
    return [_link(row) for row in tx.execute(query.order_by(_COLUMNS.key))]


def of_authorizations(tx: ReadTx, keys: Iterable[int]) -> list[Link]:
    """Return the orders under these authorizations."""
    here = (_COLUMNS.authorization_key.in_(list(keys)), _COLUMNS.ended_at.is_(None))
    return [_link(row) for row in tx.execute(select(authorization_links).where(*here).order_by(_COLUMNS.key))]


def of_orders(tx: ReadTx, order_keys: Iterable[int]) -> list[Link]:
    """Return the authorizations that these orders stand under."""
    query = select(authorization_links).where(_COLUMNS.order_key.in_(list(order_keys)), _COLUMNS.ended_at.is_(None))
    return [_link(row) for row in tx.execute(query.order_by(_COLUMNS.key))]


def get(tx: ReadTx, key: int) -> Link:
    """Return the link in row *key*. Raises: LookupError."""
    row = tx.execute(select(authorization_links).where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no link {key}")
    return _link(row)


def add(tx: WriteTx, link: Link, at: datetime) -> int:
    """Put an order under an authorization (the link's key and time are ignored); returns its row."""
    return insert_row(
        tx,
        authorization_links,
        authorization_key=link.authorization_key,
        order_key=link.order_key,
        rule=link.rule.value,
        line=link.line,
        linked_by=link.linked_by,
        linked_at=at,
    )


def end(tx: WriteTx, key: int, by: str, reason: str, at: datetime) -> None:
    """Take an order from under an authorization; that it was there stays."""
    values = {"ended_at": at, "ended_by": by, "end_reason": reason}
    tx.execute(update(authorization_links).where(_COLUMNS.key == key, _COLUMNS.ended_at.is_(None)).values(**values))


def look_at_order(tx: WriteTx, order_key: int, patient_key: int) -> None:
    """Have every authorization looked at that an order stands under, or could: it changed, or when it is done."""
    for row in _MEANT.all(tx, of_order=order_key, of_patient=patient_key):
        news.look_at(tx, news.AUTHORIZATION, row.key, _AT_ONCE)


def look_at_patient(tx: WriteTx, patient_keys: Iterable[int], at: datetime) -> None:
    """Have the authorizations of these records looked at: whose they are, or what is known of them, changed."""
    query = select(authorizations.c.key).where(authorizations.c.patient_key.in_(list(patient_keys)))
    for key in tx.execute(query).scalars():
        news.look_at(tx, news.AUTHORIZATION, key, at)


_AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
_LINKED = select(_COLUMNS.authorization_key).where(_COLUMNS.order_key == bindparam("of_order"))
_MEANT = Prepared(
    select(authorizations.c.key).where(
        or_(authorizations.c.patient_key == bindparam("of_patient"), authorizations.c.key.in_(_LINKED))
    )
)


def _link(row: Row[Any]) -> Link:
    said = {name: getattr(row, name) for name in Link.__slots__}
    return Link(**said | {"rule": LinkRule(row.rule)})
