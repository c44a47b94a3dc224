"""Files of payers and clearinghouses, each once by its bytes, with what could not be taken in of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select, update

from bridge.domain.payer_file import PayerFile, PayerFileState
from bridge.store.db import ReadTx, WriteTx, insert_row
from bridge.store.tables import payer_files

_COLUMNS = payer_files.c


def add(tx: WriteTx, file: PayerFile) -> int:
    """Write down that a file came (its key is ignored); the same bytes again are the same row. Returns its key."""
    known = tx.execute(select(_COLUMNS.key).where(_COLUMNS.blob == file.blob)).scalar_one_or_none()
    if known is not None:
        if file.mends is not None and file.mends != known:
            tx.execute(update(payer_files).where(_COLUMNS.key == known).values(mends=file.mends))
        return int(known)
    plain = ("blob", "size_bytes", "name", "origin", "mends", "taken_by", "taken_at")
    values: dict[str, Any] = {name: getattr(file, name) for name in plain}
    return insert_row(tx, payer_files, **values, state=PayerFileState.OPEN.value, reasons=[])


def settle(tx: WriteTx, key: int, reasons: Sequence[str]) -> None:
    """Write down that a file was read to its end, and why not all of it was taken."""
    state = PayerFileState.REFUSED if reasons else PayerFileState.TAKEN
    tx.execute(update(payer_files).where(_COLUMNS.key == key).values(state=state.value, reasons=list(reasons)))


def get(tx: ReadTx, key: int) -> PayerFile:
    """Return the file in row *key*. Raises: LookupError."""
    row = tx.execute(_files().where(_COLUMNS.key == key)).first()
    if row is None:
        raise LookupError(f"no payer file {key}")
    return _file(row)


def newest(tx: ReadTx, limit: int, state: PayerFileState | None = None) -> list[PayerFile]:
    """Return the last files that came, or the last of one state, newest first."""
    query = _files().order_by(_COLUMNS.key.desc()).limit(limit)
    return [_file(row) for row in tx.execute(query if state is None else query.where(_COLUMNS.state == state.value))]


def _files() -> Select[Any]:
    """Return every row with the key of the last one that stands in for it."""
    other = payer_files.alias()
    mended = select(func.max(other.c.key)).where(other.c.mends == _COLUMNS.key).scalar_subquery()
    return select(payer_files, mended.label("mended_by"))


def _file(row: Row[Any]) -> PayerFile:
    plain = {name: getattr(row, name) for name in PayerFile.__slots__ if name not in ("state", "reasons")}
    return PayerFile(**plain, state=PayerFileState(row.state), reasons=tuple(row.reasons))
