"""An uncompressed little endian object in Implicit VR, piece by piece: VRs are left out, values stay. Source: PS3.5 A.1."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, UNDEFINED, Buffer, Element, Event, Walk
from bridge.codecs.dicom.part10 import dataset_bytes, file_meta, open_buffer, read_file_meta
from bridge.errors import Unsupported

_CHUNK_BYTES: Final = 256 << 10
_ENDS: Final = {
    Event.ITEM: struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED),
    Event.ITEM_END: struct.pack("<HHL", 0xFFFE, 0xE00D, 0),
    Event.SEQUENCE_END: struct.pack("<HHL", 0xFFFE, 0xE0DD, 0),
}


def implicit_pieces(path: Path) -> Iterator[bytes]:
    """
    Yield the Part 10 file at *path*, Explicit VR Little Endian, in Implicit VR; no large value is whole in memory.

    Raises: Unsupported, for another transfer syntax; Malformed, if the file cannot be read.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        if meta.transfer_syntax_uid != EXPLICIT_LITTLE:
            raise Unsupported("not Explicit VR Little Endian", code="transfer_syntax")
        yield file_meta(
            meta.media_storage_sop_class_uid,
            meta.media_storage_sop_instance_uid,
            IMPLICIT_LITTLE,
            meta.source_application_entity_title,
        )
        dataset = dataset_bytes(data, meta)
        small = bytearray()
        for element in Walk(dataset.data, dataset.start, dataset.end, dataset.syntax):
            for piece in _written(dataset.data, element):
                small += piece
                if len(small) >= _CHUNK_BYTES:
                    yield bytes(small)
                    small.clear()
        yield bytes(small)


def _written(data: Buffer, element: Element) -> Iterator[bytes]:
    if element.event in _ENDS:
        yield _ENDS[element.event]
        return
    if element.event is Event.FRAGMENT or (element.event is Event.SEQUENCE and element.vr in ("OB", "OW")):
        raise Unsupported("the pixels are in fragments", code="compressed", source="PS3.5 A.1")
    # Group lengths would be of the form that is left behind. Source: PS3.5 7.2.
    if not element.tag & 0xFFFF:
        return
    length = UNDEFINED if element.event is Event.SEQUENCE else element.length
    yield struct.pack("<HHL", element.tag >> 16, element.tag & 0xFFFF, length)
    if element.event is Event.VALUE:
        end = element.value_at + length
        for at in range(element.value_at, end, _CHUNK_BYTES):
            yield bytes(data[at : min(at + _CHUNK_BYTES, end)])
