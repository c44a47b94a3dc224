"""What a plain message costs in statements: the journal, the index and the worklist stay cheap only as long as somebody counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import event

from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, adt, image, order, spooled
from tests.flows.asking import say

MakeHouse = Callable[..., House]

# BEGIN and, on SQLite, the patience with other processes: whatever else SQLAlchemy executes was not prepared.
_UNPREPARED_MAX = 2


class Counted:
    """The statements of a stretch: all that reached SQLite, and those that SQLAlchemy executed itself."""

    def __init__(self) -> None:
        self.traced: list[str] = []
        self.unprepared: list[str] = []

    @property
    def count(self) -> int:
        """How many there were; rows that went into one table one after another are one."""
        return len([head for head, _ in groupby(text.partition(" VALUES ")[0] for text in self.traced)])


@contextmanager
def counting(house: House) -> Iterator[Counted]:
    counted = Counted()
    engine = house.store.engine

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        counted.unprepared.append(statement)

    def trace(connection: Any) -> None:
        if house.store.is_sqlite:
            connection.connection.dbapi_connection.set_trace_callback(counted.traced.append)

    event.listen(engine, "before_cursor_execute", note)
    # Before the listener that begins: its statement counts too.
    event.listen(engine, "begin", trace, insert=True)
    yield counted
    event.remove(engine, "before_cursor_execute", note)
    event.remove(engine, "begin", trace)


@pytest.mark.parametrize("known", [False, True], ids=["new patient", "known patient"])
def test_a_plain_new_order_runs_prepared_statements_and_few(make_house: MakeHouse, known: bool) -> None:
    house = make_house()
    say(house, order(NEAR_TWIN, "A0"), *([adt(PLAIN)] if known else []))
    with counting(house) as counted:
        say(house, order(PLAIN, "A1"))
    assert len(counted.unprepared) <= _UNPREPARED_MAX, counted.unprepared
    assert counted.count <= (45 if known else 34), counted.traced


def test_an_order_with_visit_and_account_runs_prepared_statements_only(make_house: MakeHouse) -> None:
    house = make_house()
    numbered = PLAIN.pid + "|" * (18 - PLAIN.pid.count("|")) + "A77^^^RIVERSIDE^AN"
    visit = "PV1|1|O|RAD^R1^1" + "|" * 16 + "V77^^^RIVERSIDE^VN"
    raw = order(PLAIN, "A1").replace(PLAIN.pid.encode(), numbered.encode()).replace(b"PV1|1|O", visit.encode())
    say(house, order(NEAR_TWIN, "A0"))
    with counting(house) as counted:
        (answer,) = say(house, raw)
    assert b"MSA|AA" in answer
    assert len(counted.unprepared) <= _UNPREPARED_MAX, counted.unprepared


@pytest.mark.parametrize("message", ["XO", "A08"])
def test_a_plain_change_runs_prepared_statements_only(make_house: MakeHouse, message: str) -> None:
    house = make_house()
    say(house, order(PLAIN, "A1"))
    changed = order(PLAIN, "A1", control="XO") if message == "XO" else adt(PLAIN)
    with counting(house) as counted:
        say(house, changed)
    assert len(counted.unprepared) <= _UNPREPARED_MAX, counted.unprepared
    assert counted.count <= 80, counted.traced


def test_statements_of_a_batch_share_what_belongs_to_all(make_house: MakeHouse) -> None:
    house = make_house()
    say(house, adt(PLAIN))
    with counting(house) as alone:
        say(house, order(PLAIN, "A1"))
    with counting(house) as together:
        say(house, *(order(PLAIN, f"B{number}") for number in range(10)))
    assert together.count < 10 * alone.count or not house.store.is_sqlite


@pytest.mark.parametrize("ordered", [True, False], ids=["bound", "held"])
def test_a_later_image_of_a_known_series_runs_prepared_statements_and_few(make_house: MakeHouse, ordered: bool) -> None:
    house = make_house()
    say(house, *([order(PLAIN, "A1")] if ordered else [adt(NEAR_TWIN)]))
    house.instances.receive(spooled(house, image(PLAIN, "A1", 1)))
    second = spooled(house, image(PLAIN, "A1", 2))
    with counting(house) as counted:
        house.instances.receive(second)
    assert len(counted.unprepared) <= _UNPREPARED_MAX, counted.unprepared
    assert counted.count <= 14, counted.traced
