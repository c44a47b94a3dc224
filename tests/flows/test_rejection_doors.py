"""A rejection note comes over a DICOM association and in a STOW request, each over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from pydicom.dataset import Dataset

from bridge.domain.accounts import Role
from bridge.domain.study import OutgoingObject, StudyState
from bridge.flows import manage_users
from bridge.publishers.dicom_client import Target, store_files
from bridge.sections.http import HttpSection
from bridge.web.server import HttpServer
from bridge.wiring import House
from tests import cast
from tests.cast import PLAIN, adt, image, order
from tests.fakes.console import Console
from tests.flows.asking import say, study_of
from tests.flows.test_rejections import note, shown, slices
from tests.peer.images_room import SENDER, open_house


@dataclass(frozen=True)
class Doors:
    """A house behind two sockets, and the token of a device that pushes by STOW."""

    house: House
    dicom_port: int
    http_port: int
    token: str
    folder: Path

    def store(self, *datasets: Dataset) -> list[int | None]:
        """Send objects in one association and return the statuses."""
        sent = []
        for one in datasets:
            path = cast.write_file(one, self.folder / f"{one.SOPInstanceUID}.dcm")
            syntax = str(one.file_meta.TransferSyntaxUID)
            sent.append(OutgoingObject(path, str(one.SOPClassUID), str(one.SOPInstanceUID), syntax))
        return [one.status for one in store_files(Target("BRIDGE", "127.0.0.1", self.dicom_port), SENDER, sent)]

    def push(self, dataset: Dataset) -> httpx2.Response:
        """Send an object by STOW-RS."""
        content = cast.write_file(dataset, self.folder / f"{dataset.SOPInstanceUID}.dcm").read_bytes()
        head = b"--here\r\nContent-Type: application/dicom\r\n\r\n"
        return httpx2.post(
            f"http://127.0.0.1:{self.http_port}/dicom-web/studies",
            content=head + content + b"\r\n--here--\r\n",
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": 'multipart/related; type="application/dicom"; boundary=here',
                "Accept": "application/dicom+json",
            },
            trust_env=False,
            timeout=30,
        )


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    with open_house(folder, 1) as (house, port):
        console = Console(house)
        server = HttpServer(console.app, HttpSection(port=0))
        server.start()
        token = manage_users.create_token(
            console.store, console.clock, "pusher", Role.SYSTEM, scopes=(), ae_title=SENDER, actor="system"
        )
        say(house, adt(PLAIN), order(PLAIN, "A1"), order(PLAIN, "A2"))
        yield Doors(house, port, server.port, token, folder)
        server.stop()


def test_a_note_over_an_association_withdraws_what_it_names_and_dangerous_images_are_refused(doors: Doors) -> None:
    one, two = slices(2)
    assert doors.store(one, two) == [0x0000, 0x0000]
    assert doors.store(note("113001", one)) == [0x0000]
    assert (study_of(doors.house, "A1").is_bound, shown(doors.house)) == (True, ["2"])
    assert doors.store(note("113037", two, number=2)) == [0x0000]
    assert (study_of(doors.house, "A1").rule, shown(doors.house)) == ("V03", [])
    (refused,) = doors.store(two)
    assert refused not in (0x0000, None)


def test_a_note_in_a_request_holds_the_study_and_withdraws_what_it_names(doors: Doors) -> None:
    one = image(PLAIN, "A2", 1)
    assert doors.push(one).status_code == 200
    assert study_of(doors.house, "A2").is_bound
    answer = doors.push(note("113038", one))
    assert answer.status_code == 200, answer.text
    after = study_of(doors.house, "A2")
    assert (after.state, after.rule, shown(doors.house, "A2")) == (StudyState.REVIEW, "V03", [])
