"""What a C-STORE is answered, and what is kept of objects that are not as the standard wants them, over a real socket."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.codecs.dicom import part10
from bridge.domain.study import Header, OutgoingObject, Study
from bridge.publishers.dicom_client import StoreResult, Target, store_files
from bridge.store.tables import conflicting_instances, instances
from bridge.wiring import House
from tests.flows.asking import study_by_uid
from tests.peer.images_room import SENDER, open_house
from tests.unit.codecs.dicom.objects import element

CT, PRIVATE = "1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.77.9.1"
IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
ROOT = "1.2.826.0.1.77"


@dataclass
class Door:
    """A house behind a socket. numbers: for UIDs that nothing else has."""

    house: House
    port: int
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def uid(self) -> str:
        return f"{ROOT}.{next(self.numbers)}"

    def send(self, data_set: bytes, uid: str, syntax: str = IMPLICIT, sop_class: str = CT) -> StoreResult:
        """Send one data set, announced under *uid* and *sop_class* whatever it says itself."""
        path = self.folder / f"{next(self.numbers)}.dcm"
        path.write_bytes(part10.file_meta(sop_class, uid, syntax, "") + data_set)
        target = Target("BRIDGE", "127.0.0.1", self.port)
        return store_files(target, SENDER, [OutgoingObject(path, sop_class, uid, syntax)])[0]

    def study(self, uid: str) -> Study:
        return study_by_uid(self.house.store, uid)

    def kept(self, uid: str) -> bytes:
        """Return the file of an instance."""
        with self.house.store.read() as tx:
            row = tx.execute(instances.select().where(instances.c.sop_instance_uid == uid)).one()
        with self.house.blobs.at_hand(row.blob) as path:
            return path.read_bytes()

    def count(self) -> int:
        with self.house.store.read() as tx:
            return len(tx.execute(instances.select()).all())


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("rules")
    with open_house(folder, 1, "ISO_IR 144", private_sop_classes=[PRIVATE]) as (house, port):
        yield Door(house, port, folder)


def values(uid: str, study: str = "", **changed: bytes | None) -> dict[int, bytes]:
    """Return the values of a small image by tag. changed: by "t00100020"; None leaves one out."""
    found: dict[int, bytes | None] = {
        0x00080016: CT.encode(),
        0x00080018: uid.encode(),
        0x00080060: b"CT",
        0x00100010: b"LARCH^ADA ",
        0x00100020: b"RULE-1",
        0x0020000D: (study or f"{uid}.1").encode(),
        0x0020000E: f"{study or uid}.2".encode(),
        0x00280010: b"\4\0",
        0x00280011: b"\4\0",
        0x00280100: b"\x08\0",
        0x7FE00010: bytes(16),
    } | {int(name[1:], 16): value for name, value in changed.items()}
    return {tag: value for tag, value in found.items() if value is not None}


def implicit(found: dict[int, bytes]) -> bytes:
    return b"".join(element(tag, _even(tag, found[tag])) for tag in sorted(found))


def _even(tag: int, value: bytes) -> bytes:
    return value + (b"\0" if tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E) else b" ") * (len(value) % 2)


def header(door: Door, study_uid: str) -> Header:
    return door.study(study_uid).received


class TestStatuses:
    def test_0000_stored_and_the_same_object_again(self, door: Door) -> None:
        uid = door.uid()
        data = implicit(values(uid))
        assert door.send(data, uid).status == 0x0000
        before = door.count()
        assert door.send(data, uid).status == 0x0000
        assert door.count() == before
        assert door.kept(uid).endswith(data)

    def test_0000_the_same_content_in_the_other_uncompressed_syntax(self, door: Door) -> None:
        uid = door.uid()
        found = values(uid)
        assert door.send(implicit(found), uid).status == 0x0000
        assert door.send(explicit(found), uid, EXPLICIT).status == 0x0000
        assert door.kept(uid).endswith(implicit(found))

    def test_0110_the_same_uid_with_other_content_is_kept_aside(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), uid).status == 0x0000
        refused = door.send(implicit(values(uid, t00100020=b"RULE-2")), uid)
        assert (refused.status, refused.comment) == (0x0110, "the SOP Instance UID is taken by other content")
        assert b"RULE-1" in door.kept(uid)
        with door.house.store.read() as tx:
            rows = tx.execute(conflicting_instances.select()).all()
        assert [row.reason for row in rows if row.sop_instance_uid == uid] == ["duplicate_instance"]

    def test_0110_the_same_uid_in_another_study(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), uid).status == 0x0000
        assert door.send(implicit(values(uid, f"{ROOT}.8{uid[-1]}")), uid).status == 0x0110

    @pytest.mark.parametrize("tag", ["t0020000D", "t0020000E", "t00080018", "t00080016"])
    def test_a900_a_uid_that_the_index_needs_is_absent_or_empty(self, door: Door, tag: str) -> None:
        for value in (None, b""):
            uid = door.uid()
            assert door.send(implicit(values(uid, **{tag: value})), uid).status == 0xA900

    def test_a900_another_class_or_instance_than_announced(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), f"{uid}.5").status == 0xA900
        assert door.send(implicit(values(uid, t00080016=b"1.2.840.10008.5.1.4.1.1.4")), uid).status == 0xA900

    def test_0117_an_announced_uid_that_is_none(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), "1.2." + "3" * 64).status == 0x0117

    def test_0122_a_class_that_is_not_kept(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), uid, sop_class="1.2.826.0.1.77.9.2").status == 0x0122

    def test_c000_what_is_no_data_set_and_a_bomb(self, door: Door) -> None:
        before = door.count()
        assert door.send(b"\xff" * 64, door.uid()).status == 0xC000
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        uid = door.uid()
        bomb = deflater.compress(explicit(values(uid, t7FE00010=bytes(part10.FREE_INFLATED_BYTES)))) + deflater.flush()
        refused = door.send(bomb, uid, DEFLATED)
        assert (refused.status, refused.comment) == (0xC000, "the deflated data set is too large")
        assert door.count() == before
        assert not list(door.house.blobs.spool.glob("*.part"))


class TestWhatIsNotAsItShouldBe:
    def test_a_private_class_is_kept_where_it_is_named(self, door: Door) -> None:
        uid = door.uid()
        found = values(uid, t00080016=PRIVATE.encode())
        assert door.send(implicit(found), uid, sop_class=PRIVATE).status == 0x0000

    def test_a_missing_meta_group_is_written_from_the_association(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid)), uid).status == 0x0000
        meta = part10.read_file_meta(door.kept(uid))
        assert (meta.media_storage_sop_instance_uid, meta.transfer_syntax_uid) == (uid, IMPLICIT)
        assert meta.source_application_entity_title == SENDER

    def test_a_deflated_object_is_kept_as_it_came_and_read(self, door: Door) -> None:
        uid = door.uid()
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated = deflater.compress(explicit(values(uid))) + deflater.flush()
        deflated += b"\0" * (len(deflated) % 2)
        assert door.send(deflated, uid, DEFLATED).status == 0x0000
        assert door.kept(uid).endswith(deflated)
        assert header(door, f"{uid}.1").patient_id == "RULE-1"

    def test_a_wrong_vr_and_un_for_a_known_tag_are_read_by_the_dictionary(self, door: Door) -> None:
        uid = door.uid()
        data = explicit(values(uid), {0x00100020: b"UN", 0x00100010: b"LO", 0x0020000D: b"ST"})
        assert door.send(data, uid, EXPLICIT).status == 0x0000
        assert (header(door, f"{uid}.1").patient_id, header(door, f"{uid}.1").patient_name) == ("RULE-1", "LARCH^ADA")
        assert door.kept(uid).endswith(data)

    def test_undeclared_text_is_read_in_the_peers_character_set(self, door: Door) -> None:
        uid = door.uid()
        name = "Ольха^Ада".encode("iso8859_5")
        assert door.send(implicit(values(uid, t00100010=name)), uid).status == 0x0000
        found = header(door, f"{uid}.1")
        assert (found.patient_name, found.faults) == ("Ольха^Ада", ("undeclared_charset",))

    def test_two_character_sets_and_wrong_escapes_are_read_as_well_as_can_be(self, door: Door) -> None:
        uid = door.uid()
        found = values(uid, t00080005=b"ISO_IR 192\\ISO_IR 100", t00100010=b"\x1b$Q?LARCH^ADA")
        assert door.send(implicit(found), uid).status == 0x0000
        assert {"unknown_charset", "undecodable_text"} <= set(header(door, f"{uid}.1").faults)

    def test_dates_times_and_numbers_in_other_forms_are_normal_in_the_index(self, door: Door) -> None:
        uid = door.uid()
        found = values(
            uid, t00080020=b"2024.01.31", t00080030=b"08:30:15", t00100030=b"000000", t00200013=b"7.0", t00100040=b"f "
        )
        assert door.send(implicit(found), uid).status == 0x0000
        read = header(door, f"{uid}.1")
        assert (read.study_date, read.study_time, read.patient_birth_date) == ("20240131", "083015", "")
        assert read.instance_number == 7
        assert {"bad_date", "bad_patient_sex"} <= set(read.faults)

    def test_a_uid_with_leading_zeros_is_kept_and_noted(self, door: Door) -> None:
        uid = f"{ROOT}.007.{next(door.numbers)}"
        assert door.send(implicit(values(uid)), uid).status == 0x0000
        assert "uid_leading_zero" in header(door, f"{uid}.1").faults

    def test_a_uid_that_is_too_long_or_none_is_refused(self, door: Door) -> None:
        for study in ("1." + "2" * 64, "1.2.x"):
            uid = door.uid()
            assert door.send(implicit(values(uid, study)), uid).status == 0xC000

    def test_odd_lengths_and_what_stands_behind_the_data_set_are_let_through(self, door: Door) -> None:
        for tail in (b"", b"\0" * 700, b"\r\n\x1a"):
            uid = door.uid()
            found = values(uid)
            values_even = {tag: _even(tag, value) for tag, value in found.items()} | {0x00100020: b"RULE-12"}
            data = b"".join(element(tag, values_even[tag]) for tag in sorted(found)) + tail
            assert door.send(data, uid).status == 0x0000
            assert header(door, f"{uid}.1").patient_id == "RULE-12"
            assert ("trailing_padding" in header(door, f"{uid}.1").faults) is bool(tail)
            assert door.kept(uid).endswith(data)

    def test_what_is_cut_inside_an_element_or_a_fragment_is_refused(self, door: Door) -> None:
        uid = door.uid()
        whole = implicit(values(uid))
        for lost in (1, 15, 17, 23):
            assert door.send(whole[:-lost], uid).status == 0xC000

    def test_pixel_data_that_never_ends_is_kept_and_noted(self, door: Door) -> None:
        for fragments in (b"", struct.pack("<HHL", 0xFFFE, 0xE000, 4) + b"\xff\xd8\xff\xd9"):
            uid = door.uid()
            data = explicit({tag: value for tag, value in values(uid).items() if tag != 0x7FE00010})
            data += struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
            data += struct.pack("<HHL", 0xFFFE, 0xE000, 0) + fragments
            assert door.send(data, uid, "1.2.840.10008.1.2.4.50").status == 0x0000
            assert "unterminated_pixel_data" in header(door, f"{uid}.1").faults

    def test_a_number_of_nobody_is_kept_and_waits(self, door: Door) -> None:
        uid = door.uid()
        assert door.send(implicit(values(uid, t00100020=b"", t00100010=b"")), uid).status == 0x0000
        assert not door.study(f"{uid}.1").is_bound


def explicit(found: dict[int, bytes], vrs: dict[int, bytes] | None = None) -> bytes:
    """Return *found* in explicit VR. vrs: where another than the right one is to stand."""
    right = {0x00080016: b"UI", 0x00080018: b"UI", 0x00080060: b"CS", 0x00100010: b"PN", 0x00100020: b"LO"}
    right |= {0x0020000D: b"UI", 0x0020000E: b"UI", 0x7FE00010: b"OW"} | (vrs or {})
    out = []
    for tag in sorted(found):
        vr, value = right.get(tag, b"US"), _even(tag, found[tag])
        long = vr in (b"OW", b"OB", b"UN")
        length = struct.pack("<HL", 0, len(value)) if long else struct.pack("<H", len(value))
        out.append(struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr) + length + value)
    return b"".join(out)
