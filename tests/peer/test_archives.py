"""Bound studies reach archives over DICOM and DICOMweb once, also when either side is killed half way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from bridge.domain.rejection import KEY_OBJECT_SELECTION
from bridge.domain.study import OutgoingObject
from bridge.errors import Unavailable
from tests import cast
from tests.cast import PLAIN, image, order, study_uid
from tests.conftest import dcmtk_tool, run_tool
from tests.flows.test_rejections import note
from tests.peer.archives import DICOMWEB, OrthancArchive, pixel_digests
from tests.product.running import Product, free_port, wait_for

pytestmark = pytest.mark.peer

OBJECTS = 20
MODALITY = """
[[dicom.peers]]
ae_title = "CT1"
host = "127.0.0.1"
port = 1
roles = ["modality"]
modality = "CT"
"""


class Hospital:
    """The product between a device and two archives: PACS over DICOM, cloud over DICOMweb; VIEW1 by routes only."""

    def __init__(self, folder: Path, orthanc: str) -> None:
        self.folder = folder
        web = {"Plugins": [DICOMWEB], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
        self.pacs = OrthancArchive(orthanc, folder, OverwriteInstances=True)
        self.cloud = OrthancArchive(orthanc, folder, "CLOUD", OverwriteInstances=True, **web)
        pacs = f'ae_title = "PACS"\nhost = "127.0.0.1"\nport = {self.pacs.port}\nroles = ["archive"]\n'
        pace = "sends = { mb_per_second = 4 }\n"
        cloud = f'name = "cloud"\nbase_url = "http://127.0.0.1:{self.cloud.http_port}/dicom-web"\n'
        peers = f"{MODALITY}[[dicom.peers]]\n{pacs}{pace}[[dicomweb.servers]]\n{cloud}"
        publish = "study_quiet_secs = 1\nforward_quiet_secs = 0.2"
        # A role that is brought back must be found at the same door.
        doors = {name: f"port = {free_port()}" for name in ("hl7", "dicom", "http")}
        self.product = Product(folder, {"peers": peers, "publish": publish} | doors)
        self.product.start()
        self.api = self.product.api(self.product.token())

    def exam(self, accession: str, count: int, size: int = 1 << 10) -> list[Dataset]:
        """Order an exam, and store *count* images of it as the device does."""
        wait_for(lambda: self._says(order(PLAIN, accession)), "the HL7 door")
        sent = [image(PLAIN, accession, n, pixels=os.urandom(size)) for n in range(1, count + 1)]
        paths = [cast.write_file(one, self.folder / f"{one.SOPInstanceUID}.dcm") for one in sent]
        at = self.product.dicom
        tool = dcmtk_tool("storescu")
        ended = run_tool(tool, "-aet", "CT1", "-aec", at.ae_title, at.host, str(at.port), *map(str, paths))
        assert ended.returncode == 0, ended.stderr
        return sent

    def _says(self, raw: bytes) -> bool:
        try:
            return b"MSA|AA" in self.product.say(raw)[0]
        except Unavailable:
            return False

    def delivery(self, accession: str, destination: str) -> dict[str, object] | None:
        rows = self.api.get("/api/deliveries").json()["deliveries"]
        named = [row for row in rows if row["study_instance_uid"] == study_uid(accession)]
        return next((row for row in named if row["destination"] == destination), None)

    def stop(self) -> None:
        if self.product.addresses:
            self.product.stop()
        self.pacs.stop()
        self.cloud.stop()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, orthanc: str) -> Iterator[Hospital]:
    if not Path(DICOMWEB).exists():
        pytest.skip("Orthanc's DICOMweb plugin is not installed")
    found = Hospital(tmp_path_factory.mktemp("archives"), orthanc)
    yield found
    found.stop()


def _arrives(hospital: Hospital, archive: OrthancArchive, accession: str, sent: list[Dataset]) -> None:
    """Wait for *sent* to be at *archive*, and hold the pixels there against what the device sent."""
    uid = study_uid(accession)
    wait_for(lambda: len(archive.instances(uid)) >= len(sent), f"{len(sent)} instances of {accession}", 150)
    assert pixel_digests(archive.instances(uid)) == pixel_digests(sent)


def test_a_study_reaches_both_archives_with_the_pixels_that_the_device_sent(hospital: Hospital) -> None:
    sent = hospital.exam("A1", 3)
    _arrives(hospital, hospital.pacs, "A1", sent)
    _arrives(hospital, hospital.cloud, "A1", sent)
    found = wait_for(lambda: _sent(hospital, "A1", "cloud"), "the delivery to be noted")
    assert found["detail"] == "3 of 3 objects stored"


def _sent(hospital: Hospital, accession: str, destination: str) -> dict[str, object] | None:
    row = hospital.delivery(accession, destination)
    return row if row is not None and row["state"] == "sent" else None


def test_everything_arrives_once_when_our_processes_are_killed_half_way(hospital: Hospital) -> None:
    before = hospital.pacs.count()
    sent = hospital.exam("A2", OBJECTS, 300 << 10)
    wait_for(lambda: hospital.pacs.count() > before, "the first object to arrive")
    for pid in hospital.product.processes()[1:]:
        os.kill(pid, signal.SIGKILL)
    _arrives(hospital, hospital.pacs, "A2", sent)
    _arrives(hospital, hospital.cloud, "A2", sent)
    assert hospital.pacs.count() == before + OBJECTS


def test_everything_arrives_once_when_the_archive_is_killed_half_way(hospital: Hospital) -> None:
    before = hospital.pacs.count()
    sent = hospital.exam("A3", OBJECTS, 300 << 10)
    wait_for(lambda: hospital.pacs.count() > before, "the first object to arrive")
    hospital.pacs.kill()
    hospital.pacs.start()
    _arrives(hospital, hospital.pacs, "A3", sent)
    assert hospital.pacs.count() == before + OBJECTS


def test_a_dicomweb_archive_that_is_away_gets_everything_later(hospital: Hospital) -> None:
    hospital.cloud.kill()
    sent = hospital.exam("A4", 2)
    wait_for(lambda: (row := hospital.delivery("A4", "cloud")) is not None and row["last_error"], "a failed attempt")
    hospital.cloud.start()
    (delivery,) = [hospital.delivery("A4", "cloud")]
    assert delivery is not None
    hospital.api.post(f"/api/deliveries/{delivery['id']}/retry")
    _arrives(hospital, hospital.cloud, "A4", sent)


def test_a_rejection_note_reaches_both_archives_that_have_what_it_rejects(hospital: Hospital) -> None:
    sent = hospital.exam("A5", 2)
    _arrives(hospital, hospital.pacs, "A5", sent)
    _arrives(hospital, hospital.cloud, "A5", sent)
    wait_for(lambda: _noted(hospital, "A5") == {"PACS", "cloud"}, "both archives' objects to be noted", 60)
    said = note("113001", sent[0])
    path = cast.write_file(said, hospital.folder / "note.dcm")
    as_sent = OutgoingObject(path, str(said.SOPClassUID), str(said.SOPInstanceUID), ExplicitVRLittleEndian)
    assert [one.status for one in hospital.product.store([as_sent])] == [0]
    for archive in (hospital.pacs, hospital.cloud):
        (there,) = wait_for(partial(_notes, archive), "the note to arrive", 150)
        (named,) = there.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert named.ReferencedSOPInstanceUID == sent[0].SOPInstanceUID
        assert (there.SOPInstanceUID, there.PatientID) == (said.SOPInstanceUID, PLAIN.patient_id)


def _noted(hospital: Hospital, accession: str) -> set[object]:
    """Return the archives of which it is noted that they have a study whole."""
    rows = hospital.api.get("/api/deliveries").json()["deliveries"]
    named = [row for row in rows if row["study_instance_uid"] == study_uid(accession)]
    return {row["destination"] for row in named if row["detail"] == "2 of 2 objects stored"}


def _notes(archive: OrthancArchive) -> list[Dataset]:
    return [one for one in archive.instances(study_uid("A5")) if one.SOPClassUID == KEY_OBJECT_SELECTION]


def test_check_calls_dicomweb_servers_too(hospital: Hospital) -> None:
    said = hospital.product.command("check", "--connect", "--json")
    rows = {row["name"]: row for row in httpx2.Response(200, content=said.stdout).json()["peers"]}
    assert rows["cloud"]["ok"], rows
