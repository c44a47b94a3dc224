"""An object with compressed pixels in Explicit VR Little Endian, frame by frame: header bytes stay, but for what unpacking changes. Source: PS3.5 A.2, A.4."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from bridge.codecs.dicom.edits import Edit, ElementWriter
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, NATIVE, PIXEL_DATA, UNDEFINED, Element, Event, Syntax, Walk
from bridge.codecs.dicom.frames import PixelForm, Pixels, pixels_of
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, file_meta, open_buffer, read_file_meta
from bridge.errors import Malformed, Unsupported

_JPEG: Final = "1.2.840.10008.1.2.4."
_LOSSY: Final = frozenset({f"{_JPEG}50", f"{_JPEG}51"})
# Lossless or not as the encoder liked: only the object's own flag can say which.
_PERHAPS_LOSSY: Final = frozenset(_JPEG + last for last in ("81", "91", "203"))
UNPACKABLE: Final = (
    frozenset({"1.2.840.10008.1.2.5", *(_JPEG + last for last in ("57", "70", "80", "90", "201", "202"))})
    | _LOSSY
    | _PERHAPS_LOSSY
)
_PHOTOMETRIC, _PLANAR, _LOSSY_FLAG, _ICON = 0x00280004, 0x00280006, 0x00282110, 0x00880200
# Offset tables, the length of the fragments, and group lengths that would not be true any more.
_DROPPED: Final = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003, 0x00280000, 0x00880000, 0x7FE00000})
_WANTED: Final = _DROPPED | {_PHOTOMETRIC, _PLANAR, _LOSSY_FLAG, PIXEL_DATA}
_MOST_BYTES: Final = 0xFFFFFFFE
_CHUNK_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class UnpackedFrame:
    """One frame's pixels, little endian, colour by pixel, BitsAllocated each; *photometric* as they are now."""

    content: bytes
    photometric: str


# Raises: Unsupported, Malformed, for what cannot be unpacked; Unavailable, where it cannot be now.
Unpack = Callable[[bytes, PixelForm], UnpackedFrame]


def unpacked_frames(pixels: Pixels, unpack: Unpack, numbers: list[int] | None = None) -> Iterator[UnpackedFrame]:
    """
    Yield frames of compressed *pixels* unpacked; all, or those with *numbers*, from 1.

    Raises: as `unpack` and `Pixels.frames`; Malformed, code "pixels_missing", where there are too few frames or bytes.
    """
    form, count = pixels.form, 0
    for codestream in islice(pixels.frames(numbers), pixels.number_of_frames if numbers is None else None):
        frame = unpack(codestream, form)
        if len(frame.content) != form.frame_bytes:
            raise _missing()
        count += 1
        yield frame
    if numbers is None and count < pixels.number_of_frames:
        raise _missing()


def unpacked_pieces(path: Path, unpack: Unpack) -> Iterator[bytes]:
    """
    Yield the Part 10 file at *path*, whose pixels are compressed, with its pixels unpacked; one frame is in memory.

    The first frame is unpacked before the first byte is yielded. What was lossy stays flagged so, and keeps its UID.
    Raises: as `unpacked_frames`; Unsupported, code "too_large" beyond 4 GB, "compressed" for nested pixels.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        if meta.transfer_syntax_uid in NATIVE:
            raise Unsupported("the pixels are not compressed", code="not_compressed")
        dataset = dataset_bytes(data, meta)
        plan = _Plan(dataset, meta.transfer_syntax_uid)
        head = file_meta(
            meta.media_storage_sop_class_uid,
            meta.media_storage_sop_instance_uid,
            EXPLICIT_LITTLE,
            meta.source_application_entity_title,
        )
        try:
            pixels = pixels_of(dataset, meta.transfer_syntax_uid)
        except LookupError:
            yield head
            yield from _edited(dataset, plan.header_edits(""), dataset.start, plan.end)
            return
        yield from _with_pixels(head, dataset, plan, unpacked_frames(pixels, unpack), pixels)


def _with_pixels(
    head: bytes, dataset: DataSetBytes, plan: _Plan, frames: Iterator[UnpackedFrame], pixels: Pixels
) -> Iterator[bytes]:
    size = pixels.form.frame_bytes * pixels.number_of_frames
    if size > _MOST_BYTES:
        raise Unsupported("its pixels are too long for an uncompressed object", code="too_large", source="PS3.5 7.1.1")
    first = next(frames)
    yield head
    yield from _edited(dataset, plan.header_edits(first.photometric), dataset.start, plan.pixels_at)
    vr = b"OW" if pixels.form.bits_allocated > 8 else b"OB"
    yield struct.pack("<HH2sHL", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, vr, 0, size + size % 2)
    yield first.content
    for frame in frames:
        if frame.photometric != first.photometric:
            raise Malformed(
                "its frames are of different colour spaces", code="mixed_frames", source="PS3.3 C.7.6.3.1.2"
            )
        yield frame.content
    yield b"\0" * (size % 2)
    yield from _edited(dataset, [], plan.pixels_end, plan.end)


class _Plan:
    """What is to change in a header. pixels_at, pixels_end: of the pixel data element; end: of the data set, padding left out."""

    def __init__(self, dataset: DataSetBytes, transfer_syntax_uid: str) -> None:
        self._dataset = dataset
        self._syntax = transfer_syntax_uid
        self._found: dict[int, Element] = {}
        self._flag_at = self.pixels_at = self.pixels_end = 0
        self._dropped: list[Edit] = []
        # Where a flag may be missing, its place has to be found among all elements.
        wanted = None if transfer_syntax_uid in _LOSSY | _PERHAPS_LOSSY else _WANTED
        walk = Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=wanted)
        opened, has_nested = 0, False
        for element in walk:
            if element.depth:
                has_nested |= element.tag == PIXEL_DATA and element.length == UNDEFINED
            elif element.event is Event.SEQUENCE_END:
                self._close(element, opened, has_nested=has_nested)
            else:
                opened, has_nested = element.at, False
                self._note(element)
        self.end = walk.ended_at
        self._flag_at = self._flag_at or self.end

    def header_edits(self, photometric: str) -> list[Edit]:
        """Return the changes, *photometric* being what the pixels are in now, "" for none."""
        edits = list(self._dropped)
        if photometric and _PHOTOMETRIC in self._found and self._text(_PHOTOMETRIC) != photometric:
            edits.append(self._replaced(_PHOTOMETRIC, photometric.encode("latin_1"), "CS"))
        if photometric and _PLANAR in self._found:
            edits.append(self._replaced(_PLANAR, b"\0\0", "US"))
        flag = self._text(_LOSSY_FLAG)
        if flag != "01" and (self._syntax in _LOSSY or (self._syntax in _PERHAPS_LOSSY and not flag)):
            edits.append(self._replaced(_LOSSY_FLAG, b"01", "CS"))
        return edits

    def _note(self, element: Element) -> None:
        if not self._flag_at and element.tag > _LOSSY_FLAG:
            self._flag_at = element.at
        if element.tag == PIXEL_DATA:
            self.pixels_at = element.at
        elif element.tag in _DROPPED:
            self._dropped.append(Edit(element.at, element.value_at + element.length, b""))
        elif element.event is Event.VALUE:
            self._found[element.tag] = element

    def _close(self, element: Element, opened: int, *, has_nested: bool) -> None:
        if element.tag == PIXEL_DATA:
            self.pixels_end = element.value_at
        elif has_nested and element.tag == _ICON:
            # A small picture of the same, which nobody has to bring along. Source: PS3.3 F.7.
            self._dropped.append(Edit(opened, element.value_at, b""))
        elif has_nested:
            raise Unsupported("pixels in a sequence are compressed too", code="compressed", source="PS3.5 A.4")

    def _text(self, tag: int) -> str:
        element = self._found.get(tag)
        if element is None:
            return ""
        value = bytes(self._dataset.data[element.value_at : element.value_at + element.length])
        return value.decode("latin_1").strip(" \0")

    def _replaced(self, tag: int, value: bytes, vr: str) -> Edit:
        written, element = ElementWriter(Syntax()).element(tag, vr, value), self._found.get(tag)
        if element is None:
            return Edit(self._flag_at, self._flag_at, written)
        return Edit(element.at, element.value_at + element.length, written)


def _edited(dataset: DataSetBytes, edits: list[Edit], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from *start* to *end* with those of *edits* made that lie there."""
    at = start
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not start <= edit.start <= end:
            continue
        yield from _copied(dataset, at, edit.start)
        yield edit.replacement
        at = edit.end
    yield from _copied(dataset, at, end)


def _copied(dataset: DataSetBytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _CHUNK_BYTES):
        yield bytes(dataset.data[at : min(at + _CHUNK_BYTES, end)])


def _missing() -> Malformed:
    return Malformed("there are fewer pixels than the header says", code="pixels_missing", source="PS3.5 8.1.1")
