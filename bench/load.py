"""The load: images from half a megabyte to sixty, worklist items, orders. Everything invented and unlike any person's."""

from __future__ import annotations

import io
import os
import random
import selectors
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    UltrasoundMultiFrameImageStorage,
)

from bench.servers import STATIONS

MATCHES, MANY_MATCHES = 20, 500
_LATER_DAYS = 60
# As long as every UID that takes its place.
_SOP_PLACE = UID("2.25." + "9" * 39)
_ANSWER_SECS = 60
_PROCEDURES = (
    ("CTCH", "CT CHEST W CONTRAST", "CT"),
    ("MRBR", "MR BRAIN", "MR"),
    ("USAB", "US ABDOMEN", "US"),
    ("DXCH", "XR CHEST 2 VIEWS", "DX"),
)


@dataclass(frozen=True)
class Item:
    """
    One scheduled step. number: of the item, from 0; today: the day of the run.

    The first MATCHES of a list are CT1's today, the next MANY_MATCHES US1's today; the others' are all days' of the two
    months after. Every number is as long as any other's, so that a record of one item becomes another's in place.
    """

    number: int
    today: datetime

    @property
    def station(self) -> str:
        if self.number < MATCHES:
            return STATIONS[0]
        return STATIONS[1] if self.number < MATCHES + MANY_MATCHES else STATIONS[2 + self.number % (len(STATIONS) - 2)]

    @property
    def day(self) -> datetime:
        later = 0 if self.number < MATCHES + MANY_MATCHES else 1 + self.number % _LATER_DAYS
        return self.today + timedelta(days=later)

    @property
    def modality(self) -> str:
        return self.station[:2]

    @property
    def step_id(self) -> str:
        return f"SP{self.number:07}"

    @property
    def accession(self) -> str:
        return f"B{self.number:08}"

    @property
    def patient_id(self) -> str:
        return f"9{self.number:07}"

    @property
    def name(self) -> str:
        return f"Bench{self.number:07}^Load"

    @property
    def study_uid(self) -> str:
        return f"2.25.1{uuid.uuid5(uuid.NAMESPACE_OID, self.accession).int % 10**37:037}"


def order(item: Item, run: str) -> bytes:
    """Return the order of *item*. run: makes the control ID another one each time."""
    at, today = f"{item.day:%Y%m%d}0900", f"{item.today:%Y%m%d%H%M%S}"
    number, station = f"{item.number:07}", item.station
    return "\r".join(
        (
            f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{today}||ORM^O01|{run}{number}|P|2.3.1",
            f"PID|1||{item.patient_id}^^^RIVERSIDE^MR||{item.name}||19700101|O",
            "PV1|1|O|IMG",
            f"ORC|NW|P{number}^RIVEHR|F{number}^RIVRIS||SC||^^^{at}^^R||{today}|||D1^Bench^Doctor||||||{station}",
            f"OBR|1|P{number}^RIVEHR|F{number}^RIVRIS|BENCH^Bench exam^99RIVER||||||||||||D1^Bench^Doctor||"
            f"{item.accession}|RP{number}|SP{number}||||{item.modality}|||^^^{at}^^R",
            f"ZDS|{item.study_uid}^RIVEHR^Application^DICOM",
            "",
        )
    ).encode("ascii")


def whole_order(item: Item, run: str) -> bytes:
    """Return an order of *item* as an EHR sends it, some 1.7 KB: person, visit, notes, body measures."""
    number, day = item.number, item.today
    at, sent = f"{day:%Y%m%d}{8 + number % 10:02}{number % 4 * 15:02}00", f"{day:%Y%m%d%H%M%S}"
    doctor = f"{1000 + number % 40}^BENCH{number % 40:02}^DORA^A^^DR^MD^^NPI"
    procedure, meaning, modality = _PROCEDURES[number % len(_PROCEDURES)]
    segments = (
        f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{sent}||ORM^O01^ORM_O01|{run}{number}|P|2.5.1||||||8859/1",
        f"PID|1||{item.patient_id}^^^RIVERSIDE^MR~{number:09}^^^STATE^NI||{item.name}^Middle^^Dr^^L||"
        f"{1930 + number % 80}{1 + number % 12:02}{1 + number % 28:02}|{'FMO'[number % 3]}|||{number % 900} HIGH STREET^APT 4"
        "^SOMEWHERE^ST^12345^USA^H^^COUNTY||+15551234567^PRN^PH~^NET^Internet^a@example.org|+15557654321^WPN^PH"
        f"|EN^English^HL70296|M|CAT|A{number:06}^^^RIVERSIDE^AN||||||||||||N",
        f"PV1|1|O|RAD^ROOM{number % 9}^BED1^RIVERSIDE^^^MAIN|R|||{doctor}|{doctor}|{doctor}|RAD|||||||{doctor}|OUT|"
        f"V{number:08}^^^RIVERSIDE^VN|||||||||||||||||||||RIVERSIDE||A|||{sent}",
        "AL1|1|DA^Drug allergy^HL70127|PENI^Penicillin^L|MO|Rash",
        f"ORC|NW|P{number}^RIVEHR|F{number}^RIVRIS||SC||1^^^{at}^^R||{sent}|2001^CLERK^CARL||{doctor}|RAD^^^RIVERSIDE|"
        f"+15553334444^WPN^PH|{sent}||RAD^Radiology^L|{item.station}|||RIVERSIDE^L|1 HIGH STREET^^SOMEWHERE^ST^12345",
        f"OBR|1|P{number}^RIVEHR|F{number}^RIVRIS|{procedure}^{meaning}^99RIVER^71260^{meaning}^C4|R|{sent}|{at}||||||"
        f"Cough for 3 weeks, rule out mass|||{doctor}|+15553334444^WPN^PH|{item.accession}|RP{number}|SP{number}|"
        f"{item.station}|||{modality}|||1^^^{at}^^R|1005^COPY^CARL||WALK|R05^Cough^I10|||3001&TECH&TOM||{at}",
        "NTE|1|L|Patient has had contrast before without reaction. Creatinine within normal limits, see lab.",
        "NTE|2|L|Please call the ward before transport: patient needs assistance and oxygen during transfer.",
        f"DG1|1||R05^Cough^I10||{day:%Y%m%d}|W",
        f"OBX|1|NM|8302-2^Body height^LN||178|cm^cm^UCUM|||||F|||{sent}",
        f"OBX|2|NM|29463-7^Body weight^LN||81.5|kg^kg^UCUM|||||F|||{sent}",
        f"ZDS|{item.study_uid}^RIVEHR^Application^DICOM",
    )
    return ("\r".join(segments) + "\r").encode("ascii")


def write_worklist(folder: Path, items: Sequence[Item]) -> None:
    """Write *items* as the files that wlmscpfs and Orthanc's plug-in read."""
    folder.mkdir(parents=True)
    (folder / "lockfile").touch()
    for item in items:
        out = Dataset()
        out.file_meta = FileMetaDataset()
        out.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.31")
        out.file_meta.MediaStorageSOPInstanceUID = UID(item.study_uid)
        out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out.SpecificCharacterSet = "ISO_IR 100"
        out.AccessionNumber, out.PatientName, out.PatientID = item.accession, item.name, item.patient_id
        out.PatientBirthDate, out.PatientSex, out.ReferringPhysicianName = "19700101", "O", ""
        out.RequestingPhysician, out.StudyInstanceUID = "Bench^Doctor", item.study_uid
        out.RequestedProcedureDescription, out.RequestedProcedureID = "Bench exam", f"RP{item.number:07}"
        out.RequestedProcedurePriority = "ROUTINE"
        step = Dataset()
        step.ScheduledStationAETitle, step.Modality = item.station, item.modality
        step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = f"{item.day:%Y%m%d}", "090000"
        step.ScheduledPerformingPhysicianName, step.ScheduledProcedureStepDescription = "", "Bench exam"
        step.ScheduledProcedureStepID, step.ScheduledStationName = item.step_id, item.station
        out.ScheduledProcedureStepSequence = Items([step])
        dcmwrite(folder / f"{item.number:06}.wl", out, enforce_file_format=True)


@dataclass(frozen=True)
class Kind:
    """What one device sends. rows, columns: of a frame; bits: allocated for a pixel."""

    sop_class_uid: UID
    modality: str
    rows: int = 512
    columns: int = 512
    bits: int = 16
    frames: int = 1

    @property
    def pixel_bytes(self) -> int:
        return self.rows * self.columns * self.bits // 8 * self.frames


CT = Kind(CTImageStorage, "CT")
CR = Kind(ComputedRadiographyImageStorage, "CR", 2048, 2048)
CINE = Kind(UltrasoundMultiFrameImageStorage, "US", 768, 1024, 8, 76)


class Images:
    """Objects of one study each round; what differs between two of them is the SOP Instance UID."""

    def __init__(self, item: Item, kind: Kind = CT) -> None:
        self._item = item
        self._kind = kind

    def write(self, folder: Path, count: int, round_number: int) -> None:
        """Fill *folder* with *count* new objects of a new study."""
        folder.mkdir(parents=True, exist_ok=True)
        template = self._encoded(round_number)
        for number in range(count):
            uid = f"2.25.{random.randrange(10**38, 2**128)}"
            (folder / f"{number:05}.dcm").write_bytes(template.replace(_SOP_PLACE.encode(), uid.encode()))

    def _encoded(self, round_number: int) -> bytes:
        item, kind, out = self._item, self._kind, Dataset()
        out.file_meta = FileMetaDataset()
        out.file_meta.MediaStorageSOPClassUID = out.SOPClassUID = kind.sop_class_uid
        out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID = _SOP_PLACE
        out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out.SpecificCharacterSet, out.Modality, out.AccessionNumber = "ISO_IR 100", kind.modality, item.accession
        out.PatientName, out.PatientID, out.IssuerOfPatientID = item.name, item.patient_id, "RIVERSIDE"
        out.PatientBirthDate, out.PatientSex, out.ReferringPhysicianName = "19700101", "O", ""
        study = f"{item.accession}/{kind.modality}/{round_number}"
        out.StudyInstanceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, study).int}"
        out.SeriesInstanceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{study}/1').int}"
        out.StudyDate, out.StudyTime, out.StudyID = f"{item.day:%Y%m%d}", "090000", f"RP{item.number:07}"
        out.SeriesNumber, out.InstanceNumber, out.BodyPartExamined = 1, 1, "CHEST"
        out.Rows, out.Columns, out.NumberOfFrames = kind.rows, kind.columns, kind.frames
        out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
        out.BitsAllocated = out.BitsStored = kind.bits
        out.HighBit, out.PixelRepresentation = kind.bits - 1, 0
        out.PixelData = os.urandom(kind.pixel_bytes)
        out["PixelData"].VR = "OW"
        target = io.BytesIO()
        dcmwrite(target, out, enforce_file_format=True)
        return target.getvalue()


def send_orders(port: int, lots: Sequence[Iterator[bytes]]) -> tuple[list[float], float]:
    """
    Send each lot over a connection of its own, waiting for every answer; return the waits and the whole, in seconds.

    Every connection is open and has had its first answer before the clock starts. One thread without an event loop, so
    that the sender leaves the servers as much of the machine as it can.
    """
    with selectors.DefaultSelector() as selector:
        senders = []
        for lot in lots:
            # One after another: a listener may take many silent connections of one address for an attack.
            sender = _Sender(port, lot, selector)
            senders.append(sender)
            sender.send_next()
            while not sender.take_answer():
                pass
        waits: list[float] = []
        before = time.perf_counter()
        under_way = sum(sender.send_next() for sender in senders)
        while under_way:
            for key, _ in selector.select():
                sender = key.data
                if sender.take_answer():
                    waits.append(time.perf_counter() - sender.sent_at)
                    under_way -= not sender.send_next()
        secs = time.perf_counter() - before
        for sender in senders:
            sender.close()
    return waits, secs


class _Sender:
    """One connection that sends its lot, each message after the answer to the one before. sent_at: by perf_counter."""

    def __init__(self, port: int, lot: Iterator[bytes], selector: selectors.BaseSelector) -> None:
        self._lot = lot
        self._socket = socket.create_connection(("127.0.0.1", port), _ANSWER_SECS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self._socket, selectors.EVENT_READ, self)
        self._answer = b""
        self.sent_at = 0.0

    def send_next(self) -> bool:
        """Send the next message; False if there is none."""
        message = next(self._lot, None)
        if message is None:
            return False
        self._answer, self.sent_at = b"", time.perf_counter()
        self._socket.sendall(b"\x0b" + message + b"\x1c\r")
        return True

    def take_answer(self) -> bool:
        """Take what has come and say whether the answer is whole. Raises: RuntimeError, if it is no acceptance."""
        came = self._socket.recv(65536)
        self._answer += came
        if not came or (self._answer.endswith(b"\x1c\r") and b"MSA|AA" not in self._answer):
            raise RuntimeError("an order was not answered AA")
        return self._answer.endswith(b"\x1c\r")

    def close(self) -> None:
        self._socket.close()
