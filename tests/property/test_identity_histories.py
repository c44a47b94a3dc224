"""Whatever is registered, merged, moved, renumbered, linked and undone: every number is one record's, everything has an owner."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bridge.clock import Clock
from bridge.errors import Conflict
from bridge.flows.undo_merge import MergeUndoer
from bridge.settings import Settings
from bridge.store import patients, schema
from bridge.store.db import Store
from bridge.store.tables import metadata, patient_identifiers, visits
from bridge.store.tables import orders as orders_table
from bridge.wiring import House
from tests.cast import Person, adt, merge
from tests.conftest import ROOT
from tests.flows.asking import say
from tests.flows.registration import entries, filing_of, mrg, order_of, pv1, tell

PEOPLE = tuple(Person(f"000710{at:02d}", f"PERSON{'ABCD'[at]}^TEST", "19500101", "F") for at in range(4))
SPARE = tuple(Person(f"000720{at:02d}", "", "", "") for at in range(2))
KINDS = ("register", "order", "merge", "move", "renumber", "visit", "link", "undo")
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=10
)


@cache
def _empty_database() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="identity-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = Store(f"sqlite:///{folder / 'empty.db'}")
    schema.migrate(store)
    store.dispose()
    return folder


@cache
def _house() -> House:
    folder = _empty_database()
    tree = {
        "bridge": {"data": folder / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "UTC"},
        "store": {"database": f"sqlite:///{folder / 'empty.db'}"},
        "identity": {"authority": "RIVERSIDE"},
    }
    return House(Settings.model_validate(tree), Clock())


def _emptied() -> House:
    house = _house()
    with house.store.write() as tx:
        for table in reversed(metadata.sorted_tables):
            if table.name != "schema_version":
                tx.execute(table.delete())
    return house


def _message(kind: str, first: int, second: int, which: int, at: str) -> bytes:
    one, other = PEOPLE[first], PEOPLE[second]
    if kind == "register":
        return adt(one, "A08" if which else "A31", at=at)
    if kind == "order":
        return order_of(one, f"N{first}{which}", f"W{first}", at=at)
    if kind == "merge":
        return merge(one, other, at=at)
    if kind == "move":
        return tell("A43", one.pid, mrg(other), at=at)
    if kind == "renumber":
        return tell("A47", SPARE[which].pid, mrg(one), at=at)
    if kind == "visit":
        return tell("A45", one.pid, mrg(other, visit=f"W{second}"), pv1(f"W{second}"), at=at)
    return tell("A24" if which else "A37", one.pid, other.pid, at=at)


def _check(house: House) -> None:
    with house.store.read() as tx:
        pair = (patient_identifiers.c.issuer_of_patient_id, patient_identifiers.c.patient_id)
        assert not tx.execute(select(*pair, func.count()).group_by(*pair).having(func.count() > 1)).all()
        for row in tx.execute(select(patient_identifiers.c.patient_key)):
            patients.survivor(tx, row.patient_key)
        filed = [*tx.execute(select(orders_table.c.patient_key)).scalars()]
        filed += tx.execute(select(visits.c.patient_key).where(visits.c.moved_into.is_(None))).scalars()
        for key in filed:
            owner = patients.get(tx, key)
            assert owner.merged_into is None, "something is filed under an ended record"
            assert owner.identifiers, "something is filed under a record without a number"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_no_history_loses_a_number_or_what_is_filed_and_undoing_all_of_it_returns_the_filing(
    steps: list[tuple[str, int, int, int]],
) -> None:
    house = _emptied()
    say(house, *(adt(one) for one in PEOPLE))
    say(house, *(order_of(one, f"A{at}", f"W{at}") for at, one in enumerate(PEOPLE)))
    before = filing_of(house)
    undoer = MergeUndoer(house.store, house.clock, house.rules, house.destinations)
    ordered: set[str] = set()
    for number, (kind, first, second, which) in enumerate(steps):
        if kind == "undo":
            for entry in entries(house)[first : first + 1]:
                with suppress(Conflict):  # something later may rest on it
                    undoer.undo(entry, "as it was", "user:maria")
        else:
            (answer,) = say(house, _message(kind, first, second, which, f"202603021{number // 6}{number % 6}000"))
            assert b"|AR|" not in answer
            ordered |= {f"N{first}{which}"} if kind == "order" else set()
        _check(house)
    for entry in entries(house):
        undoer.undo(entry, "as it was", "user:maria")
        _check(house)
    after = filing_of(house)
    assert {name: owner for name, owner in after.orders.items() if name not in ordered} == before.orders
    assert {number: owner for number, owner in after.numbers.items() if number in before.numbers} == before.numbers
