"""What is news to whoever asked to be told: what is to be looked at, how it was told last, and the news themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bridge.domain.subscription import News
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.prepared import Prepared
from bridge.store.tables import news, news_looks, subscription_news, subscriptions, told_subjects

STUDY = "study"
ORDER = "order"
AUTHORIZATION = "authorization"
# News of an authorization that wait to be somebody's; row 0 stands for all of them.
WAITING = "waiting"
# What only charts are told of, with what hangs on it.
PATIENT = "patient"
PERFORMED = "performed"
REPORT = "report"


def _look(statement: Any) -> Prepared:
    """Prepare what asks for a look, sooner than one that is asked for already; *statement*: a dialect's INSERT."""
    sooner = statement.on_conflict_do_update(
        index_elements=["subject"],
        set_={"due_at": statement.excluded.due_at},
        where=statement.excluded.due_at < news_looks.c.due_at,
    )
    return Prepared(sooner, ("subject", "due_at"))


_LOOK = {"sqlite": _look(sqlite_insert(news_looks)), "postgresql": _look(postgresql_insert(news_looks))}
_NEXT = Prepared(
    select(news_looks).where(news_looks.c.due_at <= bindparam("now")).order_by(news_looks.c.due_at).limit(1)
)


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at. kind: one of the above; row: its key."""

    subject: str
    due_at: datetime

    @property
    def kind(self) -> str:
        return self.subject.partition(":")[0]

    @property
    def row(self) -> int:
        return int(self.subject.partition(":")[2])


@dataclass(frozen=True, slots=True)
class Told:
    """How a subject stood when it was told last."""

    status: str
    digest: str
    patient_key: int | None


def look_at(tx: WriteTx, kind: str, row: int, at: datetime) -> None:
    """Look at *at* whether something has become news: to be called with the change, in its transaction."""
    _LOOK[tx.dialect.name].run(tx, subject=f"{kind}:{row}", due_at=at)


def next_due(tx: ReadTx, now: datetime) -> Look | None:
    """Return what has been due the longest, None if nothing is."""
    found = _NEXT.first(tx, now=now)
    return None if found is None else Look(found.subject, found.due_at)


def is_due(tx: ReadTx, look: Look) -> bool:
    """Say whether *look* still stands as it was read."""
    return tx.execute(select(news_looks.c.due_at).where(news_looks.c.subject == look.subject)).scalar() == look.due_at


def looked(tx: WriteTx, look: Look, again_at: datetime | None) -> None:
    """Note that a look was taken. again_at: when another is due, None for none."""
    here = (news_looks.c.subject == look.subject, news_looks.c.due_at == look.due_at)
    if again_at is None:
        tx.execute(delete(news_looks).where(*here))
    else:
        tx.execute(update(news_looks).where(*here).values(due_at=again_at))


def told(tx: ReadTx, subject: str) -> Told | None:
    """Return how a subject stood when it was told last, None if it never was."""
    found = tx.execute(select(told_subjects).where(told_subjects.c.subject == subject)).first()
    return None if found is None else Told(found.status, found.digest, found.patient_key)


def put_told(tx: WriteTx, subject: str, told: Told, at: datetime) -> None:
    """Note how a subject stands, over what was noted before."""
    values = {"status": told.status, "digest": told.digest, "patient_key": told.patient_key, "at": at}
    done = tx.execute(update(told_subjects).where(told_subjects.c.subject == subject).values(**values))
    if not done.rowcount:
        insert_row(tx, told_subjects, subject=subject, **values)


def add(tx: WriteTx, said: News) -> News:
    """Append news; returns them with their row."""
    names = (name for name in News.__slots__ if name not in ("key", "modalities"))
    values = {name: getattr(said, name) for name in names} | {"modalities": list(said.modalities)}
    return _news(said, key=insert_row(tx, news, **values))


def get_many(tx: ReadTx, keys: Iterable[int]) -> list[News]:
    """Return the news in these rows, in the order of their keys."""
    rows = tx.execute(select(news).where(news.c.key.in_(list(keys))).order_by(news.c.key))
    return [_news(row, key=row.key) for row in rows]


def numbered(tx: ReadTx, subscription_key: int, first: int, last: int) -> list[tuple[int, News]]:
    """Return the news of a subscription by number, from *first* to *last*."""
    of = subscription_news.c
    query = (
        select(of.number, news)
        .join(news, news.c.key == of.news_key)
        .where(of.subscription_key == subscription_key, of.number >= first, of.number <= last)
        .order_by(of.number)
    )
    return [(row.number, _news(row, key=row.key)) for row in tx.execute(query)]


def forget(tx: WriteTx, before: datetime, limit: int = 1000) -> int:
    """Forget news older than *before*, but for those that a subscription has not been told yet; returns how many."""
    from_subscriptions = tx.execute(
        select(news.c.key)
        .where(news.c.at < before, ~exists().where(_untold(), subscription_news.c.news_key == news.c.key))
        .order_by(news.c.key)
        .limit(limit)
    )
    keys: Sequence[int] = list(from_subscriptions.scalars())
    if keys:
        tx.execute(delete(subscription_news).where(subscription_news.c.news_key.in_(keys)))
        tx.execute(delete(news).where(news.c.key.in_(keys)))
    return len(keys)


def _untold() -> Any:
    delivered = (
        select(subscriptions.c.delivered)
        .where(subscriptions.c.key == subscription_news.c.subscription_key)
        .scalar_subquery()
    )
    return subscription_news.c.number > delivered


def _news(row: Any, *, key: int) -> News:
    plain = (name for name in News.__slots__ if name not in ("key", "modalities"))
    said = {name: getattr(row, name) for name in plain}
    return News(key=key, modalities=tuple(row.modalities), **said)
