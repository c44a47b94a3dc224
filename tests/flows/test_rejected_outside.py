"""What charts and archives have of a study follows its rejection and what a person makes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage
from pynetdicom import AE, evt

from bridge.building.destinations import publishers
from bridge.clock import FixedClock
from bridge.domain.incident import SHOW_AGAIN
from bridge.flows.resolve_mismatch import Ruling
from bridge.outbox.worker import Worker
from bridge.store import events, incidents
from bridge.wiring import House
from samples.strict_ehr import StrictEhr
from tests.cast import PLAIN, STRANGER, adt, image, order, renamed, study_uid
from tests.flows.asking import say, study_of
from tests.flows.test_images import receive, resolver
from tests.flows.test_rejections import desk, note, standing

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SYSTEM = "urn:oid:2.25.834"


class Outside:
    """A house, its chart and its archive, and a worker that is driven by hand."""

    def __init__(
        self, make_house: Callable[..., House], ehr: StrictEhr, corrected: str = "", *, announces: bool = False
    ) -> None:
        self.ehr = ehr
        self.got: list[Dataset] = []
        self._ae = AE("PACS")
        for kind in (CTImageStorage, KeyObjectSelectionDocumentStorage):
            self._ae.add_supported_context(kind, ExplicitVRLittleEndian)
        server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        self.clock = FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
        archive = {"ae_title": "PACS", "host": "127.0.0.1", "port": server.server_address[1], "roles": ["archive"]}
        archive |= {"sends": {"corrected": corrected}} if corrected else {}
        self.house = make_house(
            self.clock,
            dicom={"peers": [archive]},
            publish={"announce": announces},
            fhir={"servers": [{"name": "ehr", "base_url": ehr.base_url, "publish": ["ImagingStudy"]}]},
            identity={"authority": "RIVERSIDE", "authorities": [{"name": "RIVERSIDE", "system": SYSTEM}]},
        )
        house = self.house
        self._worker = Worker(house.store, house.clock, publishers(house), owner="test", jitter=lambda: 0.5)
        for person in (PLAIN, STRANGER):
            known = [{"system": SYSTEM, "value": person.patient_id}]
            ehr.books.create({"resourceType": "Patient", "identifier": known})

    def run(self) -> None:
        """Let everything leave that is to."""
        for _ in range(4):
            self.clock.at += timedelta(minutes=1)
            self.run_once()

    def run_once(self) -> None:
        """Let what is due leave."""
        self._worker.run_due()

    def statuses(self) -> list[str]:
        found: list[dict[str, Any]] = self.ehr.books.search("ImagingStudy", {})
        return sorted(str(one["status"]) for one in found)

    def notes(self) -> list[Dataset]:
        return [one for one in self.got if one.SOPClassUID == KeyObjectSelectionDocumentStorage]

    def stop(self) -> None:
        self._ae.shutdown()

    def _store(self, event: evt.Event) -> int:
        self.got.append(event.dataset)
        return 0


@pytest.fixture
def outside(make_house: Callable[..., House], request: pytest.FixtureRequest) -> Iterator[Outside]:
    ehr = StrictEhr(version="R4").start()
    found = Outside(make_house, ehr, getattr(request, "param", ""))
    say(found.house, adt(PLAIN), adt(STRANGER), order(PLAIN, "A1"), order(STRANGER, "A2"))
    yield found
    found.stop()
    ehr.stop()


@ON_ONE_DATABASE
def test_a_study_rejected_for_quality_is_cancelled_told_to_the_archive_and_back_when_taken_back(
    outside: Outside,
) -> None:
    house, one, two = outside.house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2)
    receive(house, one, two)
    outside.run()
    assert (outside.statuses(), len(outside.got)) == (["available"], 2)
    said = note("113001", one, two)
    receive(house, said)
    outside.run()
    assert outside.statuses() == ["cancelled"]
    (told,) = outside.notes()
    assert (told.SOPInstanceUID, told.PatientID) == (said.SOPInstanceUID, PLAIN.patient_id)
    assert asked(house) == []
    desk(house).decide(standing(house)[0].key, "undo", "sharp enough", "user:maria")
    outside.run()
    assert outside.statuses() == ["available"]
    assert len(outside.notes()) == 1
    assert asked(house) == [("PACS", SHOW_AGAIN)]
    desk(house).decide(standing(house)[0].key, "apply", "blurred after all", "user:maria")
    assert asked(house) == []


def asked(house: House) -> list[tuple[str, str]]:
    """Return what people are asked to do at other systems."""
    with house.store.read() as tx:
        return [(task.destination, task.what) for task in incidents.tasks(tx, is_open=True, limit=9)]


@ON_ONE_DATABASE
def test_a_note_that_came_from_an_archive_is_taken_back_there_by_a_person(outside: Outside) -> None:
    house, one = outside.house, image(PLAIN, "A1", 1)
    receive(house, one)
    outside.run()
    receive(house, note("113001", one), calling="PACS")
    desk(house).decide(standing(house)[0].key, "undo", "sharp enough", "user:maria")
    outside.run()
    assert (outside.notes(), asked(house)) == ([], [("PACS", SHOW_AGAIN)])


@ON_ONE_DATABASE
def test_a_note_that_is_taken_back_before_it_left_leaves_no_more_and_asks_nobody(outside: Outside) -> None:
    house, one = outside.house, image(PLAIN, "A1", 1)
    receive(house, one)
    outside.run()
    receive(house, note("113001", one))
    desk(house).decide(standing(house)[0].key, "undo", "wrong list", "user:maria")
    outside.run()
    assert (outside.notes(), asked(house)) == ([], [])


@ON_ONE_DATABASE
def test_a_study_held_by_a_note_is_withdrawn_and_goes_to_whom_a_person_finds(outside: Outside) -> None:
    house, one, two = outside.house, image(PLAIN, "A1", 1), image(PLAIN, "A1", 2)
    receive(house, one, two)
    outside.run()
    receive(house, note("113038", one, two))
    outside.run()
    assert outside.statuses() == ["entered-in-error"]
    assert len(outside.notes()) == 1
    ruling = Ruling("bind", "the other entry was picked", "user:maria", accession_number="A2")
    resolver(house).resolve(study_uid("A1"), ruling)
    outside.run()
    assert outside.statuses() == ["available", "entered-in-error"]
    assert {str(one.PatientID) for one in outside.got[-2:]} == {STRANGER.patient_id}
    assert ("PACS", SHOW_AGAIN) in asked(house)
    assert len(asked(house)) == 2
    with house.store.read() as tx:
        told = [line.what for line in events.timeline(tx, [], [study_of(house, "A1").key])]
    assert any(line.startswith("Had left as another patient's: the chart at ehr, copies at PACS") for line in told)


@ON_ONE_DATABASE
@pytest.mark.parametrize("outside", ["by_hand"], indirect=True)
def test_an_archive_that_is_corrected_by_hand_is_sent_nothing_twice_and_a_person_is_asked(outside: Outside) -> None:
    house = outside.house
    receive(house, image(PLAIN, "A1", 1))
    outside.run()
    say(house, adt(renamed(PLAIN, "HALVORSEN^INGRID^MARIA"), "A08", at="20260302110000"))
    receive(house, image(PLAIN, "A1", 2))
    outside.run()
    assert [int(one.InstanceNumber) for one in outside.got] == [1, 2]
    with house.store.read() as tx:
        (task,) = incidents.tasks(tx, is_open=True, limit=9)
    assert (task.destination, task.what.startswith("1 objects leave otherwise")) == ("PACS", True)
