"""A disc handed in through the browser: a ZIP or files, a proposal in one's own name, and what came of it in words."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.accounts import Role
from bridge.store import studies
from tests.cast import PLAIN, adt, image, write_file
from tests.fakes.console import Console
from tests.flows.asking import say

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
UID = "2.25.7201"


def slice_of(tmp_path: Path, number: int = 1) -> bytes:
    dataset = image(PLAIN, "", number, study=UID)
    dataset.PatientID, dataset.IssuerOfPatientID = "S-77", "SUMMIT"
    return write_file(dataset, tmp_path / f"{number}.dcm").read_bytes()


def hand_in(console: Console, *files: tuple[bytes, str], **said: str) -> Any:
    browser = console.browser(Role.INTAKE)
    form: dict[str, Any] = {"csrf_token": console.form_token(browser, "/mismatches/import")} | said
    form["files"] = [(io.BytesIO(content), name) for content, name in files]
    return browser.post("/mismatches/import", data=form, content_type="multipart/form-data")


def zipped(*contents: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"IMAGES/IM{number}", content)
        archive.writestr("viewer.exe", b"MZ")
    return made.getvalue()


def test_a_zip_and_files_are_taken_in_as_another_hospital_s(console: Console, tmp_path: Path) -> None:
    say(console.house, adt(PLAIN))
    first = hand_in(console, (zipped(slice_of(tmp_path)), "disc.zip"), (slice_of(tmp_path, 2), "IM2"))
    page = first.get_data(as_text=True)
    assert first.status_code == 200
    assert "1 study, 2 objects; 1 other file." in page
    with console.store.read() as tx:
        study = studies.by_uid(tx, UID)
    assert study is not None
    assert (study.foreign, study.is_bound) == (True, False)


def test_a_proposal_binds_in_the_name_of_whoever_makes_it(console: Console, tmp_path: Path) -> None:
    say(console.house, adt(PLAIN))
    hand_in(console, (slice_of(tmp_path), "IM1"), patient_id=PLAIN.patient_id)
    with console.store.read() as tx:
        study = studies.by_uid(tx, UID)
    assert study is not None
    assert (study.is_bound, study.decided_by) == (True, "user:some-intake")


def test_what_cannot_be_taken_in_is_said_on_the_page(console: Console, tmp_path: Path) -> None:
    for files, said, words in (
        ([], {}, "Choose a ZIP, files or a folder"),
        ([(slice_of(tmp_path), "IM1")], {"patient_id": "4711"}, "No such patient"),
        ([(b"PK\x05\x06" + bytes(8) + b"\xff" * 8 + bytes(2), "bomb.zip")], {}, "more entries than any disc"),
    ):
        answer = hand_in(console, *files, **said)
        assert (answer.status_code, words in answer.get_data(as_text=True)) == (422, True), words


def test_a_folder_keeps_its_tree_and_too_many_files_are_said_so(console: Console, tmp_path: Path) -> None:
    whole = hand_in(console, (slice_of(tmp_path), "disc/DICOM/IM1"), (b"MZ", "disc/VIEWER.EXE"))
    assert "1 study, 1 object; 1 other file." in whole.text
    assert ">HALVORSEN, INGRID</a>" in whole.text
    assert "and 490 files at once" in whole.text
    refused = hand_in(console, *((b"", f"disc/{number}.TXT") for number in range(501)))
    assert refused.status_code == 413
    assert "too many files" in refused.text
