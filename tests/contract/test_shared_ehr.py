"""The shared bench's FHIR server in every misbehaviour: one resource of a study, its newest state, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from tests.conftest import ROOT
from tests.fakes.chart_scene import QUIET, Scene
from tests.fakes.shared_ehr import SharedEhr

PROGRAM = ROOT.parent / "shared" / "bench" / "faults" / "fake_ehr.py"
PASSING = [
    "401", "403", "404", "409", "412", "429", "500", "502", "503", "hang", "commit-then-hang", "commit-then-reset",
    "commit-then-500", "garbage", "empty", "truncated", "redirect", "race-dup", "huge", "slow",
]  # fmt: skip
PERMANENT = ["400", "422"]

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="the shared bench is not beside this checkout"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture(scope="module")
def server() -> Iterator[SharedEhr]:
    found = SharedEhr(PROGRAM)
    yield found
    found.stop()


@pytest.fixture
def scene(store: Store, server: SharedEhr) -> Iterator[Scene]:
    server.misbehave("ok")
    server.clear()
    found = Scene(store, server, timeout_secs=0.3)
    yield found
    found.client.close()


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("mode", PASSING)
def test_whatever_the_server_does_it_ends_with_one_resource_of_the_newest_state(
    scene: Scene, server: SharedEhr, mode: str, count: int
) -> None:
    study, patient = scene.bound_study()
    subject = scene.in_ehr(patient)
    server.misbehave(mode, count)
    scene.run()
    scene.clinic.instance(study, 3, 1)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.until_quiet()
    (charted,) = scene.charted()
    assert (charted["subject"]["reference"], charted["numberOfInstances"]) == (subject, 7)
    assert server.state()["duplicates"] == {}
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}


@pytest.mark.parametrize("mode", PERMANENT)
def test_what_the_server_refuses_for_good_waits_for_a_person_who_sends_it_again(
    scene: Scene, server: SharedEhr, mode: str
) -> None:
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    server.misbehave(mode, 1)
    scene.run()
    (dead,) = scene.deliveries()
    assert (dead.state, scene.charted()) == (DeliveryState.DEAD, [])
    scene.retry(dead)
    scene.run()
    assert len(scene.charted()) == 1


def test_a_server_that_takes_five_seconds_is_waited_for_where_it_has_that_long(store: Store, server: SharedEhr) -> None:
    server.misbehave("ok")
    server.clear()
    scene = Scene(store, server, timeout_secs=20.0)
    _, patient = scene.bound_study()
    scene.in_ehr(patient)
    server.misbehave("slow", 1)
    scene.run()
    scene.client.close()
    assert [(one.state, one.attempts) for one in scene.deliveries()] == [(DeliveryState.SENT, 1)]
    assert len(scene.charted()) == 1
