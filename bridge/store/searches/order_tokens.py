"""Orders by the people and the codes that they name: the looks into `order_tokens`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select

from bridge.codecs.fhir.elements import ADDRESSED_SCHEMES, schemes_of
from bridge.codecs.fhir.people import NPI as NPI_SYSTEM
from bridge.domain.order_people import NPI
from bridge.domain.resource_query import Token
from bridge.store.searches.conditions import Condition, House
from bridge.store.tables import order_tokens

_c = order_tokens.c


def of_people(name: str, tokens: Iterable[Token], house: House) -> Select[tuple[int]]:
    """Return the query for the orders that name a person by one of these numbers. name: REQUESTER or REFERRER."""
    return _orders(name, (_is_persons(one, house) for one in tokens))


def of_codes(name: str, tokens: Iterable[Token]) -> Select[tuple[int]]:
    """Return the query for the orders that have one of these codes. name: CODE or REASON."""
    return _orders(name, (_is_code(one) for one in tokens))


def has_any(name: str, order_key: ColumnElement[Any]) -> Condition:
    """Say whether an order has something of this name."""
    first = select(func.min(_c.key)).where(_c.order_key == order_key, _c.name == name)
    return first.scalar_subquery().is_not(None)


def _orders(name: str, met: Iterable[Condition]) -> Select[tuple[int]]:
    return select(_c.order_key).where(_c.name == name, or_(false(), *met))


def _is_persons(one: Token, house: House) -> Condition:
    if one.system is None:
        return _c.value == one.code
    issuers = {each for each in house.issuers(one.system) if each != NPI}
    return and_(_c.value == one.code, _c.issuer.in_(issuers | ({NPI} if one.system == NPI_SYSTEM else set())))


def _is_code(one: Token) -> Condition:
    if one.system is None:
        return _c.value == one.code
    if not one.system:
        return and_(_c.value == one.code, _c.issuer.not_in(ADDRESSED_SCHEMES))
    return and_(_c.value == one.code, _c.issuer.in_(schemes_of(one.system)))
