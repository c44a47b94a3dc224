"""A payer tells by itself what it decided: the whole way over real sockets, and everything that may go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.destinations import telling_keeper
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import RequestKind
from bridge.domain.telling import Telling, TellingState
from bridge.errors import Misconfigured
from bridge.flows.keep_house import forget_told
from bridge.roles.web import WebRole
from bridge.store import authorization_news, payer_requests, tellings
from bridge.wiring import House
from tests.fakes.payer_scene import LINE, PayerScene, payer_scene
from tests.fakes.telling_payer import TellingPayer, status_of
from tests.product.running import free_port

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def payer() -> Iterator[TellingPayer]:
    found = TellingPayer()
    found.start()
    yield found
    found.stop()


@dataclass
class Scene(PayerScene):
    """With the payer, and what keeps it telling."""

    payer: TellingPayer

    def keep(self) -> None:
        """Let the bridge do at the payer what is due."""
        telling_keeper(self.house).work()

    def known(self) -> Telling:
        with self.house.store.read() as tx:
            found = tellings.find(tx, "acme")
        assert found is not None
        return found

    def pend(self) -> str:
        """Ask the payer, which puts its decision off; return our trace."""
        self.payer.decision, self.payer.number = "A4", "TRK-9"
        self.desk.ask(self.key, "exam is scheduled", "user:bill")
        self.send()
        assert self.one().status == AuthorizationStatus.PENDED
        self.payer.decision, self.payer.number = "A1", "PA-4711"
        return self.one().trace

    def asked(self) -> list[RequestKind]:
        return [each.kind for each in self.requests()]


@pytest.fixture
def scene(make_house: Callable[..., House], payer: TellingPayer, tmp_path: Path) -> Iterator[Scene]:
    port = free_port()
    http = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
    said = {"base_url": payer.base_url, "tells": True, "asks_while_pended": False}
    made = payer_scene(lambda clock, **more: make_house(clock, http=http, **more), tmp_path, said, (LINE,))
    web = WebRole(made.house)
    web.start()
    yield Scene(made.house, made.desk, made.key, made.clock, payer)
    web.stop()


def test_what_a_payer_pended_is_decided_when_the_payer_tells_it(scene: Scene) -> None:
    scene.keep()
    assert scene.payer.heard == [200]
    assert scene.known().is_telling
    trace = scene.pend()
    assert scene.payer.tell(trace) == 200
    scene.send()
    one = scene.one()
    assert (one.status, one.lines[0].number) == (AuthorizationStatus.APPROVED, "PA-4711")
    assert scene.payer.inquiries == 0
    assert scene.known().number == 1


def test_what_is_told_twice_decides_once_and_is_kept_once(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.tell(trace)
    (one,) = scene.payer.subscriptions
    scene.send()
    with scene.house.store.read() as tx:
        before = len(payer_requests.answers_of(tx, scene.key))
    bundle = status_of(one, "event-notification", 1, [])
    bundle["entry"] += [{"resource": scene.payer._answer_to(scene.payer.held[trace])}]
    assert [scene.payer.send(one, bundle) for _ in range(2)] == [200, 200]
    scene.send()
    with scene.house.store.read() as tx:
        assert len(payer_requests.answers_of(tx, scene.key)) == before + 1
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_whoever_does_not_show_the_secret_is_refused_and_leaves_nothing(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    assert scene.payer.tell(trace, secret="guessed") == 403
    (one,) = scene.payer.subscriptions
    elsewhere = one | {"channel": one["channel"] | {"endpoint": one["channel"]["endpoint"][:-4] + "else"}}
    assert scene.payer.send(elsewhere, status_of(one, "heartbeat", 0, [])) == 403
    scene.send()
    assert scene.one().status == AuthorizationStatus.PENDED
    with scene.house.store.read() as tx:
        assert tellings.next_unread(tx) is None


def test_what_is_no_notification_is_refused_and_leaves_nothing(scene: Scene) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    for odd in ({}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [{"resource": {}}]}, []):
        assert scene.payer.send(one, odd) == 400  # type: ignore[arg-type]
    with scene.house.store.read() as tx:
        assert tellings.next_unread(tx) is None


def test_a_notification_without_its_resource_makes_us_ask_how_it_stands(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.content = "id-only"
    assert scene.payer.tell(trace) == 200
    scene.send()
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_a_number_that_was_left_out_makes_us_ask_how_everything_stands(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.decision, scene.payer.number = "A4", "TRK-9"
    assert scene.payer.tell(trace, skip=2) == 200
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.known().number == 3


def test_trap_11_what_is_told_of_another_person_decides_nothing(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.person = {"name": [{"family": "OKAFOR", "given": ["CHIDI"]}], "birthDate": "1983-05-04"}
    assert scene.payer.tell(trace) == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.PENDED
    with scene.house.store.read() as tx:
        (waiting,) = authorization_news.waiting(tx)
    assert "another person" in waiting.waits


def test_what_was_never_asked_from_here_waits_for_a_person(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    claim = scene.payer.held[trace]
    other = claim | {"identifier": [{"system": "urn:trnorg:9", "value": "ELSEWHERE-1"}]}
    scene.payer.held["ELSEWHERE-1"] = other
    scene.payer.number = "PA-0815"
    assert scene.payer.tell("ELSEWHERE-1") == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.PENDED
    with scene.house.store.read() as tx:
        (waiting,) = authorization_news.waiting(tx)
    assert waiting.news.source == "payer:acme"


def test_a_subscription_that_the_payer_gave_up_is_made_anew_and_what_was_missed_is_asked_for(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    (one,) = scene.payer.subscriptions
    scene.payer.books.update(one | {"status": "off"}, one["id"])
    scene.clock.at += timedelta(minutes=11)
    scene.keep()
    assert scene.known().state == TellingState.SILENT
    scene.keep()
    (anew,) = scene.payer.subscriptions
    assert (anew["status"], scene.known().reference) == ("active", f"Subscription/{anew['id']}")
    assert anew["channel"]["header"] != one["channel"]["header"]
    assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 403
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    assert scene.payer.tell(trace) == 200


def test_a_payer_that_is_away_is_tried_again_with_longer_and_longer_pauses(scene: Scene) -> None:
    scene.payer.misbehave("503", 2, ["POST"])
    for _ in range(3):
        scene.keep()
    assert (scene.known().failures, scene.payer.subscriptions) == (1, [])
    scene.clock.at += timedelta(seconds=61)
    scene.keep()
    scene.clock.at += timedelta(seconds=61)
    scene.keep()
    assert scene.known().failures == 2
    scene.clock.at += timedelta(seconds=60)
    scene.keep()
    assert (scene.known().is_telling, scene.known().failures) == (True, 0)


def test_a_lost_answer_leaves_one_subscription_at_the_payer(scene: Scene) -> None:
    scene.payer.misbehave("commit-then-reset", 1, ["POST"])
    scene.keep()
    assert len(scene.payer.subscriptions) == 1
    scene.clock.at += timedelta(seconds=61)
    scene.keep()
    (one,) = scene.payer.subscriptions
    assert scene.known().reference == f"Subscription/{one['id']}"
    assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 200
    assert scene.known().heard_at == scene.clock.now()


def test_a_payer_that_is_to_tell_no_more_is_told_so_and_its_secret_ends(scene: Scene) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    settings = scene.house.settings
    silent = settings.payers[0].model_copy(update={"tells": False})
    scene.house.settings = settings.model_copy(update={"payers": (silent,)})
    scene.keep()
    assert scene.payer.subscriptions == []
    assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 403


def test_a_house_without_a_number_of_its_own_does_not_start(scene: Scene) -> None:
    settings: Any = scene.house.settings
    nameless = replace(
        scene.house, settings=settings.model_copy(update={"bridge": settings.bridge.model_copy(update={"npi": ""})})
    )
    with pytest.raises(Misconfigured):
        telling_keeper(nameless)


def tell_late(scene: Scene, trace: str, decision: str, number: int) -> int:
    """Tell a decision as the event with *number*, which the payer could not deliver when it was its turn."""
    (one,) = scene.payer.subscriptions
    scene.payer.numbered[one["id"]] = number - 1
    scene.payer.decision = decision
    return scene.payer.tell(trace)


def test_what_is_told_late_does_not_undo_what_was_decided_since(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.tell(trace, skip=1)
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    scene.clock.at += timedelta(minutes=1)
    assert tell_late(scene, trace, "A4", 1) == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    with scene.house.store.read() as tx:
        assert tellings.next_unread(tx) is None


def test_what_is_told_late_counts_where_nothing_was_answered_since(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    claim = scene.payer.held[trace]
    scene.payer.held["ELSEWHERE-1"] = claim | {"identifier": [{"system": "urn:trnorg:9", "value": "ELSEWHERE-1"}]}
    scene.payer.misbehave("400", None, ["POST"])
    scene.clock.at += timedelta(minutes=1)
    assert scene.payer.tell("ELSEWHERE-1", skip=1) == 200
    scene.clock.at += timedelta(minutes=1)
    scene.send()
    assert scene.one().status == AuthorizationStatus.PENDED
    assert tell_late(scene, trace, "A3", 1) == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.DENIED


def test_a_subscription_that_is_made_anew_counts_anew(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.decision = "A4"
    scene.payer.tell(trace, skip=4)
    scene.send()
    (one,) = scene.payer.subscriptions
    scene.payer.books.update(one | {"status": "off"}, one["id"])
    scene.clock.at += timedelta(minutes=11)
    scene.keep()
    scene.keep()
    scene.send()
    scene.payer.decision = "A1"
    assert scene.payer.tell(trace) == 200
    assert scene.known().number == 1
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_a_number_beyond_all_counting_says_nothing_of_order(scene: Scene) -> None:
    scene.keep()
    trace = scene.pend()
    assert tell_late(scene, trace, "A1", 10**17) == 200
    assert scene.known().number == 0
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_the_words_of_what_was_told_are_forgotten_once_they_were_read_and_not_before(scene: Scene) -> None:
    scene.keep()
    scene.pend()
    (one,) = scene.payer.subscriptions
    told = status_of(one, "event-notification", 1, [])
    told["entry"] += [{"resource": {"resourceType": "Basic", "id": "b1"}}]
    assert scene.payer.send(one, told) == 200
    later = scene.clock.now() + timedelta(days=31)
    assert forget_told(scene.house.store, later) == 0
    scene.send()
    assert [forget_told(scene.house.store, at) for at in (scene.clock.now(), later, later)] == [0, 1, 0]
    assert scene.payer.send(one, told) == 200
    with scene.house.store.read() as tx:
        assert tellings.next_unread(tx) is None
