"""An uncompressed object in Explicit VR Little Endian, piece by piece: values stay, how they are written changes. Source: PS3.5 A.2."""

from __future__ import annotations

import array
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydicom.datadict import dictionary_VR

from bridge.codecs.dicom.elements import (
    EXPLICIT_LITTLE,
    NATIVE,
    PIXEL_DATA,
    SHORT_LENGTH_VRS,
    UNDEFINED,
    Buffer,
    Element,
    Event,
    Walk,
)
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, file_meta, open_buffer, read_file_meta
from bridge.errors import Unsupported

_CHUNK_BYTES: Final = 256 << 10
_WIDTHS: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_PIXEL_REPRESENTATION: Final = 0x00280103
_ITEM: Final = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
_ITEM_END: Final = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END: Final = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def explicit_pieces(path: Path) -> Iterator[bytes]:
    """
    Yield the Part 10 file at *path* in Explicit VR Little Endian; no value is whole in memory.

    Raises: Unsupported, for compressed pixels; Malformed, if the file cannot be read.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        if meta.transfer_syntax_uid not in NATIVE:
            raise Unsupported("the pixels are compressed", code="compressed")
        if meta.transfer_syntax_uid == EXPLICIT_LITTLE:
            yield from _ranges(data, 0, len(data))
            return
        yield file_meta(
            meta.media_storage_sop_class_uid,
            meta.media_storage_sop_instance_uid,
            EXPLICIT_LITTLE,
            meta.source_application_entity_title,
        )
        yield from _Rewriter(dataset_bytes(data, meta)).pieces()


class _Rewriter:
    """Walks a data set and writes each element anew. Lengths of containers are left open, so that nothing is counted ahead."""

    def __init__(self, dataset: DataSetBytes) -> None:
        self._dataset = dataset
        self._signed = False

    def pieces(self) -> Iterator[bytes]:
        dataset = self._dataset
        small: list[bytes] = []
        size = 0
        for element in Walk(dataset.data, dataset.start, dataset.end, dataset.syntax):
            for piece in self._written(element):
                small.append(piece)
                size += len(piece)
                if size >= _CHUNK_BYTES:
                    yield b"".join(small)
                    small, size = [], 0
        yield b"".join(small)

    def _written(self, element: Element) -> Iterator[bytes]:
        if element.event is Event.VALUE:
            # Group lengths would be of the form that is left behind. Source: PS3.5 7.2.
            if element.tag & 0xFFFF:
                yield from self._value(element)
        elif element.event is Event.SEQUENCE:
            yield struct.pack("<HH2sHL", element.tag >> 16, element.tag & 0xFFFF, b"SQ", 0, UNDEFINED)
        elif element.event is Event.ITEM:
            yield _ITEM
        elif element.event is Event.ITEM_END:
            yield _ITEM_END
        elif element.event is Event.SEQUENCE_END:
            yield _SEQUENCE_END

    def _value(self, element: Element) -> Iterator[bytes]:
        data, big_endian = self._dataset.data, self._dataset.syntax.big_endian
        if element.tag == _PIXEL_REPRESENTATION and element.length == 2:
            self._signed = data[element.value_at + big_endian] == 1
        vr = self._vr(element)
        group, number = element.tag >> 16, element.tag & 0xFFFF
        if vr in SHORT_LENGTH_VRS and element.length <= 0xFFFF:
            yield struct.pack("<HH2sH", group, number, vr.encode("ascii"), element.length)
        else:
            # Too long for the two bytes that its VR has. Source: PS3.5 6.2.2 note 5.
            long_vr = "UN" if vr in SHORT_LENGTH_VRS else vr
            yield struct.pack("<HH2sHL", group, number, long_vr.encode("ascii"), 0, element.length)
        width = _WIDTHS.get(vr, 1) if big_endian else 1
        for piece in _ranges(data, element.value_at, element.value_at + element.length):
            yield piece if width == 1 else swapped(piece, width)

    def _vr(self, element: Element) -> str:
        if not element.implicit:
            return element.vr or "UN"
        try:
            said = dictionary_VR(element.tag)
        except KeyError:
            return element.vr or "UN"
        if said == "US or SS":
            return "SS" if self._signed else "US"
        if " or " not in said:
            return said
        # In implicit VR pixels, overlays and long tables are words. Source: PS3.5 A.1.
        if element.tag == PIXEL_DATA or "OB" in said or element.length > 2:
            return "OW" if "OW" in said else said[:2]
        return said[:2]


def swapped(piece: bytes, width: int) -> bytes:
    """Return words of *width* bytes (2, 4, 8) in the other byte order; what is no whole number of them stays."""
    if len(piece) % width:
        return piece
    words = array.array({2: "H", 4: "I", 8: "Q"}[width], piece)
    words.byteswap()
    return words.tobytes()


def _ranges(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _CHUNK_BYTES):
        yield bytes(data[at : min(at + _CHUNK_BYTES, end)])
