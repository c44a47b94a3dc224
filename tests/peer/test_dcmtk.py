"""dcmtk's tools against our door, and our client against dcmtk's storescp."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from bridge.domain.study import OutgoingObject
from bridge.errors import Refused, Unavailable
from bridge.listeners.dicom.ports import Peer
from bridge.publishers import dicom_client
from bridge.publishers.dicom_client import Target
from tests.fakes.dicom_services import PEERS, Room, running

pytestmark = pytest.mark.peer

# pynetdicom installs scripts of the same names beside the interpreter, so the system's are named by path.
_FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.10.66"


def tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join(_FOLDERS))
    if found is None:
        if os.environ.get("BRIDGE_REQUIRE_PEERS"):
            pytest.fail(f"dcmtk's {name} is not installed (apt-get install dcmtk)")
        pytest.skip(f"dcmtk's {name} is not installed (apt-get install dcmtk)")
    return found


def run(name: str, *arguments: str | int | Path, secs: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(name), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=secs,
        env=os.environ | {"TCP_NODELAY": "1"},
    )


def write(
    path: Path, number: int, syntax: str = ExplicitVRLittleEndian, sop_class: str = CT_IMAGE, size: int = 4096
) -> Path:
    """Write one synthetic object."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"{ROOT}.3.{number}"
    dataset.StudyInstanceUID = f"{ROOT}.1"
    dataset.SeriesInstanceUID = f"{ROOT}.2"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Larch^Ada", "PEER-1", "CT"
    dataset.Rows, dataset.Columns = 64, size // 64
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if syntax.startswith("1.2.840.10008.1.2.4."):
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(200) + b"\xff\xd9"])
        dataset["PixelData"].VR = "OB"
    else:
        dataset.PixelData = bytes(range(256)) * (size // 256)
        dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with running(tmp_path / "door") as door:
        yield door


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "images"
    folder.mkdir()
    return [write(folder / f"{number}.dcm", number, size=200 << 10) for number in range(1, 6)]


class TestEcho:
    def test_a_known_modality_is_answered(self, room: Room) -> None:
        assert run("echoscu", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port).returncode == 0

    @pytest.mark.parametrize(
        ("called", "calling", "reason"),
        [
            ("NOT_ME", "MODALITY", "Called AE Title Not Recognized"),
            ("BRIDGE", "STRANGER", "Calling AE Title Not Recognized"),
            ("BRIDGE", "ELSEWHERE", "Calling AE Title Not Recognized"),
        ],
    )
    def test_a_wrong_title_or_address_is_rejected(self, room: Room, called: str, calling: str, reason: str) -> None:
        ended = run("echoscu", "-v", "-aec", called, "-aet", calling, "localhost", room.port)
        assert ended.returncode != 0
        assert reason in ended.stdout + ended.stderr


class TestStore:
    def test_objects_are_kept_byte_for_byte(self, room: Room, images: list[Path]) -> None:
        assert run("storescu", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, *images).returncode == 0
        assert len(room.services.kept) == len(images)
        for path in images:
            sent = pydicom.dcmread(path)
            spooled, kept = room.services.kept[str(sent.SOPInstanceUID)]
            assert pydicom.dcmread(kept) == sent
            assert kept.stat().st_size == spooled.size_bytes
            assert kept.read_bytes().endswith(path.read_bytes()[-(200 << 10) :])
            assert pydicom.dcmread(kept).file_meta.SourceApplicationEntityTitle == "MODALITY"

    def test_a_compressed_object_keeps_its_syntax(self, room: Room, tmp_path: Path) -> None:
        path = write(tmp_path / "jpeg.dcm", 40, JPEGBaseline8Bit)
        assert (
            run("storescu", "-xy", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, path).returncode == 0
        )
        ((spooled, _),) = room.services.kept.values()
        assert spooled.transfer_syntax_uid == JPEGBaseline8Bit

    def test_a_retired_class_is_still_kept(self, room: Room, tmp_path: Path) -> None:
        path = write(tmp_path / "us.dcm", 41, sop_class="1.2.840.10008.5.1.4.1.1.6")
        ended = run("storescu", "-R", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, path)
        assert ended.returncode == 0
        assert len(room.services.kept) == 1

    def test_a_referrer_may_store_and_a_viewer_may_not(self, room: Room, images: list[Path]) -> None:
        assert run("storescu", "-aec", "BRIDGE", "-aet", "REFERRER", "localhost", room.port, images[0]).returncode == 0
        assert run("storescu", "-aec", "BRIDGE", "-aet", "VIEWER", "localhost", room.port, images[1]).returncode != 0
        assert len(room.services.kept) == 1

    def test_parallel_associations_are_all_kept(self, room: Room, tmp_path: Path) -> None:
        lots = []
        for place in range(4):
            folder = tmp_path / f"lot{place}"
            folder.mkdir()
            for number in range(20):
                write(folder / f"{number}.dcm", 1000 + place * 100 + number)
            lots.append(folder)
        ended: list[int] = []

        def send(folder: Path) -> None:
            sent = run("storescu", "+sd", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, folder)
            ended.append(sent.returncode)

        senders = [threading.Thread(target=send, args=(folder,)) for folder in lots]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        assert ended == [0, 0, 0, 0]
        assert len(room.services.kept) == 80


def a_worklist_item() -> bytes:
    item, step = Dataset(), Dataset()
    item.PatientName, item.PatientID, item.AccessionNumber = "Larch^Ada", "PEER-1", "A-66"
    step.Modality, step.ScheduledProcedureStepID = "CT", "SPS-1"
    item.ScheduledProcedureStepSequence = [step]
    return encoded(item)


def encoded(dataset: Dataset) -> bytes:
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    pydicom.filewriter.write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


class TestWorklist:
    def test_findscu_reads_every_answer(self, room: Room) -> None:
        room.services.worklist = [a_worklist_item()] * 300
        ended = run(
            "findscu", "-v", "-W", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port,
            "-k", "PatientName=", "-k", "(0040,0100)[0].Modality=CT",
        )  # fmt: skip
        assert ended.returncode == 0
        assert (ended.stdout + ended.stderr).count("Larch^Ada") == 300

    def test_findscu_can_cancel(self, room: Room) -> None:
        room.services.worklist = [a_worklist_item()] * 20_000
        ended = run(
            "findscu", "-v", "-W", "--cancel", 5, "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port,
            "-k", "PatientName=",
        )  # fmt: skip
        assert "Cancel" in ended.stdout + ended.stderr
        (answered,) = room.events.of("query_answered")
        assert answered["status"] in (0xFE00, 0x0000)

    def test_a_referrer_gets_no_worklist(self, room: Room) -> None:
        room.services.worklist = [a_worklist_item()]
        ended = run(
            "findscu", "-v", "-W", "-aec", "BRIDGE", "-aet", "REFERRER", "localhost", room.port, "-k", "PatientName="
        )
        assert ended.returncode != 0
        assert "Larch" not in ended.stdout + ended.stderr


class TestRetrieve:
    @pytest.fixture
    def filled(self, room: Room, images: list[Path]) -> Room:
        assert run("storescu", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, *images).returncode == 0
        return room

    def ask(self, name: str, port: int, *options: str | Path) -> subprocess.CompletedProcess[str]:
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ROOT}.1")
        return run(name, "-v", "-S", "-aec", "BRIDGE", *options, "localhost", port, *keys)

    @pytest.mark.parametrize("syntax", ["+xe", "+xi"], ids=["explicit", "implicit"])
    def test_getscu_receives_the_study_in_the_syntax_it_takes(
        self, filled: Room, tmp_path: Path, images: list[Path], syntax: str
    ) -> None:
        out = tmp_path / "got"
        out.mkdir()
        ended = self.ask("getscu", filled.port, "-aet", "VIEWER", syntax, "-od", out)
        assert ended.returncode == 0, ended.stderr
        got = [pydicom.dcmread(path) for path in out.iterdir()]
        assert sorted(str(found.SOPInstanceUID) for found in got) == sorted(filled.services.kept)
        assert all(found.PixelData == pydicom.dcmread(images[0]).PixelData for found in got)
        assert not list(filled.spool.iterdir())

    def test_findscu_lists_studies(self, room: Room) -> None:
        study = Dataset()
        study.QueryRetrieveLevel, study.StudyInstanceUID, study.PatientID = "STUDY", f"{ROOT}.1", "PEER-1"
        room.services.found = [encoded(study)] * 40
        ended = self.ask("findscu", room.port, "-aet", "VIEWER")
        assert ended.returncode == 0
        assert (ended.stdout + ended.stderr).count("PEER-1") == 40

    def test_movescu_sends_the_study_to_a_configured_peer(self, tmp_path: Path, images: list[Path]) -> None:
        with storescp(tmp_path / "archive") as archive:
            peers = (*PEERS, Peer("ARCHIVE", "127.0.0.1", archive.port, ("archive",)))
            with running(tmp_path / "door", peers=peers, send=send_by_client) as room:
                run("storescu", "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port, *images)
                ended = self.ask("movescu", room.port, "-aet", "VIEWER", "-aem", "ARCHIVE")
                assert ended.returncode == 0, ended.stderr
                assert len(list(archive.folder.iterdir())) == len(images)
                assert self.ask("movescu", room.port, "-aet", "VIEWER", "-aem", "NOWHERE").returncode != 0
                answered = [event["status"] for event in room.events.of("retrieval_answered")]
                assert answered == [0x0000, 0xA801]


def send_by_client(destination, objects, on_result, move_originator) -> None:  # type: ignore[no-untyped-def]
    dicom_client.store_files(
        Target(destination.ae_title, destination.host, destination.port),
        "BRIDGE",
        objects,
        on_result=lambda result: on_result(result.sop_instance_uid, 0x0110 if result.status is None else result.status),
        move_originator=move_originator,
    )


class storescp:  # It is dcmtk's storescp.
    """A running storescp with the folder that it writes to."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options = folder, options
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> storescp:
        self._process = subprocess.Popen(
            [tool("storescp"), *self._options, "-od", str(self.folder), str(self.port)],
            env=os.environ | {"TCP_NODELAY": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, "storescp does not listen"
                assert self._process.poll() is None, "storescp has ended"
                threading.Event().wait(0.02)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def target(self) -> Target:
        return Target("ARCHIVE", "127.0.0.1", self.port)


def outgoing(path: Path) -> OutgoingObject:
    found = pydicom.dcmread(path)
    return OutgoingObject(
        path, str(found.SOPClassUID), str(found.SOPInstanceUID), str(found.file_meta.TransferSyntaxUID)
    )


class TestTls:
    def test_objects_arrive_over_tls(self, tmp_path: Path, images: list[Path]) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        trusting = ssl.create_default_context(cafile=str(certificate))
        with running(tmp_path / "door", port=None, tls_port=0, tls_context=context) as room:
            options = ("+tla", "+cf", certificate, "-aec", "BRIDGE", "-aet", "MODALITY", "localhost", room.port)
            ended = run("storescu", *options, *images)
            assert ended.returncode == 0, ended.stderr
            assert len(room.services.kept) == len(images)
            assert dicom_client.echo(Target("BRIDGE", "localhost", room.port, trusting), "MODALITY") < 5
            with pytest.raises(Unavailable, match="no TLS"):
                dicom_client.echo(Target("BRIDGE", "localhost", room.port, ssl.create_default_context()), "MODALITY")


class TestClient:
    def test_files_of_several_syntaxes_go_over_one_association(self, tmp_path: Path, images: list[Path]) -> None:
        more = [write(tmp_path / "i.dcm", 50, ImplicitVRLittleEndian), write(tmp_path / "j.dcm", 51, JPEGBaseline8Bit)]
        with storescp(tmp_path / "out", "+xa") as archive:
            files = [outgoing(path) for path in (*images, *more)]
            results = dicom_client.store_files(archive.target, "BRIDGE", files)
            assert [(result.sop_instance_uid, result.status) for result in results] == [
                (found.sop_instance_uid, 0) for found in files
            ]
            assert all(result.is_kept for result in results)
            kept = {str(pydicom.dcmread(path).SOPInstanceUID) for path in archive.folder.iterdir()}
            assert kept == {found.sop_instance_uid for found in files}

    def test_a_syntax_that_is_not_taken_fails_alone(self, tmp_path: Path, images: list[Path]) -> None:
        jpeg = write(tmp_path / "j.dcm", 51, JPEGBaseline8Bit)
        with storescp(tmp_path / "out") as archive:
            results = dicom_client.store_files(archive.target, "BRIDGE", [outgoing(jpeg), outgoing(images[0])])
            assert [result.status for result in results] == [0x0122, 0]

    def test_implicit_only_receivers_get_implicit(self, tmp_path: Path, images: list[Path]) -> None:
        with storescp(tmp_path / "out", "+xi") as archive:
            (result,) = dicom_client.store_files(archive.target, "BRIDGE", [outgoing(images[0])])
            assert result.status == 0
            (path,) = archive.folder.iterdir()
            assert pydicom.dcmread(path).PixelData == pydicom.dcmread(images[0]).PixelData

    def test_a_file_that_is_gone_fails_alone(self, tmp_path: Path, images: list[Path]) -> None:
        gone = OutgoingObject(tmp_path / "gone.dcm", CT_IMAGE, f"{ROOT}.9", ExplicitVRLittleEndian)
        with storescp(tmp_path / "out") as archive:
            results = dicom_client.store_files(archive.target, "BRIDGE", [gone, outgoing(images[0])])
            assert [result.status for result in results] == [0x0110, 0]

    def test_an_archive_that_aborts_leaves_the_rest_unanswered(self, tmp_path: Path, images: list[Path]) -> None:
        with storescp(tmp_path / "out", "--abort-after") as archive:
            results = dicom_client.store_files(archive.target, "BRIDGE", [outgoing(path) for path in images])
            assert [result.status for result in results] == [None] * len(images)

    def test_an_archive_that_is_not_there_is_unavailable(self, tmp_path: Path, images: list[Path]) -> None:
        with pytest.raises(Unavailable, match="cannot be reached"):
            dicom_client.store_files(Target("ARCHIVE", "127.0.0.1", 1), "BRIDGE", [outgoing(images[0])])

    def test_an_archive_that_rejects_says_why(self, tmp_path: Path, images: list[Path]) -> None:
        with storescp(tmp_path / "out", "--refuse") as archive, pytest.raises(Unavailable, match="rejected"):
            dicom_client.store_files(archive.target, "BRIDGE", [outgoing(images[0])])

    def test_echo_and_worklist_against_our_own_door(self, room: Room) -> None:
        room.services.worklist = [a_worklist_item()] * 3
        target = Target("BRIDGE", "127.0.0.1", room.port)
        assert dicom_client.echo(target, "MODALITY") < 5
        found = dicom_client.find_worklist(target, "MODALITY", {"Modality": "CT", "PatientName": "L*"})
        assert [str(item.PatientName) for item in found] == ["Larch^Ada"] * 3
        with pytest.raises(Refused, match="does not offer"):
            dicom_client.find_worklist(target, "REFERRER", {})
