"""What payers tell by themselves: the subscriptions that we keep there, and each notification as it came."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update

from bridge.domain.identifiers import digest_of
from bridge.domain.payer_subscription import PayerSubscription, TellingState
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import payer_notices, payer_subscriptions

_COLUMNS = payer_subscriptions.c
_NOTICES = payer_notices.c


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that nobody has read yet. body: as it came. overtaken_at: when a later one was heard, None if it is the latest."""

    key: int
    payer: str
    body: bytes
    heard_at: datetime
    overtaken_at: datetime | None = None


def of_payer(tx: ReadTx, payer: str) -> PayerSubscription | None:
    """Return the subscription that we keep at a payer."""
    row = tx.execute(select(payer_subscriptions).where(_COLUMNS.payer == payer)).first()
    if row is None:
        return None
    values = row._asdict()
    del values["key"]
    return PayerSubscription(**values | {"state": TellingState(row.state)})


def payers(tx: ReadTx) -> list[str]:
    """Return the names of the payers at which we keep a subscription."""
    return list(tx.execute(select(_COLUMNS.payer).order_by(_COLUMNS.payer)).scalars())


def put(tx: WriteTx, one: PayerSubscription) -> None:
    """Keep how the subscription at a payer stands now."""
    values = asdict(one) | {"state": one.state.value}
    if not tx.execute(update(payer_subscriptions).where(_COLUMNS.payer == one.payer).values(**values)).rowcount:
        insert_row(tx, payer_subscriptions, **values)


def forget(tx: WriteTx, payer: str) -> None:
    """Forget the subscription at a payer: what is told with its secret counts no more."""
    tx.execute(delete(payer_subscriptions).where(_COLUMNS.payer == payer))


def keep_notice(tx: WriteTx, one: PayerSubscription, body: bytes, number: int, at: datetime) -> bool:
    """
    Keep a notification of a subscription as it came; False where the very same one is here.

    number: of its last event, 0 where it is not said: then nothing is known of what was told before it.
    """
    digest = digest_of(body)
    same = select(_NOTICES.key).where(_NOTICES.payer == one.payer, _NOTICES.digest == digest)
    if tx.execute(same).first() is not None:
        return False
    overtaken_at = _overtaken_at(tx, one, number) if number else None
    values = {"heard_at": at, "number": number, "overtaken_at": overtaken_at, "content": body}
    insert_row(tx, payer_notices, payer=one.payer, digest=digest, **values)
    return True


def _overtaken_at(tx: ReadTx, one: PayerSubscription, number: int) -> datetime | None:
    """Return when the first one with a higher number was heard; a subscription that is made anew begins to count anew."""
    later = [_NOTICES.payer == one.payer, _NOTICES.number > number]
    if one.made_at is not None:
        later.append(_NOTICES.heard_at >= one.made_at)
    query = select(_NOTICES.heard_at).where(*later).order_by(_NOTICES.heard_at).limit(1)
    return tx.execute(query).scalar_one_or_none()


def next_unread(tx: ReadTx) -> Notice | None:
    """Return the oldest notification that nobody has read yet."""
    shown = (_NOTICES.key, _NOTICES.payer, _NOTICES.content, _NOTICES.heard_at, _NOTICES.overtaken_at)
    row = tx.execute(select(*shown).where(_NOTICES.read_at.is_(None)).order_by(_NOTICES.key).limit(1)).first()
    return None if row is None else Notice(*row)


def is_unread(tx: ReadTx, key: int) -> bool:
    """Say whether nobody has read a notification yet."""
    unread = select(_NOTICES.key).where(_NOTICES.key == key, _NOTICES.read_at.is_(None))
    return tx.execute(unread).first() is not None


def note_read(tx: WriteTx, key: int, why: str, at: datetime, *, is_kept_elsewhere: bool) -> None:
    """Note that a notification was read. why: why it says nothing, "" if it does; kept elsewhere, its bytes go from here."""
    values = {"read_at": at, "why": why} | ({"content": b""} if is_kept_elsewhere else {})
    tx.execute(update(payer_notices).where(_NOTICES.key == key).values(**values))


def forget_words(tx: WriteTx, before: datetime) -> int:
    """Forget the bytes of what was read before then; its number stays, by which a late one is known. Return how many."""
    old = (_NOTICES.read_at < before, func.length(_NOTICES.content) > 0)
    return tx.execute(update(payer_notices).where(*old).values(content=b"")).rowcount
