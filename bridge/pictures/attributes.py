"""What a header says about how its pixels are shown, every value checked: nothing of it may be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from bridge.errors import Incomplete
from bridge.pictures import reasons
from bridge.pictures.tones import Table, Tones, table_of
from bridge.pictures.wish import Window

_MAX_RATIO = 16.0
_MAX_PRESETS = 20
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of one frame's pixels, and how many frames there are. Source: PS3.3 C.7.6.3."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    planar: bool
    frames: int

    @property
    def pixels(self) -> int:
        return self.rows * self.columns


def integer(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """Return the (first) value of *keyword* as an integer, *default* where there is none to be had."""
    value = number(dataset, keyword)
    return default if value is None else int(value)


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of *keyword* as a finite number, None where there is none."""
    return next(iter(numbers(dataset, keyword)), None)


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return the values of *keyword* that are finite numbers, in order; [] where one cannot be read."""
    found = []
    for one in _values(dataset, keyword):
        try:
            found.append(float(one))
        except (TypeError, ValueError, OverflowError):
            return []
    return found if all(math.isfinite(one) for one in found) else []


def text(dataset: Dataset, keyword: str) -> str:
    """Return the first value of *keyword* as text, "" where there is none."""
    return str(next(iter(_values(dataset, keyword)), "") or "").strip(" \0")


def items(dataset: Dataset | None, keyword: str) -> list[Dataset]:
    """Return the items of the sequence *keyword*, [] where it is none."""
    if dataset is None:
        return []
    return [one for one in _values(dataset, keyword) if isinstance(one, Dataset)]


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a value that cannot be decoded is as good as none
        return []
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list) or hasattr(value, "is_undefined_length") else [value]


def shape_of(header: Dataset) -> Shape:
    """Return the form of the pixels. Raises: Unsupported, code "damaged_header", for one that no image has."""
    shape = Shape(
        rows=integer(header, "Rows"),
        columns=integer(header, "Columns"),
        samples=integer(header, "SamplesPerPixel", 1),
        photometric=text(header, "PhotometricInterpretation").upper() or "MONOCHROME2",
        bits_allocated=integer(header, "BitsAllocated", 8),
        bits_stored=integer(header, "BitsStored") or integer(header, "BitsAllocated", 8),
        high_bit=integer(header, "HighBit", -1),
        is_signed=integer(header, "PixelRepresentation") == 1,
        planar=integer(header, "PlanarConfiguration") == 1,
        frames=max(integer(header, "NumberOfFrames", 1), 1),
    )
    return sound(shape)


def sound(shape: Shape) -> Shape:
    """Return *shape*. Raises: Unsupported, code "damaged_header", for one that no image has."""
    is_sound = (
        0 < shape.rows <= 65_535
        and 0 < shape.columns <= 65_535
        and shape.samples in (1, 3, 4)
        and shape.bits_allocated in (1, 8, 16, 32, 64)
        and 0 < shape.bits_stored <= shape.bits_allocated
    )
    if not is_sound:
        raise reasons.damaged("its rows, columns or bits make no image")
    return shape


def frame_of(header: Dataset, shape: Shape, wanted: int) -> int:
    """Return the frame to show, from 1; *wanted* 0 asks for the one that represents the object. Raises: Incomplete."""
    if wanted > shape.frames:
        raise Incomplete(f"there are {shape.frames} frames", code="no_such_frame", where="frame")
    chosen = wanted or integer(header, "RepresentativeFrameNumber") or (shape.frames + 1) // 2
    return chosen if 1 <= chosen <= shape.frames else 1


def groups_of(header: Dataset, frame: int) -> list[Dataset]:
    """Return where attributes of *frame* may stand, nearest first: its functional groups, the shared ones, the root."""
    own = items(header, "PerFrameFunctionalGroupsSequence")
    shared = items(header, "SharedFunctionalGroupsSequence")
    return [*own[frame - 1 : frame], *shared[:1], header]


def _macro(groups: list[Dataset], keyword: str) -> Iterator[Dataset]:
    """Yield the places of a functional group macro: its item in each group, at last the root itself."""
    for group in groups[:-1]:
        yield from items(group, keyword)[:1]
    yield groups[-1]


def tones_of(groups: list[Dataset], shape: Shape) -> Tones:
    """Return how a frame's values become grey. Source: PS3.3 C.11.1, C.11.2, C.7.6.16.2.9, C.7.6.16.2.10, C.7.5.1.1.2."""
    header = groups[-1]
    slope, intercept = 1.0, 0.0
    for place in _macro(groups, "PixelValueTransformationSequence"):
        if (found := number(place, "RescaleSlope")) is not None and found != 0:
            slope, intercept = found, number(place, "RescaleIntercept") or 0.0
            break
    modality = [_table(one, is_signed=shape.is_signed) for one in items(header, "ModalityLUTSequence")[:1]]
    offered = (_presets(place, shape) for place in _macro(groups, "FrameVOILUTSequence"))
    presets = next((one for one in offered if one), ())
    return Tones(
        slope=slope,
        intercept=intercept,
        modality_table=modality[0] if modality else None,
        presets=presets,
        padding=_padding(header, shape),
        inverted=shape.photometric == "MONOCHROME1",
    )


def _presets(place: Dataset, shape: Shape) -> tuple[Window | Table, ...]:
    centers, widths = numbers(place, "WindowCenter"), numbers(place, "WindowWidth")
    said = [str(one).strip(" \0")[:64] for one in _values(place, "WindowCenterWidthExplanation")]
    function = text(place, "VOILUTFunction").upper()
    function = function if function in _FUNCTIONS else "LINEAR"
    smallest = 1.0 if function == "LINEAR" else math.ulp(0.0)
    windows: list[Window | Table] = [
        Window(center, width, function, said[at] if at < len(said) else "")
        for at, (center, width) in enumerate(zip(centers, widths, strict=False))
        if width >= smallest
    ]
    tables = [_table(one, is_signed=shape.is_signed) for one in items(place, "VOILUTSequence")]
    return tuple([*windows, *(one for one in tables if one is not None)][:_MAX_PRESETS])


def _table(item: Dataset, *, is_signed: bool) -> Table | None:
    described = [int(one) for one in numbers(item, "LUTDescriptor")]
    if len(described) != 3:
        return None
    entries = words(item, "LUTData")
    explanation = text(item, "LUTExplanation")[:64]
    return table_of((described[0], described[1], described[2]), entries, is_signed=is_signed, explanation=explanation)


def words(dataset: Dataset, keyword: str) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return a table's entries as 16-bit words, whichever VR they came in."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a value that cannot be decoded is as good as none
        value = None
    if isinstance(value, bytes):
        order = "<u2" if dataset.is_little_endian is not False else ">u2"
        return np.frombuffer(value[: len(value) // 2 * 2], dtype=order).astype(np.uint16)
    return np.array([int(one) & 0xFFFF for one in numbers(dataset, keyword)], dtype=np.uint16)


def _padding(header: Dataset, shape: Shape) -> tuple[int, int] | None:
    value = number(header, "PixelPaddingValue")
    if value is None or shape.samples != 1:
        return None
    limit = number(header, "PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    if shape.is_signed and low >= 1 << (shape.bits_stored - 1):
        low, high = low - (1 << shape.bits_allocated), high - (1 << shape.bits_allocated)
    return low, high


def aspect_of(groups: list[Dataset]) -> float:
    """Return how much higher than wide a pixel is, 1.0 for a square one. Source: PS3.3 C.7.6.3.1.7, 10.7."""
    header = groups[-1]
    ratio = numbers(header, "PixelAspectRatio")
    if len(ratio) != 2:
        spacings = (numbers(place, "PixelSpacing") for place in _macro(groups, "PixelMeasuresSequence"))
        ratio = next((one for one in spacings if len(one) == 2), numbers(header, "ImagerPixelSpacing"))
    if len(ratio) != 2 or min(ratio) <= 0 or not 1 / _MAX_RATIO <= ratio[0] / ratio[1] <= _MAX_RATIO:
        return 1.0
    return 1.0 if abs(ratio[0] / ratio[1] - 1) < 0.01 else ratio[0] / ratio[1]
