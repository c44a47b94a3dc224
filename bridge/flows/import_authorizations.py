"""A list of authorizations handed in as a file: each taken in by itself, every row answered for, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.records import replace
from bridge.flows.take_authorization_news import Taking, take_authorization_news
from bridge.mapping.authorization_lists import ListedAuthorization, read_authorization_list
from bridge.mapping.typed_authorizations import Typing
from bridge.store import audit
from bridge.store.db import Store, lock

SOURCE = "list"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What became of a row: applied, known, waits (for a person to say whose it is) or faulty. why: in words."""

    number: int
    outcome: str
    authorization_key: int | None = None
    why: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedList:
    """What became of a list. unread: the columns that mean nothing here."""

    rows: tuple[ImportedRow, ...]
    unread: tuple[str, ...]


class AuthorizationLists:
    """Takes in lists of authorizations. typing: who typed them, by the clock that is given."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, typing: Callable[[], Typing]) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._typing = typing

    def import_list(self, raw: bytes, actor: str) -> ImportedList:
        """
        Take in what a file says, each authorization in a transaction of its own.

        The same file again changes nothing. Raises: Malformed, Incomplete, if it is no list of authorizations.
        """
        typing = replace(self._typing(), source=SOURCE, at=self._clock.now())
        read = read_authorization_list(raw, self._rules.authorizations.columns, typing)
        rows = [ImportedRow(one.number, "faulty", None, one.faults) for one in read.faulty]
        for listed in read.found:
            rows += self._take(listed, actor)
        with self._store.write() as tx:
            detail = {"rows": len(rows), "faulty": len(read.faulty)}
            audit.add(tx, at=self._clock.now(), action="authorizations_imported", actor=actor, detail=detail)
        return ImportedList(tuple(sorted(rows, key=lambda row: row.number)), read.unread)

    def _take(self, listed: ListedAuthorization, actor: str) -> list[ImportedRow]:
        taking = Taking(self._rules, self._clock.now(), actor, is_undated=not listed.is_dated)
        with self._store.write() as tx:
            lock(tx, "identity")
            taken = take_authorization_news(tx, listed.news, taking)
        key = taken.authorization.key if taken.authorization is not None else None
        why = (("", taken.why),) if taken.why else ()
        return [ImportedRow(number, taken.outcome.value, key, why) for number in listed.rows]
