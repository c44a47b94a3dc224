"""Procedures as they were ordered here lately: what a person who types an order may pick from."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from bridge.store.db import ReadTx
from bridge.store.tables import orders, steps

_LOOKED_AT = 3000


@dataclass(frozen=True, slots=True)
class KnownProcedure:
    """A procedure with the modality it was ordered for."""

    code: str
    scheme: str
    meaning: str
    modality: str


def recent(tx: ReadTx, limit: int) -> list[KnownProcedure]:
    """Return the procedures of the newest orders, the most frequent first."""
    newest = select(orders.c.key).order_by(orders.c.key.desc()).limit(_LOOKED_AT).subquery()
    columns = (
        orders.c.requested_procedure_code,
        orders.c.requested_procedure_code_scheme,
        orders.c.requested_procedure_description,
        steps.c.modality,
    )
    query = (
        select(*columns)
        .join(newest, newest.c.key == orders.c.key)
        .join(steps, steps.c.order_key == orders.c.key)
        .where(orders.c.requested_procedure_description != "")
        .group_by(*columns)
        .order_by(func.count().desc(), orders.c.requested_procedure_description)
        .limit(limit)
    )
    return [KnownProcedure(*row) for row in tx.execute(query)]
