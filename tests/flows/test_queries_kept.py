"""Every query of the worklist is remembered for a time, and remembering costs a device nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.clock import Clock, FixedClock
from bridge.codecs.dicom.worklist_query import to_worklist_query
from bridge.domain.worklist_query import AskedQuery, QueryOutcome
from bridge.flows.note_queries import QueryBook
from bridge.store import schema, worklist_queries
from bridge.store.db import Store
from bridge.wiring import House
from tests.cast import MULTI_BYTE, NEAR_TWIN, PLAIN, adt, order
from tests.conftest import dcmtk_tool, run_tool
from tests.flows.asking import say
from tests.flows.worklist_devices import DICOM, associate, open_door, query, remembered

MakeHouse = Callable[..., House]
TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ASKED = AskedQuery("CT1", "10.0.0.5", "a1", QueryOutcome.ANSWERED, "BRIDGE", 0, identifier=b"key", step_keys=(3, 4))


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: what both must do with the rows stands in tests/contract."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


def kept(store: Store) -> list[tuple[str, int]]:
    with store.read() as tx:
        return [(one.asked.outcome.value, one.times) for one in worklist_queries.listed(tx, "", limit=10_000)]


def noted(store: Store, *asked: AskedQuery) -> list[tuple[str, int]]:
    """Return what is kept once the book has written all of *asked*."""
    book = QueryBook(store, FixedClock(TEN))
    book.start()
    for one in asked:
        book.note(one)
    book.stop()
    return kept(store)


class TestOverASocket:
    def test_a_query_is_kept_with_who_asked_what_and_what_was_sent(self, make_house: MakeHouse) -> None:
        house = make_house(FixedClock(TEN), dicom=DICOM)
        say(house, order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
        with open_door(house) as door:
            assert len(door.find(query(station="CT1", PatientName="HALVORSEN*"))) == 1
        (one,) = remembered(house)
        asked = one.asked
        assert (asked.calling_ae_title, asked.called_ae_title, asked.address) == ("CT1", "BRIDGE", "127.0.0.1")
        assert (asked.outcome, asked.status, asked.was_cut, one.times) == ("answered", 0, False, 1)
        assert asked.association
        assert 0 < asked.secs < 60
        with house.store.read() as tx:
            assert asked.step_keys == (worklist_queries.get(tx, one.key).asked.step_keys[0],) == (1,)
        read = to_worklist_query(asked.identifier, asked.transfer_syntax_uid)
        assert {one.keyword: one.values + one.wildcards for one in read.search.criteria} == {
            "ScheduledStationAETitle": ("CT1",),
            "PatientName": ("halvorsen*",),
        }

    def test_dcmtk_asks_and_is_remembered(self, make_house: MakeHouse) -> None:
        house = make_house(dicom=DICOM)
        with open_door(house) as door:
            asked = ("-W", "-k", "0010,0010=X*", "-k", "0008,0052=PATIENT", "-k", "0008,0060=CT")
            tool = dcmtk_tool("findscu")
            ended = run_tool(tool, *asked, "-aet", "CT1", "-aec", "BRIDGE", "127.0.0.1", str(door.port))
        assert ended.returncode == 0, ended.stderr
        (one,) = remembered(house)
        read = to_worklist_query(one.asked.identifier, one.asked.transfer_syntax_uid)
        assert set(read.hints) == {"query_retrieve_level", "step_keys_at_root"}

    def test_a_query_that_cannot_be_read_is_kept_as_failed(self, make_house: MakeHouse) -> None:
        house = make_house(dicom=DICOM)
        with open_door(house) as door:
            association = associate(door.port, "CT1")
            asked = query(station="CT1", date="20269999")
            answers = list(association.send_c_find(asked, "1.2.840.10008.5.1.4.31"))
            association.release()
        assert [status.Status for status, _ in answers] == [0xA900]
        (one,) = remembered(house)
        assert (one.asked.outcome, one.asked.status, one.asked.reason) == ("failed", 0xA900, "bad_date")

    @pytest.mark.parametrize(
        ("calling", "called", "reason"),
        [("NOBODY", "BRIDGE", "calling_ae_title"), ("FAR1", "BRIDGE", "address"), ("CT1", "OTHER", "called_ae_title")],
    )
    def test_who_is_not_let_in_to_ask_is_kept_with_the_reason(
        self, make_house: MakeHouse, calling: str, called: str, reason: str
    ) -> None:
        house = make_house(dicom=DICOM)
        with open_door(house) as door:
            assert not associate(door.port, calling, called).is_established
        (one,) = remembered(house, calling)
        assert (one.asked.outcome, one.asked.reason) == ("rejected", reason)
        assert (one.asked.called_ae_title, one.asked.status) == (called, None)

    def test_a_peer_whose_role_has_no_worklist_is_kept_as_refused(self, make_house: MakeHouse) -> None:
        house = make_house(dicom=DICOM)
        with open_door(house) as door:
            association = associate(door.port, "PACS")
            assert not association.accepted_contexts
        (one,) = remembered(house, "PACS")
        assert (one.asked.outcome, one.asked.reason) == ("refused", "role")

    def test_the_same_question_with_the_same_answer_is_one_row(self, make_house: MakeHouse) -> None:
        house = make_house(dicom=DICOM)
        say(house, order(PLAIN, "A1"))
        with open_door(house) as door:
            door.find(query(station="CT1"), times=30)
            say(house, order(NEAR_TWIN, "A2"))
            door.find(query(station="CT1"), times=5)
        assert [(one.times, len(one.asked.step_keys)) for one in remembered(house)] == [(5, 2), (30, 1)]

    def test_where_nothing_is_to_be_kept_nothing_is(self, make_house: MakeHouse) -> None:
        house = make_house(dicom=DICOM | {"keep_queries_days": 0})
        say(house, adt(PLAIN))
        with open_door(house) as door:
            door.find(query(station="CT1"))
        assert remembered(house) == []


class TestStorm:
    def test_a_hundred_rooms_that_repeat_themselves_are_a_hundred_rows(self, store: Store) -> None:
        rooms = [replace(ASKED, calling_ae_title=f"CT{room}", address=f"10.0.0.{room}") for room in range(100)]
        assert noted(store, *(room for _ in range(50) for room in rooms)) == [("answered", 50)] * 100

    def test_one_address_in_a_loop_is_kept_singly_for_so_long_and_then_counted(self, store: Store) -> None:
        rows = noted(store, *(replace(ASKED, identifier=b"%d" % number) for number in range(5000)))
        assert len(rows) == 121
        assert sum(times for _, times in rows) == 5000
        assert [times for outcome, times in rows if outcome == "unkept"] == [4880]

    def test_made_up_titles_do_not_make_rows_without_end(self, store: Store) -> None:
        strangers = (replace(ASKED, calling_ae_title=f"X{number}", identifier=b"") for number in range(5000))
        rows = noted(store, *strangers)
        assert len(rows) == 241
        assert sum(times for _, times in rows) == 5000

    def test_a_flood_from_everywhere_stops_nobody_and_fills_nothing(self, store: Store) -> None:
        everyone = (replace(ASKED, address=f"10.{n // 250}.0.{n % 250}", identifier=b"%d" % n) for n in range(9000))
        assert 0 < len(noted(store, *everyone)) <= 1000

    def test_an_identifier_of_any_length_is_noted(self, store: Store) -> None:
        assert noted(store, replace(ASKED, identifier=b"x" * 1_000_000)) == [("answered", 1)]
        with store.read() as tx:
            (one,) = worklist_queries.listed(tx, "", limit=1)
        assert (one.asked.identifier, one.asked.reason) == (b"", "identifier_too_long")

    def test_what_a_locked_database_does_not_take_is_written_later(self, tmp_path: Path) -> None:
        store = Store(f"sqlite:///{tmp_path / 'bridge.db'}")
        schema.migrate(store)
        book = QueryBook(store, Clock())
        with closing(sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            book.start()
            book.note(ASKED)
            # Long enough for one vain try of the book's own.
            with pytest.raises(Exception, match="busy"), store.write():
                pass
            book.note(ASKED)
            assert kept(store) == []
            other.execute("ROLLBACK")
        book.stop()
        assert kept(store) == [("answered", 2)]
        store.dispose()
