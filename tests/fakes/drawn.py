"""Part 10 files with pixels of a test's own making."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from bridge.pictures.drawing import draw
from bridge.pictures.wish import Picture, Wish

MAX_PIXELS = 80_000_000


def image(pixels: NDArray[Any], photometric: str = "MONOCHROME2", **values: Any) -> Dataset:
    """Return an image of *pixels* (rows by columns, by 3 for colour, frames first if frames is said)."""
    form = pixels.shape[1:] if "NumberOfFrames" in values else pixels.shape
    made = Dataset()
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.StudyInstanceUID = made.SeriesInstanceUID = "2.25.7"
    made.Rows, made.Columns = form[:2]
    made.SamplesPerPixel = form[2] if len(form) > 2 else 1
    made.PhotometricInterpretation = photometric
    made.BitsAllocated = made.BitsStored = pixels.dtype.itemsize * 8
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    if made.SamplesPerPixel > 1:
        made.PlanarConfiguration = 0
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def part10(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return *dataset* as a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        dataset["PixelData"].is_undefined_length = UID(syntax).is_compressed and not UID(syntax).is_deflated
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def drawn(dataset: Dataset, wish: Wish | None = None, syntax: str = ExplicitVRLittleEndian) -> Picture:
    """Return the picture of *dataset*."""
    return draw(part10(dataset, syntax), wish or Wish(), MAX_PIXELS)


def shades(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture's samples."""
    return np.asarray(Image.open(io.BytesIO(picture.content)))


def shown(dataset: Dataset, wish: Wish | None = None) -> list[Any]:
    """Return the samples of the picture of *dataset*, as lists."""
    found: list[Any] = shades(drawn(dataset, wish)).tolist()
    return found
