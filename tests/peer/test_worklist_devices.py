"""Devices of other makes ask for the worklist: names in twelve and more character sets, odd queries, a change of mind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from bridge.wiring import House
from tests.conftest import dcmtk_tool, run_tool
from tests.fakes.worklist import put
from tests.flows.worklist_devices import DICOM, Door, associate, open_door, query
from tests.peer.archives import Orthanc
from tests.unit.codecs.dicom.objects import element
from tests.unit.codecs.dicom.test_worklist_item import ENTRY

pytestmark = pytest.mark.peer

MakeHouse = Callable[..., House]

# (0008,0005), a name, a key that finds it, and what Orthanc calls the set ("" where it has none of it).
SETS: tuple[tuple[str | list[str], str, str, str], ...] = (
    ("ISO_IR 100", "Müller^Jérôme", "Müller*", "Latin1"),
    ("ISO_IR 101", "Wałęsa^Łucja", "Wałęsa^Ł*", "Latin2"),
    ("ISO_IR 109", "Ċensu^Ġorġ", "Ċensu^*", "Latin3"),
    ("ISO_IR 110", "Ķirsons^Jānis", "Ķ*", "Latin4"),
    ("ISO_IR 144", "Щукин^Пётр", "щукин*", "Cyrillic"),
    ("ISO_IR 127", "قباني^لنزار", "قباني*", "Arabic"),
    ("ISO_IR 126", "Διονύσιος^Άρης", "ΔΙΟΝΥΣΙΟΣ*", "Greek"),
    ("ISO_IR 138", "שרון^דבורה", "שרון^דבורה", "Hebrew"),
    ("ISO_IR 148", "Çavuşoğlu^Işıl", "Çavuş*", "Latin5"),
    ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾔﾏﾀﾞ*", "Japanese"),
    ("ISO_IR 166", "นามสกุล^ชื่อ", "นามสกุล*", "Thai"),
    ("ISO_IR 192", "Ångström^Łukasz=王^小东", "王*", "Utf8"),
    ("GB18030", "Wang^XiaoDong=王^小东东", "*=王^小东东", "Chinese"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*", "JapaneseKanji"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "*=洪*", "Korean"),
    (["", "ISO 2022 IR 58"], "Zhang^XiaoLiu=张^小柳", "张*", "SimplifiedChinese"),
)


# pydicom writes and reads ISO 2022 IR 58 without its escapes (PS3.5 K.2); Orthanc does as the standard says.
READ_BY_PYDICOM = [(number, *one[:3]) for number, one in enumerate(SETS) if "ISO 2022 IR 58" not in one[0]]


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One engine: that both find the same stands in tests/property."""
    shutil.copy(sqlite_template, tmp_path / "bridge.db")
    return f"sqlite:///{tmp_path / 'bridge.db'}"


@pytest.fixture
def door(make_house: MakeHouse) -> Iterator[Door]:
    """A running door, and a patient for each character set behind it."""
    house = make_house(dicom=DICOM)
    with house.store.write() as tx:
        for number, (_, name, _, _) in enumerate(SETS):
            patient = replace(ENTRY.patient, patient_name=name)
            put(tx, replace(ENTRY, patient=patient, order=replace(ENTRY.order, accession_number=f"N{number}")))
    with open_door(house) as opened:
        yield opened


def asked_for(terms: str | list[str], key: str) -> Dataset:
    asked = query(station="CT1", PatientName="")
    asked.SpecificCharacterSet = terms
    asked.PatientName = key
    return asked


def test_pynetdicom_is_answered_in_the_set_it_asks_in(door: Door) -> None:
    wrong = []
    for number, terms, name, key in READ_BY_PYDICOM:
        found = door.find(asked_for(terms, key))
        shown = {one.AccessionNumber: (str(one.PatientName), one.SpecificCharacterSet) for one in found}
        if shown.get(f"N{number}") != (name, terms):
            wrong.append((terms, shown))
    assert wrong == []


def test_findscu_is_answered_in_the_set_it_asks_in(door: Door, tmp_path: Path) -> None:
    wrong = []
    for number, terms, name, key in READ_BY_PYDICOM:
        folder = tmp_path / str(number)
        folder.mkdir()
        pydicom.dcmwrite(folder / "query.dcm", asked_for(terms, key), implicit_vr=False, little_endian=True)
        where = ("-aet", "CT1", "-aec", "BRIDGE", "127.0.0.1", str(door.port), str(folder / "query.dcm"))
        ended = run_tool(dcmtk_tool("findscu"), "-W", "-X", "-od", str(folder), *where)
        found = [pydicom.dcmread(path, force=True) for path in folder.glob("rsp*.dcm")]
        shown = {one.AccessionNumber: str(one.PatientName) for one in found}
        if ended.returncode or shown.get(f"N{number}") != name:
            wrong.append((terms, ended.stderr, shown))
    assert wrong == []


class Asking(Orthanc):
    """Orthanc as a device: it asks for the worklist over its REST interface."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        super().__init__(program, folder, "CT1", {"DicomModalities": {"bridge": ["BRIDGE", "127.0.0.1", port]}}, 20)

    def find(self, encoding: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask in *encoding*, as Orthanc calls it; return the answers in its JSON."""
        assert self.http.put("/tools/default-encoding", content=encoding).status_code == 200
        answered = self.http.post("/modalities/bridge/find-worklist", json=asked)
        assert answered.status_code == 200, answered.text
        return list(answered.json())


def test_orthanc_reads_every_name(door: Door, orthanc: str, tmp_path: Path) -> None:
    device, wrong = Asking(orthanc, tmp_path, door.port), []
    step = [{"ScheduledStationAETitle": "CT1", "Modality": "", "ScheduledProcedureStepStartDate": ""}]
    try:
        for number, (_, name, key, encoding) in enumerate(SETS):
            keys = {"PatientName": key, "AccessionNumber": "", "ScheduledProcedureStepSequence": step}
            answers = device.find(encoding, keys)
            shown = {one["AccessionNumber"]: one["PatientName"] for one in answers}
            if shown.get(f"N{number}") != name:
                wrong.append((encoding, shown))
    finally:
        device.stop()
    assert wrong == []


def _item(*elements: bytes) -> bytes:
    return element(0xFFFEE000, b"".join(elements))


_STEP = element(0x00400001, b"CT1 ") + element(0x00400002, b"20260105") + element(0x00400003, b"")
_UNDEFINED = (
    element(0x00400100, b"", 0xFFFFFFFF)
    + element(0xFFFEE000, _STEP, 0xFFFFFFFF)
    + element(0xFFFEE00D, b"")
    + element(0xFFFEE0DD, b"")
)
_NAMED = element(0x00100010, b"ARBOR* ")
# As consoles send them: what stands around the keys that matter.
ODD: dict[str, bytes] = {
    "group lengths, also inside the sequence": element(0x00080000, b"\x0c\0\0\0")
    + element(0x00080050, b"")
    + element(0x00100000, b"\x10\0\0\0")
    + _NAMED
    + element(0x00400000, b"\0\0\0\0")
    + element(0x00400100, _item(element(0x00400000, b"\0\0\0\0") + _STEP)),
    "sequences of undefined length": element(0x00080050, b"") + _NAMED + _UNDEFINED,
    "retired keys": element(0x00080050, b"")
    + _NAMED
    + element(0x00101000, b"")
    + element(0x00320032, b"")
    + element(0x00400100, _item(_STEP))
    + element(0x00402001, b"")
    + element(0x00402006, b""),
    "sequences of zero length and with an empty item": element(0x00080050, b"")
    + element(0x00081110, b"")
    + element(0x00081120, _item())
    + _NAMED
    + element(0x00321064, b"")
    + element(0x00400100, _item(_STEP + element(0x00400008, _item())))
    + element(0x0040100A, _item(element(0x00080100, b""))),
    "private keys with and without a creator": element(0x00080050, b"")
    + element(0x00090010, b"ACME 1.0")
    + element(0x00091001, b"")
    + element(0x000B1001, b"")
    + _NAMED
    + element(0x00400100, _item(_STEP)),
    "a query level, an asterisk for a date, NULs for blanks": element(0x00080050, b"\0\0")
    + element(0x00080052, b"PATIENT\0")
    + element(0x00100010, b"ARBOR*\0\0")
    + element(0x00100030, b"* ")
    + element(0x00400100, _item(element(0x00400001, b"CT1\0") + element(0x00400002, b"2026.01.05"))),
    "keys of the step at the root": element(0x00080050, b"")
    + element(0x00080060, b"MR")
    + _NAMED
    + element(0x00400001, b"MR1 ")
    + element(0x00400100, _item(_STEP)),
    "trailing padding": element(0x00080050, b"")
    + _NAMED
    + element(0x00400100, _item(_STEP))
    + element(0xFFFCFFFC, bytes(16)),
}


@pytest.fixture
def plain_door(make_house: MakeHouse) -> Iterator[Door]:
    house = make_house(dicom=DICOM)
    with house.store.write() as tx:
        put(tx, ENTRY)
    with open_door(house) as opened:
        yield opened


def test_odd_queries_are_answered(plain_door: Door, tmp_path: Path) -> None:
    wrong = []
    for name, identifier in ODD.items():
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        meta = b"DICM" + element_explicit(0x00020010, b"UI", b"1.2.840.10008.1.2\0")
        (folder / "query.dcm").write_bytes(bytes(128) + meta + identifier)
        where = ("-aet", "CT1", "-aec", "BRIDGE", "127.0.0.1", str(plain_door.port), str(folder / "query.dcm"))
        ended = run_tool(dcmtk_tool("findscu"), "-W", "-X", "-od", str(folder), *where)
        found = [pydicom.dcmread(path, force=True) for path in folder.glob("rsp*.dcm")]
        if ended.returncode or [one.AccessionNumber for one in found] != ["A-77"]:
            wrong.append((name, ended.stderr, found))
    assert wrong == []


def _of_native_model(attributes: Iterable[ElementTree.Element]) -> Dataset:
    """Return the keys of a query that dcm4che keeps as XML. Source: PS3.19 A.1."""
    keys = Dataset()
    for one in attributes:
        vr = one.attrib["vr"]
        items = [_of_native_model(item) for item in one.findall("Item")]
        keys.add_new(int(one.attrib["tag"], 16), vr, items if vr == "SQ" else None)
    return keys


def test_the_query_of_dcm4che_is_answered_with_each_of_its_keys(plain_door: Door, corpus: Path) -> None:
    asked = _of_native_model(ElementTree.parse(corpus / "worklist/dcm4che/findscu/mwl.xml").getroot())
    (found,) = plain_door.find(asked)
    assert [one.tag for one in found if one.keyword != "SpecificCharacterSet"] == [one.tag for one in asked]
    (step,), (key,) = found.ScheduledProcedureStepSequence, asked.ScheduledProcedureStepSequence
    assert [one.tag for one in step] == [one.tag for one in key]


def element_explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    return head + vr + len(value).to_bytes(2, "little") + value


def statuses(door: Door, asked: Dataset, message_id: int = 1, *, cancelled: bool = False) -> list[Dataset]:
    association: Any = associate(door.port, "CT1")
    answers = association.send_c_find(asked, ModalityWorklistInformationFind, msg_id=message_id)
    found = []
    if cancelled:
        association.send_c_cancel(message_id, query_model=ModalityWorklistInformationFind)
    for status, _ in answers:
        found.append(status)
    association.release()
    return found


def test_a_refusal_names_the_key_at_fault(plain_door: Door) -> None:
    asked = query(station="CT1")
    asked.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate = "20261399"
    (refused,) = statuses(plain_door, asked)
    assert refused.Status == 0xA900
    assert refused.OffendingElement == 0x00400002
    assert refused.ErrorComment == "not a date or range of dates"


def test_a_key_that_is_not_known_makes_it_ff01_and_one_that_finds_nothing_is_no_fault(plain_door: Door) -> None:
    assert [one.Status for one in statuses(plain_door, query(station="CT1"))] == [0xFF00, 0x0000]
    assert [one.Status for one in statuses(plain_door, query(station="CT1", EthnicGroup=""))] == [0xFF01, 0x0000]
    assert [one.Status for one in statuses(plain_door, query(station="NONE"))] == [0x0000]


def test_nothing_is_answered_after_a_cancellation(make_house: MakeHouse) -> None:
    house = make_house(dicom=DICOM)
    with house.store.write() as tx:
        for _ in range(400):
            put(tx, ENTRY)
    with open_door(house) as door:
        found = [one.Status for one in statuses(door, query(station="CT1"), 7, cancelled=True)]
    assert found[-1] in (0xFE00, 0x0000)
    assert set(found[:-1]) <= {0xFF00}
