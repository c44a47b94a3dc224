"""A payer tells by itself what it decided: the whole way over real sockets, and everything that may go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.building.tellers import telling_keeper
from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import RequestKind
from bridge.domain.telling import Telling, TellingState
from bridge.errors import Misconfigured
from bridge.flows.keep_house import forget_told
from bridge.store import authorization_news, payer_requests, tellings
from bridge.store.users import digest_of_secret
from bridge.wiring import House
from tests.fakes.telling_payer import status_of
from tests.fakes.telling_scene import TellingScene, telling_scene

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def scene(make_house: Callable[..., House], tmp_path: Path) -> Iterator[TellingScene]:
    with telling_scene(make_house, tmp_path) as made:
        yield made


def test_what_a_payer_pended_is_decided_when_the_payer_tells_it(scene: TellingScene) -> None:
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


def test_what_is_told_twice_decides_once_and_is_kept_once(scene: TellingScene) -> None:
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


def test_whoever_does_not_show_the_secret_is_refused_and_leaves_nothing(scene: TellingScene) -> None:
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


def test_what_is_no_notification_is_refused_and_leaves_nothing(scene: TellingScene) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    for odd in ({}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [{"resource": {}}]}, []):
        assert scene.payer.send(one, odd) == 400  # type: ignore[arg-type]
    with scene.house.store.read() as tx:
        assert tellings.next_unread(tx) is None


def test_a_notification_without_its_resource_makes_us_ask_how_it_stands(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.content = "id-only"
    assert scene.payer.tell(trace) == 200
    scene.send()
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_a_number_that_was_left_out_makes_us_ask_how_everything_stands(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.decision, scene.payer.number = "A4", "TRK-9"
    assert scene.payer.tell(trace, skip=2) == 200
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.known().number == 3


def test_trap_11_what_is_told_of_another_person_decides_nothing(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.person = {"name": [{"family": "OKAFOR", "given": ["CHIDI"]}], "birthDate": "1983-05-04"}
    assert scene.payer.tell(trace) == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.PENDED
    with scene.house.store.read() as tx:
        (waiting,) = authorization_news.waiting(tx)
    assert "another person" in waiting.waits


def test_what_was_never_asked_from_here_waits_for_a_person(scene: TellingScene) -> None:
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


def test_a_subscription_that_the_payer_gave_up_is_made_anew_and_what_was_missed_is_asked_for(
    scene: TellingScene,
) -> None:
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


def test_a_subscription_that_stands_and_gives_no_sign_of_life_for_a_day_is_made_anew(scene: TellingScene) -> None:
    scene.keep()
    scene.pend()
    (one,) = scene.payer.subscriptions
    for _ in range(3):
        scene.clock.at += timedelta(hours=20)
        assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 200
        scene.keep()
        assert scene.payer.subscriptions == [one]
    scene.clock.at += timedelta(hours=24)
    scene.keep()
    assert "no sign of life" in scene.known().detail
    scene.keep()
    (anew,) = scene.payer.subscriptions
    assert (anew["id"] != one["id"], scene.known().is_telling) == (True, True)
    scene.send()
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]


def test_a_payer_that_is_away_is_tried_again_with_longer_and_longer_pauses(scene: TellingScene) -> None:
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


def test_a_lost_answer_leaves_one_subscription_at_the_payer(scene: TellingScene) -> None:
    scene.payer.misbehave("commit-then-reset", 1, ["POST"])
    scene.keep()
    assert len(scene.payer.subscriptions) == 1
    scene.clock.at += timedelta(seconds=61)
    scene.keep()
    (one,) = scene.payer.subscriptions
    assert scene.known().reference == f"Subscription/{one['id']}"
    assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 200
    assert scene.known().heard_at == scene.clock.now()


def test_a_payer_that_is_to_tell_no_more_is_told_so_and_its_secret_ends(scene: TellingScene) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    settings = scene.house.settings
    silent = settings.payers[0].model_copy(update={"tells": False})
    scene.house.settings = settings.model_copy(update={"payers": (silent,)})
    scene.keep()
    assert scene.payer.subscriptions == []
    assert scene.payer.send(one, status_of(one, "heartbeat", 0, [])) == 403


def test_a_house_without_a_number_of_its_own_does_not_start(scene: TellingScene) -> None:
    settings: Any = scene.house.settings
    nameless = replace(
        scene.house, settings=settings.model_copy(update={"bridge": settings.bridge.model_copy(update={"npi": ""})})
    )
    with pytest.raises(Misconfigured):
        telling_keeper(nameless)


def test_the_words_of_what_was_told_are_forgotten_once_they_were_read_and_not_before(scene: TellingScene) -> None:
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


def test_a_heartbeat_that_counts_more_than_was_told_makes_us_ask_how_everything_stands(scene: TellingScene) -> None:
    scene.keep()
    scene.pend()
    (one,) = scene.payer.subscriptions
    for count in (2, 2):
        assert scene.payer.send(one, status_of(one, "heartbeat", count, [])) == 200
    scene.send()
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_a_number_of_the_payers_own_before_ours_does_not_hide_it(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    claim = scene.payer.held[trace]
    own = {"system": "http://payer.example/answers", "value": "OWN-77"}
    scene.payer.held[trace] = claim | {"identifier": [own, *claim["identifier"]]}
    assert scene.payer.tell(trace) == 200
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_who_may_say_that_something_changed_decides_nothing(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    claim = scene.payer.held[trace]
    scene.payer.held["ELSEWHERE-1"] = claim | {"identifier": [{"value": "ELSEWHERE-1"}]}
    (one,) = scene.payer.subscriptions
    other = Telling("Task:acme", "http://acme.example", digest_of_secret("shown"), TellingState.TELLING)
    with scene.house.store.write() as tx:
        tellings.put(tx, other)
    channel = one["channel"] | {"endpoint": f"{one['channel']['endpoint'][:-4]}Task:acme"}
    scene.payer.books.update(one | {"channel": channel}, one["id"])
    assert scene.payer.tell("ELSEWHERE-1", secret="shown") == 200
    scene.send()
    with scene.house.store.read() as tx:
        assert authorization_news.waiting(tx) == []


@pytest.mark.parametrize("odd", [[], {}, [["a"]]])
def test_a_notification_of_an_odd_type_is_refused_as_what_it_is(scene: TellingScene, odd: object) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    for name in ("type", "status"):
        status = {"resourceType": "SubscriptionStatus", "type": "heartbeat", "status": "active"} | {name: odd}
        told = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
        assert scene.payer.send(one, told) == 400


def test_a_payers_name_that_no_payer_can_have_is_refused(scene: TellingScene) -> None:
    scene.keep()
    (one,) = scene.payer.subscriptions
    for name in ("a%00b", "%ff", "x" * 3000):
        elsewhere = one | {"channel": one["channel"] | {"endpoint": one["channel"]["endpoint"][:-4] + name}}
        assert scene.payer.send(elsewhere, status_of(one, "heartbeat", 0, [])) in (400, 403, 404), name
