"""What of a payer's checklist is not here for an authorization, as it was when that was looked at last."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import delete, insert, select

from bridge.domain.evidence_needs import Need
from bridge.store.db import ReadTx, WriteTx
from bridge.store.tables import authorization_gaps

_COLUMNS = authorization_gaps.c


def of_authorizations(tx: ReadTx, keys: Iterable[int]) -> dict[int, tuple[Need, ...]]:
    """Return what is missing for these authorizations, in the order of Need; one that lacks nothing is left out."""
    query = select(_COLUMNS.authorization_key, _COLUMNS.need).where(_COLUMNS.authorization_key.in_(list(keys)))
    found: dict[int, set[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.authorization_key, set()).add(row.need)
    return {key: tuple(one for one in Need if one in needs) for key, needs in found.items()}


def replace_all(tx: WriteTx, authorization_key: int, needs: Collection[Need]) -> None:
    """Let *needs* be what is missing for an authorization."""
    known = set(of_authorizations(tx, [authorization_key]).get(authorization_key, ()))
    over = known.difference(needs)
    if over:
        gone = (_COLUMNS.authorization_key == authorization_key, _COLUMNS.need.in_([one.value for one in over]))
        tx.execute(delete(authorization_gaps).where(*gone))
    new = [{"authorization_key": authorization_key, "need": one.value} for one in needs if one not in known]
    if new:
        tx.execute(insert(authorization_gaps), new)
