"""A day's list handed in at the console: looked at, applied once, and what was left out taken away to mend."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.errors import Unavailable
from bridge.flows.enter_order import Entered, Entry, Repeat
from bridge.flows.import_orders import ListQueue
from bridge.mapping.typed_orders import TypedOrder
from bridge.store import events
from bridge.store.db import WriteTx
from bridge.store.tables import order_lists
from tests.fakes.console import Console

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LIST = (
    "Patient ID,Name,Date of birth,Procedure,Modality,Date,Time,Accession\r\n"
    '00041001,"Halvorsen, Ingrid",1958-03-12,CT chest,CT,2026-03-02,16:00,L1\r\n'
    ',"Okafor, Ada",1988-01-30,US abdomen,US,2026-03-02,16:10,\r\n'
    '00041001,"Other, Person",1999-09-09,CT chest,CT,2026-03-02,16:20,L3\r\n'
    '9,"=cmd()",1999-09-09,CT chest,BANANA,2026-03-02,16:30,L4\r\n'
)


class Counter:
    """A browser that hands lists in."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.browser = console.browser(Role.INTAKE)
        self.token = console.form_token(self.browser, "/exams/lists")

    def hand_in(self, text: str = LIST) -> str:
        form = {"file": (io.BytesIO(text.encode()), "monday.csv"), "csrf_token": self.token}
        answer = self.browser.post("/exams/lists", data=form, content_type="multipart/form-data")
        assert answer.status_code == 303
        return str(answer.headers["Location"])

    def show(self, address: str) -> str:
        return str(self.browser.get(address).get_data(as_text=True))

    def apply(self, address: str, **said: str) -> Any:
        answer = self.browser.post(f"{address}/apply", data={"csrf_token": self.token, **said})
        while self.console.house.order_lists.work():
            pass
        return answer

    def worklist(self) -> list[Any]:
        return list(self.console.machine(Role.VIEWER).get("/api/worklist?limit=200").json["items"])


@pytest.fixture
def counter(console: Console) -> Counter:
    console.order()
    return Counter(console)


def test_a_list_is_looked_at_before_anything_is_applied(counter: Counter) -> None:
    page = counter.show(counter.hand_in())
    assert "3</b> rows can be applied" in page
    assert "Modality" in page.split("Left out")[1]
    assert "not those of the patient" in page
    assert len(counter.worklist()) == 1


def test_a_list_is_applied_and_says_what_became_of_each_row(counter: Counter) -> None:
    address = counter.hand_in()
    assert counter.apply(address).status_code == 303
    assert len(counter.worklist()) == 3
    page = counter.show(address)
    assert "<b>2</b>new exams" in page
    assert "<b>2</b>left out" in page
    assert counter.apply(address).status_code == 422


def test_the_same_list_twice_changes_nothing_twice(counter: Counter) -> None:
    counter.apply(counter.hand_in())
    with counter.console.store.read() as tx:
        before = len(events.timeline(tx, [2], []))
    address = counter.hand_in()
    assert counter.show(address).count("as it was") == 2
    counter.apply(address)
    page = counter.show(address)
    assert "<b>2</b>as they were" in page
    with counter.console.store.read() as tx:
        assert len(events.timeline(tx, [2], [])) == before
    assert len(counter.worklist()) == 3


def test_what_was_left_out_is_taken_away_safe_for_a_spreadsheet(counter: Counter) -> None:
    address = counter.hand_in()
    counter.apply(address)
    answer = counter.browser.get(f"{address}/refused.csv")
    lines = answer.get_data().decode("utf-8-sig").splitlines()
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert len(lines) == 3
    assert "'=cmd()" in lines[2]
    assert "what is wrong" in lines[0]


def test_dates_that_nobody_can_tell_are_asked_for(counter: Counter) -> None:
    address = counter.hand_in("Name,Procedure,Modality,Date\nLee,US abdomen,US,3/4/2026\n")
    page = counter.show(address)
    assert "dates=day_first" in page
    assert counter.apply(address).status_code == 422
    counter.apply(address, dates="day_first")
    assert counter.worklist()[-1]["scheduled"] == "2026-04-03T00:00:00"


def test_a_file_that_is_no_list_says_so_and_stays(counter: Counter) -> None:
    page = counter.show(counter.hand_in("PK\x03\x04"))
    assert "save the list as CSV first" in page
    assert "monday.csv" in counter.show("/exams/lists")


class EndsInTheMiddle(Entry):
    """The same, in a process whose database goes away after some rows."""

    rows = 30

    def enter(self, tx: WriteTx, typed: TypedOrder, actor: str, repeat: Repeat | None = None) -> Entered:
        self.rows -= 1
        if self.rows < 0:
            raise Unavailable("the database went away")
        return super().enter(tx, typed, actor, repeat)


def test_a_list_that_was_cut_off_goes_on_where_it_stopped(counter: Counter) -> None:
    rows = "".join(f"Lee{n},US abdomen,US,2026-03-02\n" for n in range(60))
    address = counter.hand_in("Name,Procedure,Modality,Date\n" + rows)
    house = counter.console.house
    house.handed_in.apply(1, "", "user:maria")
    ending = EndsInTheMiddle(house.store, house.clock, house.rules, house.destinations, house.stations_for)
    with pytest.raises(Unavailable):
        ListQueue(house.store, house.clock, ending, lambda: house.typed_ground, owner="ended").work()
    assert len(counter.worklist()) == 1 + 25
    assert not house.order_lists.work(), "another process may still be at it"
    counter.console.clock.at += timedelta(minutes=1)
    assert house.order_lists.work()
    assert len(counter.worklist()) == 61
    assert "<b>60</b>new exams" in counter.show(address)


def test_a_list_that_cannot_be_read_any_more_holds_up_none_behind_it(counter: Counter) -> None:
    first, second = counter.hand_in(), counter.hand_in(LIST.replace("L1", "L9"))
    lists = counter.console.house.handed_in
    for address in (first, second):
        lists.apply(int(address.rpartition("/")[2]), "", "user:maria")
    with counter.console.store.write() as tx:
        tx.execute(order_lists.update().where(order_lists.c.key == 1).values(raw=b"PK\x03\x04"))
    counter.apply(second)
    assert "L9" in {one["accession_number"] for one in counter.worklist()}
    assert "stopped" in counter.show("/exams/lists").lower()
