"""A payer is asked for an authorization by FHIR: what leaves, what its answer decides, and what happens when there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.authorization import AuthorizationLine, AuthorizationStatus
from bridge.domain.payer_request import RequestKind, RequestState
from bridge.errors import Conflict, Incomplete
from bridge.flows import read_payer_answers
from bridge.store import authorization_news, events, payer_requests
from bridge.store.events import Station
from bridge.wiring import House
from tests.cast import PLAIN, order
from tests.fakes.pas_payer import PasPayer
from tests.fakes.payer_scene import LINE, PayerScene, payer_scene
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Json = dict[str, Any]


@pytest.fixture
def payer() -> Iterator[PasPayer]:
    found = PasPayer()
    found.start()
    yield found
    found.stop()


@dataclass
class Scene(PayerScene):
    """With the payer at hand."""

    payer: PasPayer

    def asked(self) -> list[RequestState]:
        return [each.state for each in self.requests()]


@pytest.fixture
def make_scene(make_house: Callable[..., House], payer: PasPayer, tmp_path: Path) -> Callable[..., Scene]:
    def make(*lines: AuthorizationLine, **said: Any) -> Scene:
        made = payer_scene(make_house, tmp_path, {"base_url": payer.base_url}, lines or (LINE,), **said)
        return Scene(made.house, made.desk, made.key, made.clock, payer)

    return make


def claim_of(bundle: Json) -> Json:
    found: Json = bundle["entry"][0]["resource"]
    return found


def test_a_request_that_a_person_let_go_is_decided_by_the_payer_s_review_action(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    assert scene.payer.asked == []
    scene.send()
    (bundle,) = scene.payer.submitted
    claim = claim_of(bundle)
    assert claim["item"][0]["productOrService"]["coding"][0]["code"] == "71260"
    assert claim["item"][0]["servicedDate"] == "2026-03-02"
    one = scene.one()
    assert (one.status, one.lines[0].number) == (AuthorizationStatus.APPROVED, "PA-4711")
    assert one.trace == claim["identifier"][0]["value"]
    assert scene.asked() == [RequestState.ANSWERED]


def test_trap_7_pended_is_no_approval_whatever_number_stands_beside_it(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.payer.decision, scene.payer.number = "A4", "TRK-99"
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    one = scene.one()
    assert one.status == AuthorizationStatus.PENDED
    assert (one.number, one.lines[0].number, one.administrative_reference) == ("", "", "TRK-99")


def test_what_is_missing_is_told_in_words_and_nothing_leaves(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(AuthorizationLine("71260"), npi="", member_id="")
    with pytest.raises(Incomplete) as fault:
        scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    for words in ("member number", "NPI", "diagnosis", "place of service"):
        assert words in fault.value.detail
    scene.send()
    assert scene.payer.asked == []


def test_a_request_whose_answer_was_lost_is_looked_for_and_not_sent_twice(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.payer.misbehave("commit-then-reset", 1, ["POST"])
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    assert scene.asked() == [RequestState.BEGUN]
    with pytest.raises(Conflict):
        scene.desk.ask(scene.key, "again", "user:bill")
    scene.clock.at += timedelta(minutes=20)
    scene.send()
    assert (len(scene.payer.submitted), scene.payer.inquiries) == (1, 1)
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_where_the_payer_cannot_be_asked_a_person_says_whether_it_has_a_request(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.payer.misbehave("commit-then-reset", 1, ["POST"])
    del scene.payer.operations["Claim/$inquire"]
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    for _ in range(3):
        scene.send()
        scene.clock.at += timedelta(minutes=20)
    assert len(scene.payer.submitted) == 1
    (request,) = scene.requests()
    assert request.state == RequestState.BEGUN
    assert "ask there" in request.detail
    scene.desk.settle_unknown(scene.key, request.key, has_it=False, reason="called Acme", actor="user:bill")
    scene.send()
    assert len(scene.payer.submitted) == 2
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_a_payer_that_is_down_at_first_gets_the_request_once_without_a_question(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.payer.misbehave("503", 1, ["POST"])
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    scene.clock.at += timedelta(minutes=20)
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED
    assert len(scene.payer.held) == 1


def test_a_request_that_the_payer_cannot_read_fails_in_words_and_can_be_sent_again(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.payer.error = "72"
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    with scene.house.store.read() as tx:
        (request,) = payer_requests.of_authorization(tx, scene.key)
        lines = [each.what for each in events.timeline(tx, [scene.one().order_key or 0], [])]
    assert (request.state, request.detail) == (RequestState.FAILED, "the member number is missing or wrong")
    assert any("did not take" in each for each in lines)
    assert scene.one().status == AuthorizationStatus.ERROR
    scene.payer.error = ""
    scene.desk.ask(scene.key, "member number corrected", "user:bill")
    scene.send()
    assert scene.one().status == AuthorizationStatus.APPROVED


def test_trap_1_an_exam_that_became_another_one_is_an_update_with_the_old_line_cancelled(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    changed = order(PLAIN, "A1", "XO", at="20260302090000").replace(b"71260^CT CHEST WITH CONTRAST", b"71250^CT CHEST")
    say(scene.house, changed)
    with scene.house.store.read() as tx:
        proposal = scene.desk.propose(tx, scene.one())
    assert proposal.request.kind == RequestKind.UPDATE
    assert list(proposal.lines) == [
        "Line 1, 71260: asked for no more",
        "Line 2, 71250: asked for",
    ]
    assert [each.where for each in proposal.lacks if each.is_needed] == ["lines[2].diagnoses", "lines[2].place"]


def test_trap_18_a_cancel_ends_every_line_and_only_the_payer_s_answer_cancels_the_authorization(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    with pytest.raises(Conflict):
        scene.desk.cancel(scene.key, "patient declined", "user:bill")
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    scene.desk.cancel(scene.key, "patient declined", "user:bill")
    assert scene.one().status == AuthorizationStatus.APPROVED
    scene.send()
    item = claim_of(scene.payer.submitted[-1])["item"][0]
    assert item["modifierExtension"][0]["valueBoolean"] is True
    codes = [one["valueCodeableConcept"]["coding"][0]["code"] for one in item["extension"] if "certif" in one["url"]]
    assert codes == ["3"]
    assert scene.one().status == AuthorizationStatus.CANCELLED


def test_trap_11_an_answer_about_another_person_waits_for_somebody_and_decides_nothing(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    scene.payer.person = {"name": [{"family": "OKAFOR", "given": ["CHIDI"]}], "birthDate": "1983-05-04"}
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    assert scene.one().status == AuthorizationStatus.SUBMITTED
    with scene.house.store.read() as tx:
        (waiting,) = authorization_news.waiting(tx)
        (answer,) = payer_requests.answers_of(tx, scene.key)
    assert "another person" in waiting.waits
    assert b"OKAFOR" in answer.body


def test_the_timeline_tells_what_was_asked(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
    scene.send()
    with scene.house.store.read() as tx:
        told = [
            each
            for each in events.timeline(tx, [scene.one().order_key or 0], [])
            if each.station == Station.AUTHORIZATION
        ]
    assert any(each.what.startswith("acme was asked for") and each.by == "user:bill" for each in told)


def test_an_answer_that_nobody_can_read_is_passed_over_and_says_so(
    make_scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene()

    def breaks(*_: object) -> None:
        raise TypeError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(read_payer_answers, "read_claim_response", breaks)
        scene.desk.ask(scene.key, "exam is scheduled", "user:bill")
        scene.send()
    with scene.house.store.read() as tx:
        assert payer_requests.next_unread(tx) is None
        (answer,) = payer_requests.answers_of(tx, scene.key)
    assert answer.why == "something went wrong on our side"
