"""What a search asks of resources: terms that are all met, each by one of its values. Source: FHIR R4 and R5, 3.1.1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

DEFAULT_COUNT = 50
MOST_COUNT = 500


class Total(StrEnum):
    """How exactly a search says how many there are. Source: value set search-total."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True)
class Token:
    """A code or a number. system: None for any, "" for one that has none."""

    code: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """
    A stretch of time and how a value lies to it. begin: its first moment; end: the first one after it.

    how: "eq", "ne", "gt", "lt", "ge", "le", "sa" or "eb".
    """

    how: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Words:
    """A text. how: "starts", "contains" or "exact"."""

    text: str
    how: str = "starts"


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference points to. kind: "" where only the id was said."""

    kind: str
    resource_id: str


Value = Token | Span | Words | Target


@dataclass(frozen=True, slots=True)
class Term:
    """
    One parameter as it was asked for. name: without modifier; chained: "patient.identifier".

    values: any of them will do. is_negated: none of them may. is_missing: whether the element must be absent; None: it was not asked.
    """

    name: str
    values: tuple[Value, ...] = ()
    is_negated: bool = False
    is_missing: bool | None = None

    def tokens(self) -> tuple[Token, ...]:
        return tuple(one for one in self.values if isinstance(one, Token))

    def spans(self) -> tuple[Span, ...]:
        return tuple(one for one in self.values if isinstance(one, Span))

    def words(self) -> tuple[Words, ...]:
        return tuple(one for one in self.values if isinstance(one, Words))

    def targets(self) -> tuple[Target, ...]:
        return tuple(one for one in self.values if isinstance(one, Target))


@dataclass(frozen=True, slots=True)
class Order:
    """What answers are sorted by. name: a search parameter."""

    name: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A search. count: how many a page has, 0 for the total alone. after: where the page before ended, () on the first page.

    sort: "" for the newest first.
    """

    terms: tuple[Term, ...] = ()
    sort: Order | None = None
    count: int = DEFAULT_COUNT
    after: tuple[str, int] | None = None
    total: Total | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page. total: None where nobody counted. last: where it ended, None on the last page."""

    keys: tuple[int, ...]
    total: int | None
    last: tuple[str, int] | None
