"""A bound study reaches an archive object by object, once for each binding, with the binding's identity."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage

from bridge.domain.study import OutgoingObject
from bridge.outbox.enqueue import ARCHIVE
from bridge.outbox.worker import Worker
from bridge.publishers import archive_store
from bridge.publishers.archive_store import ArchiveStorePublisher
from bridge.publishers.dicom_client import Target, store_files
from bridge.store import events, publications, retention, studies
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState, HoldKind
from tests.fakes.sending_scene import UID, SendingScene
from tests.faults import certificates
from tests.product.running import wait_for


class Archive:
    """
    A Storage SCP of pynetdicom's own on loopback; statuses: what it answers, by instance number, for once.

    classes: what it takes. tls: the context that it is called with, None for a plain one.
    """

    def __init__(self, classes: Sequence[str] = (CTImageStorage,), tls: ssl.SSLContext | None = None) -> None:
        self.got: list[Dataset] = []
        self.statuses: dict[int, int] = {}
        self.on_store: Callable[[int], object] = lambda number: None
        self.associations = 0
        self._ae = AE("PACS")
        for one in classes:
            self._ae.add_supported_context(one, ExplicitVRLittleEndian)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls)
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


class Scene(SendingScene):
    def __init__(self, store: Store, folder: Path, archive: Archive, at_once: int = 1) -> None:
        self.archive = archive
        target = Target("PACS", "127.0.0.1", archive.port)
        super().__init__(store, folder, lambda blobs: ArchiveStorePublisher({"PACS": target}, "BRIDGE", blobs), at_once)


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(store, tmp_path / "blobs", Archive())
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


def test_an_object_of_each_of_130_classes_goes_in_two_associations(tmp_path: Path) -> None:
    classes = [str(one.abstract_syntax) for one in AllStoragePresentationContexts][:130]
    archive, sent = Archive(classes), []
    for number, sop_class in enumerate(classes, 1):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.InstanceNumber = sop_class, f"{UID}.1.{number}", number
        dataset.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        sent.append(OutgoingObject(tmp_path / f"{number}.dcm", sop_class, f"{UID}.1.{number}", ExplicitVRLittleEndian))
    results = store_files(Target("PACS", "127.0.0.1", archive.port), "BRIDGE", sent)
    archive.stop()
    assert [one.status for one in results] == [0] * 130
    assert [str(one.SOPClassUID) for one in archive.got] == classes
    assert archive.associations == 2


def test_an_archive_is_sent_to_over_tls_that_names_both_sides(store: Store, tmp_path: Path) -> None:
    theirs, ours = certificates.make_identity(tmp_path, "pacs"), certificates.make_identity(tmp_path, "bridge")
    archive = Archive(tls=certificates.server_context(theirs, client_ca=ours[0]))
    tls = certificates.client_context(theirs[0], ours)
    for number, context in enumerate((certificates.client_context(ours[0], ours), tls)):
        target = Target("PACS", "127.0.0.1", archive.port, context)
        found = SendingScene(
            store,
            tmp_path / f"blobs-{number}",
            lambda blobs, target=target: ArchiveStorePublisher({"PACS": target}, "BRIDGE", blobs),  # type: ignore[misc]
        )
        study = found.study(uid=f"2.25.500{number}")
        found.clinic.bind(study, found.clinic.patient(f"0001234{number}"))
        found.send(study)
        is_trusted = context is tls
        assert found.owed(study) == (0 if is_trusted else 3)
        assert found.delivery().state == (DeliveryState.SENT if is_trusted else DeliveryState.PENDING)
    archive.stop()
    assert len(archive.got) == 3


def test_a_place_is_sent_no_more_studies_at_one_time_than_it_may_be(store: Store, tmp_path: Path) -> None:
    archive, may_go_on, lock = Archive(), threading.Event(), threading.Lock()
    under_way, most = 0, 0

    def slowly(number: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        may_go_on.wait(20)
        with lock:
            under_way -= 1

    archive.on_store = slowly
    scene = Scene(store, tmp_path / "blobs", archive, at_once=2)
    for number in range(5):
        study = scene.study(1, uid=f"2.25.60{number}")
        scene.clinic.bind(study, scene.clinic.patient(f"0005432{number}"))
        scene.clinic.queue(ARCHIVE, "PACS", study)
    scene.worker.start()
    wait_for(lambda: under_way == 2, "two studies under way")
    assert Counter(one.state.value for one in scene.deliveries()) == {"sending": 2, "pending": 3}
    may_go_on.set()
    wait_for(lambda: {one.state.value for one in scene.deliveries()} == {"sent"}, "all five to be sent")
    scene.worker.stop()
    archive.stop()
    assert (most, len(archive.got)) == (2, 5)


def test_a_place_gets_no_more_bytes_in_a_second_than_it_may(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    now = 0.0

    class Time:
        @staticmethod
        def monotonic() -> float:
            return now

        @staticmethod
        def sleep(secs: float) -> None:
            nonlocal now
            now += secs

    study = scene.study()
    scene.clinic.bind(study, scene.clinic.patient("00012345"))
    target = Target("PACS", "127.0.0.1", scene.archive.port)
    paced = ArchiveStorePublisher({"PACS": target}, "BRIDGE", scene.blobs, bytes_per_second={"PACS": 250})
    monkeypatch.setattr(archive_store, "time", Time)
    worker = Worker(scene.clinic.store, scene.clinic.clock, [paced], owner="test")
    scene.clinic.queue(ARCHIVE, "PACS", study)
    worker.run_due()
    assert (len(scene.archive.got), now) == (3, pytest.approx(3 * 1000 / 250))
