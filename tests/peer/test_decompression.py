"""Who takes only uncompressed objects gets them so: dcmtk's tools and dicomweb-client, and the pixels are those that were compressed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array

from bridge.building.targets import takes_decompressed
from bridge.codecs.dicom.frames import PixelForm
from bridge.codecs.dicom.unpacked import UNPACKABLE, UnpackedFrame, unpacked_pieces
from bridge.domain.accounts import Role
from bridge.domain.study import OutgoingObject
from bridge.flows import manage_users
from bridge.pictures.unpacking import unpack
from bridge.publishers.dicom_client import NOT_ACCEPTED, StoreResult, Target, store_files
from bridge.sections.http import HttpSection
from bridge.web.server import HttpServer
from bridge.wiring import House, make_role
from tests.cast import PLAIN, adt, image, order, study_uid
from tests.conftest import ROOT, dcmtk_tool, run_tool
from tests.fakes.console import Console
from tests.fakes.image_store import open_house, spool, write
from tests.flows.asking import say
from tests.peer.images_room import free_port, storescp, write_query

CORPUS = ROOT.parent / "shared" / "corpus" / "dicom"
STUDY = study_uid("A1")
SERIES = f"{STUDY}.1"
NOISE = np.random.default_rng(9)
FRAMES = NOISE.integers(0, 4096, (3, 48, 40), dtype=np.uint16)
PACKERS: dict[uid.UID, tuple[str, ...]] = {
    uid.JPEGLossless: ("dcmcjpeg", "+el"),
    uid.JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    uid.JPEGLSLossless: ("dcmcjpls", "+el"),
    uid.RLELossless: ("dcmcrle",),
    uid.JPEG2000Lossless: (),
}


def packed(number: int, syntax: uid.UID, folder: Path) -> Dataset:
    """Return an image of three frames that dcmtk compressed, or openjpeg where dcmtk cannot."""
    dataset = image(PLAIN, "A1", number)
    dataset.NumberOfFrames, (dataset.Rows, dataset.Columns) = 3, FRAMES.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = FRAMES.tobytes()
    dataset["PixelData"].VR = "OW"
    tool, plain, made = PACKERS[syntax], folder / f"{number}.plain", folder / f"{number}.dcm"
    if tool:
        run_tool(dcmtk_tool(tool[0]), *tool[1:], str(write(dataset, plain)), str(made))
        return dcmread(made)
    dataset.PixelData = encapsulate([encode_array(frame, 12, photometric_interpretation=2) for frame in FRAMES])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dcmread(write(dataset, made, syntax))


@dataclass
class Room:
    """A house with a study of every lossless syntax. viewer: a port where VIEWER may listen."""

    house: House
    dicom: int
    viewer: int
    root: str
    token: str


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Room]:
    folder, viewer = tmp_path_factory.mktemp("decompression"), free_port()
    peers: list[dict[str, Any]] = [
        {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
        {"ae_title": "VIEWER", "host": "127.0.0.1", "port": viewer, "roles": ["viewer"]},
        {"ae_title": "STRICT", "host": "127.0.0.1", "port": viewer, "roles": ["viewer"], "decompress": False},
    ]
    house = open_house(folder, sqlite_template, port=0, peers=peers)
    say(house, adt(PLAIN), order(PLAIN, "A1"))
    for number, syntax in enumerate(PACKERS, 1):
        house.instances.receive(spool(house, packed(number, syntax, folder), syntax))
    role = make_role("dicom", house)
    role.start()
    console = Console(house)
    token = manage_users.create_token(house.store, house.clock, "viewer", Role.VIEWER, actor="system")
    server = HttpServer(console.app, HttpSection(port=0))
    server.start()
    try:
        port = int(role.addresses["dicom"].rpartition(":")[2])
        yield Room(house, port, viewer, f"http://127.0.0.1:{server.port}/dicom-web", token)
    finally:
        server.stop()
        role.stop()
        house.decoders.close()
        house.store.dispose()


def pixels(dataset: Dataset) -> NDArray[Any]:
    return pixel_array(dataset, raw=True)


def move(room: Room, folder: Path, destination: str, *options: str) -> list[Dataset]:
    """Return what arrived at a storescp with *options* when *destination* was sent the study."""
    query = write_query(folder / "query", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY})
    with storescp(folder / "got", room.viewer, *options) as got:
        called = ["-S", "-aet", "VIEWER", "-aec", "BRIDGE", "-aem", destination, "127.0.0.1", str(room.dicom)]
        run_tool(dcmtk_tool("movescu"), *called, str(query))
        return [dcmread(path) for path in got.iterdir()]


@pytest.mark.parametrize(
    ("option", "syntax"), [("+xi", uid.ImplicitVRLittleEndian), ("+xe", uid.ExplicitVRLittleEndian)]
)
def test_a_viewer_that_knows_no_compression_gets_every_object(
    room: Room, tmp_path: Path, option: str, syntax: uid.UID
) -> None:
    found = move(room, tmp_path, "VIEWER", option)
    assert [one.file_meta.TransferSyntaxUID for one in found] == [syntax] * len(PACKERS)
    assert {one.SOPInstanceUID for one in found} == {f"{SERIES}.{number}" for number in range(1, len(PACKERS) + 1)}
    for one in found:
        assert one.PatientID == PLAIN.patient_id
        assert (pixels(one) == FRAMES).all()


def test_who_takes_an_object_as_it_is_kept_gets_it_so(room: Room, tmp_path: Path) -> None:
    found = move(room, tmp_path, "VIEWER", "+xa")
    # Of JPEG Lossless, dcmtk offers first-order prediction alone.
    taken = {*PACKERS} - {uid.JPEGLossless} | {uid.ExplicitVRLittleEndian}
    assert {one.file_meta.TransferSyntaxUID for one in found} == taken


def test_a_peer_that_is_to_get_nothing_decompressed_gets_nothing(room: Room, tmp_path: Path) -> None:
    assert move(room, tmp_path, "STRICT", "+xi") == []


def test_a_retrieval_on_the_same_association_is_decompressed_too(room: Room, tmp_path: Path) -> None:
    query = write_query(tmp_path / "query", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY})
    got = tmp_path / "got"
    got.mkdir()
    called = ["-S", "-aet", "VIEWER", "-aec", "BRIDGE", "-od", str(got), "127.0.0.1", str(room.dicom), str(query)]
    run_tool(dcmtk_tool("getscu"), *called)
    found = [dcmread(path) for path in got.iterdir()]
    assert len(found) == len(PACKERS)
    assert all((pixels(one) == FRAMES).all() for one in found)


def test_dicomweb_client_gets_plain_objects_and_plain_frames(room: Room) -> None:
    client = DICOMwebClient(url=room.root, headers={"Authorization": f"Bearer {room.token}"})
    explicit = (("application/dicom", uid.ExplicitVRLittleEndian),)
    every = client.retrieve_study(STUDY, media_types=explicit)
    assert len(every) == len(PACKERS)
    assert all((pixels(one) == FRAMES).all() for one in every)
    bytes_of = (("application/octet-stream", uid.ExplicitVRLittleEndian),)
    for number in range(1, len(PACKERS) + 1):
        found = client.retrieve_instance_frames(STUDY, SERIES, f"{SERIES}.{number}", [3, 1], media_types=bytes_of)
        assert found == [FRAMES[2].tobytes(), FRAMES[0].tobytes()]


def test_pixels_that_cannot_be_decompressed_are_not_sent_and_said_to_be(room: Room, tmp_path: Path) -> None:
    spoilt = packed(9, uid.JPEG2000Lossless, tmp_path)
    spoilt.PixelData = encapsulate([b"\xff\x4f nothing that decodes \xff\xd9"] * 3)
    path = write(spoilt, tmp_path / "spoilt.dcm", uid.JPEG2000Lossless)
    one = OutgoingObject(path, str(spoilt.SOPClassUID), str(spoilt.SOPInstanceUID), uid.JPEG2000Lossless)
    with storescp(tmp_path / "got", room.viewer, "+xi") as got:
        (result,) = _sent(room, one, decompress=True)
        assert (result.is_kept, result.fault and result.fault.code) == (False, NOT_ACCEPTED)
        assert "cannot be decompressed" in str(result.fault)
        (untouched,) = _sent(room, one, decompress=False)
        assert (untouched.fault and untouched.fault.code) == NOT_ACCEPTED
        assert not list(got.iterdir())


def _sent(room: Room, one: OutgoingObject, *, decompress: bool) -> list[StoreResult]:
    target = Target("VIEWER", "127.0.0.1", room.viewer, unpack=room.house.decoders.unpack if decompress else None)
    return store_files(target, "BRIDGE", [one])


def test_an_archive_is_sent_nothing_decompressed_unless_the_settings_say_so(room: Room) -> None:
    _, viewer, strict = room.house.settings.dicom.peers
    archive = viewer.model_copy(update={"roles": ("archive",)})
    willing = archive.model_copy(update={"decompress": True})
    assert [takes_decompressed(one) for one in (viewer, strict, archive, willing)] == [True, False, False, True]


def test_objects_of_the_corpus_are_what_dcmtk_makes_of_them(tmp_path: Path) -> None:
    if not CORPUS.is_dir():
        pytest.skip("the corpus is not beside this checkout")
    tools = {"5": "dcmdrle", "57": "dcmdjpeg", "70": "dcmdjpeg", "80": "dcmdjpls"}
    compared = 0
    for path in sorted(CORPUS.rglob("*.dcm")):
        tool = tools.get(_syntax(path).rpartition(".")[2]) if _syntax(path) in UNPACKABLE else None
        if tool is None or path.stat().st_size > 1 << 20:
            continue
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        ours.write_bytes(b"".join(unpacked_pieces(path, _here)))
        if run_tool(dcmtk_tool(tool), str(path), str(theirs)).returncode or "PixelData" not in dcmread(theirs):
            continue
        assert (pixels(dcmread(ours)) == pixels(dcmread(theirs))).all(), path.name
        compared += 1
    assert compared > 10


def _here(codestream: bytes, form: PixelForm) -> UnpackedFrame:
    return unpack(codestream, form, 80_000_000)


def _syntax(path: Path) -> str:
    try:
        return str(dcmread(path, specific_tags=[]).file_meta.get("TransferSyntaxUID", ""))
    except InvalidDicomError:
        return ""
