"""Files that are handed over in a folder, here or by SFTP: whole or not at all, never twice, never over another."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import Conflict, Misconfigured, Refused, Unavailable
from bridge.publishers.file_folder import FileDoor, FolderDoor
from bridge.publishers.sftp_door import SftpDoor, SftpPlace
from tests.conftest import missing_peer
from tests.fakes import sshd
from tests.fakes.sshd import Sshd

NAME, CONTENT = "CLEARVIEW-275-000000041.x12", b"ISA*00*" + b"x" * 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if not sshd.is_here():
        missing_peer("an OpenSSH server", "install openssh-server")
    with sshd.running(tmp_path_factory.mktemp("sshd")) as found:
        yield found


def place(server: Sshd) -> SftpPlace:
    folder = str(server.folder)
    return SftpPlace("127.0.0.1", server.port, server.user, server.host_key, folder, server.key, timeout_secs=60)


@pytest.fixture(params=["folder", "sftp"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[FileDoor, Path]:
    if request.param == "folder":
        return FolderDoor(tmp_path), tmp_path
    server: Sshd = request.getfixturevalue("server")
    folder = server.folder / tmp_path.name
    folder.mkdir()
    return SftpDoor(replace(place(server), folder=str(folder))), folder


def test_a_file_lies_there_whole_under_its_name_and_nothing_beside_it(door: tuple[FileDoor, Path]) -> None:
    there, folder = door
    assert there.put(NAME, CONTENT)
    assert [one.name for one in folder.iterdir()] == [NAME]
    assert (folder / NAME).read_bytes() == CONTENT


def test_the_same_file_again_is_found_and_not_written(door: tuple[FileDoor, Path]) -> None:
    there, folder = door
    there.put(NAME, CONTENT)
    before = (folder / NAME).stat().st_ino
    assert not there.put(NAME, CONTENT)
    assert (folder / NAME).stat().st_ino == before


@pytest.mark.parametrize("other", [b"another", b"y" * len(CONTENT)])
def test_another_file_of_that_name_is_never_overwritten(door: tuple[FileDoor, Path], other: bytes) -> None:
    there, folder = door
    (folder / NAME).write_bytes(other)
    with pytest.raises(Conflict, match="left as it is"):
        there.put(NAME, CONTENT)
    assert (folder / NAME).read_bytes() == other
    assert [one.name for one in folder.iterdir()] == [NAME]


def test_what_an_upload_left_that_broke_off_is_replaced(door: tuple[FileDoor, Path]) -> None:
    there, folder = door
    (folder / f".{NAME}.part").write_bytes(b"half " * 100_000)
    there.put(NAME, CONTENT)
    assert [one.name for one in folder.iterdir()] == [NAME]
    assert (folder / NAME).read_bytes() == CONTENT


def test_whether_a_folder_can_be_written_is_told_and_nothing_stays(door: tuple[FileDoor, Path]) -> None:
    there, folder = door
    assert there.probe()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    with pytest.raises((Unavailable, Refused)):
        there.probe()
    with pytest.raises((Unavailable, Refused)):
        there.put(NAME, CONTENT)


def test_a_folder_without_hard_links_gets_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "link", none)
    assert FolderDoor(tmp_path).put(NAME, CONTENT)
    (tmp_path / NAME).write_bytes(b"another")
    with pytest.raises(Conflict):
        FolderDoor(tmp_path).put(NAME, CONTENT)


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f".{NAME}.part").symlink_to(outside)
    with pytest.raises(Unavailable):
        FolderDoor(folder).put(NAME, CONTENT)
    assert outside.read_bytes() == b"kept"


def other_key(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / kind
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return path


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_host_with_another_key_gets_nothing(server: Sshd, tmp_path: Path, kind: str) -> None:
    wrong = replace(place(server), host_key=other_key(tmp_path, kind).with_suffix(".pub").read_text().rsplit(" ", 1)[0])
    with pytest.raises(Refused, match="not the one in the settings"):
        SftpDoor(wrong).put(NAME, CONTENT)


def test_a_user_who_is_not_known_is_refused(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="sign in"):
        SftpDoor(replace(place(server), key=other_key(tmp_path, "ed25519"))).put(NAME, CONTENT)


def test_a_host_that_is_not_there_is_tried_again(server: Sshd) -> None:
    with pytest.raises(Unavailable) as caught:
        SftpDoor(replace(place(server), port=1)).put(NAME, CONTENT)
    assert caught.value.code == "destination_down"


@pytest.mark.parametrize("written", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA"])
def test_what_is_no_host_key_is_said_at_the_start(written: str) -> None:
    with pytest.raises(Misconfigured, match="host_key"):
        SftpDoor(SftpPlace("127.0.0.1", 22, "bridge", written))
