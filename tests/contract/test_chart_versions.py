"""What a chart had, version by version: kept once, numbered without gaps, never changed; old ones lose what they said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.domain.chart import OWN, Cause, Whose, Why
from bridge.flows.keep_house import forget_versions
from bridge.outbox.enqueue import IMAGING_STUDY
from bridge.store import chart_versions
from bridge.store.chart_versions import Standing
from bridge.store.db import Store
from samples.strict_ehr import StrictEhr
from tests.fakes.chart_scene import QUIET, Scene
from tests.fakes.clinic import AT

RULE = Why(Cause.RULE, "B01", "the number is hers")
NOBODY = Whose()


def resource(status: str = "available", images: int = 3, **more: Any) -> dict[str, Any]:
    said = {"resourceType": "ImagingStudy", "id": "7", "status": status, "numberOfInstances": images}
    return said | {"subject": {"reference": "Patient/1"}} | more


def standing(said: dict[str, Any], server: str = "ehr") -> Standing:
    return Standing(server, "ImagingStudy/7", {"R4": said}, "9")


def test_a_version_is_kept_once_however_often_it_is_seen(store: Store) -> None:
    with store.write() as tx:
        first = chart_versions.keep(tx, standing(resource()), NOBODY, RULE, AT)
        again = chart_versions.keep(tx, standing(resource(meta={"versionId": "2"})), NOBODY, RULE, AT)
        second = chart_versions.keep(tx, standing(resource(images=4)), NOBODY, RULE, AT)
        elsewhere = chart_versions.keep(tx, standing(resource(), OWN), NOBODY, RULE, AT)
    assert again is None
    assert [one and one.number for one in (first, second, elsewhere)] == [1, 2, 1]
    assert first is not None
    assert (first.status, first.subject, first.resource_id, first.why) == ("available", "Patient/1", "7", RULE)


def test_versions_are_listed_newest_first_and_read_as_they_were_written(store: Store) -> None:
    both = {"R4": resource(), "R5": resource(modality=[{"text": "CT"}])}
    with store.write() as tx:
        chart_versions.keep(tx, Standing(OWN, "ImagingStudy/7", both), NOBODY, RULE, AT)
        chart_versions.keep(tx, standing(resource(images=4), OWN), NOBODY, RULE, AT + timedelta(hours=1))
    with store.read() as tx:
        listed = chart_versions.of_resource(tx, OWN, "ImagingStudy/7")
        late = chart_versions.of_resource(tx, OWN, "ImagingStudy/7", since=AT + timedelta(minutes=1))
        older = chart_versions.of_resource(tx, OWN, "ImagingStudy/7", before=2)
        of_type = chart_versions.of_type(tx, OWN, "ImagingStudy")
        one = chart_versions.get(tx, OWN, "ImagingStudy/7", 1)
        missing = chart_versions.get(tx, OWN, "ImagingStudy/7", 3)
        said = chart_versions.said_by(tx, [listed[1].key])
    assert [one.number for one in listed] == [2, 1]
    assert ([one.number for one in late], [one.number for one in older]) == ([2], [1])
    assert of_type == listed
    assert (one, missing) == (listed[1], None)
    assert said == {listed[1].key: both}


def test_what_old_versions_said_is_forgotten_but_the_newest_stays_whatever_its_age(store: Store) -> None:
    with store.write() as tx:
        for images in (3, 4, 5):
            chart_versions.keep(tx, standing(resource(images=images)), NOBODY, RULE, AT)
        assert chart_versions.forget(tx, AT + timedelta(days=1), 1) == 1
        assert chart_versions.forget(tx, AT + timedelta(days=1), 10) == 1
        assert chart_versions.forget(tx, AT + timedelta(days=1), 10) == 0
    with store.read() as tx:
        listed = chart_versions.of_resource(tx, "ehr", "ImagingStudy/7")
        said = chart_versions.said_by(tx, [one.key for one in listed])
    assert [(one.number, one.has_content) for one in listed] == [(3, True), (2, False), (1, False)]
    assert list(said) == [listed[0].key]


def test_housekeeping_forgets_after_the_days_that_the_site_keeps_them_and_never_where_it_keeps_all(
    store: Store,
) -> None:
    with store.write() as tx:
        for images in (3, 4):
            chart_versions.keep(tx, standing(resource(images=images)), NOBODY, RULE, AT)
    assert forget_versions(store, AT + timedelta(days=400), 0) == 0
    assert forget_versions(store, AT + timedelta(days=30), 30) == 0
    assert forget_versions(store, AT + timedelta(days=31), 30) == 1


@pytest.fixture
def scene(store: Store) -> Iterator[Scene]:
    server = StrictEhr(version="R4").start()
    found = Scene(store, server)
    yield found
    found.client.close()
    server.stop()


def test_each_write_to_a_server_is_a_version_with_its_reason_and_a_repeat_is_none(scene: Scene) -> None:
    study, patient = scene.bound_study()
    other = scene.clinic.patient("00041002", "OKONKWO^DANIEL", "19710904")
    first, second = scene.in_ehr(patient), scene.in_ehr(other)
    scene.run()
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    for number in (1, 2):
        scene.clinic.instance(study, 3, number)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.pass_time(QUIET)
    scene.run()
    scene.clinic.question(study)
    scene.run()
    scene.clinic.bind(study, other)
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    with scene.clinic.store.read() as tx:
        kept = list(reversed(chart_versions.of_study(tx, study.key)))
        said = chart_versions.said_by(tx, [one.key for one in kept])
        stands = chart_versions.newest_of_studies(tx, "ehr", [study.key])
    assert [(one.number, one.status, one.subject) for one in kept] == [
        (1, "available", first),
        (2, "available", first),
        (3, "entered-in-error", first),
        (1, "available", second),
    ]
    assert [one.why.words for one in kept][1] == "2 more images came"
    assert [one.why.cause for one in kept] == [Cause.RULE, Cause.EVENT, Cause.RULE, Cause.RULE]
    assert [one.whose.patient_key for one in kept] == [patient.key] * 3 + [other.key]
    assert [said[one.key]["R4"].get("numberOfInstances") for one in kept] == [6, 8, None, 8]
    assert [one.server_version for one in kept] == ["1", "2", "3", "1"]
    assert [one.status for one in stands] == ["entered-in-error", "available"]


def test_what_somebody_else_wrote_into_the_entry_is_a_version_too(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.run()
    (charted,) = scene.charted()
    scene.ehr.books.update(charted | {"note": [{"text": "seen"}]}, charted["id"])
    scene.clinic.queue(IMAGING_STUDY, "ehr", study)
    scene.run()
    with scene.clinic.store.read() as tx:
        newest = chart_versions.newest(tx, "ehr", f"ImagingStudy/{charted['id']}")
    assert newest is not None
    assert (newest.number, newest.why.cause, newest.why.by) == (2, Cause.DELIVERY, "ehr")


def test_a_write_whose_answer_was_lost_is_kept_once(scene: Scene) -> None:
    study, patient = scene.bound_study()
    scene.in_ehr(patient)
    scene.ehr.misbehave("commit-then-500", 1, ["PUT"], types=["ImagingStudy"])
    scene.until_quiet()
    with scene.clinic.store.read() as tx:
        kept = chart_versions.of_study(tx, study.key)
    assert [(one.number, one.why) for one in kept] == [(1, replace(kept[0].why, cause=Cause.RULE))]
