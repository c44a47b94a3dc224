"""The only people in our world, the messages that tell of them and the images that show them. All invented."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from bridge.domain.study import Spooled
from bridge.wiring import House


@dataclass(frozen=True)
class Person:
    """One of the cast. patient_id: RIVERSIDE's number; name: a PN; birth_date: YYYYMMDD."""

    patient_id: str
    name: str
    birth_date: str
    sex: str

    @property
    def pid(self) -> str:
        return f"PID|1||{self.patient_id}^^^RIVERSIDE^MR||{self.name}||{self.birth_date}|{self.sex}"


PLAIN = Person("00041001", "HALVORSEN^INGRID", "19580312", "F")
NEAR_TWIN = Person("00041002", "HALVORSEN^INGEBORG", "19580312", "F")
MULTI_BYTE = Person("00041003", "Núñez^Señora", "19710930", "F")
MERGED = Person("00041004", "DOE^JOHN", "", "M")
STRANGER = Person("00041005", "OKAFOR^CHIDI", "19830504", "M")
EVERYONE = (PLAIN, NEAR_TWIN, MULTI_BYTE, MERGED, STRANGER)


def adt(
    person: Person, trigger: str = "A04", *, control_id: str = "", at: str = "20260302080000", extra: str = ""
) -> bytes:
    """Return an ADT message about *person*."""
    return _message(
        f"ADT^{trigger}", control_id or f"C{_mark(person.pid + trigger + at)}", at, f"{person.pid}\rPV1|1|O\r{extra}"
    )


def merge(survivor: Person, retired: Person, at: str = "20260302090000") -> bytes:
    """Return an A40: *retired* ends in *survivor*."""
    body = f"{survivor.pid}\rMRG|{retired.patient_id}^^^RIVERSIDE^MR\r"
    return _message("ADT^A40", f"M{_mark(body + at)}", at, body)


def order(
    person: Person,
    accession: str,
    control: str = "NW",
    *,
    at: str = "20260302080500",
    start: str = "20260302101500",
    status: str = "",
    modality: str = "CT",
    extra: str = "",
    control_id: str = "",
) -> bytes:
    """Return an ORM^O01 for *person*."""
    body = (
        f"{person.pid}\rPV1|1|O\r"
        f"ORC|{control}|P{accession}^RIVEHR|F{accession}^RIVRIS||{status}||^^^{start}^^R||{at}\r"
        f"OBR|1|P{accession}^RIVEHR|F{accession}^RIVRIS|71260^CT CHEST WITH CONTRAST^C4||||||||||||||{accession}|{accession}|{accession}||||{modality}\r"
        f"ZDS|{study_uid(accession)}^RIVEHR^Application^DICOM\r{extra}"
    )
    return _message("ORM^O01", control_id or f"O{_mark(body)}", at, body)


def report(
    person: Person,
    accession: str,
    status: str = "F",
    *,
    at: str = "20260302120000",
    issued: str = "",
    text: str = "No acute finding.",
    extra: str = "",
    numbered: bool = True,
    processing_id: str = "P",
) -> bytes:
    """Return an ORU^R01 about *person*'s exam, read by one radiologist. numbered: with its order's numbers."""
    placer, filler = (f"P{accession}^RIVEHR", f"F{accession}^RIVRIS") if numbered else ("", "")
    body = (
        f"{person.pid}\rORC|RE|{placer}|{filler}||CM\r"
        f"OBR|1|{placer}|{filler}|71260^CT CHEST WITH CONTRAST^C4|||20260302101500|||||||||||{accession}||||{issued or at}"
        f"||CT|{status}|||||||77&BRANDT&EVA&&&DR\r"
        f"OBX|1|TX|71260&GDT^CT CHEST^C4||Lungs clear.||||||{status}\r"
        f"OBX|2|TX|71260&IMP^CT CHEST^C4||{text}||||||{status}\r{extra}"
    )
    message = _message("ORU^R01", f"R{_mark(body + at)}", at, body)
    return message.replace(b"|P|2.3.1", f"|{processing_id}|2.5.1".encode(), 1)


def lab(
    person: Person,
    value: str = "1.1",
    status: str = "F",
    *,
    number: str = "L1",
    at: str = "20260302120000",
    observed: str = "20260301080000",
    code: str = "2160-0^Creatinine^LN",
    kind: str = "NM",
) -> bytes:
    """Return an ORU^R01 of a laboratory with one value."""
    body = (
        f"{person.pid}\rORC|RE||{number}^LAB\r"
        f"OBR|1||{number}^LAB|24323-8^Metabolic panel^LN|||{observed}|||||||||||||||{at}||CH|{status}\r"
        f"OBX|1|{kind}|{code}||{value}|mg/dL^^UCUM|||||{status}\r"
    )
    return _message("ORU^R01", f"L{_mark(body + at)}", at, body)


def document(
    person: Person,
    text: str = "Back pain for six weeks.",
    trigger: str = "T02",
    *,
    number: str = "D1",
    parent: str = "",
    at: str = "20260302120000",
    written: str = "20260220090000",
    kind: str = "34117-2^History and physical^LN",
    completion: str = "LA",
    availability: str = "AV",
    extra: str = "",
) -> bytes:
    """Return an MDM about a document of an office."""
    body = (
        f"EVN|{trigger}|{at}\r{person.pid}\rPV1|1|O\r"
        f"TXA|1|{kind}|TX|{written}|||||88^OYELARAN^TOLU|||{number}^OFFICE|{parent}||||{completion}||{availability}\r"
        f"OBX|1|TX|HX^History^L||{text}||||||F\r{extra}"
    )
    return _message(f"MDM^{trigger}", f"D{_mark(body + at)}", at, body)


def study_uid(accession: str) -> str:
    """Return the study UID that an order of ours names."""
    return f"2.25.{int(_mark(accession), 16)}"


def image(
    person: Person | None,
    accession: str,
    number: int = 1,
    *,
    study: str = "",
    series: int = 1,
    modality: str = "CT",
    pixels: bytes = b"\x01\x02" * 32,
) -> Dataset:
    """Return a CT slice as a scanner makes it from *person*'s worklist entry."""
    uid = study or study_uid(accession)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{uid}.{series}.{number}"
    dataset.StudyInstanceUID = uid
    dataset.SeriesInstanceUID = f"{uid}.{series}"
    dataset.PatientName = person.name if person else ""
    dataset.PatientID = person.patient_id if person else ""
    dataset.IssuerOfPatientID = "RIVERSIDE" if person else ""
    dataset.PatientBirthDate = person.birth_date if person else ""
    dataset.PatientSex = person.sex if person else ""
    dataset.AccessionNumber = accession
    dataset.StudyDate, dataset.StudyTime = "20260302", "102030"
    dataset.StudyDescription, dataset.StudyID = "CT CHEST", "1"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, series, number
    dataset.BodyPartExamined = "CHEST"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = 4, len(pixels) // 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    return dataset


def write_file(dataset: Dataset, path: Path) -> Path:
    """Write *dataset* as a Part 10 file, explicit VR little endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def spooled(house: House, dataset: Dataset, calling: str = "CT1") -> Spooled:
    """Return *dataset* as it lies in the spool when a device has sent it."""
    path = write_file(dataset, house.blobs.spool / f"{house.clock.new_id()}.part")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Spooled(
        path=path,
        digest=digest,
        size_bytes=len(data),
        affected_sop_class_uid=str(dataset.SOPClassUID),
        affected_sop_instance_uid=str(dataset.SOPInstanceUID),
        transfer_syntax_uid=str(ExplicitVRLittleEndian),
        calling_ae_title=calling,
        peer_address="127.0.0.1",
        association_id="a1",
    )


def renamed(person: Person, name: str, birth_date: str | None = None) -> Person:
    """Return *person* under another name."""
    return replace(person, name=name, birth_date=person.birth_date if birth_date is None else birth_date)


def _message(message_type: str, control_id: str, at: str, body: str) -> bytes:
    trigger = message_type.partition("^")[2]
    header = (
        f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{at}||{message_type}|{control_id}|P|2.3.1||||||UNICODE UTF-8\r"
    )
    event = f"EVN|{trigger}|{at}\r" if message_type.startswith("ADT") else ""
    return (header + event + body).encode("utf-8")


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
