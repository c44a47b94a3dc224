"""A webhook gets signed news, each with one id however often it is tried."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta

from bridge.clock import FixedClock
from bridge.destinations import publishers
from bridge.flows import announce
from bridge.outbox.worker import Worker
from bridge.publishers.webhook import signature
from bridge.store import studies
from bridge.telling import news_watch
from bridge.wiring import House
from tests.fakes.clinic import AT, Clinic
from tests.fakes.receiver import Receiver

SECRET = "a-secret-of-sixteen-and-more"


def test_a_study_that_is_in_doubt_by_now_is_not_told_to_be_available(make_house: Callable[..., House]) -> None:
    with Receiver() as receiver:
        hook = {"name": "desk", "url": receiver.url, "secret": SECRET, "events": ["imagingstudy-changed"]}
        clock = FixedClock(AT)
        house = make_house(clock, webhooks=[hook], fhir={})
        clinic = Clinic(house.store)
        study = clinic.bind(clinic.study("2.25.7", 1, 1), clinic.patient("P1"))
        with house.store.write() as tx:
            announce.study_changed(tx, studies.get(tx, study.key), house.destinations, clock.now())
        clock.at += timedelta(seconds=21)
        worker = Worker(house.store, clock, publishers(house), owner="test", jitter=lambda: 0.5)
        watch = news_watch(house)
        receiver.answer = 500
        while watch.work():
            pass
        worker.run_due()
        receiver.answer = 204
        clinic.question(study)
        with house.store.write() as tx:
            announce.study_withdrawn(tx, studies.get(tx, study.key), clock.now())
        clock.at += timedelta(minutes=1)
        while watch.work():
            pass
        worker.run_due()
        worker.run_due()
    assert [told.json["data"]["status"] for told in receiver.told] == ["available", "entered-in-error"]


def test_news_are_signed_and_come_again_under_the_same_id(make_house: Callable[..., House]) -> None:
    with Receiver() as receiver:
        hook = {"name": "desk", "url": receiver.url, "secret": SECRET, "events": ["imagingstudy-available"]}
        clock = FixedClock(AT)
        house = make_house(clock, webhooks=[hook], fhir={})
        clinic = Clinic(house.store)
        study = clinic.bind(clinic.study("2.25.7", 1, 1), clinic.patient("P1"))
        with house.store.write() as tx:
            announce.study_changed(tx, studies.get(tx, study.key), house.destinations, clock.now())
        clock.at += timedelta(seconds=21)
        worker = Worker(house.store, clock, publishers(house), owner="test", jitter=lambda: 0.5)
        watch = news_watch(house)
        while watch.work():
            pass
        receiver.answer = 500
        worker.run_due()
        receiver.answer = 204
        clock.at += timedelta(minutes=1)
        worker.run_due()
        worker.run_due()
    first, second = receiver.told
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json["id"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    for told in receiver.told:
        right = signature(SECRET, told.headers["webhook-id"], told.headers["webhook-timestamp"], told.body)
        assert hmac.compare_digest(right, told.headers["webhook-signature"])
    assert first.json["type"] == "imagingstudy-available"
    assert first.json["data"] == {
        "reference": f"ImagingStudy/{study.key}",
        "status": "available",
        "study_instance_uid": "2.25.7",
        "patient": "Patient/1",
    }
