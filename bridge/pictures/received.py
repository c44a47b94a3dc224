"""A received object opened for its pictures: its header, and the bytes of one frame at a time."""

from __future__ import annotations

import io
import mmap
from dataclasses import dataclass
from typing import NamedTuple

from pydicom import config, dcmread, encaps
from pydicom.dataset import Dataset

from bridge.codecs.dicom.elements import NATIVE, PIXEL_DATA, UNDEFINED, Event, Walk
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, read_file_meta
from bridge.errors import BridgeError
from bridge.pictures import reasons

FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00008, 0x7FE00009
_PIXELS = frozenset({FLOAT_PIXELS, DOUBLE_PIXELS, PIXEL_DATA})
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_META = b"\0" * 128 + b"DICM"


@dataclass(frozen=True, slots=True)
class Received:
    """
    One object. header: everything before its pixels. pixels_tag: 0 if there are none; pixels_at, pixels_length: their place
    in *data*, the length UNDEFINED where they are in fragments.
    """

    header: Dataset
    data: bytes | mmap.mmap
    transfer_syntax_uid: str
    pixels_tag: int
    pixels_at: int
    pixels_length: int
    pixels_vr: str = "OW"
    extended: tuple[bytes, bytes] | None = None

    @property
    def is_native(self) -> bool:
        return self.transfer_syntax_uid in NATIVE

    def native_bytes(self, at: int, length: int) -> bytes:
        """Return *length* bytes from offset *at* of native pixels. Raises: Unsupported, code "damaged_pixels", if cut short."""
        if at + length > self.pixels_length:
            raise reasons.damaged("fewer pixels than its size asks for")
        start = self.pixels_at + at
        return bytes(self.data[start : start + length])

    def encapsulated_frame(self, index: int, frames: int) -> bytes:
        """Return the codestream of the frame at *index*, from 0. Raises: Unsupported, code "damaged_pixels"."""
        view = _Part(self.data, self.pixels_at)
        try:
            frame = encaps.get_frame(view, index, number_of_frames=frames, extended_offsets=self.extended)
        except Exception as fault:
            raise reasons.damaged("its frames cannot be told apart") from fault
        if not frame:
            raise reasons.damaged("the frame is empty")
        return frame


class _Part(io.BytesIO):
    """The rest of a buffer as a file that copies only what is read."""

    def __init__(self, data: bytes | mmap.mmap, start: int) -> None:
        super().__init__()
        self._data, self._start, self._at = data, start, 0

    def read(self, size: int | None = -1, /) -> bytes:
        at = self._start + self._at
        end = len(self._data) if size is None or size < 0 else min(at + size, len(self._data))
        self._at += max(end - at, 0)
        return bytes(self._data[at:end])

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self._at, len(self._data) - self._start)[whence]
        self._at = max(base + offset, 0)
        return self._at


def open_received(data: bytes | mmap.mmap) -> Received:
    """
    Return the object in *data*, a Part 10 file.

    Raises: Unsupported, code "damaged_header"; as `dataset_bytes` does.
    """
    try:
        meta = read_file_meta(data)
        dataset = dataset_bytes(data, meta)
        place, extended = _pixels(dataset)
    except BridgeError as fault:
        raise reasons.damaged_header() from fault
    header = _header(dataset, place.at)
    where = (place.tag, place.value_at, place.length, place.vr)
    return Received(header, dataset.data, meta.transfer_syntax_uid, *where, extended)


class _Place(NamedTuple):
    """Where the pixels are: offsets of their element and its value. tag: 0 if there are none, all is header then."""

    tag: int
    at: int
    value_at: int
    length: int
    vr: str


def _pixels(dataset: DataSetBytes) -> tuple[_Place, tuple[bytes, bytes] | None]:
    """Return where the pixels are, and the extended offset table."""
    tables: dict[int, bytes] = {}
    walk = Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=_PIXELS)
    for element in walk:
        if element.depth or element.event not in (Event.VALUE, Event.SEQUENCE):
            continue
        if element.tag in (_EXTENDED_OFFSETS, _EXTENDED_LENGTHS):
            tables[element.tag] = bytes(dataset.data[element.value_at : element.value_at + element.length])
        if element.tag in _PIXELS:
            both = len(tables) == 2
            extended = (tables[_EXTENDED_OFFSETS], tables[_EXTENDED_LENGTHS]) if both else None
            length = UNDEFINED if element.event is Event.SEQUENCE else element.length
            return _Place(element.tag, element.at, element.value_at, length, element.vr), extended
    return _Place(0, dataset.end, dataset.end, 0, ""), None


def _header(dataset: DataSetBytes, end: int) -> Dataset:
    """Parse what stands before the pixels; values are decoded when they are looked at."""
    syntax = dataset.syntax
    uid = (
        "1.2.840.10008.1.2"
        if syntax.implicit
        else "1.2.840.10008.1.2.2"
        if syntax.big_endian
        else "1.2.840.10008.1.2.1"
    )
    written = uid.encode("ascii").ljust(len(uid) + len(uid) % 2, b"\0")
    meta = b"\x02\0\x10\0UI" + len(written).to_bytes(2, "little") + written
    group = b"\x02\0\0\0UL\x04\0" + len(meta).to_bytes(4, "little")
    config.settings.reading_validation_mode = config.IGNORE
    try:
        return dcmread(io.BytesIO(_META + group + meta + bytes(dataset.data[dataset.start : end])), force=True)
    except Exception as fault:
        raise reasons.damaged_header() from fault
