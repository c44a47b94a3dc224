"""Links that open one person's studies, or one of them, once. Their secrets are kept as digests only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import viewer_links, views

_c = viewer_links.c


@dataclass(frozen=True, slots=True)
class ViewerLink:
    """
    A link that was made. record_keys: the records that were meant; study_key: None for all of the person's studies.

    made_for: who will look, as its maker says it. credential: what its maker came with. attachment_key: whose packet it stands
    in; such a link opens many times, while the study's binding_version is this. opened_at: for the first time.
    """

    key: int
    record_keys: tuple[int, ...]
    study_key: int | None
    made_for: str
    made_by: str
    credential: str
    made_at: datetime
    ends_at: datetime
    opened_at: datetime | None = None
    revoked_at: datetime | None = None
    attachment_key: int | None = None
    binding_version: int = 0


def add(tx: WriteTx, link: ViewerLink, digest: str) -> int:
    """Remember a link (its key is ignored) by its secret's digest; returns its key."""
    values = {name: getattr(link, name) for name in ViewerLink.__slots__ if name != "key"}
    return insert_row(tx, viewer_links, **(values | {"record_keys": list(link.record_keys)}), token_digest=digest)


def get(tx: ReadTx, key: int) -> ViewerLink:
    """Return the link *key*. Raises: LookupError."""
    row = tx.execute(select(viewer_links).where(_c.key == key)).first()
    if row is None:
        raise LookupError(f"no link {key}")
    return _link(row)


def find(tx: ReadTx, digest: str) -> ViewerLink | None:
    """Return the link with this digest, whatever became of it."""
    row = tx.execute(select(viewer_links).where(_c.token_digest == digest)).first()
    return _link(row) if row is not None else None


def open_once(tx: WriteTx, key: int, at: datetime) -> bool:
    """Mark a link as opened; False if somebody else was faster, or it was revoked meanwhile."""
    mark = update(viewer_links).where(_c.key == key, _c.opened_at.is_(None), _c.revoked_at.is_(None))
    return bool(tx.execute(mark.values(opened_at=at)).rowcount == 1)


def of_attachment(tx: ReadTx, attachment_key: int) -> list[ViewerLink]:
    """Return the links that stand in an attachment's packets, newest first."""
    query = select(viewer_links).where(_c.attachment_key == attachment_key).order_by(_c.key.desc())
    return [_link(row) for row in tx.execute(query)]


def note_opened(tx: WriteTx, key: int, at: datetime) -> None:
    """Note that a link was opened, for the first time."""
    tx.execute(update(viewer_links).where(_c.key == key, _c.opened_at.is_(None)).values(opened_at=at))


def revoke(tx: WriteTx, key: int, by: str, at: datetime) -> None:
    """End a link."""
    mark = update(viewer_links).where(_c.key == key, _c.revoked_at.is_(None))
    tx.execute(mark.values(revoked_at=at, revoked_by=by))


def forget_ended(tx: WriteTx, before: datetime) -> int:
    """Forget links that ran out before then and opened nothing that is open yet; returns how many."""
    is_open = select(views.c.link_key).where(views.c.link_key == _c.key).exists()
    return int(tx.execute(delete(viewer_links).where(_c.ends_at < before, ~is_open)).rowcount)


def _link(row: Any) -> ViewerLink:
    values = {name: getattr(row, name) for name in ViewerLink.__slots__}
    return ViewerLink(**(values | {"record_keys": tuple(row.record_keys)}))
