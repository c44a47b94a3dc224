"""What waited while a server was away goes out once each, as it is by now, and nothing is left; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, Scene

COUNT = 12


@pytest.fixture
def ehr() -> Iterator[StrictEhr]:
    server = StrictEhr().start()
    yield server
    server.stop()


@pytest.fixture
def scene(store: Store, ehr: StrictEhr) -> Iterator[Scene]:
    found = Scene(store, ehr)
    yield found
    found.client.close()


def test_after_an_outage_each_study_goes_out_once_as_it_is_by_now(scene: Scene) -> None:
    clinic = scene.clinic
    patient = clinic.patient("00041001")
    scene.in_ehr(patient)
    scene.ehr.misbehave("503")
    found = []
    for number in range(COUNT):
        order = clinic.order(patient, f"A{number}")
        found.append(clinic.bind(clinic.study(f"2.25.90{number}", 1, 1), patient, order))
        clinic.queue(IMAGING_STUDY, "ehr", found[-1])
        scene.pass_time(QUIET)
        scene.run()
    for again in range(2, 5):
        for study in found:
            clinic.instance(study, 1, again)
            clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.pass_time(timedelta(minutes=10))
        scene.run()
    assert not scene.ehr.state()["resources"].get("ImagingStudy")
    scene.ehr.misbehave("ok")
    scene.until_quiet()
    charted = scene.ehr.state()["resources"]["ImagingStudy"].values()
    assert [(one["numberOfInstances"], one["meta"]["versionId"]) for one in charted] == [(4, "1")] * COUNT
    assert {one.state for one in scene.deliveries()} == {DeliveryState.SENT}
    assert len(scene.deliveries()) == COUNT
