"""A bound study reaches an archive object by object, once for each binding, with the binding's identity."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage

from bridge.domain.identifiers import digest_of
from bridge.domain.study import Study
from bridge.outbox.enqueue import ARCHIVE
from bridge.outbox.worker import Worker
from bridge.publishers.archive_store import ArchiveStorePublisher
from bridge.publishers.dicom_client import Target
from bridge.store import deliveries, events, publications, retention, studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState, HoldKind
from tests.fakes.clinic import Clinic, header_of

UID = "2.25.4001"


class Archive:
    """A Storage SCP of pynetdicom's own on loopback; statuses: what it answers, by instance number, for once."""

    def __init__(self) -> None:
        self.got: list[Dataset] = []
        self.statuses: dict[int, int] = {}
        self.on_store: Callable[[int], object] = lambda number: None
        self.associations = 0
        self._ae = AE("PACS")
        self._ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = server.server_address[1]

    def stop(self) -> None:
        self._ae.shutdown()

    def _accepted(self, event: evt.Event) -> None:
        self.associations += 1

    def _store(self, event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.on_store(int(dataset.InstanceNumber))
        status = self.statuses.pop(int(dataset.InstanceNumber), 0)
        if status == 0 or status >> 12 == 0xB:
            self.got.append(dataset)
        return status


class Scene:
    def __init__(self, store: Store, folder: Path) -> None:
        self.clinic = Clinic(store)
        self.archive = Archive()
        self.blobs = FolderBlobs(folder, low_water_bytes=0)
        target = Target("PACS", "127.0.0.1", self.archive.port)
        publisher = ArchiveStorePublisher({"PACS": target}, "BRIDGE", self.blobs)
        self.worker = Worker(store, self.clinic.clock, [publisher], owner="test", jitter=lambda: 0.5)

    def study(self, instances: int = 3) -> Study:
        with self.clinic.store.write() as tx:
            found = studies.add(tx, header_of(UID, 1, 1), "CT1", False, self.clinic.clock.now())
        for number in range(1, instances + 1):
            self.clinic.instance(found, 1, number, self.keep(number))
        return found

    def send(self, study: Study) -> None:
        self.clinic.queue(ARCHIVE, "PACS", study)
        self.worker.run_due()

    def later(self) -> None:
        self.clinic.clock.at += timedelta(minutes=20)
        self.worker.run_due()

    def owed(self, study: Study) -> int:
        with self.clinic.store.read() as tx:
            now = studies.get(tx, study.key)
            return len(publications.owed_instances(tx, study.key, "PACS", now.binding_version))

    def delivery(self) -> deliveries.Delivery:
        with self.clinic.store.read() as tx:
            return deliveries.search(tx)[0]

    def keep(self, number: int, syntax: str = ExplicitVRLittleEndian) -> str:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{UID}.1.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID, f"{UID}.1"
        dataset.PatientID, dataset.PatientName = "12345", "HALVORSON^INGRID"
        dataset.Modality, dataset.InstanceNumber = "CT", number
        path = self.blobs.spool / f"{number}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return self.blobs.keep(path, digest_of(path.read_bytes()))


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(store, tmp_path / "blobs")
    yield found
    found.archive.stop()
    shutil.rmtree(tmp_path / "blobs")


def test_every_object_of_a_bound_study_goes_once_in_one_association(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.send(study)
    scene.send(study)
    assert sorted(int(one.InstanceNumber) for one in scene.archive.got) == [1, 2, 3]
    assert scene.archive.associations == 1
    with scene.clinic.store.read() as tx:
        assert [line.what for line in events.timeline(tx, [], [study.key])] == ["3 of 3 objects stored"]


def test_an_unbound_study_stays_in_the_house(scene: Scene) -> None:
    study = scene.study()
    scene.send(study)
    assert scene.archive.got == []
    assert scene.delivery().state == DeliveryState.HELD


def test_a_corrected_study_leaves_with_its_corrections_and_no_copy_stays_behind(scene: Scene) -> None:
    study = scene.study()
    corrections = {"PatientID": "00012345", "PatientName": "HALVORSEN^INGRID"}
    scene.clinic.bind(study, scene.clinic.patient("00012345"), corrections=corrections)
    scene.send(study)
    assert {(one.PatientID, str(one.PatientName)) for one in scene.archive.got} == {("00012345", "HALVORSEN^INGRID")}
    assert all(one.OriginalAttributesSequence for one in scene.archive.got)
    assert list(scene.blobs.spool.iterdir()) == []
    with scene.clinic.store.read() as tx:
        contents = studies.contents(tx, study.key)
    kept = next(iter(contents.instances.values()))[0]
    assert dcmread(scene.blobs.path_of(kept.blob)).PatientID == "12345"


def test_a_new_binding_sends_every_object_again(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.send(study)
    scene.clinic.bind(study, scene.clinic.patient("00099999"), corrections={"PatientID": "00099999"})
    scene.send(study)
    assert [one.PatientID for one in scene.archive.got] == ["12345"] * 3 + ["00099999"] * 3


def test_a_warning_counts_as_kept(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.archive.statuses = {2: 0xB000}
    scene.send(study)
    assert (scene.delivery().state, scene.owed(study)) == (DeliveryState.SENT, 0)
    assert "1 with a warning" in scene.delivery().detail


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0xA700, DeliveryState.PENDING),
        (0x0110, DeliveryState.PENDING),
        (0xC000, DeliveryState.DEAD),
        (0xA900, DeliveryState.DEAD),
    ],
)
def test_what_was_taken_is_noted_and_only_the_rest_is_owed(scene: Scene, status: int, state: DeliveryState) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.archive.statuses = {2: status}
    scene.send(study)
    assert (scene.delivery().state, scene.owed(study)) == (state, 1)
    scene.later()
    assert scene.owed(study) == (0 if state == DeliveryState.PENDING else 1)


def test_an_archive_that_is_away_is_waited_for(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.archive.stop()
    scene.send(study)
    assert (scene.delivery().state, scene.owed(study)) == (DeliveryState.PENDING, 3)


def test_corrections_that_cannot_be_made_hold_the_study(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"), corrections={"StudyInstanceUID": "1.2.3"})
    scene.send(study)
    assert scene.archive.got == []
    assert scene.delivery().state == DeliveryState.HELD
    assert "cannot be made" in scene.delivery().held_reason


def test_what_was_removed_here_does_not_keep_the_rest_from_leaving(scene: Scene) -> None:
    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.send(study)
    with scene.clinic.store.write() as tx:
        retention.put_removed(tx, study.key, scene.clinic.clock.now())
    scene.clinic.instance(study, 1, 4, scene.keep(4))
    scene.clinic.bind(study, scene.clinic.patient("00054321"), corrections={"PatientID": "00054321"})
    scene.send(study)
    assert [int(one.InstanceNumber) for one in scene.archive.got] == [1, 2, 3, 4]
    assert scene.delivery().state == DeliveryState.HELD
    assert scene.delivery().held_reason == "3 objects not sent: an archive keeps it, here it was removed"
    assert scene.delivery().hold_kind == HoldKind.OBJECTS


def test_what_an_archive_takes_in_no_such_transfer_syntax_is_held_for_the_archive_and_not_for_its_patient(
    scene: Scene,
) -> None:
    study = scene.study()
    scene.clinic.instance(study, 1, 4, scene.keep(4, JPEG2000Lossless), JPEG2000Lossless)
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.send(study)
    held = scene.delivery()
    assert (held.state, held.hold_kind) == (DeliveryState.HELD, HoldKind.RECEIVER)
    assert (
        held.held_reason
        == "1 objects not sent: the other side takes no CT Image Storage in JPEG 2000 Image Compression (Lossless Only)"
    )
    scene.clinic.instance(study, 1, 5, scene.keep(5))
    scene.send(study)
    assert sorted(int(one.InstanceNumber) for one in scene.archive.got) == [1, 2, 3, 5]
    assert scene.delivery().hold_kind == HoldKind.RECEIVER
    scene.clinic.question(study)
    assert (scene.delivery().hold_kind, scene.delivery().held_reason != held.held_reason) == (HoldKind.IDENTITY, True)


def test_what_an_archive_took_before_the_binding_changed_is_noted_under_the_earlier_one(scene: Scene) -> None:
    study = scene.study()
    bound = scene.clinic.bind(study, scene.clinic.patient("00012345"))
    scene.archive.on_store = lambda number: scene.clinic.question(study) if number == 2 else None
    scene.send(study)
    assert sorted(int(one.InstanceNumber) for one in scene.archive.got) == [1, 2]
    assert scene.delivery().state == DeliveryState.HELD
    with scene.clinic.store.read() as tx:
        (noted,) = publications.forwarded(tx, study.key)
        lines = [line.what for line in events.timeline(tx, [], [study.key])]
    assert (noted.binding_version, noted.count) == (bound.binding_version, 2)
    assert lines == ["2 of 3 objects stored before the study's patient came in question"]
