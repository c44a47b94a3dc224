"""A DICOMweb archive that refuses, is busy or takes only so much: what becomes of each object, and of what waits."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import orjson
import pytest
from pydicom import dcmread

from bridge.clock import Clock
from bridge.domain.study import Study
from bridge.publishers.archive_store import ArchiveStowPublisher
from bridge.publishers.stow_client import StowClient
from bridge.sections.remote import DicomwebServer
from bridge.store.db import Store
from bridge.store.deliveries import DeliveryState
from tests.fakes.sending_scene import SendingScene


class WebArchive:
    """
    A STOW-RS server on loopback. kept: SOP Instance UIDs by how often they came.

    most: how many objects a request may have, and never those of too_large; says: status and headers of the next requests,
    before any is taken; failing: SOP Instance UID to the reason with which it is answered as failed.
    """

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.requests: list[int] = []
        self.most = 100
        self.too_large: set[str] = set()
        self.says: list[tuple[int, dict[str, str]]] = []
        self.failing: dict[str, int] = {}
        archive = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                archive.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        uids = [_uid_of(part) for part in _parts(request)]
        self.requests.append(len(uids))
        status, headers = self.says.pop(0) if self.says else (200, {})
        if status == 200 and (len(uids) > self.most or self.too_large & set(uids)):
            status = 413
        body = self._stored(uids) if status == 200 else b""
        request.send_response(409 if body and set(uids) & set(self.failing) else status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Type", "application/dicom+json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _stored(self, uids: list[str]) -> bytes:
        taken = [uid for uid in uids if uid not in self.failing]
        self.kept += taken
        failed = [_named(uid) | {"00081197": _of("US", self.failing[uid])} for uid in uids if uid in self.failing]
        said = {"00081199": {"vr": "SQ", "Value": [_named(uid) for uid in taken]}}
        return orjson.dumps(said | ({"00081198": {"vr": "SQ", "Value": failed}} if failed else {}))


def _of(vr: str, value: object) -> dict[str, object]:
    return {"vr": vr, "Value": [value]}


def _named(uid: str) -> dict[str, dict[str, object]]:
    return {"00081150": _of("UI", "1.2.840.10008.5.1.4.1.1.2"), "00081155": _of("UI", uid)}


def _parts(request: BaseHTTPRequestHandler) -> list[bytes]:
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    (boundary,) = re.findall(r'boundary="?([^";]+)', request.headers["Content-Type"])
    return [part.partition(b"\r\n\r\n")[2][:-2] for part in body.split(b"--" + boundary.encode())[1:-1]]


def _uid_of(part: bytes) -> str:
    return str(dcmread(BytesIO(part)).SOPInstanceUID)


class Scene(SendingScene):
    def __init__(self, store: Store, folder: Path) -> None:
        self.archive = WebArchive()
        client = StowClient(DicomwebServer(name="cloud", base_url=self.archive.address), Clock())
        super().__init__(store, folder, lambda blobs: ArchiveStowPublisher({"cloud": client}, blobs))

    def bound(self, instances: int, uid: str = "2.25.4001") -> Study:
        found = self.study(instances, uid)
        return self.clinic.bind(found, self.clinic.patient(uid[-5:]))


@pytest.fixture
def scene(store: Store, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(store, tmp_path / "blobs")
    yield found
    found.archive.stop()


def test_a_server_that_takes_only_so_much_gets_everything_once_in_smaller_requests(scene: Scene) -> None:
    scene.archive.most = 3
    study = scene.bound(8)
    scene.send(study)
    assert sorted(scene.archive.kept) == [f"2.25.4001.1.{number}" for number in range(1, 9)]
    assert scene.archive.requests == [8, 4, 2, 2, 4, 2, 2]
    assert (scene.delivery().state, scene.owed(study)) == (DeliveryState.SENT, 0)


def test_one_object_that_is_too_large_keeps_none_of_the_others(scene: Scene) -> None:
    scene.archive.too_large = {"2.25.4001.1.2"}
    study = scene.bound(4)
    scene.send(study)
    assert sorted(scene.archive.kept) == [f"2.25.4001.1.{number}" for number in (1, 3, 4)]
    assert (scene.delivery().state, scene.owed(study)) == (DeliveryState.DEAD, 1)
    assert scene.delivery().last_error == "3 of 4 objects stored; the archive answered A901"


@pytest.mark.parametrize(("status", "headers", "after_minutes"), [(401, {}, 0), (503, {"Retry-After": "600"}, 10)])
def test_a_server_that_refuses_or_is_busy_is_left_alone_and_gets_everything_later(
    scene: Scene, status: int, headers: dict[str, str], after_minutes: int
) -> None:
    scene.archive.says = [(status, headers)]
    first, second = scene.bound(2), scene.bound(2, "2.25.4002")
    scene.clinic.queue("archive", "cloud", first)
    scene.clinic.queue("archive", "cloud", second)
    scene.worker.run_due()
    assert (scene.archive.requests, scene.archive.kept) == ([2], [])
    now = scene.clinic.clock.now()
    assert {one.state for one in scene.deliveries()} == {DeliveryState.PENDING}
    assert all((one.next_at - now).total_seconds() >= after_minutes * 60 for one in scene.deliveries())
    assert any(f"the server answers {status}" in one.last_error for one in scene.deliveries())
    scene.later()
    assert sorted(scene.archive.kept) == [f"2.25.400{study}.1.{number}" for study in (1, 2) for number in (1, 2)]
    assert (scene.owed(first), scene.owed(second)) == (0, 0)


@pytest.mark.parametrize(("reason", "state"), [(0x0110, DeliveryState.PENDING), (0x0122, DeliveryState.DEAD)])
def test_what_failed_alone_is_owed_alone(scene: Scene, reason: int, state: DeliveryState) -> None:
    scene.archive.failing = {"2.25.4001.1.2": reason}
    study = scene.bound(3)
    scene.send(study)
    assert (scene.delivery().state, scene.owed(study)) == (state, 1)
    scene.archive.failing.clear()
    scene.later()
    assert sorted(scene.archive.kept) == [
        f"2.25.4001.1.{number}" for number in ((1, 2, 3) if state == DeliveryState.PENDING else (1, 3))
    ]
