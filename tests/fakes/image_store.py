"""A house with a bound study of every form an object is kept in: uncompressed three ways, deflated, packed, many frames."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from bridge.clock import FixedClock
from bridge.domain.study import Spooled
from bridge.settings import Settings
from bridge.wiring import House
from tests.cast import MULTI_BYTE, PLAIN, Person, adt, image, order, study_uid
from tests.conftest import ROOT
from tests.fakes.clinic import AT
from tests.flows.asking import say

PEERS = [
    {"ae_title": "CT1", "host": "127.0.0.1", "port": 1, "roles": ["modality"], "modality": "CT"},
    {"ae_title": "OTHERS", "host": "127.0.0.1", "port": 2, "roles": ["referrer"]},
    {"ae_title": "SEER", "host": "127.0.0.1", "port": 3, "roles": ["viewer"], "unbound": True},
]

STUDY = study_uid("A1")
OTHER_STUDY = study_uid("A2")
UNBOUND_STUDY = "2.25.4711"
NOBODY = Person("9", "NOBODY^X", "19111111", "F")
FRAMES = (b"\xff\x4f\xff\x51" + b"one" * 6 + b"\xff\xd9", b"\xff\x4f\xff\x51" + b"two" * 8 + b"\xff\xd9\0\0")
PRIVATE = b"\x01\x02\x03\x04" * 600


def open_house(folder: Path, database: Path, **dicom: Any) -> House:
    """Return a house of its own in *folder*, over a copy of the migrated *database*; whoever opened it disposes of it."""
    shutil.copy(database, folder / "bridge.db")
    tree = {
        "bridge": {"data": folder / "data", "mappings": ROOT / "samples" / "mappings", "time_zone": "UTC"},
        "store": {"database": f"sqlite:///{folder / 'bridge.db'}"},
        "identity": {"authority": "RIVERSIDE"},
        "dicom": {"peers": PEERS} | dicom,
    }
    return House(Settings.model_validate(tree), FixedClock(AT))


def spool(house: House, dataset: Dataset, syntax: UID = ExplicitVRLittleEndian, calling: str = "CT1") -> Spooled:
    """Return *dataset* as it lies in the spool when a device has sent it in *syntax*."""
    path = write(dataset, house.blobs.spool / f"{house.clock.new_id()}.part", syntax)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    uids = (str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax))
    return Spooled(path, digest, path.stat().st_size, *uids, calling, "127.0.0.1", "a1")


def write(dataset: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write *dataset* as a Part 10 file in *syntax*; pixels must be in its form already."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    plain = syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian)
    dataset.save_as(
        path,
        implicit_vr=syntax == ImplicitVRLittleEndian if plain else None,
        little_endian=syntax != ExplicitVRBigEndian if plain else None,
        enforce_file_format=True,
    )
    return path


def packed(number: int, syntax: UID = JPEG2000Lossless) -> Dataset:
    """Return an image of two frames whose fragments are as good as any other bytes."""
    dataset = image(PLAIN, "A1", number, series=2)
    dataset.NumberOfFrames = 2
    dataset.PixelData = encapsulate([*FRAMES])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def fill(house: House) -> None:
    """Let three studies come: one of everything bound to PLAIN, one bound to MULTI_BYTE, one that nobody is known for."""
    say(house, adt(PLAIN), adt(MULTI_BYTE), order(PLAIN, "A1"), order(MULTI_BYTE, "A2"))
    first = image(PLAIN, "A1", 1)
    first.PatientName = "Halvorsen^Ingrid"
    block = first.private_block(0x0029, "RIVERSIDE SCANNER", create=True)
    block.add_new(0x10, "OB", PRIVATE)
    block.add_new(0x11, "LO", "as it was set")
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-28000", "SRT", "Lung\x0c"
    first.AnatomicRegionSequence = [item]
    kept = [
        spool(house, first),
        spool(house, image(PLAIN, "A1", 2), ImplicitVRLittleEndian),
        spool(house, _in_words(image(PLAIN, "A1", 3)), ExplicitVRBigEndian),
        spool(house, image(PLAIN, "A1", 4), DeflatedExplicitVRLittleEndian),
        spool(house, packed(1), JPEG2000Lossless),
        spool(house, packed(2, RLELossless), RLELossless),
        spool(house, image(MULTI_BYTE, "A2")),
        spool(house, _in_words(image(NOBODY, "", study=UNBOUND_STUDY)), ExplicitVRBigEndian),
    ]
    for one in kept:
        house.instances.receive(one)


def _in_words(dataset: Dataset) -> Dataset:
    """Return *dataset* with its pixels' bytes as big endian words."""
    pixels = bytearray(dataset.PixelData)
    pixels[0::2], pixels[1::2] = pixels[1::2], pixels[0::2]
    dataset.PixelData = bytes(pixels)
    return dataset
