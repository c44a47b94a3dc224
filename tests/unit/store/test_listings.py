"""What lists show, on both databases; and that none of their statements scans a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event

from bridge.clock import FixedClock
from bridge.domain.message import MessageFilter
from bridge.store import incidents, orders, patients, questions
from bridge.store.db import Store
from bridge.store.events import Station
from bridge.store.listings import (
    authorizations,
    board,
    counts,
    exam_detail,
    exams,
    journal,
    look_rows,
    people,
    queues,
    search,
    served,
    unscheduled,
    worklists,
)
from bridge.store.listings.authorizations import Wanted
from bridge.store.listings.message_search import MessageSearch
from bridge.wiring import House
from tests.fakes.clinic import AT
from tests.fakes.console import Console


@pytest.fixture
def console(make_house: Callable[..., House]) -> Console:
    return Console(make_house(FixedClock(AT)))


def test_an_exam_says_how_far_it_has_come(console: Console) -> None:
    console.order()
    with console.store.read() as tx:
        before = exam_detail.find(tx, "A1", unbound=False)
    assert (before.row.station, before.row.study_state) == (Station.SCHEDULED, "")
    order_key = before.row.order_key
    assert order_key is not None
    study = console.clinic.study("1.2.840.99.9")
    with console.store.read() as tx:
        order = orders.get(tx, order_key)
        patient = patients.get(tx, order.patient_key)
    console.clinic.bind(study, patient, order)
    with console.store.read() as tx:
        after = exam_detail.find(tx, "A1", unbound=False)
        rows = exams.recent(tx, before=None, limit=5)
    assert rows[0].station == Station.RECONCILED
    states = {one.station: one.state for one in after.stations}
    assert states[Station.IMAGES] == states[Station.RECONCILED] == "done"
    assert states[Station.CHART] == "waiting"


@pytest.mark.parametrize("text", ["halv", "Halvorsen Ingrid", "ingrid halvorsen", "HALVORSEN^I", "halvorsen, in"])
def test_a_name_is_found_by_how_it_begins(console: Console, text: str) -> None:
    console.clinic.patient("1", "HALVORSEN^INGRID")
    console.clinic.patient("2", "HOLM^NILS")
    with console.store.read() as tx:
        assert len(people.keys_by_name(tx, text)) == 1


@pytest.mark.parametrize("text", ["%", "_", "a%", "h_lvorsen", "\\", "'; DROP TABLE patients;--", "x" * 500])
def test_a_name_is_no_pattern(console: Console, text: str) -> None:
    console.clinic.patient("1", "HALVORSEN^INGRID")
    with console.store.read() as tx:
        assert people.keys_by_name(tx, text) == []


def test_whoever_was_merged_away_leads_to_the_survivor(console: Console) -> None:
    old, new = console.clinic.patient("1", "HALVORSEN^INGRID"), console.clinic.patient("2", "HALVORSEN^INGRID M")
    console.clinic.order(new, "A2")
    console.clinic.merge(old, new)
    with console.store.read() as tx:
        assert people.keys_by_number(tx, "1")[0] == new.key
        assert [row.accession_number for row in search.find(tx, "1", unbound=False).exams] == ["A2"]


@pytest.mark.parametrize("uid", ["2.25.4711", "1.2.840.99.9"])
def test_a_study_is_found_by_its_uid_however_few_components_it_has(console: Console, uid: str) -> None:
    study = console.clinic.study(uid)
    with console.store.read() as tx:
        found = search.find(tx, uid, unbound=True)
    assert (found.recognised, [row.study_key for row in found.exams]) == ("UID", [study.key])


FILTERS = (
    MessageFilter(),
    MessageFilter(state="refused"),
    MessageFilter(message_type="ADT", site="riverside", is_test=False),
    MessageFilter(error_code="missing", since=AT, until=AT + timedelta(days=1)),
    MessageFilter(patient_id="00041001^^^RIVERSIDE", state="applied"),
    MessageFilter(accession_number="A1", order_number="PA1", control_id="CA1", text="A1"),
)


# What statements name that is no table.
DERIVED = {"every", "counted", "states", "by_site", "by_message_type", "by_error_code", "tests"}


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, object]]]:
    """Collect the statements of the reads inside."""
    seen: list[tuple[str, object]] = []

    def note(_c: Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(store._reader, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store._reader, "before_cursor_execute", note)


# PostgreSQL plans a scan for every small table; the indexes are the same there.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_list_and_no_look_up_scans_a_table(console: Console) -> None:
    console.order()
    with statements(console.store) as seen, console.store.read() as tx:
        for text in ("A1", "1.2.3.4.5", "nobody", "some one"):
            search.find(tx, text, unbound=True)
            for wanted in (MessageFilter(text=text), MessageFilter(text=text, state="refused")):
                MessageSearch(tx, wanted).page(after=10, limit=50)
        exam_detail.find(tx, "A1", unbound=True)
        exams.recent(tx, before=10, limit=50, unbound=True)
        board.on_day(tx, "20260302", 100, unbound=True)
        board.without_time(tx, 10)
        board.of_step(tx, 1, unbound=True)
        board.is_named(tx, "CT1")
        for wanted in FILTERS:
            lookup = MessageSearch(tx, wanted)
            journal.by_keys(tx, lookup.page(after=10, limit=50))
            lookup.page(after=1, limit=50, oldest_first=True)
            lookup.tally()
            lookup.count()
        queues.delivery_rows(tx, state="dead", before=10, limit=50)
        authorizations.rows(tx, Wanted("PAA1"), before=None, limit=50)
        queues.open_mismatches(tx, before=None, limit=50)
        queues.merge_rows(tx, before=None, limit=50)
        worklists.items(tx, "CT1", limit=50)
        served.find(tx, served.Wanted(values=("A1",), quiet_since=console.clock.now()), before=None, limit=50)
        counts.open_work(tx)
        unscheduled.unscheduled(tx)
        look_rows.bound_waiting(tx, before=10, limit=50)
        questions.open_ones(tx, "CT1")
        questions.open_ones(tx)
        incidents.recent(tx, before=None, limit=50)
    scans = []
    with console.store.read() as tx:
        for statement, parameters in seen:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")):
                plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                scans += [(row[3], statement) for row in plan if _reads_everything(row[3], statement)]
    assert not scans, "\n\n".join(f"{step}: {statement}" for step, statement in scans)


def _reads_everything(step: str, statement: str) -> bool:
    """Say whether a step of a plan reads a whole table. A walk down the primary key stops where its page ends."""
    pages = '."key" DESC' in statement and "LIMIT" in statement
    harmless = "INDEX" in step or "CONSTANT" in step or "(subquery" in step or step.split()[-1] in DERIVED
    # Nearly every study is bound: an index that begins with the state is no help.
    walks_states = "ix_studies_state" in step and "count(*)" not in statement
    return walks_states or (step.startswith("SCAN") and not harmless and not pages)


def test_the_name_index_serves_prefixes_on_both(store: Store) -> None:
    look_up = (
        "SELECT sql FROM sqlite_master WHERE name = 'ix_patients_patient_name'"
        if store.is_sqlite
        else "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_patients_patient_name'"
    )
    with store.read() as tx:
        definition = tx.exec_driver_sql(look_up).scalar()
    assert definition is not None
    assert "lower" in definition
    assert store.is_sqlite or "text_pattern_ops" in definition
