"""ImagingStudy: who sent the patient, and why, as the study's order and a person's correction say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, and_, case, cast, func, not_, or_, select

from bridge.codecs.fhir.elements import display_name
from bridge.domain.resource_query import Term
from bridge.store.db import ReadTx
from bridge.store.order_tokens import REASON, REFERRER
from bridge.store.searches import conditions, order_tokens
from bridge.store.searches.conditions import Condition, House, Write
from bridge.store.tables import orders, overlay_versions, studies

_KEYWORD = "ReferringPhysicianName"
# What lies over a study now.
_OF_NOW = and_(
    overlay_versions.c.study_key == studies.c.key, overlay_versions.c.binding_version == studies.c.binding_version
)
_LAYERS = cast(overlay_versions.c.layers, Text)
# A value of its own for each study, not a set of rows to be in: PostgreSQL would read all overlays, or orders, for that.
_LAYERS_OF_NOW = func.coalesce(select(_LAYERS).where(_OF_NOW).scalar_subquery(), "")


_REFERRER = orders.c.referring_physician_name + orders.c.requesting_physician


def _is_corrected(layers: ColumnElement[str]) -> Condition:
    return layers.contains(f'"{_KEYWORD}"', autoescape=True)


def referrer_number(tx: ReadTx, term: Term, house: House) -> Condition:
    """Compare the number of who sent the patient; where a person corrected the name, only if it is still that name."""
    named = order_tokens.of_people(REFERRER, term.tokens(), house)
    same = [row.key for row in tx.execute(_corrected(named)) if _agrees(row)]
    return and_(studies.c.order_key.in_(named), or_(not_(_is_corrected(_LAYERS_OF_NOW)), studies.c.key.in_(same)))


def has_referrer() -> Condition:
    """Say whether a study tells who sent the patient."""
    by_order = of_order(_REFERRER)
    by_images = func.coalesce(studies.c.received["referring_physician_name"].as_string(), "")
    is_emptied = or_(*(_LAYERS_OF_NOW.contains(f'"{_KEYWORD}":{gap}""', autoescape=True) for gap in ("", " ")))
    return case((_is_corrected(_LAYERS_OF_NOW), not_(is_emptied)), else_=or_(by_order != "", by_images != ""))


def orders_referrer(order_key: ColumnElement[Any]) -> Mapping[str, Write]:
    """Return the conditions of who sent the patient where the order alone says so."""
    named = of_order(_REFERRER, order_key) != ""
    return {
        "referrer": conditions.in_words(named),
        "referrer.identifier": lambda _, term, house: order_key.in_(
            order_tokens.of_people(REFERRER, term.tokens(), house)
        ),
    }


def reason(order_key: ColumnElement[Any]) -> Write:
    """Return the condition of the codes of why the exam was ordered."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is None:
            return order_key.in_(order_tokens.of_codes(REASON, term.tokens()))
        in_words = of_order(orders.c.reason_for_the_requested_procedure, order_key)
        told = or_(in_words != "", order_tokens.has_any(REASON, order_key))
        return not_(told) if term.is_missing else told

    return write


def with_visit(order_key: ColumnElement[Any]) -> Condition:
    """Say whether an order names a visit."""
    return of_order(orders.c.admission_id, order_key) != ""


def of_order(text: ColumnElement[str], order_key: ColumnElement[Any] = studies.c.order_key) -> ColumnElement[str]:
    """Return a text of an order, "" without one."""
    return func.coalesce(select(text).where(orders.c.key == order_key).scalar_subquery(), "")


# What is in words alone, or not written at all, in every ImagingStudy.
NOT_FOUND_BY: Mapping[str, Write] = {
    "performer": conditions.in_words_alone,
    "performer.identifier": conditions.in_words_alone,
    "interpreter": conditions.in_words_alone,
    "interpreter.identifier": conditions.in_words_alone,
    "body-structure": conditions.never,
    "body-structure.identifier": conditions.never,
}


def _corrected(order_keys: Select[tuple[int]]) -> Select[Any]:
    """Return the query for the studies of these orders whose referrer a person corrected, with both names."""
    names = (orders.c.referring_physician_name, orders.c.requesting_physician)
    return (
        select(studies.c.key, overlay_versions.c.layers, *names)
        .join(overlay_versions, _OF_NOW)
        .join(orders, orders.c.key == studies.c.order_key)
        .where(studies.c.order_key.in_(order_keys), _is_corrected(_LAYERS))
    )


def _agrees(row: Row[Any]) -> bool:
    """Say whether a correction says the name that the order has, as it is shown."""
    said = next((layer["values"][_KEYWORD] for layer in row.layers if _KEYWORD in layer["values"]), "")
    return display_name(said) == display_name(row.referring_physician_name or row.requesting_physician)
