"""What orders are found by besides their numbers: people's numbers and codes, as the order itself says them.

They are written with the order, in its transaction, so that a search finds what the order shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import bindparam, delete, insert, select

from bridge.codecs.fhir.elements import coding_of
from bridge.domain.code import Code
from bridge.domain.order import Order
from bridge.domain.order_people import NPI, Person, referring, requesting
from bridge.store.db import WriteTx
from bridge.store.prepared import Prepared
from bridge.store.tables import order_tokens as table

REQUESTER, REFERRER, CODE, REASON = "requester", "referrer", "code", "reason"

# What it is, whose number it is or of which scheme, and itself.
_Found = tuple[str, str, str]

_c = table.c
_OF_ORDER = _c.order_key == bindparam("of_order")
_KEPT = Prepared(select(_c.name, _c.issuer, _c.value).where(_OF_ORDER))
_DROP = Prepared(delete(table).where(_OF_ORDER))
_ADD = Prepared(insert(table), ["order_key", "name", "issuer", "value"])


def put(tx: WriteTx, order: Order) -> None:
    """Write what a new order is found by."""
    _ADD.each(tx, _rows(order.key, _said_by(order)))


def put_again(tx: WriteTx, order: Order) -> None:
    """Write what an order is found by now."""
    said = _said_by(order)
    if {(row.name, row.issuer, row.value) for row in _KEPT.all(tx, of_order=order.key)} != said:
        _DROP.run(tx, of_order=order.key)
        _ADD.each(tx, _rows(order.key, said))


def _rows(order_key: int, said: Iterable[_Found]) -> Iterator[dict[str, object]]:
    for name, issuer, value in sorted(said):
        yield {"order_key": order_key, "name": name, "issuer": issuer, "value": value}


def _said_by(order: Order) -> set[_Found]:
    found = {(REASON, *_coded(one)) for one in order.details.get("reason_for_requested_procedure_code", ())}
    found.add((CODE, *_coded(order.requested_procedure_code)))
    found |= {(REQUESTER, *_numbered(requesting(order))), (REFERRER, *_numbered(referring(order)))}
    return {one for one in found if one[2]}


def _numbered(person: Person) -> tuple[str, str]:
    """Return whose number is shown of a person, and itself: one that nobody gave is not."""
    number = person.number
    return (NPI if person.has_npi else number.issuer, number.value if number.issuer else "")


def _coded(code: Code) -> tuple[str, str]:
    return code.coding_scheme_designator.upper(), coding_of(code).get("code", "")
