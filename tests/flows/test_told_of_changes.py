"""Servers say that something changed there, and it is fetched at once: over real sockets, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bridge.building.fetching import authorization_polls, evidence_polls, order_poll
from bridge.building.tellers import telling_keeper
from bridge.clock import FixedClock
from bridge.domain.telling import TellingState
from bridge.flows.poll_orders import Poll
from bridge.roles.web import WebRole
from bridge.store import fhir_bookmarks, tellings
from bridge.store.tables import orders
from bridge.wiring import House
from tests.fakes.telling_ehr import TellingEhr
from tests.product.running import free_port

Json = dict[str, Any]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)

NAMES = ["Claim:ehr", "ClaimResponse:ehr", "ServiceRequest:ehr", "Task:acme"]


@pytest.fixture
def ehr() -> Iterator[TellingEhr]:
    found = TellingEhr()
    found.start()
    yield found
    found.stop()


@dataclass
class Scene:
    house: House
    clock: FixedClock
    ehr: TellingEhr
    polls: list[Poll]

    def keep(self) -> None:
        """Let the bridge do at the servers what is due."""
        telling_keeper(self.house).work()

    def look(self) -> None:
        """Let the bridge fetch what is due, a second later."""
        self.clock.at += timedelta(seconds=1)
        for poll in self.polls:
            poll.work()

    def subscription(self, kind: str) -> Json:
        (one,) = [one for one in self.ehr.subscriptions if one["criteria"].startswith(f"{kind}?")]
        return one


@pytest.fixture
def scene(make_house: Callable[..., House], ehr: TellingEhr) -> Iterator[Scene]:
    clock = FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
    port = free_port()
    told = {"every_secs": 3600, "told": True}
    server = {
        "name": "ehr",
        "base_url": ehr.base_url,
        "orders": {"query": "intent=order"} | told,
        "authorizations": told,
    }
    payer = {"name": "acme", "id": "60054", "kind": ["cdex"], "base_url": ehr.base_url, "requests_told": True}
    house = make_house(
        clock,
        http={"port": port, "public_url": f"http://127.0.0.1:{port}"},
        fhir={"servers": [server]},
        payers=[payer],
    )
    web = WebRole(house)
    web.start()
    yield Scene(house, clock, ehr, [order_poll(house), *authorization_polls(house), *evidence_polls(house)])
    web.stop()


def order(number: str) -> Json:
    patient = {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "7"}], "name": [{"family": "Lee"}]}
    return {
        "resourceType": "ServiceRequest",
        "contained": [patient],
        "identifier": [{"system": "urn:oid:1.2.3", "value": number}],
        "status": "active",
        "intent": "order",
        "code": {"text": "CT chest"},
        "subject": {"reference": "#p1"},
    }


def test_what_changed_is_fetched_when_its_server_says_so_and_else_in_its_turn(scene: Scene) -> None:
    scene.keep()
    assert sorted(one["criteria"] for one in scene.ehr.subscriptions) == [
        "Claim?",
        "ClaimResponse?",
        "ServiceRequest?intent=order",
        "Task?",
    ]
    for _ in range(3):
        scene.look()
    assert [scene.ehr.asked(kind) for kind in ("ServiceRequest", "Claim", "ClaimResponse", "Task")] == [1, 1, 1, 1]
    scene.ehr.change(order("A1"))
    assert scene.ehr.heard == [200]
    scene.look()
    scene.look()
    assert [scene.ehr.asked(kind) for kind in ("ServiceRequest", "Claim", "ClaimResponse", "Task")] == [2, 1, 1, 1]
    with scene.house.store.read() as tx:
        assert tx.execute(select(func.count()).select_from(orders)).scalar_one() == 1
    for kind in ("Claim", "ClaimResponse", "Task"):
        assert scene.ehr.call(scene.subscription(kind)) == 200
    scene.look()
    assert [scene.ehr.asked(kind) for kind in ("ServiceRequest", "Claim", "ClaimResponse", "Task")] == [2, 2, 2, 2]


def test_a_change_that_is_told_while_the_server_is_read_is_fetched_next(scene: Scene) -> None:
    scene.keep()
    scene.look()
    one, (poll, *_) = scene.subscription("ServiceRequest"), scene.polls
    source = poll._servers[0].source
    page = source.page

    def meanwhile(address: str) -> Any:
        found = page(address)
        scene.ehr.call(one)
        source.page = page  # type: ignore[method-assign]
        return found

    source.page = meanwhile  # type: ignore[method-assign]
    scene.ehr.call(one)
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 2
    scene.look()
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 3


def test_whoever_does_not_show_the_secret_has_nothing_fetched(scene: Scene) -> None:
    scene.keep()
    scene.look()
    task, order = scene.subscription("Task"), scene.subscription("ServiceRequest")
    crossed = order | {"channel": order["channel"] | {"header": task["channel"]["header"]}}
    nameless = order | {"channel": order["channel"] | {"endpoint": order["channel"]["endpoint"] + "x"}}
    refused = [scene.ehr.call(order, secret="guessed"), scene.ehr.call(crossed), scene.ehr.call(nameless)]
    assert refused == [403, 403, 403]
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 1


def test_a_server_that_gave_the_subscription_up_is_asked_what_changed_meanwhile(scene: Scene) -> None:
    scene.keep()
    scene.look()
    one = scene.subscription("ServiceRequest")
    scene.ehr.books.update(one | {"status": "error"}, one["id"])
    scene.clock.at += timedelta(minutes=11)
    scene.keep()
    with scene.house.store.read() as tx:
        known = tellings.find(tx, "ServiceRequest:ehr")
    assert known is not None
    detail = "the subscription no longer stands there; it is made anew"
    assert (known.state, known.detail) == (TellingState.SILENT, detail)
    scene.keep()
    assert scene.subscription("ServiceRequest")["status"] == "active"
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 2


def test_a_server_that_takes_no_subscription_is_asked_in_its_turn_all_the_same(scene: Scene) -> None:
    scene.ehr.accepts = False
    scene.keep()
    scene.look()
    scene.clock.at += timedelta(hours=1)
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 2
    with scene.house.store.read() as tx:
        assert tellings.names(tx) == NAMES
        known = tellings.find(tx, "ServiceRequest:ehr")
    assert known is not None
    assert (known.state, known.failures > 0) == (TellingState.MAKING, True)


def test_a_server_that_is_to_tell_no_more_is_told_so(scene: Scene) -> None:
    scene.keep()
    settings = scene.house.settings
    (server,), (payer,) = settings.fhir.servers, settings.payers
    silent = server.model_copy(update={"authorizations": None})
    fhir = settings.fhir.model_copy(update={"servers": (silent,)})
    scene.house.settings = settings.model_copy(
        update={"fhir": fhir, "payers": (payer.model_copy(update={"requests_told": False}),)}
    )
    scene.keep()
    with scene.house.store.read() as tx:
        assert tellings.names(tx) == ["ServiceRequest:ehr"]
    assert "Task?" not in [one["criteria"] for one in scene.ehr.subscriptions]


def test_what_is_told_before_the_first_reading_is_kept(scene: Scene) -> None:
    scene.keep()
    scene.ehr.call(scene.subscription("ServiceRequest"))
    with scene.house.store.read() as tx:
        known = fhir_bookmarks.of_server(tx, "ehr")
    assert (known.read_at, known.is_told_of_more) == (None, True)
    scene.look()
    scene.look()
    assert scene.ehr.asked("ServiceRequest") == 1
