"""DICOMweb as other products speak it: dicomweb-client, and Orthanc as client of ours and as a second opinion on the same objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.sections.http import HttpSection
from bridge.store import studies
from bridge.web.server import HttpServer
from tests.cast import PLAIN, image, study_uid
from tests.conftest import missing_peer
from tests.fakes.console import Console
from tests.fakes.image_store import FRAMES, OTHER_STUDY, STUDY, fill, open_house, write
from tests.product.running import free_port, wait_for

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
AS_KEPT = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
SERIES = f"{STUDY}.1"
# Where the two differ and why. Orthanc keeps the character set's name although it writes UTF-8 (PS3.18 F.2.2 asks for
# ISO_IR 192), and addresses are each one's own.
DIFFERS = {"00080005"}


@dataclass
class Door:
    """The product's listener. token: of an administrator."""

    console: Console
    root: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Door]:
    house = open_house(tmp_path_factory.mktemp("door"), sqlite_template)
    fill(house)
    console = Console(house)
    token = manage_users.create_token(house.store, house.clock, "peer", Role.SYSTEM, ae_title="CT1", actor="system")
    server = HttpServer(console.app, HttpSection(port=0))
    server.start()
    yield Door(console, f"http://127.0.0.1:{server.port}/dicom-web", token)
    server.stop()
    house.pictures.close()
    house.store.dispose()


@pytest.fixture(scope="module")
def client(door: Door) -> DICOMwebClient:
    return DICOMwebClient(url=door.root, headers=door.headers)


@pytest.fixture(scope="module")
def other(door: Door, orthanc: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Orthanc, which knows us as a server called "bridge" and has fetched a study of ours."""
    if not PLUGIN.exists():
        missing_peer("Orthanc's DICOMweb plugin", "install orthanc-dicomweb")
    folder, port = tmp_path_factory.mktemp("orthanc"), free_port()
    bridge = {"Url": f"{door.root}/", "HttpHeaders": door.headers}
    settings = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomServerEnabled": False,
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": {"bridge": bridge}},
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings), "utf-8")
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([orthanc, str(file)], stdout=log, stderr=log)
    http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
    try:
        wait_for(lambda: is_up(http), "Orthanc")
        asked = {"Resources": [{"Study": STUDY}, {"Study": OTHER_STUDY}], "Synchronous": True}
        fetched = http.post("/dicom-web/servers/bridge/retrieve", json=asked)
        assert fetched.status_code == 200, fetched.text
        yield http
    finally:
        http.close()
        process.terminate()
        process.wait(20)


def is_up(http: httpx2.Client) -> bool:
    try:
        return http.get("/system").status_code == 200
    except httpx2.HTTPError:
        return False


def test_dicomweb_client_finds_and_reads_everything(client: DICOMwebClient) -> None:
    found = client.search_for_studies(search_filters={"PatientID": PLAIN.patient_id})
    assert [one["0020000D"]["Value"] for one in found] == [[STUDY]]
    assert len(client.search_for_series(STUDY)) == 2
    assert len(client.search_for_instances(STUDY, SERIES)) == 4
    assert len(client.search_for_instances(limit=2)) == 2
    every = client.retrieve_study(STUDY, media_types=(("application/dicom", "*"),))
    assert len(every) == 6
    assert {str(one.PatientName) for one in every} == {PLAIN.name}
    explicit = (("application/dicom", ExplicitVRLittleEndian),)
    one = client.retrieve_instance(STUDY, SERIES, f"{SERIES}.2", media_types=explicit)
    assert one.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    metadata = client.retrieve_instance_metadata(STUDY, SERIES, f"{SERIES}.1")
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [b"\x01\x02" * 32]
    assert len(client.retrieve_study_metadata(STUDY)) == 6


def test_dicomweb_client_gets_frames_and_pictures(client: DICOMwebClient) -> None:
    assert client.retrieve_instance_frames(STUDY, SERIES, f"{SERIES}.3", [1]) == [b"\x01\x02" * 32]
    packed = client.retrieve_instance_frames(
        STUDY, f"{STUDY}.2", f"{STUDY}.2.1", [2, 1], media_types=(("image/jp2", JPEG2000Lossless),)
    )
    assert packed == [FRAMES[1], FRAMES[0]]
    picture = client.retrieve_instance_rendered(STUDY, SERIES, f"{SERIES}.1", media_types=("image/png",))
    assert picture[:4] == b"\x89PNG"


def test_dicomweb_client_stores(client: DICOMwebClient, door: Door, tmp_path: Path) -> None:
    sent = [pydicom.dcmread(write(image(PLAIN, "A7", number), tmp_path / f"{number}.dcm")) for number in (1, 2, 3)]
    said = client.store_instances(sent)
    assert len(said.ReferencedSOPSequence) == 3
    with door.console.store.read() as tx:
        study = studies.by_uid(tx, study_uid("A7"))
        assert study is not None
        assert studies.count_instances(tx, study.key) == 3


def test_orthanc_fetches_what_leaves(other: httpx2.Client, door: Door) -> None:
    assert other.get("/statistics").json()["CountInstances"] == 7
    ids = other.post("/tools/lookup", content=f"{SERIES}.1").json()
    fetched = pydicom.dcmread(BytesIO(other.get(f"/instances/{ids[0]['ID']}/file").content))
    assert str(fetched.PatientName) == PLAIN.name
    assert str(fetched.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName) == "Halvorsen^Ingrid"


@pytest.mark.parametrize(
    "query",
    [
        "studies",
        "studies?PatientName=HALVORSEN*",
        f"studies?PatientID={PLAIN.patient_id}",
        "studies?StudyDate=20260101-20261231",
        "studies?StudyDate=20270101-",
        "studies?ModalitiesInStudy=CT",
        f"studies?StudyInstanceUID={STUDY},{OTHER_STUDY}",
        "studies?AccessionNumber=A1",
        f"studies/{STUDY}/series",
        "series?Modality=CT",
        f"studies/{STUDY}/series/{SERIES}/instances",
        f"studies/{STUDY}/instances?InstanceNumber=2",
    ],
)
def test_a_search_finds_what_orthanc_finds(other: httpx2.Client, door: Door, query: str) -> None:
    ours = httpx2.get(f"{door.root}/{query}", headers=door.headers | {"Accept": "application/dicom+json"})
    theirs = other.get(f"/dicom-web/{query}", headers={"Accept": "application/dicom+json"})
    level = "00080018" if "instances" in query else "0020000E" if "series" in query else "0020000D"
    mine = {STUDY, OTHER_STUDY}

    def uids(found: list[dict[str, Any]]) -> set[str]:
        # What other tests stored is none of Orthanc's.
        return {one[level]["Value"][0] for one in found if one["0020000D"]["Value"][0] in mine}

    assert uids(ours.json() if ours.content else []) == uids(theirs.json() if theirs.content else [])


def test_metadata_is_what_orthanc_says(other: httpx2.Client, door: Door) -> None:
    path = f"studies/{STUDY}/series/{SERIES}/metadata"
    ours = by_instance(httpx2.get(f"{door.root}/{path}", headers=door.headers).json())
    theirs = by_instance(other.get(f"/dicom-web/{path}", headers={"Accept": "application/dicom+json"}).json())
    assert set(ours) == set(theirs)
    for uid, mine in ours.items():
        different = {
            tag: (mine.get(tag), theirs[uid].get(tag))
            for tag in set(mine) | set(theirs[uid])
            if tag not in DIFFERS and plain(mine.get(tag)) != plain(theirs[uid].get(tag))
        }
        assert not different, uid


def by_instance(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["00080018"]["Value"][0]: one for one in found}


def plain(element: dict[str, Any] | None) -> object:
    """Return an element without its address, which is each product's own."""
    if element is None or "BulkDataURI" in element:
        return element and element["vr"]
    return element


def test_frames_are_what_orthanc_has(other: httpx2.Client, door: Door) -> None:
    for number in (1, 2, 3, 4):
        path = f"studies/{STUDY}/series/{SERIES}/instances/{SERIES}.{number}/frames/1"
        accept = {"Accept": "multipart/related; type=application/octet-stream"}
        ours = httpx2.get(f"{door.root}/{path}", headers=door.headers | accept).content
        theirs = other.get(f"/dicom-web/{path}", headers=accept).content
        assert content_of(ours) == content_of(theirs) == b"\x01\x02" * 32


def content_of(body: bytes) -> bytes:
    """Return what the only part of a multipart body holds."""
    return body.split(b"\r\n\r\n", 1)[1].rpartition(b"\r\n--")[0].removesuffix(b"\r\n")


def test_orthanc_finds_and_stores_here(other: httpx2.Client, door: Door, tmp_path: Path) -> None:
    found = other.post(
        "/dicom-web/servers/bridge/qido", json={"Uri": "/studies", "Arguments": {"PatientID": "00041003"}}
    )
    assert found.status_code == 200, found.text
    assert OTHER_STUDY in found.text
    sent = write(image(PLAIN, "A8", 1), tmp_path / "one.dcm").read_bytes()
    there = other.post("/instances", content=sent).json()
    pushed = other.post(
        "/dicom-web/servers/bridge/stow", json={"Resources": [there["ParentStudy"]], "Synchronous": True}
    )
    assert pushed.status_code == 200, pushed.text
    with door.console.store.read() as tx:
        assert studies.instance_by_uid(tx, f"{study_uid('A8')}.1.1") is not None
    other.delete(f"/studies/{there['ParentStudy']}")
