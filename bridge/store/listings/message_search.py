"""Finding messages by anything the desk filters by, each search an index range however many messages there are.

What few values tell apart (outcome, site, type, error, test) is jumped through in one index, which ends in the key, so
that each combination yields its newest rows at once. Numbers are looked up as terms. A time is turned into the keys of
its first and last message: keys are given in the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Executable,
    FromClause,
    Select,
    TextClause,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)

from bridge.domain.message import MessageFilter, MessageState, TermKind, term_text
from bridge.store.db import ReadTx
from bridge.store.listings.search import subject_keys
from bridge.store.tables import message_terms, messages

COUNTED_MAX = 10_000
_FACETS = (
    messages.c.state,
    messages.c.site,
    messages.c.message_type,
    messages.c.error_code,
    messages.c.is_test,
)
# SQLite takes at most 500 parts in a compound SELECT.
_PARTS_MAX = 200
_COUNTED_EXACTLY_MAX = 100_000_000
_SUBJECTS_MAX = 5000
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Facet:
    """One combination of what few values tell apart."""

    state: str
    site: str
    message_type: str
    error_code: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Keys from *low* on, and before *high*; None: no bound."""

    low: int | None = None
    high: int | None = None

    def beyond(self, key: int, *, oldest_first: bool) -> Span:
        """Return the part that follows after *key*."""
        if oldest_first:
            return Span(max(key + 1, self.low or 0), self.high)
        return Span(self.low, key if self.high is None else min(key, self.high))


class MessageSearch:
    """One filter at one moment of the database."""

    def __init__(self, tx: ReadTx, wanted: MessageFilter) -> None:
        self._tx = tx
        self._wanted = wanted

    @cached_property
    def facets(self) -> list[Facet]:
        """Every combination there is, wanted or not."""
        return facets(self._tx)

    def page(self, *, after: int | None = None, limit: int, oldest_first: bool = False) -> list[int]:
        """
        Return the keys of at most *limit* messages that are wanted, newest first unless *oldest_first*.

        after: the last key of the page before.
        """
        if self._span is None:
            return []
        span = self._span if after is None else self._span.beyond(after, oldest_first=oldest_first)
        queries = self._queries(self._wanted, span, _Order(limit, oldest_first))
        found = {key for one in queries for key in self._tx.execute(one).scalars()}
        return sorted(found, reverse=not oldest_first)[:limit]

    def tally(self, limit: int = COUNTED_MAX) -> dict[MessageState, int]:
        """Return how many messages of each outcome the rest of the filter wants; at most *limit* + 1 are counted."""
        return {state: self._count(replace(self._wanted, state=state.value), limit) for state in MessageState}

    def count(self) -> int:
        """Return how many messages are wanted."""
        wanted = [MessageState(self._wanted.state)] if self._wanted.state else list(MessageState)
        return sum(self._count(replace(self._wanted, state=state.value), None) for state in wanted)

    @cached_property
    def _span(self) -> Span | None:
        """The keys that came in the time that is wanted, None if none did."""
        low = high = None
        if self._wanted.since is not None:
            low = self._first_since(self._wanted.since)
            if low is None:
                return None
        if self._wanted.until is not None:
            high = self._first_since(self._wanted.until)
        return Span(low, high)

    def _first_since(self, at: datetime) -> int | None:
        query = select(messages.c.key).where(messages.c.received_at >= at)
        return self._tx.execute(query.order_by(messages.c.received_at, messages.c.key).limit(1)).scalar()

    def _count(self, wanted: MessageFilter, limit: int | None) -> int:
        """Count as far as *limit* + 1: no further row is read then."""
        if self._span is None:
            return 0
        if wanted.holds_patient_data:
            order = _Order(_COUNTED_EXACTLY_MAX if limit is None else limit + 1, oldest_first=False)
            queries = self._queries(wanted, self._span, order)
            return len({key for one in queries for key in self._tx.execute(one).scalars()})
        total = 0
        for some in _chunks(self._matching(wanted)):
            most = _COUNTED_EXACTLY_MAX if limit is None else limit + 1 - total
            total += int(self._tx.execute(_counted(some, self._span, most)).scalar_one())
            if limit is not None and total > limit:
                break
        return total

    def _queries(self, wanted: MessageFilter, span: Span, order: _Order) -> Sequence[Executable]:
        """Return queries that together hold the first keys, each by its own index."""
        if wanted.holds_patient_data:
            return self._by_number(wanted, span, order)
        if not _names_facet(wanted):
            return [order.cut(select(messages.c.key).where(*_within(span)), messages.c.key)]
        return [_first_of_each(some, span, order) for some in _chunks(self._matching(wanted))]

    def _by_number(self, wanted: MessageFilter, span: Span, order: _Order) -> list[Select[int]]:
        """The number that is asked for leads; everything else is looked at in the few messages it leads to."""
        rest = [*_within(span), *_facet_clauses(wanted)]
        terms = _terms(wanted)
        if wanted.text and (terms or wanted.control_id):
            rest.append(or_(messages.c.control_id == wanted.text, _has_term(_any_number(wanted.text))))
        if wanted.control_id:
            rest += [messages.c.control_id == wanted.control_id, *(_has_term(term) for term in terms)]
            return [order.cut(select(messages.c.key).where(*rest), messages.c.key)]
        if terms:
            lead, *others = terms
            return [_led_by(lead, [*rest, *(_has_term(other) for other in others)], order)]
        about = self._about_what_is_typed
        if about is not None:
            return [order.cut(select(messages.c.key).where(messages.c.key.in_(about), *rest), messages.c.key)]
        by_control_id = select(messages.c.key).where(messages.c.control_id == wanted.text, *rest)
        return [order.cut(by_control_id, messages.c.key), _led_by(_any_number(wanted.text), rest, order)]

    @cached_property
    def _about_what_is_typed(self) -> list[int] | None:
        """The messages about the exams that the text leads to, None where it is a number that messages carry."""
        typed = self._wanted.text
        known = select(messages.c.key).where(messages.c.control_id == typed).limit(1)
        numbered = select(message_terms.c.message_key).where(_any_number(typed)).limit(1)
        if self._tx.execute(known).first() or self._tx.execute(numbered).first():
            return None
        return subject_keys(self._tx, typed, _SUBJECTS_MAX)

    def _matching(self, wanted: MessageFilter) -> list[Facet]:
        return [facet for facet in self.facets if _fits(facet, wanted)]


def facets(tx: ReadTx) -> list[Facet]:
    """
    Return every combination there is, by as many jumps through the index, not by reading it.

    Column by column, each value being the least one beyond the value before: that is one jump on both databases.
    """
    states = union_all(*(select(literal(state.value).label("state")) for state in MessageState))
    level: CTE = states.cte("states", recursive=True)
    for number, column in enumerate(_FACETS[1:-1], 1):
        level = _next_level(level, _FACETS[:number], column)
    tests = union_all(*(select(literal(one).label("is_test")) for one in (False, True))).subquery("tests")
    same = [column == level.c[column.name] for column in _FACETS[:-1]]
    found = select(messages.c.key).where(*same, messages.c.is_test == tests.c.is_test).correlate(level, tests)
    # Not EXISTS: PostgreSQL makes a join of that, and reads the whole table for it.
    there = found.limit(1).scalar_subquery().is_not(None)
    values = [level.c[column.name] for column in _FACETS[:-1]]
    query = select(*values, tests.c.is_test).join(tests, true()).where(values[-1].is_not(None), there)
    rows = tx.execute(query).all()
    return [Facet(row.state, row.site, row.message_type, row.error_code, row.is_test) for row in rows]


def _next_level(level: CTE, known: Sequence[Column[Any]], column: Column[Any]) -> CTE:
    """Return *level* with every value of *column* there is beside its values; the last row of each holds null."""
    names = [one.name for one in known]

    def least(of: FromClause, *beyond: ColumnElement[bool]) -> ColumnElement[Any]:
        same = [one == of.c[one.name] for one in known]
        return select(func.min(column)).where(*same, *beyond).correlate(of).scalar_subquery().label(column.name)

    there = [] if len(names) == 1 else [level.c[names[-1]].is_not(None)]
    first = select(*(level.c[name] for name in names), least(level)).where(*there)
    walk = first.cte(f"by_{column.name}", recursive=True)
    again = select(*(walk.c[name] for name in names), least(walk, column > walk.c[column.name]))
    return walk.union_all(again.where(walk.c[column.name].is_not(None)))


def of_control_id(tx: ReadTx, control_id: str, limit: int) -> list[int]:
    """Return the keys of the messages with this control ID, newest first."""
    query = select(messages.c.key).where(messages.c.control_id == control_id).order_by(messages.c.key.desc())
    return list(tx.execute(query.limit(limit)).scalars()) if control_id else []


@dataclass(frozen=True, slots=True)
class _Order:
    """How many keys are asked for, from which end."""

    limit: int
    oldest_first: bool

    def cut(self, query: Select[int], key: ColumnElement[int]) -> Select[int]:
        return query.order_by(key.asc() if self.oldest_first else key.desc()).limit(self.limit)


def _led_by(term: ColumnElement[bool], rest: Sequence[ColumnElement[bool]], order: _Order) -> Select[int]:
    key = message_terms.c.message_key
    return order.cut(select(key).distinct().join(messages, messages.c.key == key).where(term, *rest), key)


def _terms(wanted: MessageFilter) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if wanted.accession_number:
        clauses.append(_number(wanted.accession_number, (TermKind.ACCESSION,)))
    if wanted.order_number:
        clauses.append(_number(wanted.order_number, (TermKind.ORDER, TermKind.ACCESSION)))
    if wanted.patient_id:
        number, _, issuer = wanted.patient_id.partition("^^^")
        clause = _number(number, (TermKind.PATIENT,))
        clauses.append(and_(clause, message_terms.c.issuer == term_text(issuer)) if issuer else clause)
    return clauses


def _number(typed: str, kinds: Iterable[TermKind]) -> ColumnElement[bool]:
    return and_(message_terms.c.value == term_text(typed), message_terms.c.kind.in_([kind.value for kind in kinds]))


def _any_number(typed: str) -> ColumnElement[bool]:
    number, _, issuer = typed.partition("^^^")
    clause = message_terms.c.value == term_text(number)
    return and_(clause, message_terms.c.issuer == term_text(issuer)) if issuer else clause


def _has_term(term: ColumnElement[bool]) -> ColumnElement[bool]:
    own = select(literal(1)).where(message_terms.c.message_key == messages.c.key, term)
    return own.correlate(messages).exists()


def _names_facet(wanted: MessageFilter) -> bool:
    named = (wanted.state, wanted.message_type, wanted.error_code, wanted.site)
    return any(named) or wanted.is_test is not None


def _fits(facet: Facet, wanted: MessageFilter) -> bool:
    kind = wanted.message_type
    return (
        wanted.state in ("", facet.state)
        and wanted.site in ("", facet.site)
        and wanted.error_code in ("", facet.error_code)
        and wanted.is_test in (None, facet.is_test)
        and (not kind or facet.message_type == kind or facet.message_type.startswith(f"{kind}^"))
    )


def _facet_clauses(wanted: MessageFilter) -> list[ColumnElement[bool]]:
    pairs = (
        (messages.c.state, wanted.state),
        (messages.c.site, wanted.site),
        (messages.c.error_code, wanted.error_code),
    )
    clauses: list[ColumnElement[bool]] = [column == value for column, value in pairs if value]
    if wanted.is_test is not None:
        clauses.append(messages.c.is_test == wanted.is_test)
    if wanted.message_type:
        beneath = messages.c.message_type.startswith(f"{wanted.message_type}^", autoescape=True)
        clauses.append(or_(messages.c.message_type == wanted.message_type, beneath))
    return clauses


def _first_of_each(some: Sequence[Facet], span: Span, order: _Order) -> TextClause:
    """Return a query for the first keys of every facet, each facet being read no further than that."""
    direction = "ASC" if order.oldest_first else "DESC"
    cut = f"ORDER BY key {direction} LIMIT {int(order.limit)}"
    parts, values = _parts(some, span)
    # Written out: of two hundred parts, composing the statement would take longer than running it. Names only, no values.
    sql = " UNION ALL ".join(f"SELECT key FROM ({part} {cut}) AS part_{n}" for n, part in enumerate(parts))  # noqa: S608
    return text(f"SELECT key FROM ({sql}) AS every {cut}").bindparams(**values)  # noqa: S608


def _counted(some: Sequence[Facet], span: Span, most: int) -> TextClause:
    parts, values = _parts(some, span)
    sql = f"SELECT key FROM ({' UNION ALL '.join(parts)}) AS every LIMIT {int(most)}"  # noqa: S608
    return text(f"SELECT count(*) FROM ({sql}) AS counted").bindparams(**values)  # noqa: S608


def _parts(some: Sequence[Facet], span: Span) -> tuple[list[str], dict[str, Any]]:
    """Return one SELECT for each facet, and the values they name."""
    bounds = [clause for clause, value in (("key >= :low", span.low), ("key < :high", span.high)) if value is not None]
    values: dict[str, Any] = {"low": span.low, "high": span.high}
    values = {name: value for name, value in values.items() if value is not None}
    parts: list[str] = []
    for number, facet in enumerate(some):
        clauses = [f"{column.name} = :{column.name}_{number}" for column in _FACETS]
        parts.append(f"SELECT key FROM messages WHERE {' AND '.join(clauses + bounds)}")  # noqa: S608
        values |= {f"{column.name}_{number}": getattr(facet, column.name) for column in _FACETS}
    return parts, values


def _within(span: Span) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if span.low is not None:
        clauses.append(messages.c.key >= span.low)
    if span.high is not None:
        clauses.append(messages.c.key < span.high)
    return clauses


def _chunks(some: Sequence[_Part]) -> Iterable[Sequence[_Part]]:
    return (some[start : start + _PARTS_MAX] for start in range(0, len(some), _PARTS_MAX))
