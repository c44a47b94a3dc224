"""A study that has begun stands in its chart as registered, once, and never where its images are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.codecs.fhir.imaging_study import House
from bridge.domain.order import Order, Step, StepStatus
from bridge.domain.performed import PerformedDraft, PerformedStatus, ScheduledReference
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.outbox.worker import Worker
from bridge.publishers.study_announcement import StudyAnnouncementPublisher
from bridge.publishers.validation import Validation
from bridge.store import orders, patients, performed, studies
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, UID, Scene

Json = dict[str, Any]

TO = Destinations(studies=("ehr",), announces=True)
BOTH_VERSIONS = pytest.mark.parametrize("ehr", ["R4", "R5"], indirect=True)


@pytest.fixture
def ehr(request: pytest.FixtureRequest) -> Iterator[StrictEhr]:
    server = StrictEhr(version=getattr(request, "param", "R4")).start()
    yield server
    server.stop()


@pytest.fixture
def scene(store: Store, ehr: StrictEhr) -> Scene:
    return Scene(store, ehr)


def standing(scene: Scene) -> list[Json]:
    found: list[Json] = scene.ehr.books.search("ImagingStudy", {})
    return found


def statuses(scene: Scene) -> list[str]:
    return sorted(one["status"] for one in standing(scene))


def begin(scene: Scene, order: Order) -> int:
    """Let the scanner begin the exam of *order*, and return the row of its performed step."""
    now = scene.clinic.clock.now()
    said = PerformedDraft(scheduled=(ScheduledReference(UID),), modality="CT", started_local="20260302101500")
    with scene.clinic.store.write() as tx:
        step = orders.add_step(tx, Step(0, order.key, "S1", StepStatus.SCHEDULED, "CT"))
        made = performed.add(tx, "2.25.900", said, [step.key], now)
        announce.exam_begun(tx, made, order.key, TO, now)
    return made.key


def stop(scene: Scene, order: Order, key: int) -> None:
    now = scene.clinic.clock.now()
    with scene.clinic.store.write() as tx:
        step = performed.get(tx, key)
        stopped = PerformedDraft(status="DISCONTINUED", referenced_instances=())
        performed.save(tx, step, PerformedStatus.DISCONTINUED, stopped, now)
        announce.exam_begun(tx, performed.get(tx, key), order.key, TO, now)


def images(scene: Scene, order: Order | None) -> None:
    """Let images come: bound to *order*, or to nobody."""
    clinic = scene.clinic
    study = clinic.study(UID)
    now = clinic.clock.now()
    if order is None:
        with clinic.store.write() as tx:
            announce.study_withdrawn(tx, study, now)
        return
    with clinic.store.read() as tx:
        patient = patients.get(tx, order.patient_key)
    bound = clinic.bind(study, patient, order)
    clinic.queue(IMAGING_STUDY, "ehr", bound)
    with clinic.store.write() as tx:
        announce.study_changed(tx, studies.get(tx, bound.key), TO, now)


@BOTH_VERSIONS
def test_what_a_modality_begins_is_registered_and_becomes_available(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    order = scene.clinic.order(patient, "A1")
    begin(scene, order)
    scene.run()
    (announced,) = standing(scene)
    assert announced["status"] == "registered"
    assert "series" not in announced
    images(scene, order)
    scene.pass_time(QUIET)
    scene.until_quiet()
    (whole,) = standing(scene)
    assert (whole["id"], whole["status"], whole["numberOfInstances"]) == (announced["id"], "available", 6)


def test_the_first_image_registers_a_bound_study_once(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    order = scene.clinic.order(patient, "A1")
    images(scene, order)
    scene.run()
    assert statuses(scene) == ["registered"]
    writes = [one["meta"]["versionId"] for one in standing(scene)]
    with scene.clinic.store.read() as tx:
        study = studies.by_uid(tx, UID)
    assert study is not None
    for number in range(10, 20):
        scene.clinic.instance(study, 1, number)
        scene.clinic.queue(IMAGING_STUDY, "ehr", study)
        scene.run()
    assert [one["meta"]["versionId"] for one in standing(scene)] == writes


def test_an_exam_that_is_stopped_without_an_image_is_cancelled(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    order = scene.clinic.order(patient, "A1")
    key = begin(scene, order)
    scene.run()
    stop(scene, order, key)
    scene.run()
    assert statuses(scene) == ["cancelled"]


def test_images_of_nobody_take_their_announcement_back(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    begin(scene, scene.clinic.order(patient, "A1"))
    scene.run()
    images(scene, None)
    scene.run()
    assert statuses(scene) == ["entered-in-error"]


def test_an_announcement_that_comes_late_makes_nothing_less(scene: Scene) -> None:
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    order = scene.clinic.order(patient, "A1")
    images(scene, order)
    scene.pass_time(QUIET)
    scene.until_quiet()
    begin(scene, order)
    scene.run()
    assert statuses(scene) == ["available"]


def test_a_strict_site_keeps_back_what_is_invalid_and_says_where(store: Store, ehr: StrictEhr) -> None:
    scene = Scene(store, ehr)
    strict = replace(scene.ehr_port, validation=Validation(strict=True))
    house = House(ZoneInfo("America/New_York"), no_system)
    publishers = [StudyAnnouncementPublisher({"ehr": strict}, house, QUIET)]
    scene.worker = Worker(store, scene.clinic.clock, publishers, owner="test", jitter=lambda: 0.5)
    patient = scene.clinic.patient("00041001")
    scene.in_ehr(patient)
    images(scene, scene.clinic.order(patient, "A1"))
    scene.run()
    (dead,) = scene.deliveries(DeliveryState.DEAD)
    assert "ImagingStudy.identifier.1.system" in dead.last_error
    assert standing(scene) == []


def no_system(issuer: str) -> str:
    """A site whose settings give an issuer a blank for an address."""
    return ""
