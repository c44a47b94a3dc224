"""A clinic with one study whose objects are kept, and a worker that sends them to one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.sop_class import CTImageStorage

from bridge.domain.identifiers import digest_of
from bridge.domain.study import Study
from bridge.outbox.enqueue import ARCHIVE
from bridge.outbox.worker import Worker
from bridge.publishers.archive_store import StudySender
from bridge.store import deliveries, publications, studies
from bridge.store.blobs import FolderBlobs
from bridge.store.db import Store
from tests.fakes.clinic import Clinic, header_of

UID = "2.25.4001"


class SendingScene:
    """destination: the one place that *sender* sends to. at_once: how many deliveries go there side by side."""

    def __init__(
        self, store: Store, folder: Path, sender: Callable[[FolderBlobs], StudySender], at_once: int = 1
    ) -> None:
        self.clinic = Clinic(store)
        self.blobs = FolderBlobs(folder, low_water_bytes=0)
        publisher = sender(self.blobs)
        (self.destination,) = publisher.destinations
        limits = {(ARCHIVE, self.destination): at_once}
        self.worker = Worker(store, self.clinic.clock, [publisher], owner="test", jitter=lambda: 0.5, at_once=limits)

    def study(self, instances: int = 3, uid: str = UID) -> Study:
        with self.clinic.store.write() as tx:
            found = studies.add(tx, header_of(uid, 1, 1), "CT1", False, self.clinic.clock.now())
        for number in range(1, instances + 1):
            self.clinic.instance(found, 1, number, self.keep(number, uid=uid))
        return found

    def send(self, study: Study) -> None:
        self.clinic.queue(ARCHIVE, self.destination, study)
        self.worker.run_due()

    def later(self) -> None:
        self.clinic.clock.at += timedelta(minutes=20)
        self.worker.run_due()

    def owed(self, study: Study) -> int:
        with self.clinic.store.read() as tx:
            now = studies.get(tx, study.key)
            return len(publications.owed_instances(tx, study.key, self.destination, now.binding_version))

    def deliveries(self) -> list[deliveries.Delivery]:
        with self.clinic.store.read() as tx:
            return deliveries.search(tx)

    def delivery(self) -> deliveries.Delivery:
        return self.deliveries()[0]

    def keep(self, number: int, syntax: str = ExplicitVRLittleEndian, uid: str = UID) -> str:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{uid}.1.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, f"{uid}.1"
        dataset.PatientID, dataset.PatientName = "12345", "HALVORSON^INGRID"
        dataset.Modality, dataset.InstanceNumber = "CT", number
        path = self.blobs.spool / f"{number}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return self.blobs.keep(path, digest_of(path.read_bytes()))
