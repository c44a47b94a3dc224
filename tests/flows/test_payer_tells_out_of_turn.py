"""What a payer tells, out of turn and while something else happens: late, before its own answer, by several processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.authorization import AuthorizationStatus
from bridge.domain.payer_request import RequestKind, RequestState
from bridge.store import payer_requests, tellings
from bridge.wiring import House
from tests.fakes.telling_scene import TellingScene, telling_scene

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def scene(make_house: Callable[..., House], tmp_path: Path) -> Iterator[TellingScene]:
    with telling_scene(make_house, tmp_path) as made:
        yield made


def tell_late(scene: TellingScene, trace: str, decision: str, number: int) -> int:
    """Tell a decision as the event with *number*, which the payer could not deliver when it was its turn."""
    (one,) = scene.payer.subscriptions
    scene.payer.numbered[one["id"]] = number - 1
    scene.payer.decision = decision
    return scene.payer.tell(trace)


def test_what_is_told_late_does_not_undo_what_was_decided_since(scene: TellingScene) -> None:
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


def test_what_is_told_late_counts_where_nothing_was_answered_since(scene: TellingScene) -> None:
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


def test_a_subscription_that_is_made_anew_counts_anew(scene: TellingScene) -> None:
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


def test_a_number_beyond_all_counting_says_nothing_of_order(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    assert tell_late(scene, trace, "A1", 10**17) == 200
    assert scene.known().number == 0
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_what_is_told_before_the_request_itself_is_answered_is_not_undone_by_that_answer(scene: TellingScene) -> None:
    scene.keep()
    scene.payer.decision, scene.payer.number = "A4", "TRK-9"
    submit = scene.payer.submit

    def decide_at_once(bundle: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = submit(bundle)
        scene.clock.at += timedelta(seconds=1)
        scene.payer.decision, scene.payer.number = "A1", "PA-4711"
        assert scene.payer.tell(bundle["entry"][0]["resource"]["identifier"][0]["value"]) == 200
        scene.clock.at += timedelta(seconds=1)
        return answer

    scene.payer.operations["Claim/$submit"] = decide_at_once
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    for _ in range(3):
        scene.clock.at += timedelta(seconds=31)
        scene.send()
    assert scene.asked() == [RequestKind.SUBMIT, RequestKind.INQUIRE]
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_what_is_told_answers_what_has_left_and_not_what_waits_to(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    (asked,) = scene.requests()
    more = (*asked.lines, replace(asked.lines[0], sequence=2, code="70450"))
    with scene.house.store.write() as tx:
        payer_requests.add(
            tx, replace(asked, kind=RequestKind.UPDATE, state=RequestState.WAITING, lines=more), scene.clock.now()
        )
    assert scene.payer.tell(trace) == 200
    scene.send()
    one = scene.one()
    assert (one.status, [line.code for line in one.lines]) == (AuthorizationStatus.APPROVED, ["71260"])


def test_what_is_heard_while_a_subscription_is_looked_at_and_made_is_not_undone_by_that(scene: TellingScene) -> None:
    scene.keep()
    before = scene.known()
    scene.clock.at += timedelta(minutes=11)
    at = scene.clock.now()
    with scene.house.store.write() as tx:
        one = tellings.to_change(tx, "acme")
        assert one is not None
        looking = threading.Thread(target=scene.keep)
        looking.start()
        looking.join(1)
        tellings.put(tx, replace(one, heard_at=at, number=5))
    looking.join()
    assert (before.looked_at, scene.known().looked_at) == (at - timedelta(minutes=11), at)
    assert (scene.known().heard_at, scene.known().number) == (at, 5)


def test_what_is_heard_while_a_subscription_ends_does_not_bring_it_back(scene: TellingScene) -> None:
    scene.keep()
    with scene.house.store.write() as tx:
        one = tellings.to_change(tx, "acme")
        assert one is not None
        ending = threading.Thread(target=forget, args=(scene,))
        ending.start()
        ending.join(1)
        tellings.put(tx, replace(one, number=5))
    ending.join()
    with scene.house.store.read() as tx:
        assert tellings.find(tx, "acme") is None


def forget(scene: TellingScene) -> None:
    with scene.house.store.write() as tx:
        tellings.forget(tx, "acme")


def test_what_is_told_while_a_subscription_is_made_anew_is_not_late(scene: TellingScene) -> None:
    scene.keep()
    trace = scene.pend()
    scene.payer.tell(trace, skip=4)
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    (one,) = scene.payer.subscriptions
    scene.payer.books.update(one | {"status": "off"}, one["id"])
    scene.clock.at += timedelta(minutes=11)
    scene.keep()
    answer = scene.payer.answer

    def deny_at_once(method: str, url: Any, body: Any, headers: Any) -> Any:
        said = answer(method, url, body, headers)
        if method == "POST" and url.path.endswith("/Subscription"):
            scene.payer.decision = "A3"
            assert scene.payer.tell(trace) == 200
        return said

    scene.payer.answer = deny_at_once  # type: ignore[method-assign]
    scene.clock.at += timedelta(minutes=1)
    scene.keep()
    assert scene.known().number == 1
    scene.send()
    assert scene.one().status == AuthorizationStatus.DENIED
