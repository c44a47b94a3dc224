"""A day's list becomes orders: first looked at, then applied row by row in small transactions; a bad row stays one bad row.

How far it has come is written with each transaction, so that a process which ends in the middle takes nothing back and
does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.clock import Clock
from bridge.domain.identifiers import digest_of
from bridge.domain.known_order import is_known
from bridge.domain.order_list import ListState, RowOutcome
from bridge.errors import OUR_FAULT, BridgeError, Conflict, Unavailable
from bridge.flows.enter_order import Entry
from bridge.flows.lookout import Lookout
from bridge.mapping.order_lists import ListRow, OrderList, read_list
from bridge.mapping.typed_orders import TypedGround, TypedOrder
from bridge.store import audit, leases, order_lists, orders
from bridge.store.db import ReadTx, Store, WriteTx, lock, savepoint
from bridge.store.order_lists import DoneRow, HandedIn

_log = structlog.get_logger(__name__)

_BATCH = 25
_LEASE = timedelta(seconds=15)
_REST_SECS = 0.02
_NAME_MAX = 120


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a row would do, as far as can be told before."""

    row: ListRow
    outcome: RowOutcome
    order_key: int | None = None


class OrderLists:
    """What people do with lists. ground: what they are read by now."""

    def __init__(self, store: Store, clock: Clock, entry: Entry, ground: Callable[[], TypedGround]) -> None:
        self._store = store
        self._clock = clock
        self._entry = entry
        self._ground = ground

    def read(self, key: int, date_form: str) -> OrderList:
        """Return what a list says. Raises: LookupError; Malformed, Incomplete, as `read_list`."""
        with self._store.read() as tx:
            raw = order_lists.get(tx, key).raw
        return read_list(raw, self._ground(), date_form)

    def read_file(self, raw: bytes, date_form: str) -> OrderList:
        """Return what a file says. Raises: Malformed, Incomplete, as `read_list`."""
        return read_list(raw, self._ground(), date_form)

    def hand_in(self, file_name: str, raw: bytes, actor: str) -> int:
        """Keep a list, to be looked at and applied later; return its key."""
        now = self._clock.now()
        with self._store.write() as tx:
            key = order_lists.add(tx, _looked_at(file_name, raw, actor, now))
            audit.add(tx, at=now, action="list_handed_in", actor=actor, detail={"list": key, "bytes": len(raw)})
        return key

    def apply(self, key: int, date_form: str, actor: str) -> None:
        """
        Let the rows of a list become orders.

        Raises: LookupError; Conflict, if it was applied before; Malformed, Incomplete, if it cannot be read.
        """
        total = len(self.read(key, date_form).rows)
        now = self._clock.now()
        with self._store.write() as tx:
            if not order_lists.ask(tx, key, date_form, total, now):
                raise Conflict("this list was applied before", code="list_applied")
            audit.add(tx, at=now, action="list_applied", actor=actor, detail={"list": key, "count": total})

    def stop(self, key: int, actor: str) -> None:
        """Stop a list behind the row it is at. Raises: LookupError; Conflict, if it has ended."""
        now = self._clock.now()
        with self._store.write() as tx:
            order_lists.get(tx, key)
            if not order_lists.end(tx, key, ListState.STOPPED, now):
                raise Conflict("this list is not being applied", code="list_ended")
            audit.add(tx, at=now, action="list_stopped", actor=actor, detail={"list": key})

    def outlook(self, rows: Sequence[ListRow]) -> list[Outlook]:
        """Return what each row would do; nothing is written."""
        with self._store.read() as tx:
            return [_outlook(tx, self._entry, row) for row in rows]


def _outlook(tx: ReadTx, entry: Entry, row: ListRow) -> Outlook:
    if row.typed is None:
        return Outlook(row, RowOutcome.REFUSED)
    try:
        found = entry.looked_for(tx, row.typed)
        entry.check_person(tx, row.typed)
    except BridgeError as fault:
        return Outlook(ListRow(row.number, row.cells, faults=((fault.where, fault.detail),)), RowOutcome.REFUSED)
    if found is None:
        return Outlook(row, RowOutcome.NEW)
    known = is_known(row.typed.order, found, orders.steps_of(tx, found.key))
    return Outlook(row, RowOutcome.UNCHANGED if known else RowOutcome.CHANGED, found.key)


def _looked_at(file_name: str, raw: bytes, actor: str, now: datetime) -> HandedIn:
    return HandedIn(
        key=0,
        file_name=file_name[:_NAME_MAX],
        raw=raw,
        digest=digest_of(raw),
        date_form="",
        entered_by=actor,
        state=ListState.LOOKED_AT,
        total=0,
        cursor=0,
        created_at=now,
        started_at=None,
        ended_at=None,
    )


class ListQueue(Lookout):
    """
    Applies what was asked for, one list after the other, in one process at a time.

    ground: what lists are read by now. owner: this process, unlike any other.
    """

    name = "order-lists"

    def __init__(
        self, store: Store, clock: Clock, entry: Entry, ground: Callable[[], TypedGround], *, owner: str
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._entry = entry
        self._ground = ground
        self._owner = owner

    def work(self) -> bool:
        """Apply the next list to its end; False if there is none, or another process is at it. Raises: Unavailable."""
        with self._store.read() as tx:
            waiting = order_lists.next_open(tx)
        if waiting is None or not self._take_lease():
            return False
        try:
            found = read_list(waiting.raw, self._ground(), waiting.date_form)
        except BridgeError as fault:
            # It could be read when it was asked for; what changed since must not hold up the lists behind it.
            _log.warning("list_unreadable", list=waiting.key, code=fault.code)
            self._end(waiting, ListState.STOPPED)
            return True
        rest = [row for row in found.rows if row.number > waiting.cursor]
        while rest and not self._stopping.is_set():
            if not self._do(waiting, rest[:_BATCH]):
                return True
            rest = rest[_BATCH:]
            # Messages that come in now pass between.
            self._stopping.wait(_REST_SECS)
        if not rest:
            self._end(waiting)
        return True

    def _take_lease(self) -> bool:
        with self._store.write() as tx:
            return leases.take(tx, "order-lists", self._owner, self._clock.now(), _LEASE)

    def _do(self, waiting: HandedIn, rows: Sequence[ListRow]) -> bool:
        """Apply a few rows under one commit; False where somebody stopped the list, or another process has it now."""
        with self._store.write() as tx:
            lock(tx, "identity")
            if not leases.take(tx, "order-lists", self._owner, self._clock.now(), _LEASE):
                return False
            if order_lists.get(tx, waiting.key).cursor >= rows[0].number:
                return False
            done = [self._apply(tx, waiting, row) for row in rows]
            return order_lists.note(tx, waiting.key, done)

    def _apply(self, tx: WriteTx, waiting: HandedIn, row: ListRow) -> DoneRow:
        """Apply one row inside a savepoint: what is refused takes nothing else with it."""
        if row.typed is None:
            return DoneRow(row.number, RowOutcome.REFUSED, faults=row.faults)
        try:
            with savepoint(tx):
                return self._enter(tx, row.number, row.typed, waiting.entered_by)
        except Unavailable:
            raise
        except BridgeError as fault:
            return DoneRow(row.number, RowOutcome.REFUSED, faults=((fault.where, fault.to_caller),))
        except Exception:  # noqa: BLE001 - our fault; the savepoint is rolled back, the row says so
            _log.exception("row_not_applied", list=waiting.key, row=row.number)
            return DoneRow(row.number, RowOutcome.REFUSED, faults=(("", OUR_FAULT),))

    def _enter(self, tx: WriteTx, number: int, typed: TypedOrder, actor: str) -> DoneRow:
        entered = self._entry.enter(tx, typed, actor)
        outcome = RowOutcome.NEW if entered.is_new else RowOutcome.CHANGED
        return DoneRow(number, outcome if entered.is_changed else RowOutcome.UNCHANGED, entered.order.key)

    def _end(self, waiting: HandedIn, state: ListState = ListState.DONE) -> None:
        now = self._clock.now()
        with self._store.write() as tx:
            order_lists.end(tx, waiting.key, state, now)
            counted = {outcome.value: number for outcome, number in order_lists.counted(tx, waiting.key).items()}
            audit.add(tx, at=now, action="list_done", actor=waiting.entered_by, detail={"list": waiting.key, **counted})
        _log.info("list_done", list=waiting.key, **counted)
