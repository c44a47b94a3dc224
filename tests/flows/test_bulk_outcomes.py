"""A device with a dead clock and one with a wrong character set: their images come over a socket and are mended as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from bridge.building.bulk import bulk_queue
from bridge.domain.accounts import Role
from bridge.domain.bulk import BulkState, Repairing
from bridge.domain.study import OutgoingObject
from bridge.flows.bulk_cases import BulkDesk
from bridge.flows.read_again import StudyRereader
from bridge.publishers.dicom_client import Target, store_files
from bridge.store import bulk_jobs
from bridge.wiring import House
from tests import cast
from tests.cast import PLAIN, STRANGER, Person, adt, image, order, study_uid
from tests.fakes.console import Console
from tests.flows.asking import say
from tests.peer.images_room import SENDER, open_house

MARIA = "user:maria"
# Its battery was dead: it began again two years ago.
DEAD_CLOCK: Mapping[str, Any] = {"do": "clock", "ahead_minutes": -731 * 24 * 60}
GREEK: Mapping[str, Any] = {"do": "charset", "is": "ISO_IR 126", "always": True}
ELENI = Person("00041011", "Παπαδοπούλου^Ελένη", "19740806", "F")
MARKOS = Person("00041012", "Αντωνίου^Μάρκος", "19660219", "M")


@dataclass(frozen=True)
class Ward:
    """A house behind a real DICOM door, and what a program sees of its studies."""

    house: House
    port: int
    folder: Path
    console: Console

    def send(self, dataset: Dataset, *, declared: str = "") -> str:
        """Send one object, its text declared as *declared* whatever it is; return its study's UID."""
        path = cast.write_file(dataset, self.folder / f"{dataset.SOPInstanceUID}.dcm")
        if declared:
            path.write_bytes(path.read_bytes().replace(dataset.SpecificCharacterSet.encode(), declared.encode()))
        syntax = str(dataset.file_meta.TransferSyntaxUID)
        sent = [OutgoingObject(path, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)]
        (result,) = store_files(Target("BRIDGE", "127.0.0.1", self.port), SENDER, sent)
        assert result.status == 0
        return str(dataset.StudyInstanceUID)

    def seen(self, uid: str) -> dict[str, Any]:
        """Return what a program sees of a study that an undo has to bring back."""
        said = self.console.machine(Role.INTAKE).get(f"/api/studies/{uid}").json
        return {
            name: said[name] for name in ("state", "rule", "sentence", "patient", "order", "header") if name in said
        }

    def work(self, key: int) -> BulkState:
        bulk_queue(self.house).work()
        with self.house.store.read() as tx:
            return bulk_jobs.get(tx, key).state

    def apply(self, entry: Mapping[str, Any]) -> int:
        """Try a repair of what SENDER sent today and let it count; return its number."""
        desk, now = BulkDesk(self.house.store, self.house.clock), self.house.clock.now()
        hour = timedelta(hours=1)
        key = desk.preview(Repairing(SENDER, now - hour, now + hour, entry), MARIA)
        assert self.work(key) == BulkState.PREVIEWED
        desk.apply(key, "found by the engineer", MARIA)
        return key

    def undo(self, key: int) -> None:
        BulkDesk(self.house.store, self.house.clock).undo(key, "it was not that", MARIA)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with open_house(tmp_path / "data", 1) as (house, port):
        yield Ward(house, port, tmp_path, Console(house))


def undated(accession: str, person: Person) -> Dataset:
    """Return an image that names its order by accession alone, two years before that was placed."""
    dataset = image(replace(person, patient_id=""), accession, study=f"{study_uid(accession)}1")
    dataset.StudyDate = "20240302"
    return dataset


def greek(person: Person, number: str) -> Dataset:
    """Return an image without an order, its text in Greek."""
    dataset = image(person, "", study=study_uid(number))
    dataset.SpecificCharacterSet = "ISO_IR 126"
    return dataset


def test_after_a_dead_clock_each_finds_the_order_of_the_true_day_and_who_is_another_is_asked_about(ward: Ward) -> None:
    say(ward.house, adt(PLAIN), order(PLAIN, "A1"), adt(STRANGER), order(STRANGER, "A2"))
    uids = [ward.send(undated("A1", PLAIN)), ward.send(undated("A2", PLAIN))]
    before = [ward.seen(uid) for uid in uids]
    assert {one["state"] for one in before} <= {"review", "quarantine"}
    key = ward.apply(DEAD_CLOCK)
    assert ward.work(key) == BulkState.APPLIED
    hers, another = [ward.seen(uid) for uid in uids]
    assert (hers["state"][:5], hers["rule"]) == ("bound", "B02")
    assert (another["state"], another["patient"]) == ("review", None)
    ward.undo(key)
    assert ward.work(key) == BulkState.UNDONE
    assert [ward.seen(uid) for uid in uids] == before


def test_read_in_the_true_character_set_each_is_bound_by_rule_and_another_name_is_asked_about(ward: Ward) -> None:
    say(ward.house, adt(ELENI), adt(MARKOS))
    mixed = replace(MARKOS, patient_id=ELENI.patient_id)
    uids = [
        ward.send(greek(person, number), declared="ISO_IR 100")
        for person, number in ((ELENI, "G1"), (MARKOS, "G2"), (mixed, "G3"))
    ]
    before = [ward.seen(uid) for uid in uids]
    assert [one["state"] for one in before] == ["review"] * 3
    key = ward.apply(GREEK)
    assert ward.work(key) == BulkState.APPLIED
    after = [ward.seen(uid) for uid in uids]
    assert [one["state"][:5] for one in after] == ["bound", "bound", "revie"]
    assert after[0]["rule"] == "B03"
    ward.undo(key)
    assert ward.work(key) == BulkState.UNDONE
    assert [ward.seen(uid) for uid in uids] == before


def test_killed_midway_another_worker_goes_on_behind_the_last_study(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ("A1", "A3", "A4")
    say(ward.house, adt(PLAIN), *(order(PLAIN, number) for number in numbers))
    uids = [ward.send(undated(number, PLAIN)) for number in numbers]
    before = [ward.seen(uid) for uid in uids]
    key = ward.apply(DEAD_CLOCK)
    dies_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        ward.work(key)
    assert [ward.seen(uid)["state"][:5] for uid in uids].count("bound") == 1
    monkeypatch.undo()
    assert ward.work(key) == BulkState.APPLIED
    assert [ward.seen(uid)["state"][:5] for uid in uids] == ["bound"] * 3
    ward.undo(key)
    dies_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        ward.work(key)
    assert [ward.seen(uid)["state"][:5] for uid in uids].count("bound") == 1
    monkeypatch.undo()
    assert ward.work(key) == BulkState.UNDONE
    assert [ward.seen(uid) for uid in uids] == before
    with ward.house.store.read() as tx:
        assert bulk_jobs.tally(tx, bulk_jobs.get(tx, key))["changed"] == 3


def dies_after(studies_done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever works end as a killed process does, before the study that comes then is written."""
    real, done = StudyRereader.take, list[int]()

    def dying(self: StudyRereader, *rest: Any) -> None:
        real(self, *rest)
        if len(done) == studies_done:
            raise KeyboardInterrupt
        done.append(1)

    monkeypatch.setattr(StudyRereader, "take", dying)
