"""WADO-RS and QIDO-RS as a caller sees them: forms, versions, ranges, who sees what. PS3.18 8, 10."""

from __future__ import annotations

from collections.abc import Iterator
from email.parser import BytesParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from bridge.codecs.dicom.content import same_content
from bridge.domain.accounts import Role
from bridge.errors import Incomplete, Malformed
from bridge.flows.resolve_mismatch import MismatchResolver, Ruling
from bridge.sections.http import HttpSection
from bridge.store import audit, objects, served_objects
from bridge.store.served_objects import Sight
from bridge.store.tables import instances, overlay_versions
from tests.cast import MULTI_BYTE, PLAIN, merge
from tests.fakes.console import Console
from tests.fakes.image_store import FRAMES, OTHER_STUDY, PRIVATE, STUDY, UNBOUND_STUDY, fill, open_house
from tests.flows.asking import say

ROOT = "/dicom-web"
ONE = f"{ROOT}/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1"
PACKED = f"{ROOT}/studies/{STUDY}/series/{STUDY}.2/instances/{STUDY}.2"
AS_KEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Console]:
    """What no test changes."""
    yield from opened(tmp_path_factory.mktemp("served"), sqlite_template)


@pytest.fixture
def own(tmp_path: Path, sqlite_template: Path) -> Iterator[Console]:
    """What a test may change."""
    yield from opened(tmp_path, sqlite_template)


def opened(folder: Path, template: Path) -> Iterator[Console]:
    house = open_house(folder, template)
    fill(house)
    yield Console(house)
    house.pictures.close()
    house.store.dispose()


@pytest.fixture(scope="module")
def viewer(console: Console) -> FlaskClient:
    return console.machine(Role.VIEWER)


def parts_of(answer: TestResponse) -> list[tuple[dict[str, str], bytes]]:
    """Return the headers and the content of each part."""
    assert answer.content_type.startswith("multipart/related"), answer.data[:300]
    whole = BytesParser().parsebytes(b"Content-Type: " + answer.content_type.encode() + b"\r\n\r\n" + answer.data)
    found: list[Any] = list(whole.get_payload())
    return [({name.lower(): str(value) for name, value in one.items()}, one.get_payload(decode=True)) for one in found]


def raw_parts(answer: TestResponse) -> list[bytes]:
    """Return each part's content byte for byte, which a mail parser would not."""
    boundary = answer.content_type.rpartition("boundary=")[2].encode()
    pieces = answer.data.split(b"--" + boundary)[1:-1]
    return [piece.split(b"\r\n\r\n", 1)[1][:-2] for piece in pieces]


def test_a_study_comes_as_explicit_little_endian_unless_it_is_packed(viewer: FlaskClient) -> None:
    answer = viewer.get(f"{ROOT}/studies/{STUDY}")
    assert answer.status_code == 200
    syntaxes = [headers["content-type"].rpartition("=")[2] for headers, _ in parts_of(answer)]
    assert syntaxes[:4] == [ExplicitVRLittleEndian] * 4
    assert JPEG2000Lossless in syntaxes
    for content in raw_parts(answer):
        found = dcmread(BytesIO(content))
        assert (found.PatientName, found.PatientID) == ("HALVORSEN^INGRID", PLAIN.patient_id)


def test_what_is_rewritten_says_the_same(console: Console, viewer: FlaskClient, tmp_path: Path) -> None:
    for number in (2, 3, 4):
        url = f"{ROOT}/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.{number}"
        kept, explicit = tmp_path / "kept", tmp_path / "explicit"
        kept.write_bytes(raw_parts(viewer.get(url, headers={"Accept": AS_KEPT}))[0])
        explicit.write_bytes(viewer.get(url, headers={"Accept": "application/dicom"}).data)
        assert dcmread(explicit).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert same_content(kept, explicit)


def test_as_kept_is_byte_for_byte_what_was_received_where_nothing_is_corrected(console: Console) -> None:
    url = f"{ROOT}/studies/{UNBOUND_STUDY}"
    content = raw_parts(console.machine(Role.INTAKE).get(url, headers={"Accept": AS_KEPT}))[0]
    with console.store.read() as tx:
        named = served_objects.find(tx, (UNBOUND_STUDY, "", ""), Sight(unbound=True))
    assert named is not None
    with console.house.blobs.at_hand(named.objects[0].instance.blob) as path:
        assert content == path.read_bytes()
    assert dcmread(BytesIO(content)).file_meta.TransferSyntaxUID == ExplicitVRBigEndian


def test_a_syntax_that_cannot_be_made_is_406_alone_and_left_out_of_a_study(viewer: FlaskClient) -> None:
    accept = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={JPEG2000Lossless}'}
    refused = viewer.get(f"{ONE}.1", headers=accept)
    assert (refused.status_code, refused.json["code"]) == (406, "not_acceptable")
    some = viewer.get(f"{ROOT}/studies/{STUDY}", headers=accept)
    assert (some.status_code, len(raw_parts(some))) == (206, 1)
    assert "5 instances" in some.headers["Warning"]
    assert viewer.get(f"{ONE}.1", headers={"Accept": "image/gif"}).status_code == 406


@pytest.mark.parametrize("below", ["", f"/series/{STUDY}.1"])
def test_a_study_does_not_leave_as_one_object(viewer: FlaskClient, below: str) -> None:
    url = f"{ROOT}/studies/{STUDY}{below}"
    refused = viewer.get(url, headers={"Accept": "application/dicom"})
    assert (refused.status_code, refused.json["code"]) == (406, "not_acceptable")
    either = viewer.get(
        url, headers={"Accept": 'application/dicom, multipart/related; type="application/dicom"; q=0.5'}
    )
    assert (either.status_code, either.mimetype) == (200, "multipart/related")
    assert viewer.get(url, headers={"Accept": "*/*"}).mimetype == "multipart/related"


def test_metadata_says_what_leaves_and_where_the_rest_is(viewer: FlaskClient) -> None:
    found = viewer.get(f"{ONE}.1/metadata").json[0]
    assert found["00100010"]["Value"] == [{"Alphabetic": "HALVORSEN^INGRID"}]
    assert found["04000561"]["Value"][0]["04000550"]["Value"][0]["00100010"]["Value"] == [
        {"Alphabetic": "Halvorsen^Ingrid"}
    ]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert found["00280010"] == {"vr": "US", "Value": [4]}
    for tag in ("7FE00010", "00291010"):
        address = found[tag]["BulkDataURI"].partition("/dicom-web")[2]
        bulk = viewer.get(f"{ROOT}{address}")
        assert bulk.data == (PRIVATE if tag == "00291010" else b"\x01\x02" * 32)
        assert bulk.content_type == "application/octet-stream"
    assert not any(tag.startswith("0002") for tag in found)


def test_metadata_of_every_form_is_the_same(viewer: FlaskClient) -> None:
    every = viewer.get(f"{ROOT}/studies/{STUDY}/series/{STUDY}.1/metadata").json
    assert len(every) == 4
    for one in every[1:]:
        same = {**one, "00080018": None, "00200013": None, "7FE00010": one["7FE00010"]["vr"]}
        assert same == {**every[3], "00080018": None, "00200013": None, "7FE00010": "OW"}


def test_metadata_as_xml_is_well_formed_whatever_a_text_holds(viewer: FlaskClient) -> None:
    answer = viewer.get(f"{ONE}.1/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    root = ElementTree.fromstring(raw_parts(answer)[0])
    bulk = root.findall(".//{*}BulkData")
    assert {one.get("uri", "").rpartition("/")[2] for one in bulk} == {"7FE00010", "00291010"}
    private = next(one for one in root if one.get("tag") == "00291011")
    assert private.get("privateCreator") == "RIVERSIDE SCANNER"


def test_frames_come_as_they_are_kept_or_as_bytes(viewer: FlaskClient) -> None:
    plain = viewer.get(f"{ONE}.3/frames/1", headers={"Accept": "application/octet-stream"})
    assert plain.data == b"\x01\x02" * 32
    packed = viewer.get(f"{PACKED}.1/frames/2,1", headers={"Accept": 'multipart/related; type="image/jp2"'})
    assert [headers["content-type"] for headers, _ in parts_of(packed)] == [
        f"image/jp2; transfer-syntax={JPEG2000Lossless}"
    ] * 2
    assert raw_parts(packed) == [FRAMES[1], FRAMES[0]]
    anything = viewer.get(
        f"{PACKED}.1/frames/1",
        headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"},
    )
    assert raw_parts(anything) == [FRAMES[0]]
    assert raw_parts(viewer.get(f"{PACKED}.1/bulkdata/7FE00010")) == [*FRAMES]


def test_what_cannot_be_decompressed_is_said_to_be_and_nothing_takes_its_place(viewer: FlaskClient) -> None:
    unpacked = {"Accept": "multipart/related; type=application/octet-stream"}
    frame = viewer.get(f"{PACKED}.1/frames/1", headers=unpacked)
    assert (frame.status_code, frame.json["code"]) == (409, "cannot_leave_damaged_pixels")
    explicit = {"Accept": f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}"}
    alone = viewer.get(f"{PACKED}.2", headers=explicit)
    assert (alone.status_code, alone.json["code"]) == (409, "cannot_leave_damaged_pixels")
    assert "cannot be decompressed" in alone.json["detail"]


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        *[("frames/3", 404), ("frames/0", 400), ("frames/x", 400), ("frames/1,,2", 400), ("frames/" + "9" * 20, 400)],
        *[("bulkdata/00100010", 404), ("bulkdata/zz", 404), ("bulkdata/00082218/1", 404), ("bulkdata/../x", 404)],
    ],
)
def test_a_part_that_is_not_there_is_named_in_the_status(viewer: FlaskClient, tail: str, status: int) -> None:
    assert viewer.get(f"{PACKED}.1/{tail}").status_code == status


def test_bulk_data_comes_in_ranges(viewer: FlaskClient) -> None:
    url = f"{ONE}.1/bulkdata/00291010"
    some = viewer.get(url, headers={"Range": "bytes=1-5"})
    assert (some.status_code, some.data) == (206, PRIVATE[1:6])
    assert some.headers["Content-Range"] == f"bytes 1-5/{len(PRIVATE)}"
    assert viewer.get(url, headers={"Range": "bytes=-2"}).data == PRIVATE[-2:]
    assert viewer.get(url, headers={"Range": "bytes=99999-"}).status_code == 416


def test_the_same_version_is_not_sent_twice_and_a_new_binding_is_another(own: Console) -> None:
    viewer = own.machine(Role.VIEWER)
    urls = (f"{ROOT}/studies/{STUDY}", f"{ROOT}/studies/{STUDY}/metadata", f"{ONE}.1/frames/1")
    first = [viewer.get(url) for url in urls]
    again = [viewer.get(url) for url in urls]
    assert [one.data for one in first] == [one.data for one in again]
    tags = [one.headers["ETag"] for one in first]
    for url, tag in zip(urls, tags, strict=True):
        answer = viewer.get(url, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.data) == (304, b"")
    house = own.house
    resolver = MismatchResolver(house.store, house.clock, house.rules, house.destinations)
    resolver.resolve(STUDY, Ruling("unbind", "doubt", "user:maria"))
    assert viewer.get(urls[0], headers={"If-None-Match": tags[0]}).status_code == 404


def test_a_head_tells_what_a_get_would(viewer: FlaskClient) -> None:
    head = viewer.head(f"{ROOT}/studies/{STUDY}")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == viewer.get(f"{ROOT}/studies/{STUDY}").headers["ETag"]


def test_an_unbound_study_is_there_for_those_who_may_see_it_only(console: Console) -> None:
    for path in (f"/studies/{UNBOUND_STUDY}", f"/studies/{UNBOUND_STUDY}/metadata"):
        for role, status in ((Role.VIEWER, 404), (Role.BILLING, 404), (Role.SYSTEM, 404), (Role.INTAKE, 200)):
            assert console.machine(role).get(ROOT + path).status_code == status
    found = console.machine(Role.INTAKE).get(f"{ROOT}/studies").json
    assert len(found) == 3
    assert len(console.machine(Role.VIEWER).get(f"{ROOT}/studies").json) == 2


def test_a_study_whose_corrections_do_not_fit_does_not_leave(own: Console) -> None:
    viewer = own.machine(Role.VIEWER)
    impossible = {"version": 1, "at": "2026-03-02T10:00:00+00:00", "reason": "COERCE", "values": {"PixelData": "x"}}
    with own.store.write() as tx:
        tx.execute(update(overlay_versions).values(layers=[impossible]))
    for path in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010"):
        answer = viewer.get(f"{ONE}.1{path}")
        assert (answer.status_code, b"ngrid" in answer.data) == (409, False), path
        assert answer.json["code"].startswith("cannot_leave")


def test_a_file_that_is_gone_is_said_to_be(own: Console) -> None:
    viewer = own.machine(Role.VIEWER)
    with own.store.write() as tx:
        tx.exec_driver_sql(f"UPDATE instances SET blob = '{'0' * 64}' WHERE sop_instance_uid = '{STUDY}.1.1'")
    for path in ("", "/metadata", "/frames/1"):
        answer = viewer.get(f"{ONE}.1{path}")
        assert (answer.status_code, answer.json["code"]) == (503, "object_damaged")


def test_what_is_not_here_any_more_keeps_the_rest_of_a_study_from_nobody(own: Console) -> None:
    viewer = own.machine(Role.VIEWER)
    before = viewer.get(f"{ROOT}/studies/{STUDY}/metadata")
    with own.store.write() as tx:
        lost = update(instances).where(instances.c.sop_instance_uid == f"{STUDY}.1.1")
        tx.execute(lost.values(removed_at=own.house.clock.now()))
        damaged = tx.execute(
            select(instances.c.blob).where(instances.c.sop_instance_uid == f"{STUDY}.2.1")
        ).scalar_one()
        objects.put_damaged(tx, damaged, "changed", own.house.clock.now())
    for path in ("", "/metadata", "/rendered"):
        answer = viewer.get(f"{ROOT}/studies/{STUDY}{path}")
        assert answer.status_code == 206, path
        assert "2 instances are not here" in answer.headers["Warning"]
        assert f"{STUDY}.1.1".encode() + b'"' not in answer.data
    after = viewer.get(f"{ROOT}/studies/{STUDY}/metadata", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, len(after.json)) == (206, len(before.json) - 2)
    assert viewer.get(f"{ROOT}/studies/{STUDY}/thumbnail").status_code == 200
    assert viewer.get(f"{ONE}.1").json["code"] == "object_removed"


def test_a_range_of_another_version_is_answered_whole(viewer: FlaskClient) -> None:
    url = f"{ONE}.1/bulkdata/7FE00010"
    whole = viewer.get(url, headers={"Accept": "application/octet-stream"})
    wanted = {"Accept": "application/octet-stream", "Range": "bytes=0-9"}
    assert viewer.get(url, headers={**wanted, "If-Range": whole.headers["ETag"]}).status_code == 206
    assert viewer.get(url, headers={**wanted, "If-Range": '"earlier"'}).data == whole.data


def test_a_viewer_that_pages_through_frames_leaves_one_row(own: Console) -> None:
    viewer = own.machine(Role.VIEWER)
    for _ in range(3):
        viewer.get(f"{ONE}.1/frames/1")
        viewer.get(f"{PACKED}.1/frames/1")
    with own.store.read() as tx:
        rows = [row for row in audit.recent(tx, limit=50) if row.action == "dicomweb_pixels"]
    assert [(row.actor, row.patient_key is not None) for row in rows] == [("token:a-viewer", True)]


def test_a_search_answers_at_every_path(viewer: FlaskClient) -> None:
    counts = {
        "studies": 2,
        f"studies/{STUDY}/series": 2,
        "series": 3,
        f"studies/{STUDY}/instances": 6,
        f"studies/{STUDY}/series/{STUDY}.1/instances": 4,
        "instances": 7,
        f"studies?StudyInstanceUID={STUDY},{OTHER_STUDY}": 2,
        "studies?PatientName=halvorsen*": 1,
        "studies?00100020=00041003": 1,
        "studies?StudyDate=20260301-20260303&limit=1": 1,
        "instances?SOPInstanceUID=1.2.3": 0,
    }
    for path, count in counts.items():
        answer = viewer.get(f"{ROOT}/{path}")
        assert len(answer.json or []) == count, path
        for one in answer.json or []:
            address = one["00081190"]["Value"][0].partition("/dicom-web")[2]
            assert viewer.get(f"{ROOT}{address}/metadata").status_code == 200


def test_a_search_that_is_cut_or_not_fuzzy_says_so(viewer: FlaskClient) -> None:
    assert "additional results" not in viewer.get(f"{ROOT}/instances?limit=2").headers.get("Warning", "")
    assert "fuzzymatching" in viewer.get(f"{ROOT}/studies?PatientName=Halvorsen*&fuzzymatching=true").headers["Warning"]
    pages = [viewer.get(f"{ROOT}/instances?limit=2&offset={at}").json for at in (0, 2, 4, 6)]
    uids = [one["00080018"]["Value"][0] for page in pages for one in page]
    assert len(uids) == len(set(uids)) == 7


def test_pictures_come_in_the_size_and_kind_that_are_asked_for(viewer: FlaskClient) -> None:
    jpeg = viewer.get(f"{ONE}.1/rendered")
    assert (jpeg.status_code, jpeg.content_type, jpeg.data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    png = viewer.get(f"{ONE}.1/frames/1/rendered?viewport=64,64&window=40,400,linear", headers={"Accept": "image/png"})
    assert (png.content_type, png.data[:4]) == ("image/png", b"\x89PNG")
    assert viewer.get(f"{ONE}.1/rendered?annotation=patient").headers["Warning"].endswith("is not supported.")
    for path in (f"{ROOT}/studies/{STUDY}", f"{ROOT}/studies/{STUDY}/series/{STUDY}.1", f"{ONE}.2"):
        small = viewer.get(f"{path}/thumbnail")
        assert (small.status_code, small.content_type) == (200, "image/jpeg")
        assert viewer.get(f"{path}/thumbnail", headers={"If-None-Match": small.headers["ETag"]}).status_code == 304
    every = viewer.get(f"{ROOT}/studies/{STUDY}/rendered")
    assert [headers["content-type"] for headers, _ in parts_of(every)] == ["image/jpeg"] * 4


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        (f"{ONE}.1/rendered?viewport=0,1", 400),
        (f"{ONE}.1/rendered?viewport=1,2,3,4,5,6", 400),
        (f"{ONE}.1/rendered?window=1,0,linear", 400),
        (f"{ONE}.1/rendered?window=nan,1", 400),
        (f"{ONE}.1/rendered?quality=101", 400),
        (f"{ONE}.1/rendered?accept=image/gif", 406),
        (f"{ONE}.1/frames/2/rendered", 404),
        (f"{PACKED}.1/rendered", 406),
        (f"{PACKED}.1/thumbnail", 406),
    ],
)
def test_a_picture_that_cannot_be_made_says_why(viewer: FlaskClient, tail: str, status: int) -> None:
    answer = viewer.get(tail)
    assert (answer.status_code, bool(answer.json["detail"])) == (status, True)


def test_a_token_for_a_patient_sees_that_patient_and_nobody_else(console: Console) -> None:
    one = console.machine(Role.SYSTEM, f"patient/{PLAIN.patient_id}|RIVERSIDE")
    assert [found["0020000D"]["Value"] for found in one.get(f"{ROOT}/studies").json] == [[STUDY]]
    assert len(one.get(f"{ROOT}/instances").json) == 6
    for query in (f"StudyInstanceUID={OTHER_STUDY}", f"0020000d={OTHER_STUDY}", f"StudyInstanceUID={UNBOUND_STUDY}"):
        assert one.get(f"{ROOT}/studies?{query}").status_code == 204
        assert one.get(f"{ROOT}/series?{query}").status_code == 204
    assert one.get(f"{ROOT}/studies/{OTHER_STUDY}/series").status_code == 204
    everything = ("", "/metadata", "/rendered", "/thumbnail")
    for path in everything:
        assert one.get(f"{ROOT}/studies/{STUDY}{path}").status_code == 200
        assert one.get(f"{ROOT}/studies/{OTHER_STUDY}{path}").status_code == 404
        assert one.get(f"{ROOT}/studies/{UNBOUND_STUDY}{path}").status_code == 404
    instance = f"{ROOT}/studies/{OTHER_STUDY}/series/{OTHER_STUDY}.1/instances/{OTHER_STUDY}.1.1"
    for path in (*everything, "/frames/1", "/frames/1/rendered", "/bulkdata/7FE00010"):
        assert one.get(instance + path).status_code == 404, path
    for url in (f"{ROOT}/workitems", "/fhir/r4/ImagingStudy", "/api/orders"):
        assert one.get(url).status_code in (403, 405), url
    assert one.post(f"{ROOT}/studies", data=b"").status_code == 403
    assert one.post("/api/hl7", data=b"x", content_type="application/hl7-v2").status_code == 403


def test_a_token_for_a_patient_stays_with_the_person_when_records_are_merged(own: Console) -> None:
    one = own.machine(Role.SYSTEM, f"patient/{PLAIN.patient_id}|RIVERSIDE")
    say(own.house, merge(MULTI_BYTE, PLAIN))
    assert {found["0020000D"]["Value"][0] for found in one.get(f"{ROOT}/studies").json} == {STUDY, OTHER_STUDY}


@pytest.mark.parametrize(
    "scopes",
    [("patient/0|RIVERSIDE",), ("patient/00041001",), ("patient/|",), ("patient/00041001|RIVERSIDE", "store")],
)
def test_a_token_for_nobody_is_not_made(console: Console, scopes: tuple[str, ...]) -> None:
    with pytest.raises((Incomplete, Malformed)):
        console.machine(Role.SYSTEM, *scopes)


def test_a_search_returns_what_only_the_objects_tell(viewer: FlaskClient) -> None:
    row = viewer.get(f"{ROOT}/studies/{STUDY}/series/{STUDY}.1/instances?SOPInstanceUID={STUDY}.1.2").json[0]
    told = {tag: row[tag]["Value"] for tag in ("00280010", "00280011", "00280100", "00200013")}
    assert told == {"00280010": [4], "00280011": [8], "00280100": [16], "00200013": [2]}
    asked = f"{ROOT}/instances?SOPInstanceUID={STUDY}.1.1&includefield="
    nested = viewer.get(f"{asked}AnatomicRegionSequence.CodeValue,00280004").json[0]
    assert nested["00082218"]["Value"][0]["00080100"]["Value"] == ["T-28000"]
    assert nested["00280004"]["Value"] == ["MONOCHROME2"]
    everything = viewer.get(f"{asked}all").json[0]
    assert {"00180015", "00280002", "00280101"} <= set(everything)
    assert viewer.get(f"{asked}NoSuchThing").status_code == 400


def test_a_viewer_of_another_site_reads_only_if_it_is_listed(tmp_path: Path, sqlite_template: Path) -> None:
    house = open_house(tmp_path, sqlite_template)
    listed = house.settings.http.model_copy(update={"cors_origins": ("https://viewer.example.org",)})
    house.settings = house.settings.model_copy(update={"http": listed})
    client = Console(house).machine(Role.VIEWER)
    asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for origin, answer in (("https://viewer.example.org", 204), ("https://evil.example.org", 401)):
        stranger = client.application.test_client()
        preflight = stranger.options(f"{ROOT}/studies", headers={"Origin": origin} | asking)
        assert preflight.status_code == answer
        found = client.get(f"{ROOT}/studies", headers={"Origin": origin})
        allowed = origin if answer == 204 else None
        assert found.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in found.headers
    assert "Access-Control-Allow-Origin" not in client.get("/api/exams", headers={"Origin": origin}).headers
    house.store.dispose()


@pytest.mark.parametrize("origin", ["*", "viewer.example.org", "https://viewer.example.org/", "https://*.example.org"])
def test_an_origin_that_is_none_stops_the_start(origin: str) -> None:
    with pytest.raises(ValidationError):
        HttpSection(cors_origins=(origin,))
