"""The load: CT images of half a megabyte, worklist items, orders. Everything invented and unlike any person's."""

from __future__ import annotations

import asyncio
import io
import os
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from bench.servers import STATIONS

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

SIDE = 512
# As long as every UID that takes its place.
_SOP_PLACE = UID("2.25." + "9" * 39)
MATCHES = 20


@dataclass(frozen=True)
class Item:
    """One scheduled step. number: of the item, from 0. station: the first MATCHES of the list are CT1's today."""

    number: int
    day: datetime

    @property
    def station(self) -> str:
        return STATIONS[0] if self.number < MATCHES else STATIONS[1 + self.number % (len(STATIONS) - 1)]

    @property
    def modality(self) -> str:
        return self.station[:2]

    @property
    def accession(self) -> str:
        return f"B{self.number:08}"

    @property
    def patient_id(self) -> str:
        return f"9{self.number:07}"

    @property
    def name(self) -> str:
        return f"Bench{self.number:05}^Load"

    @property
    def study_uid(self) -> str:
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, self.accession).int}"


def order(item: Item, run: str) -> bytes:
    """Return the order of *item*. run: makes the control ID another one each time."""
    at = f"{item.day:%Y%m%d}0900"
    station = item.station
    return "\r".join(
        (
            f"MSH|^~\\&|RIVEHR|RIVERSIDE|BRIDGE|RIVERSIDE|{item.day:%Y%m%d%H%M%S}||ORM^O01|{run}{item.number}|P|2.3.1",
            f"PID|1||{item.patient_id}^^^RIVERSIDE^MR||{item.name}||19700101|O",
            "PV1|1|O|IMG",
            f"ORC|NW|P{item.number}^RIVEHR|F{item.number}^RIVRIS||SC||^^^{at}^^R||{item.day:%Y%m%d%H%M%S}"
            f"|||D1^Bench^Doctor||||||{station}",
            f"OBR|1|P{item.number}^RIVEHR|F{item.number}^RIVRIS|BENCH^Bench exam^99RIVER||||||||||||D1^Bench^Doctor||"
            f"{item.accession}|RP{item.number}|SP{item.number}||||{item.modality}|||^^^{at}^^R",
            f"ZDS|{item.study_uid}^RIVEHR^Application^DICOM",
            "",
        )
    ).encode("ascii")


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
        out.RequestedProcedureDescription, out.RequestedProcedureID = "Bench exam", f"RP{item.number}"
        out.RequestedProcedurePriority = "ROUTINE"
        step = Dataset()
        step.ScheduledStationAETitle, step.Modality = item.station, item.modality
        step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = f"{item.day:%Y%m%d}", "090000"
        step.ScheduledPerformingPhysicianName, step.ScheduledProcedureStepDescription = "", "Bench exam"
        step.ScheduledProcedureStepID, step.ScheduledStationName = f"SP{item.number}", item.station
        out.ScheduledProcedureStepSequence = Items([step])
        dcmwrite(folder / f"{item.number:06}.wl", out, enforce_file_format=True)


class Images:
    """Objects of one CT study each round; what differs between two of them is the SOP Instance UID."""

    def __init__(self, item: Item) -> None:
        self._item = item

    def write(self, folder: Path, count: int, round_number: int) -> None:
        """Fill *folder* with *count* new objects of a new study."""
        folder.mkdir(parents=True, exist_ok=True)
        template = self._encoded(round_number)
        for number in range(count):
            uid = f"2.25.{random.randrange(10**38, 2**128)}"
            (folder / f"{number:05}.dcm").write_bytes(template.replace(_SOP_PLACE.encode(), uid.encode()))

    def _encoded(self, round_number: int) -> bytes:
        item = self._item
        out = Dataset()
        out.file_meta = FileMetaDataset()
        out.file_meta.MediaStorageSOPClassUID = out.SOPClassUID = CTImageStorage
        out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID = _SOP_PLACE
        out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out.SpecificCharacterSet, out.Modality, out.AccessionNumber = "ISO_IR 100", "CT", item.accession
        out.PatientName, out.PatientID, out.IssuerOfPatientID = item.name, item.patient_id, "RIVERSIDE"
        out.PatientBirthDate, out.PatientSex, out.ReferringPhysicianName = "19700101", "O", ""
        out.StudyInstanceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{item.accession}/{round_number}').int}"
        out.SeriesInstanceUID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{item.accession}/{round_number}/1').int}"
        out.StudyDate, out.StudyTime, out.StudyID = f"{item.day:%Y%m%d}", "090000", f"RP{item.number}"
        out.SeriesNumber, out.InstanceNumber, out.BodyPartExamined = 1, 1, "CHEST"
        out.Rows = out.Columns = SIDE
        out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
        out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 16, 16, 15, 1
        out.PixelData = os.urandom(SIDE * SIDE * 2)
        out["PixelData"].VR = "OW"
        target = io.BytesIO()
        dcmwrite(target, out, enforce_file_format=True)
        return target.getvalue()


async def send_orders(port: int, lots: Sequence[Iterator[bytes]]) -> tuple[list[float], float]:
    """
    Send each lot over a connection of its own, waiting for every answer; return the waits and the whole, in seconds.

    Every connection is open and has had its first answer before the clock starts.
    """
    waits: list[float] = []
    open_lots = []
    for lot in lots:
        streams = await asyncio.open_connection("127.0.0.1", port)
        await _exchange(streams, next(lot))
        open_lots.append((streams, lot))

    async def one(streams: Streams, lot: Iterator[bytes]) -> None:
        for message in lot:
            waits.append(await _exchange(streams, message))

    before = time.perf_counter()
    await asyncio.gather(*(one(streams, lot) for streams, lot in open_lots))
    secs = time.perf_counter() - before
    for (_, writer), _ in open_lots:
        writer.close()
        await writer.wait_closed()
    return waits, secs


async def _exchange(streams: Streams, message: bytes) -> float:
    reader, writer = streams
    before = time.perf_counter()
    writer.write(b"\x0b" + message + b"\x1c\r")
    answer = await reader.readuntil(b"\x1c\r")
    if b"MSA|AA" not in answer:
        raise RuntimeError("an order was not answered AA")
    return time.perf_counter() - before
