"""Orders fetched from an EHR: each once, page by page, by its clock; a failure is asked again later, by one node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bridge.clock import FixedClock
from bridge.errors import Unavailable
from bridge.flows.poll_orders import OrderPoll, PolledServer
from bridge.store import fhir_bookmarks, orders
from bridge.store.tables import messages
from bridge.store.tables import orders as orders_table
from bridge.wiring import House
from tests.fakes.clinic import AT


def order(number: int, **said: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": f"sr-{number}",
        "meta": {"lastUpdated": f"2026-03-02T09:{number:02d}:00-06:00"},
        "status": "active",
        "intent": "order",
        "code": {"text": "CT chest"},
        "subject": {"reference": "Patient/p1"},
    } | said


PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "7"}], "name": [{"family": "Lee"}]}


class Ehr:
    """An EHR that answers page by page. asked: the addresses; fails: what it raises instead, while there is something."""

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.fails: list[Exception] = []

    def page(self, address: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        self.asked.append(address)
        if self.fails:
            raise self.fails.pop(0)
        start = int(address.partition("from=")[2] or 0)
        following = f"?from={start + 2}" if start + 2 < len(self.held) else ""
        return [*self.held[start : start + 2], PATIENT], following


class Scene:
    def __init__(self, house: House) -> None:
        self.house = house
        self.ehr = Ehr()
        self.poll = self.node("one")

    def node(self, owner: str) -> OrderPoll:
        server = PolledServer("ehr", self.ehr, query="category=imaging")
        return OrderPoll(self.house.store, self.house.clock, self.house.fhir_receiver, [server], owner=owner)

    def later(self, **span: float) -> None:
        assert isinstance(self.house.clock, FixedClock)
        self.house.clock.at += timedelta(**span)

    def count(self, table: Any) -> int:
        with self.house.store.read() as tx:
            return len(list(tx.execute(table.select())))


@pytest.fixture
def scene(make_house: Callable[..., House]) -> Scene:
    return Scene(make_house(FixedClock(AT)))


def test_every_page_is_read_and_every_order_made_once(scene: Scene) -> None:
    scene.ehr.held = [order(n) for n in range(5)]
    assert scene.poll.work() == 5
    scene.later(minutes=2)
    assert scene.poll.work() == 0
    assert (scene.count(orders_table), scene.count(messages)) == (5, 5)
    assert "_include=ServiceRequest:patient" in scene.ehr.asked[0]
    assert "&category=imaging" in scene.ehr.asked[0]


def test_the_next_question_goes_by_the_servers_clock(scene: Scene) -> None:
    scene.ehr.held = [order(30), order(10)]
    scene.poll.work()
    scene.later(minutes=2)
    scene.poll.work()
    assert "_lastUpdated=ge2026-03-01T15%3A00%3A00" in scene.ehr.asked[0]
    assert "_lastUpdated=ge2026-03-02T15%3A28%3A00" in scene.ehr.asked[-1]


def test_a_changed_order_is_changed_and_a_revoked_one_cancelled(scene: Scene) -> None:
    scene.ehr.held = [order(1)]
    scene.poll.work()
    scene.later(minutes=2)
    scene.ehr.held = [order(2, id="sr-1", status="revoked")]
    assert scene.poll.work() == 1
    with scene.house.store.read() as tx:
        assert orders.get(tx, 1).status == "CANCELED"
    assert scene.count(orders_table) == 1


def test_a_server_that_fails_is_asked_less_often_and_nothing_is_missed(scene: Scene) -> None:
    scene.ehr.held = [order(n) for n in range(3)]
    scene.ehr.fails = [Unavailable("away"), Unavailable("away")]
    for _ in range(2):
        assert scene.poll.work() == 0
        scene.later(minutes=1)
    assert len(scene.ehr.asked) == 1
    scene.later(minutes=20)
    scene.poll.work()
    with scene.house.store.read() as tx:
        assert fhir_bookmarks.of_server(tx, "ehr").failures == 2
    scene.later(minutes=20)
    assert scene.poll.work() == 3


def test_a_sweep_that_was_cut_off_begins_anew_and_doubles_nothing(scene: Scene) -> None:
    scene.ehr.held = [order(n) for n in range(4)]

    class Cut(Ehr):
        def page(self, address: str) -> tuple[Sequence[Mapping[str, Any]], str]:
            if "from=" in address and len(self.asked) < 2:
                self.asked.append(address)
                raise Unavailable("cut")
            return super().page(address)

    cut = Cut()
    cut.held = scene.ehr.held
    scene.ehr = cut
    assert scene.node("one").work() == 0
    assert scene.count(orders_table) == 2
    scene.later(minutes=20)
    assert scene.node("one").work() == 2
    assert scene.count(orders_table) == 4


def test_one_node_of_all_asks(scene: Scene) -> None:
    scene.ehr.held = [order(1)]
    scene.poll.work()
    scene.later(seconds=90)
    assert scene.node("two").work() == 0
    assert len(scene.ehr.asked) == 1
    scene.later(minutes=5)
    scene.node("two").work()
    assert len(scene.ehr.asked) == 2


def test_an_order_that_cannot_be_read_is_journalled_and_holds_up_nobody(scene: Scene) -> None:
    scene.ehr.held = [order(1, code=None), order(2)]
    assert scene.poll.work() == 1
    assert (scene.count(orders_table), scene.count(messages)) == (1, 2)


def test_a_time_far_ahead_of_ours_does_not_become_the_bookmark(scene: Scene) -> None:
    scene.ehr.held = [order(1), order(2, meta={"lastUpdated": "2099-01-01T00:00:00Z"})]
    assert scene.poll.work() == 2
    scene.later(minutes=2)
    scene.ehr.held = [order(3)]
    assert scene.poll.work() == 1
    assert "_lastUpdated=ge2026-03-02T14%3A59%3A00" in scene.ehr.asked[-1]


def test_an_order_nested_beyond_measure_is_journalled_and_holds_up_nobody(scene: Scene) -> None:
    deep: Any = {}
    for _ in range(600):
        deep = {"extension": [deep]}
    scene.ehr.held = [order(1, **deep), order(2)]
    assert scene.poll.work() == 1
    assert (scene.count(orders_table), scene.count(messages)) == (1, 2)


def test_a_servers_odd_answer_stops_no_other_and_is_not_asked_for_every_second(scene: Scene) -> None:
    odd, good = Ehr(), Ehr()
    odd.fails = [TypeError("a list of pages")]
    good.held = [order(1)]
    servers = [PolledServer("odd", odd), PolledServer("good", good)]
    poll = OrderPoll(scene.house.store, scene.house.clock, scene.house.fhir_receiver, servers, owner="one")
    assert poll.work() == 1
    scene.later(seconds=2)
    poll.work()
    assert len(odd.asked) == 1
