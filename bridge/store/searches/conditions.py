"""Conditions that every resource's search is made of, and the walk over the rows that meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, func, not_, or_, select, true

from bridge.domain.resource_query import Asked, Found, Span, Target, Term, Token, Total
from bridge.errors import Malformed
from bridge.store import patients
from bridge.store.db import ReadTx
from bridge.store.tables import Instant, patient_identifiers

Condition = ColumnElement[bool]

# So many are counted; of more it is not said how many, unless the caller insists.
COUNTED_MOST = 10_000


@dataclass(frozen=True, slots=True)
class House:
    """
    What conditions are read by. issuers: the issuers that a system stands for. quiet_since: as `served.Wanted` has it.

    announces: a study is told of while it still comes in. endpoints: the ways to images that are told of. only_patients: records that the caller is limited to, None
    for no limit. caller: whose names for resources count.
    """

    issuers: Callable[[str], tuple[str, ...]]
    quiet_since: datetime
    at: datetime
    announces: bool = False
    endpoints: tuple[str, ...] = ()
    only_patients: tuple[int, ...] | None = None
    caller: str = ""
    local: Callable[[datetime], datetime] = field(default=lambda at: at)

    def may_see(self, patient_key: int) -> bool:
        """Say whether the caller's limit, if any, includes a record."""
        return self.only_patients is None or patient_key in self.only_patients


Write = Callable[[ReadTx, Term, House], Condition]
Rows = list[tuple[int, Any]]


class Sorting(Protocol):
    """An order that no column has."""

    def page(self, tx: ReadTx, query: Select[Any], asked: Asked, house: House) -> Rows:
        """Return a page's keys and one more, each with its place. query: for the keys."""


@dataclass(frozen=True, slots=True)
class Search:
    """
    How one resource is found. rows: what is walked; key: its row's number. standing: what must hold of every row that is
    served. terms: each parameter's condition.

    sorts: what answers can be sorted by. narrows: of which parameters one at least must be asked for, () for none.
    beside: other rows that are the same resource; it knows the same parameters and sorts.
    """

    rows: FromClause
    key: ColumnElement[int]
    standing: Callable[[ReadTx, Sequence[Term], House], Sequence[Condition]]
    terms: Mapping[str, Write]
    sorts: Mapping[str, ColumnElement[Any] | Sorting] = field(default_factory=dict)
    narrows: tuple[str, ...] = ()
    beside: Search | None = None

    def conditions(self, tx: ReadTx, terms: Sequence[Term], house: House) -> list[Condition]:
        """Return what rows must meet. Raises: Malformed, if so little is asked that it would be everybody."""
        if self.narrows and not any(one.name in self.narrows for one in terms) and house.only_patients is None:
            wanted = ", ".join(self.narrows)
            raise Malformed(f"name one of {wanted}", code="too_broad", where=self.narrows[0])
        found = [*self.standing(tx, terms, house)]
        for one in terms:
            condition = self.terms[one.name](tx, one, house)
            found.append(not_(condition) if one.is_negated else condition)
        return found

    def find(self, tx: ReadTx, asked: Asked, house: House) -> Found:
        """Return a page of keys, newest first or as sorted, and how many there are."""
        rows, total = self.walk(tx, asked, house)
        if self.beside is not None:
            others, more = self.beside.walk(tx, asked, house)
            rows = _in_order([*rows, *others], asked) if others else rows
            total = None if total is None or more is None else total + more
        shown = rows[: asked.count]
        last = (_as_text(shown[-1][1]), shown[-1][0]) if 0 < asked.count < len(rows) else None
        return Found(tuple(key for key, _ in shown), total, last)

    def walk(self, tx: ReadTx, asked: Asked, house: House) -> tuple[Rows, int | None]:
        """Return a page's keys and one more, each with its place in the order asked for; and how many there are in all."""
        conditions = self.conditions(tx, asked.terms, house)
        total = self._total(tx, conditions, asked)
        if asked.count == 0:
            return [], total
        place = self.sorts[asked.sort.name] if asked.sort is not None else self.key
        if not isinstance(place, ColumnElement):
            return place.page(tx, select(self.key).select_from(self.rows).where(*conditions), asked, house), total
        return [(int(row[0]), row[1]) for row in tx.execute(self._page(place, conditions, asked))], total

    def _page(self, column: ColumnElement[Any], conditions: Sequence[Condition], asked: Asked) -> Select[Any]:
        key = self.key
        down = asked.sort.is_descending if asked.sort is not None else True
        query = select(key, column.label("place")).select_from(self.rows).where(*conditions)
        if asked.after is not None:
            query = query.where(_beyond(column, key, asked.after, down))
        order = (column.desc(), key.desc()) if down else (column.asc(), key.desc())
        return query.order_by(*order).limit(asked.count + 1)

    def _total(self, tx: ReadTx, conditions: Sequence[Condition], asked: Asked) -> int | None:
        if asked.total == Total.NONE:
            return None
        query = select(self.key).select_from(self.rows).where(*conditions)
        if asked.total == Total.ACCURATE:
            return int(tx.execute(select(func.count()).select_from(query.subquery())).scalar_one())
        some = select(func.count()).select_from(query.limit(COUNTED_MOST + 1).subquery())
        counted = int(tx.execute(some).scalar_one())
        return counted if counted <= COUNTED_MOST or asked.total == Total.ESTIMATE else None


def nowhere(names: Iterable[str]) -> Search:
    """Return the search of something that has no rows. names: its parameters."""
    c = patient_identifiers.c
    return Search(patient_identifiers, c.key, lambda _, __, ___: [false()], dict.fromkeys(names, never))


def keys(column: ColumnElement[int]) -> Write:
    """Return the condition of an _id that is the row's number."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        return column.in_([int(one.code) for one in term.tokens() if is_row(one.code)])

    return write


def coded(column: ColumnElement[str], meanings: Mapping[str, Sequence[str]], systems: Sequence[str] = ()) -> Write:
    """Return the condition of a token. meanings: a code to the column's values that mean it. systems: whose code it is."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return false() if term.is_missing else true()
        asked = [one for one in term.tokens() if one.system is None or one.system in systems]
        return column.in_(sorted({value for one in asked for value in meanings.get(one.code, ())}))

    return write


def always(codes: Iterable[str], systems: Sequence[str] = ()) -> Write:
    """Return the condition of a token that has the same value in every resource."""
    known = frozenset(codes)

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return false() if term.is_missing else true()
        met = any(one.code in known and (one.system is None or one.system in systems) for one in term.tokens())
        return true() if met else false()

    return write


def never(_: ReadTx, term: Term, __: House) -> Condition:
    """Return the condition of an element that no resource of ours has."""
    return true() if term.is_missing else false()


def in_words(is_named: Condition) -> Write:
    """Return the condition of a reference to somebody without a resource here. is_named: whether a row says who it is."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is None:
            return false()
        return not_(is_named) if term.is_missing else is_named

    return write


def in_words_alone(_: ReadTx, term: Term, __: House) -> Condition:
    """Return the condition of people without a resource or a number here. Raises: Malformed, if it is asked whether there are any."""
    if term.is_missing is not None:
        raise Malformed("this modifier is not served", where=f"{term.name}:missing", source="FHIR R4 3.1.1.4.3")
    return false()


def within(column: ColumnElement[datetime]) -> Write:
    """Return the condition of a moment."""

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return column.is_(None) if term.is_missing else column.is_not(None)
        return or_(false(), *(moment(column, one) for one in term.spans()))

    return write


def within_since(at: ColumnElement[datetime], touched_since: Callable[[datetime], Condition]) -> Write:
    """
    Return the condition of a moment that is no column.

    touched_since: what an index finds of what happened since: of that alone the moment is looked at.
    """

    def write(_: ReadTx, term: Term, __: House) -> Condition:
        if term.is_missing is not None:
            return false() if term.is_missing else true()
        return or_(false(), *(is_within(one) for one in term.spans()))

    def is_within(span: Span) -> Condition:
        exactly = moment(at, span)
        return and_(touched_since(span.begin), exactly) if span.how in ("eq", "gt", "ge", "sa") else exactly

    return write


def moment(column: ColumnElement[datetime], span: Span) -> Condition:
    """Compare a moment with a stretch of time. Source: FHIR R4 3.1.1.4.7."""
    tests: dict[str, Condition] = {
        "eq": and_(column >= span.begin, column < span.end),
        "ne": or_(column < span.begin, column >= span.end),
        "gt": column >= span.end,
        "sa": column >= span.end,
        "ge": column >= span.begin,
        "lt": column < span.begin,
        "eb": column < span.begin,
        "le": column < span.end,
    }
    return tests[span.how]


def subjects(column: ColumnElement[Any], kind: str = "Patient") -> Write:
    """Return the condition of a reference to a patient: to the record, or to one that is the same person's."""

    def write(tx: ReadTx, term: Term, _: House) -> Condition:
        if term.is_missing is not None:
            return column.is_(None) if term.is_missing else column.is_not(None)
        return column.in_(people(tx, (one for one in term.targets() if one.kind in ("", kind))))

    return write


def subjects_by_number(column: ColumnElement[Any]) -> Write:
    """Return the condition of a patient's number, chained."""

    def write(tx: ReadTx, term: Term, house: House) -> Condition:
        holders = number_holders(tx, term.tokens(), house)
        return column.in_(same_people(tx, holders))

    return write


def people(tx: ReadTx, targets: Iterable[Target]) -> list[int]:
    """Return the records that references mean, with those of the same person."""
    return same_people(tx, (int(one.resource_id) for one in targets if is_row(one.resource_id)))


def same_people(tx: ReadTx, patient_keys: Iterable[int]) -> list[int]:
    """Return the records that live for these, and all that were merged into them."""
    found: dict[int, None] = {}
    for key in patient_keys:
        try:
            live = patients.survivor(tx, key).key
        except LookupError:
            continue
        found |= dict.fromkeys((live, *patients.merged_into(tx, live)))
    return list(found)


def number_holders(tx: ReadTx, tokens: Iterable[Token], house: House) -> list[int]:
    """Return whose numbers these are."""
    found: dict[int, None] = {}
    for one in tokens:
        query = select(patient_identifiers.c.patient_key).where(patient_identifiers.c.patient_id == one.code)
        if one.system is not None:
            query = query.where(patient_identifiers.c.issuer_of_patient_id.in_(house.issuers(one.system)))
        found |= dict.fromkeys(tx.execute(query.limit(COUNTED_MOST)).scalars())
    return list(found)


def numbered(columns: Iterable[tuple[ColumnElement[str], ColumnElement[str]]]) -> Write:
    """Return the condition of a number with its issuer, in any of these pairs of columns."""
    pairs = tuple(columns)

    def write(_: ReadTx, term: Term, house: House) -> Condition:
        if term.is_missing is not None:
            held = or_(*(number != "" for number, _ in pairs))
            return not_(held) if term.is_missing else held
        return or_(
            false(), *(number_is(number, issuer, one, house) for one in term.tokens() for number, issuer in pairs)
        )

    return write


def number_is(number: ColumnElement[str], issuer: ColumnElement[str], token: Token, house: House) -> Condition:
    """Compare a number and whose it is."""
    if not token.code:
        return false()
    if token.system is None:
        return number == token.code
    return and_(number == token.code, issuer.in_(house.issuers(token.system)))


def is_row(text: str) -> bool:
    """Say whether an id may be the number of a row."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def _beyond(column: ColumnElement[Any], key: ColumnElement[int], after: tuple[str, int], down: bool) -> Condition:
    if column is key:
        return key < after[1] if down else key > after[1]
    place = _of_text(column, after[0])
    further = column < place if down else column > place
    return or_(further, and_(column == place, key < after[1]))


def _in_order(rows: Rows, asked: Asked) -> Rows:
    """Return rows of two kinds as one walk over both would come by them, a page and one more."""
    down = asked.sort.is_descending if asked.sort is not None else True
    newest_first = sorted(rows, key=itemgetter(0), reverse=True)
    return sorted(newest_first, key=itemgetter(1), reverse=down)[: asked.count + 1]


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)


def _of_text(column: ColumnElement[Any], text: str) -> object:
    return datetime.fromisoformat(text) if isinstance(column.type, Instant) else text
