"""A server that lost what it was given gets it back; one that has it, or does not answer, is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bridge.flows.watch_charts import ChartWatch
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import Scene

LONG = timedelta(minutes=5)
ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def server() -> Iterator[StrictEhr]:
    found = StrictEhr(slow_secs=0.8).start()
    yield found
    found.stop()


@pytest.fixture
def scene(store: Store, server: StrictEhr) -> Iterator[Scene]:
    server.misbehave("ok")
    server.books.clear()
    found = Scene(store, server, timeout_secs=10.0)
    yield found
    found.client.close()


def watch_of(scene: Scene, owner: str = "one") -> ChartWatch:
    return ChartWatch(scene.clinic.store, scene.clinic.clock, {"ehr": scene.client}, owner=owner)


def published(scene: Scene) -> str:
    """Publish a study; return the patient's id."""
    _, patient = scene.bound_study()
    person = scene.in_ehr(patient).removeprefix("Patient/")
    scene.run()
    return person


def test_what_a_restore_lost_is_sent_again_unasked(scene: Scene) -> None:
    person = published(scene)
    watch = watch_of(scene)
    watch.work()
    assert [one.state for one in scene.deliveries()] == [DeliveryState.SENT]
    patient = scene.ehr.books.read("Patient", person)
    scene.ehr.books.clear()
    scene.ehr.books.update(patient, person)
    watch.work()
    scene.run()
    assert scene.live() == []
    scene.pass_time(LONG)
    watch.work()
    scene.run()
    assert len(scene.live()) == 1


@ON_ONE_DATABASE
def test_an_older_version_that_came_back_is_brought_up_to_date(scene: Scene) -> None:
    published(scene)
    (charted,) = scene.charted()
    scene.ehr.books.update(charted | {"status": "registered", "numberOfInstances": 1, "series": []}, charted["id"])
    watch_of(scene).work()
    scene.run()
    (after,) = scene.charted()
    assert (after["status"], after["numberOfInstances"]) == ("available", 6)
    scene.pass_time(LONG)
    watch_of(scene).work()
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}


@ON_ONE_DATABASE
def test_a_server_that_does_not_answer_has_lost_nothing(scene: Scene) -> None:
    published(scene)
    scene.ehr.misbehave("500")
    watch_of(scene).work()
    assert [one.state for one in scene.deliveries()] == [DeliveryState.SENT]


@ON_ONE_DATABASE
def test_one_node_of_all_looks(scene: Scene) -> None:
    published(scene)
    scene.ehr.requests.clear()
    for owner in ("one", "two"):
        watch_of(scene, owner).work()
    assert len(scene.ehr.requests) == 1


@ON_ONE_DATABASE
def test_what_was_withdrawn_is_not_looked_for(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    scene.clinic.question(study)
    scene.run()
    scene.ehr.requests.clear()
    watch_of(scene).work()
    assert scene.ehr.requests == []
