"""A webhook gets signed news, each with one id however often it is tried."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta

from bridge.building.destinations import publishers
from bridge.building.news import news_watch
from bridge.clock import FixedClock
from bridge.flows import announce
from bridge.outbox.worker import Worker
from bridge.publishers.webhook import signature
from bridge.store import studies
from bridge.wiring import House
from tests.fakes.clinic import AT, Clinic
from tests.fakes.receiver import Receiver

SECRET = "a-secret-of-sixteen-and-more"


class Desk:
    """Who is told of one study, which has been complete for a while, and what tells it. study: bound to P1."""

    def __init__(self, make_house: Callable[..., House], receiver: Receiver, event: str) -> None:
        self.clock = FixedClock(AT)
        hook = {"name": "desk", "url": receiver.url, "secret": SECRET, "events": [event]}
        self.house = make_house(self.clock, webhooks=[hook], fhir={})
        self.clinic = Clinic(self.house.store)
        self.study = self.clinic.bind(self.clinic.study("2.25.7", 1, 1), self.clinic.patient("P1"))
        self._worker = Worker(self.house.store, self.clock, publishers(self.house), owner="test", jitter=lambda: 0.5)
        self._watch = news_watch(self.house)
        with self.house.store.write() as tx:
            announce.study_changed(tx, studies.get(tx, self.study.key), self.house.destinations, self.clock.now())
        self.clock.at += timedelta(seconds=21)

    def tell(self) -> None:
        while self._watch.work():
            pass
        self._worker.run_due()


def test_a_study_that_is_in_doubt_by_now_is_not_told_to_be_available(make_house: Callable[..., House]) -> None:
    with Receiver() as receiver:
        desk = Desk(make_house, receiver, "imagingstudy-changed")
        receiver.answer = 500
        desk.tell()
        receiver.answer = 204
        desk.clinic.question(desk.study)
        with desk.house.store.write() as tx:
            announce.study_withdrawn(tx, studies.get(tx, desk.study.key), desk.clock.now())
        desk.clock.at += timedelta(minutes=1)
        desk.tell()
        desk.tell()
    assert [told.json["data"]["status"] for told in receiver.told] == ["available", "entered-in-error"]


def test_news_are_signed_and_come_again_under_the_same_id(make_house: Callable[..., House]) -> None:
    with Receiver() as receiver:
        desk = Desk(make_house, receiver, "imagingstudy-available")
        receiver.answer = 500
        desk.tell()
        receiver.answer = 204
        desk.clock.at += timedelta(minutes=1)
        desk.tell()
        desk.tell()
    first, second = receiver.told
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json["id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    for told in receiver.told:
        right = signature(SECRET, told.headers["webhook-id"], told.headers["webhook-timestamp"], told.body)
        assert hmac.compare_digest(right, told.headers["webhook-signature"])
    assert first.json["type"] == "imagingstudy-available"
    assert first.json["data"] == {
        "reference": f"ImagingStudy/{desk.study.key}",
        "status": "available",
        "study_instance_uid": "2.25.7",
        "patient": "Patient/1",
    }
