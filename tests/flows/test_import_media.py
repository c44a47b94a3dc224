"""Discs, folders and ZIPs of other hospitals: taken in object by object, decided by rule; a proposal is no more than one."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from bridge.building.web_flows import part_storer
from bridge.clock import FixedClock
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.study import Study, StudyState
from bridge.errors import Conflict, Malformed, Unsupported
from bridge.flows.import_media import Imported, Importing, MediaImporter
from bridge.flows.media_files import files_of
from bridge.store import audit, cross_references, studies
from bridge.wiring import House
from tests.cast import NEAR_TWIN, PLAIN, STRANGER, Person, adt, image, order, write_file
from tests.flows.asking import say, study_by_uid

# What it writes, every object writes; that is tried on both databases elsewhere.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
UID = "2.25.7001"


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house(FixedClock(datetime(2026, 3, 2, 10, 0, tzinfo=UTC)))


def foreign(person: Person = PLAIN, number: int = 1, uid: str = UID, issuer: str = "SUMMIT") -> Dataset:
    dataset = image(person, "", number, study=uid)
    dataset.PatientID, dataset.IssuerOfPatientID = f"S-{person.patient_id[-2:]}", issuer
    return dataset


def disc(folder: Path, *datasets: Dataset) -> Path:
    """Write a disc with a DICOMDIR, as other hospitals' writers do, and the clutter that comes along."""
    made = FileSet()
    for number, dataset in enumerate(datasets):
        made.add(write_file(dataset, folder.parent / f"{folder.name}-{number}.dcm"))
    made.write(folder)
    (folder / "AUTORUN.INF").write_text("[autorun]\n")
    return folder


def zipped(path: Path, *datasets: Dataset, **clutter: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, dataset in enumerate(datasets):
            archive.write(write_file(dataset, path.parent / f"zipped-{number}.dcm"), f"disc/IMAGES/IM{number}")
        for name, content in clutter.items():
            archive.writestr(name, content)
    return path


def importer(house: House) -> MediaImporter:
    return MediaImporter(house.store, house.clock, part_storer(house), house.rules, house.destinations)


def take(house: House, path: Path, patient: Person | None = None, **more: object) -> Imported:
    whom = PatientIdentifier(patient.patient_id, "RIVERSIDE") if patient else None
    how = Importing("user:maria", "terminal", whom, **more)  # type: ignore[arg-type]
    return importer(house).import_files(files_of(path), how)


def study(house: House, uid: str = UID) -> Study:
    return study_by_uid(house.store, uid)


def test_a_disc_is_taken_in_as_another_hospital_s_and_the_rest_of_it_counted(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN))
    found = take(house, disc(tmp_path / "disc", foreign(), foreign(number=2)))
    assert (found.objects, found.other_files, found.missing, found.stopped) == (2, 1, 0, "")
    one = study(house)
    assert (one.foreign, one.rule, one.state) == (True, "V07", StudyState.REVIEW)
    assert found.studies[UID].state == "review"
    with house.store.read() as tx:
        actions = {row.action for row in audit.recent(tx, limit=20)}
    assert {"study_imported", "media_imported", "study_received"} <= actions


def test_the_same_disc_again_is_known_byte_for_byte(house: House, tmp_path: Path) -> None:
    path = disc(tmp_path / "disc", foreign(), foreign(number=2))
    assert [take(house, path).studies[UID].taken] == [2]
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)
    again = take(house, path).studies[UID]
    assert (again.taken, again.known) == (0, 2)


def test_an_import_that_was_stopped_goes_on_where_it_was(house: House, tmp_path: Path) -> None:
    path = disc(tmp_path / "disc", *(foreign(number=number) for number in range(1, 5)))
    assert take(house, path, looks=lambda imported: imported.objects < 2).stopped == "stopped"
    assert isinstance(house.clock, FixedClock)
    house.clock.at += timedelta(minutes=1)
    again = take(house, path).studies[UID]
    assert (again.taken, again.known) == (2, 2)


def test_a_zip_is_a_disc_and_nothing_leads_out_of_it(house: House, tmp_path: Path) -> None:
    hostile = {"../../escaped.txt": b"x", "/absolute": b"x", "inner.zip": b"PK\x05\x06" + bytes(18)}
    found = take(house, zipped(tmp_path / "disc.zip", foreign(), **hostile))
    assert (found.objects, found.other_files) == (1, 3)
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_links_and_special_files_are_not_followed(house: House, tmp_path: Path) -> None:
    outside = write_file(foreign(), tmp_path / "secret.dcm")
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "link.dcm").symlink_to(outside)
    (folder / "round").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    found = take(house, folder)
    assert (found.objects, found.other_files) == (0, 0)


def test_a_broken_dicomdir_hides_no_object(house: House, tmp_path: Path) -> None:
    folder = disc(tmp_path / "disc", foreign())
    (folder / "DICOMDIR").write_bytes(b"not a directory")
    found = take(house, folder)
    assert (found.objects, found.missing) == (1, None)


def test_files_that_the_dicomdir_names_and_nobody_finds_are_said(house: House, tmp_path: Path) -> None:
    folder = disc(tmp_path / "disc", foreign(), foreign(number=2))
    next(
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in ("DICOMDIR", "AUTORUN.INF")
    ).unlink()
    found = take(house, folder / "DICOMDIR")
    assert (found.objects, found.missing) == (1, 1)


def test_a_damaged_object_is_set_aside_with_why_and_the_others_come_in(house: House, tmp_path: Path) -> None:
    path = zipped(tmp_path / "disc.zip", foreign(), foreign(number=2))
    cut = write_file(foreign(number=3), tmp_path / "cut.dcm").read_bytes()[:-20]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("cut.dcm", cut)
    found = take(house, path)
    assert (found.objects, sum(found.set_aside.values())) == (2, 1)


def test_a_zip_whose_entry_is_spoilt_says_so_and_goes_on(house: House, tmp_path: Path) -> None:
    path = zipped(tmp_path / "disc.zip", foreign(), foreign(number=2))
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        offset = archive.infolist()[0].header_offset
    raw[offset + 60 : offset + 90] = b"\xff" * 30
    path.write_bytes(bytes(raw))
    found = take(house, path)
    assert (found.objects, dict(found.set_aside)) == (1, {"the media cannot be read there": 1})


@pytest.mark.parametrize("lie", ["entries", "size"])
def test_a_zip_bomb_is_refused_before_anything_is_unpacked(database_url: str, tmp_path: Path, lie: str) -> None:
    path = zipped(tmp_path / "bomb.zip", x=b"x")
    raw = bytearray(path.read_bytes())
    if lie == "entries":
        struct.pack_into("<L", raw, raw.rindex(b"PK\5\6") + 12, 0x7FFFFFFF)
    else:
        struct.pack_into("<L", raw, raw.index(b"PK\1\2") + 24, 0xFFFFFFFE)
        raw *= 1
    path.write_bytes(bytes(raw))
    if lie == "entries":
        with pytest.raises(Unsupported):
            list(files_of(path))
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"zero{number}", b"")
    raw = bytearray(path.read_bytes())
    at = -1
    while (at := raw.find(b"PK\1\2", at + 1)) >= 0:
        struct.pack_into("<L", raw, at + 24, 0xFFFFFFF0)
    path.write_bytes(bytes(raw))
    with pytest.raises(Unsupported):
        list(files_of(path))


def test_what_only_ends_like_a_zip_is_refused(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "disc.zip"
    path.write_bytes(b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 9, 9, 400, 5, 0))
    with pytest.raises(Malformed):
        list(files_of(path))


def test_a_proposal_binds_in_the_name_of_who_made_it_and_teaches(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN))
    found = take(house, disc(tmp_path / "disc", foreign()), PLAIN)
    one = study(house)
    assert (one.decided_by, one.is_bound, found.studies[UID].state) == ("user:maria", True, one.state.value)
    with house.store.read() as tx:
        (learned,) = cross_references.taught_by(tx, one.key)
    assert learned.identifier.key == ("SUMMIT", "S-01")


def test_a_veto_questions_a_proposal(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN), adt(NEAR_TWIN), adt(STRANGER))
    take(house, disc(tmp_path / "twin", foreign(NEAR_TWIN)), PLAIN)
    assert (study(house).state, study(house).rule) == (StudyState.REVIEW, "V08")
    take(house, disc(tmp_path / "other", foreign(STRANGER, uid="2.25.7002")), PLAIN)
    other = study(house, "2.25.7002")
    assert (other.is_bound, other.state) == (False, StudyState.REVIEW)


def test_a_proposal_of_a_number_that_nobody_has_takes_nothing_in(house: House, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        take(house, disc(tmp_path / "disc", foreign()), PLAIN)
    with house.store.read() as tx:
        assert studies.by_uid(tx, UID) is None


def test_a_proposal_does_not_move_what_a_rule_has_bound(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN), adt(STRANGER))
    mine = image(PLAIN, "", study=UID)
    take(house, disc(tmp_path / "disc", mine), STRANGER)
    one = study(house)
    assert (one.decided_by, one.rule) == ("B03", "B03")


def import_order(person: Person, accession: str) -> bytes:
    return order(person, accession).replace(b"71260^CT CHEST WITH CONTRAST^C4", b"IMPORT^IMPORT OUTSIDE STUDY^L")


def test_a_disc_that_an_import_order_waits_for_is_bound_to_it(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN), import_order(PLAIN, "I1"))
    take(house, disc(tmp_path / "disc", foreign()))
    one = study(house)
    assert (one.rule, one.order_key is not None) == ("B05", True)


def test_a_disc_of_somebody_else_s_waits_though_an_import_order_does(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN), import_order(PLAIN, "I1"))
    brother = Person("00041099", "HALVORSEN^MAGNUS", "19580312", "M")
    take(house, disc(tmp_path / "disc", foreign(brother)))
    one = study(house)
    assert (one.is_bound, one.rule in ("V07", "V04")) == (False, True)


def test_an_import_order_that_comes_after_the_disc_binds_it(house: House, tmp_path: Path) -> None:
    say(house, adt(PLAIN))
    take(house, disc(tmp_path / "disc", foreign()))
    say(house, import_order(PLAIN, "I1"))
    assert study(house).rule == "B05"
