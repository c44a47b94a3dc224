"""STOW-RS: what is kept, what is not and why, and what a hostile body costs. PS3.18 10.5."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from werkzeug.test import TestResponse

from bridge.codecs.dicom.part10 import file_meta
from bridge.domain.accounts import Role
from bridge.flows import manage_users
from bridge.sections.http import HttpSection
from bridge.store import audit, studies
from bridge.web.server import HttpServer
from tests.cast import MULTI_BYTE, PLAIN, adt, image, order, study_uid
from tests.fakes.console import Console
from tests.fakes.image_store import open_house, write
from tests.flows.asking import say

STUDY = study_uid("A1")
URL = "/dicom-web/studies"
MULTIPART = 'multipart/related; type="application/dicom"; boundary=here'


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Console]:
    house = open_house(tmp_path_factory.mktemp("taken"), sqlite_template, max_instance_mb=1)
    say(house, adt(PLAIN), adt(MULTI_BYTE), order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
    yield Console(house)
    house.store.dispose()


@pytest.fixture(scope="module")
def sender(console: Console) -> FlaskClient:
    return acting_as(console, "CT1")


def acting_as(console: Console, ae_title: str, *scopes: str) -> FlaskClient:
    client = console.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_of(console, ae_title, *scopes)}"
    return client


def token_of(console: Console, ae_title: str, *scopes: str) -> str:
    return manage_users.create_token(
        console.store, console.clock, "pusher", Role.SYSTEM, scopes=scopes, ae_title=ae_title, actor="system"
    )


def encoded(dataset: Dataset, folder: Path, implicit: bool = False) -> bytes:
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return write(dataset, folder / "one.dcm", syntax).read_bytes()


def big(number: int, size_bytes: int) -> Dataset:
    dataset = image(PLAIN, "A1", number)
    dataset.Rows, dataset.Columns, dataset.PixelData = 1000, size_bytes // 2000, bytes(size_bytes)
    return dataset


def body_of(*contents: bytes, kind: str = "application/dicom") -> bytes:
    head = b"--here\r\nContent-Type: " + kind.encode() + b"\r\n\r\n"
    return b"".join(head + content + b"\r\n" for content in contents) + b"--here--\r\n"


def push(client: FlaskClient, *contents: bytes, url: str = URL) -> TestResponse:
    return client.post(url, data=body_of(*contents), content_type=MULTIPART)


def reasons(answer: TestResponse) -> list[int]:
    items = [item for tag in ("00081198", "0008119A") for item in answer.json.get(tag, {}).get("Value", [])]
    return [item["00081197"]["Value"][0] for item in items]


def test_what_is_stored_is_there_and_its_data_set_is_byte_for_byte_what_came(
    console: Console, sender: FlaskClient, tmp_path: Path
) -> None:
    sent = [encoded(image(PLAIN, "A1", number), tmp_path, number == 2) for number in (1, 2)]
    answer = push(sender, *sent, url=f"{URL}/{STUDY}")
    assert answer.status_code == 200, answer.data
    kept = answer.json["00081199"]["Value"]
    assert [item["00081155"]["Value"][0] for item in kept] == [f"{STUDY}.1.1", f"{STUDY}.1.2"]
    address = kept[0]["00081190"]["Value"][0].partition("/dicom-web")[2]
    assert sender.get(f"/dicom-web{address}").status_code == 200
    with console.store.read() as tx:
        instance = studies.instance_by_uid(tx, f"{STUDY}.1.1")
        study = studies.by_uid(tx, STUDY)
        rows = [row for row in audit.recent(tx, limit=20) if row.action == "dicomweb_stored"]
    assert instance is not None
    assert study is not None
    with console.house.blobs.at_hand(instance.blob) as path:
        assert path.read_bytes().endswith(sent[0][sent[0].index(b"\x08\x00\x05\x00CS") :])
    assert (study.foreign, study.source_ae_title) == (False, "CT1")
    assert [(row.actor, row.study_key, row.detail["count"]) for row in rows] == [("token:pusher", study.key, 2)]


def test_the_same_again_is_success_and_other_content_stays_aside(sender: FlaskClient, tmp_path: Path) -> None:
    first = encoded(image(PLAIN, "A1", 11), tmp_path)
    assert push(sender, first, first).status_code == 200
    other = encoded(image(PLAIN, "A1", 11, pixels=b"\3\4" * 32), tmp_path)
    answer = push(sender, first, other)
    assert (answer.status_code, reasons(answer)) == (202, [0x0110])
    assert (push(sender, other).status_code, reasons(push(sender, other))) == (409, [0x0110])


def test_a_referrers_and_a_nameless_token_bring_foreign_studies(console: Console, tmp_path: Path) -> None:
    for place, title in enumerate(("OTHERS", "")):
        uid = f"2.25.99{place}"
        content = encoded(image(MULTI_BYTE, "X9", study=uid), tmp_path)
        assert push(acting_as(console, title), content).status_code == 200
        with console.store.read() as tx:
            study = studies.by_uid(tx, uid)
        assert study is not None
        assert study.foreign


def test_who_may_not_store_is_refused_before_anything_is_read(console: Console) -> None:
    for client in (
        acting_as(console, "SEER"),
        acting_as(console, "NOBODY"),
        acting_as(console, "CT1", "dicomweb"),
        console.machine(Role.VIEWER),
        console.machine(Role.INTAKE),
    ):
        assert client.post(URL, data=b"x", content_type=MULTIPART).status_code == 403
    assert console.app.test_client().post(URL, data=b"x").status_code == 401


def test_an_object_of_another_study_is_not_taken_under_this_one(sender: FlaskClient, tmp_path: Path) -> None:
    answer = push(sender, encoded(image(PLAIN, "A1", 21), tmp_path), url=f"{URL}/1.2.3")
    assert (answer.status_code, reasons(answer)) == (409, [0xA900])
    assert push(sender, b"", url=f"{URL}/no-uid").status_code == 400


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ('multipart/related; type="application/dicom+json"; boundary=here', 415),
        ('multipart/related; type="application/dicom+xml"; boundary=here', 415),
        ("multipart/form-data; boundary=here", 415),
        ("application/json", 415),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=there', 400),
    ],
)
def test_a_body_of_another_kind_is_said_to_be(sender: FlaskClient, tmp_path: Path, kind: str, status: int) -> None:
    content = body_of(encoded(image(PLAIN, "A1", 31), tmp_path))
    assert sender.post(URL, data=content, content_type=kind).status_code == status


def test_what_is_sound_is_kept_beside_what_is_not(console: Console, sender: FlaskClient, tmp_path: Path) -> None:
    good = [encoded(image(PLAIN, "A1", number), tmp_path) for number in (41, 42)]
    large = encoded(big(43, 2 << 20), tmp_path)
    answer = push(sender, good[0], b"garbage", b"", large, good[0][:400], good[1])
    assert (answer.status_code, len(answer.json["00081199"]["Value"])) == (202, 2)
    assert len(reasons(answer)) == 4
    assert not list(console.house.blobs.spool.iterdir())


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.94", "1.2.3", "1.2\r\nX-Set: 1"])
def test_what_is_in_no_transfer_syntax_of_ours_is_refused(
    console: Console, sender: FlaskClient, tmp_path: Path, syntax: str
) -> None:
    dataset = image(PLAIN, "A1", 71)
    raw = encoded(dataset, tmp_path)
    content = file_meta(str(dataset.SOPClassUID), dataset.SOPInstanceUID, syntax, "")
    answer = push(sender, content + raw[raw.index(b"\x08\x00\x05\x00CS") :])
    assert (answer.status_code, reasons(answer)) == (409, [0x0122])
    with console.store.read() as tx:
        assert studies.instance_by_uid(tx, dataset.SOPInstanceUID) is None


def test_what_came_before_a_break_is_kept(console: Console, sender: FlaskClient, tmp_path: Path) -> None:
    whole, cut = (encoded(image(PLAIN, "A1", number), tmp_path) for number in (51, 52))
    content = body_of(whole, cut)[: -len(cut) // 2]
    answer = sender.post(URL, data=content, content_type=MULTIPART)
    assert (answer.status_code, len(answer.json["00081199"]["Value"])) == (202, 1)
    assert "not read to its end" in answer.headers["Warning"]
    assert not list(console.house.blobs.spool.iterdir())


def test_ten_thousand_parts_and_a_head_without_end_cost_little(console: Console, sender: FlaskClient) -> None:
    many = push(sender, *[b"x"] * 10_000)
    assert (many.status_code, len(many.json["0008119A"]["Value"])) == (409, 10_000)
    assert sender.post(URL, data=b"--here\r\nA: " + b"y" * 100_000, content_type=MULTIPART).status_code == 400
    assert not list(console.house.blobs.spool.iterdir())


def test_an_answer_comes_as_xml_too(sender: FlaskClient, tmp_path: Path) -> None:
    content = body_of(encoded(image(PLAIN, "A1", 61), tmp_path))
    answer = sender.post(URL, data=content, content_type=MULTIPART, headers={"Accept": "application/dicom+xml"})
    assert answer.content_type == "application/dicom+xml"
    assert b'keyword="ReferencedSOPSequence"' in answer.data


def test_a_single_object_needs_no_parts(sender: FlaskClient, tmp_path: Path) -> None:
    content = encoded(image(PLAIN, "A1", 62), tmp_path)
    assert sender.post(URL, data=content, content_type="application/dicom").status_code == 200


def test_a_listener_asks_who_it_is_before_it_takes_a_body(console: Console, tmp_path: Path) -> None:
    server = HttpServer(console.app, HttpSection(port=0, max_body_mb=1))
    server.start()
    token = token_of(console, "CT1")
    try:
        assert b"401" in said(server.port, "nobody", b"", 1 << 40)
        objects = [encoded(big(70 + n, 900_000), tmp_path) for n in range(4)]
        answer = said(server.port, token, body_of(*objects))
        assert answer.startswith(b"HTTP/1.1 100 ")
        assert b"HTTP/1.1 200 " in answer
    finally:
        server.stop()
    with console.store.read() as tx:
        assert studies.instance_by_uid(tx, f"{STUDY}.1.73") is not None


def said(port: int, token: str, body: bytes, announced: int = 0) -> bytes:
    """Announce a body, send it once it is wanted, and return everything that is answered."""
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {MULTIPART}\r\n"
        f"Content-Length: {announced or len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(head.encode())
        answer = line.recv(4096)
        if answer.startswith(b"HTTP/1.1 100 "):
            line.sendall(body)
        rest = BytesIO()
        while chunk := line.recv(65536):
            rest.write(chunk)
    return answer + rest.getvalue()
