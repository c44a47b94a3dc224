"""Exports in bulk: what was asked for, how far it is, and what has been made."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import export_parts, exports

RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class Export:
    """
    One export. base: the release's address that its caller came by. request: what was asked, as an address.

    patient_key: of this person alone. at_type: which of its types is being made; after: where its last page ended.
    """

    key: int
    release: str
    base: str
    request: str
    types: tuple[str, ...]
    since: datetime | None
    patient_key: int | None
    owner: str
    owner_name: str
    state: str
    at_type: int
    after: tuple[str, int] | None
    asked_at: datetime
    done_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file: its type, its number from 1 and how many resources it has."""

    resource_type: str
    number: int
    lines: int


def add(tx: WriteTx, wanted: Export) -> int:
    """Keep a request; returns its key."""
    names = (name for name in Export.__slots__ if name not in ("key", "types", "after"))
    return insert_row(tx, exports, **{name: getattr(wanted, name) for name in names}, types=list(wanted.types))


def get(tx: ReadTx, key: int) -> Export:
    """Return the export in row *key*. Raises: LookupError."""
    row = tx.execute(select(exports).where(exports.c.key == key)).first()
    if row is None:
        raise LookupError(f"no export {key}")
    return _export(row)


def next_open(tx: ReadTx) -> Export | None:
    """Return the export that was asked for first of those that are not done."""
    row = tx.execute(select(exports).where(exports.c.state == RUNNING).order_by(exports.c.key).limit(1)).first()
    return None if row is None else _export(row)


def open_of(tx: ReadTx, owner: str) -> int:
    """Return how many exports of a credential are not done."""
    query = select(func.count()).where(exports.c.owner == owner, exports.c.state == RUNNING)
    return int(tx.execute(query).scalar_one())


def put_page(tx: WriteTx, one: Export, body: bytes, lines: int, after: tuple[str, int] | None) -> bool:
    """
    Keep a page of what is being made, and go on; False if it was cancelled, or somebody else has made it.

    body: NDJSON. after: where the page ended, None at the end of the type.
    """
    resource_type = one.types[one.at_type]
    values = {"at_type": one.at_type + (after is None), "after": list(after) if after is not None else None}
    row = tx.execute(select(exports).where(exports.c.key == one.key).with_for_update()).first()
    # Whoever was slower than its lease finds that another process has made the same page.
    if row is None or row.state != RUNNING or _place(_export(row)) != _place(one):
        return False
    tx.execute(update(exports).where(exports.c.key == one.key).values(**values))
    if lines:
        of = (export_parts.c.export_key == one.key, export_parts.c.resource_type == resource_type)
        number = 1 + int(tx.execute(select(func.count()).where(*of)).scalar_one())
        made = {"resource_type": resource_type, "number": number, "lines": lines, "body": gzip.compress(body, 6)}
        insert_row(tx, export_parts, export_key=one.key, **made)
    return True


def end(tx: WriteTx, key: int, state: str, at: datetime, ends_at: datetime) -> None:
    """Note that an export is done, or failed."""
    tx.execute(update(exports).where(exports.c.key == key).values(state=state, done_at=at, ends_at=ends_at))


def parts(tx: ReadTx, key: int) -> list[Part]:
    """Return what has been made, without its bytes."""
    of = export_parts.c
    query = (
        select(of.resource_type, of.number, of.lines).where(of.export_key == key).order_by(of.resource_type, of.number)
    )
    return [Part(*row) for row in tx.execute(query)]


def body(tx: ReadTx, key: int, resource_type: str, number: int) -> bytes:
    """Return one part's NDJSON. Raises: LookupError."""
    of = export_parts.c
    query = select(of.body).where(of.export_key == key, of.resource_type == resource_type, of.number == number)
    found = tx.execute(query).scalar()
    if found is None:
        raise LookupError("no such part")
    return gzip.decompress(found)


def remove(tx: WriteTx, key: int) -> None:
    """Forget an export and all that was made of it."""
    tx.execute(delete(export_parts).where(export_parts.c.export_key == key))
    tx.execute(delete(exports).where(exports.c.key == key))


def ended(tx: ReadTx, now: datetime, forgotten: datetime) -> list[int]:
    """Return the exports that nobody may read any more, or that nobody has worked on since *forgotten*."""
    over = or_(exports.c.ends_at <= now, (exports.c.state == RUNNING) & (exports.c.asked_at < forgotten))
    return list(tx.execute(select(exports.c.key).where(over)).scalars())


def _place(one: Export) -> tuple[int, tuple[str, int] | None]:
    """Return how far an export is."""
    return one.at_type, one.after


def _export(row: Any) -> Export:
    plain = (name for name in Export.__slots__ if name not in ("types", "after"))
    after = (str(row.after[0]), int(row.after[1])) if row.after else None
    return Export(types=tuple(row.types), after=after, **{name: getattr(row, name) for name in plain})
