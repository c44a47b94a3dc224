"""What others tell us by themselves: the subscriptions that we keep at them, and each notification of a payer as it came."""

from __future__ import annotations

import hmac
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update

from bridge.domain.identifiers import digest_of
from bridge.domain.telling import Telling, TellingState
from bridge.store.db import ReadTx, WriteTx, insert_row, lock
from bridge.store.tables import payer_notices, tellings
from bridge.store.users import digest_of_secret

_COLUMNS = tellings.c
_NOTICES = payer_notices.c


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that nobody has read yet. body: as it came. overtaken_at: when a later one was heard, None if it is the latest."""

    key: int
    payer: str
    body: bytes
    heard_at: datetime
    overtaken_at: datetime | None = None


def find(tx: ReadTx, name: str) -> Telling | None:
    """Return the subscription that goes by *name*."""
    row = tx.execute(select(tellings).where(_COLUMNS.name == name)).first()
    if row is None:
        return None
    values = row._asdict()
    del values["key"]
    return Telling(**values | {"state": TellingState(row.state)})


def of_secret(tx: ReadTx, name: str, secret: str) -> Telling | None:
    """Return the subscription that goes by *name* to whoever shows its secret, None to anybody else."""
    known = find(tx, name)
    is_its = hmac.compare_digest(digest_of_secret(secret), known.secret_digest if known is not None else "")
    return known if is_its else None


def to_change(tx: WriteTx, name: str) -> Telling | None:
    """Return the subscription that goes by *name*, which nobody else changes before this transaction ends."""
    lock(tx, f"telling:{name}")
    return find(tx, name)


def names(tx: ReadTx) -> list[str]:
    """Return the names of the subscriptions that we keep."""
    return list(tx.execute(select(_COLUMNS.name).order_by(_COLUMNS.name)).scalars())


def put(tx: WriteTx, one: Telling) -> None:
    """Keep how a subscription stands now."""
    values = asdict(one) | {"state": one.state.value}
    if not tx.execute(update(tellings).where(_COLUMNS.name == one.name).values(**values)).rowcount:
        insert_row(tx, tellings, **values)


def forget(tx: WriteTx, name: str) -> None:
    """Forget a subscription: what is told with its secret counts no more."""
    to_change(tx, name)
    tx.execute(delete(tellings).where(_COLUMNS.name == name))


def keep_notice(tx: WriteTx, one: Telling, body: bytes, number: int, at: datetime) -> bool:
    """
    Keep a notification of a payer's subscription as it came; False where the very same one is here.

    number: of its last event, 0 where it is not said: then nothing is known of what was told before it.
    """
    digest = digest_of(body)
    same = select(_NOTICES.key).where(_NOTICES.payer == one.name, _NOTICES.digest == digest)
    if tx.execute(same).first() is not None:
        return False
    overtaken_at = _overtaken_at(tx, one, number) if number else None
    values = {"heard_at": at, "number": number, "overtaken_at": overtaken_at, "content": body}
    insert_row(tx, payer_notices, payer=one.name, digest=digest, **values)
    return True


def _overtaken_at(tx: ReadTx, one: Telling, number: int) -> datetime | None:
    """Return when the first one with a higher number was heard; a subscription that is made anew begins to count anew."""
    later = [_NOTICES.payer == one.name, _NOTICES.number > number]
    # While it is being made it tells already, and made_at is of the one before it.
    since = one.looked_at if one.state == TellingState.MAKING else one.made_at
    if since is not None:
        later.append(_NOTICES.heard_at >= since)
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


def note_read(tx: WriteTx, key: int, why: str, at: datetime) -> None:
    """Note that a notification was read. why: why it says nothing, "" if it does."""
    tx.execute(update(payer_notices).where(_NOTICES.key == key).values(read_at=at, why=why))


def drop_words(tx: WriteTx, key: int) -> None:
    """Take away the bytes of a notification, which are kept elsewhere."""
    tx.execute(update(payer_notices).where(_NOTICES.key == key).values(content=b""))


def forget_words(tx: WriteTx, before: datetime) -> int:
    """Forget the bytes of what was read before then; its number stays, by which a late one is known. Return how many."""
    old = (_NOTICES.read_at < before, func.length(_NOTICES.content) > 0)
    return tx.execute(update(payer_notices).where(*old).values(content=b"")).rowcount
