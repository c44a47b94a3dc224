"""What had left of a study under a wrong patient is put on record when it turns out otherwise, once for each thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bridge.clock import FixedClock
from bridge.domain.incident import DisclosureKind, Incident
from bridge.domain.study import Study
from bridge.errors import Incomplete
from bridge.flows.record_incident import OutsideTasks
from bridge.flows.resolve_mismatch import Ruling
from bridge.store import audit, events, incidents, publications, studies
from bridge.store.publications import Publication
from bridge.wiring import House
from tests.cast import PLAIN, STRANGER, adt, image, order, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive, resolver

MakeHouse = Callable[..., House]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house with a bound study of two images."""
    found = make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))
    say(found, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    receive(found, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2))
    return found


def leave(house: House, study: Study) -> None:
    """Let a bound study stand in a chart and in an archive, and somebody look at it."""
    now = house.clock.now()
    stands = ("ehr", "ImagingStudy", f"ImagingStudy/{study.binding_version}", "1", "available", "Patient/1")
    with house.store.write() as tx:
        publications.put(tx, Publication(study.key, *stands, study.patient_key, "", study.binding_version, now))
        keys = publications.owed_instances(tx, study.key, "PACS", study.binding_version)
        publications.put_forwards(tx, study.key, "PACS", study.binding_version, [(one, "0000", now) for one in keys])
        audit.add(
            tx, at=now, action="dicomweb_rendered", actor="user:ann", patient_key=study.patient_key, study_key=study.key
        )


def later(house: House) -> None:
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)


def found_of(house: House, study: Study) -> list[Incident]:
    with house.store.read() as tx:
        return incidents.of_study(tx, study.key)


def bind(house: House, accession: str) -> Study:
    resolver(house).resolve(study_uid("A1"), Ruling("bind", "asked the ward", "user:maria", accession_number=accession))
    return study_of(house, "A1")


def test_what_had_left_is_recorded_when_the_images_turn_out_to_be_another_s(house: House) -> None:
    before = study_of(house, "A1")
    leave(house, before)
    after = bind(house, "A2")
    (found,) = found_of(house, after)
    assert (found.wrong_patient_key, found.right_patient_key) == (before.patient_key, after.patient_key)
    assert [(one.kind, one.recipient, one.count) for one in found.disclosures] == [
        (DisclosureKind.CHART, "ehr", 1),
        (DisclosureKind.COPY, "PACS", 2),
        (DisclosureKind.LOOK, "user:ann", 1),
    ]
    with house.store.read() as tx:
        told = [one.what for one in events.timeline(tx, [], [after.key]) if one.source_kind == "incident"]
        assert told == [
            f"Had left as another patient's: the chart at ehr, copies at PACS, seen by user:ann. "
            f"Recorded as incident {found.key}"
        ]
        assert "incident_recorded" in [row.action for row in audit.recent(tx, limit=5)]


def test_nothing_is_recorded_where_nothing_had_left_or_the_person_is_the_same(house: House) -> None:
    after = bind(house, "A2")
    assert found_of(house, after) == []
    leave(house, after)
    assert found_of(house, bind(house, "A2")) == []


def test_bound_back_again_only_what_left_since_is_recorded(house: House) -> None:
    leave(house, study_of(house, "A1"))
    second = bind(house, "A2")
    later(house)
    leave(house, second)
    third = bind(house, "A1")
    assert [one.wrong_patient_key for one in found_of(house, third)][1:] == [second.patient_key]
    later(house)
    assert len(found_of(house, bind(house, "A2"))) == 2


def test_a_study_that_is_nobody_s_here_is_an_incident_too(house: House) -> None:
    before = study_of(house, "A1")
    leave(house, before)
    resolver(house).resolve(study_uid("A1"), Ruling("reject", "another clinic's", "user:maria"))
    (found,) = found_of(house, before)
    assert (found.wrong_patient_key, found.right_patient_key) == (before.patient_key, None)


def test_a_person_is_asked_to_clear_up_at_the_archive_and_says_what_was_done(house: House) -> None:
    leave(house, study_of(house, "A1"))
    after = bind(house, "A2")
    with house.store.read() as tx:
        (task,) = incidents.tasks(tx, is_open=True, limit=9)
    assert (task.destination, task.study_key) == ("PACS", after.key)
    desk = OutsideTasks(house.store, house.clock)
    with pytest.raises(Incomplete):
        desk.done(task.key, " ", "user:maria")
    desk.done(task.key, "moved by the vendor", "user:maria")
    with pytest.raises(LookupError):
        desk.done(task.key, "again", "user:maria")
    with house.store.read() as tx:
        assert incidents.tasks(tx, is_open=True, limit=9) == []
        assert studies.get(tx, after.key).is_bound
