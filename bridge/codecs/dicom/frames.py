"""The pixels of a Part 10 file, frame by frame, without holding more than one. Source: PS3.5 8, A.4."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.encaps import generate_frames, get_frame

from bridge.codecs.dicom.elements import NATIVE, PIXEL_DATA, UNDEFINED, Buffer, Element, Event, Walk
from bridge.codecs.dicom.explicit import swapped
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.errors import Malformed

_FLOAT_PIXELS: Final = (0x7FE00008, 0x7FE00009)
_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280100
_PLANAR, _BITS_STORED, _HIGH_BIT, _REPRESENTATION = 0x00280006, 0x00280101, 0x00280102, 0x00280103
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_SHORTS: Final = frozenset(
    {_SAMPLES, _PLANAR, _ROWS, _COLUMNS, _BITS_ALLOCATED, _BITS_STORED, _HIGH_BIT, _REPRESENTATION}
)
_WANTED: Final = _SHORTS | {
    _PHOTOMETRIC, _FRAMES, _EXTENDED_OFFSETS, _EXTENDED_LENGTHS, PIXEL_DATA, *_FLOAT_PIXELS,
}  # fmt: skip
_CHUNK_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Shape:
    """What the header says of a frame. bits: of all samples of a pixel together, as they lie there."""

    rows: int
    columns: int
    bits: int
    number_of_frames: int

    @property
    def frame_bits(self) -> int:
        return self.rows * self.columns * self.bits


@dataclass(frozen=True, slots=True)
class PixelForm:
    """What a decoder has to know of a compressed frame; nothing of it may be trusted. planar: 1 for colour by plane."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    representation: int
    planar: int

    @property
    def frame_bytes(self) -> int:
        """How long an unpacked frame is."""
        return self.rows * self.columns * self.samples * (self.bits_allocated // 8)


class Pixels:
    """
    An object's pixels. form: how they are kept; tag: which of the pixel data elements they are.

    is_encapsulated: in fragments. size_bytes: of the whole value, 0 if it is encapsulated.
    """

    def __init__(
        self, dataset: DataSetBytes, element: Element, shape: Shape, values: dict[int, bytes], form: PixelForm
    ) -> None:
        self._data = dataset.data
        self._big_endian = dataset.syntax.big_endian
        self._element = element
        self._extended = (values.get(_EXTENDED_OFFSETS, b""), values.get(_EXTENDED_LENGTHS, b""))
        self._end = dataset.end
        self.shape = shape
        self.form = form
        self.tag = element.tag
        self.is_encapsulated = element.length == UNDEFINED
        self.size_bytes = 0 if self.is_encapsulated else element.length

    @property
    def number_of_frames(self) -> int:
        return self.shape.number_of_frames

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[bytes]:
        """
        Yield frames as they lie there, native ones little endian; all, or those with *numbers*, from 1.

        Raises: LookupError, for a number that the object has not; Malformed, if frames cannot be told apart.
        """
        if numbers is None and self.is_encapsulated:
            yield from self._every_fragmented()
            return
        for number in range(1, self.number_of_frames + 1) if numbers is None else numbers:
            if not 1 <= number <= self.number_of_frames:
                raise LookupError(f"no frame {number}")
            yield self._fragmented(number) if self.is_encapsulated else self._native(number)

    def value(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the value's bytes from *start* up to *end* in chunks, little endian. For native pixels."""
        last = self.size_bytes if end is None else min(end, self.size_bytes)
        for at in range(start, last, _CHUNK_BYTES):
            yield self._little(self._element.value_at + at, min(_CHUNK_BYTES, last - at))

    def _native(self, number: int) -> bytes:
        bits = self.shape.frame_bits
        first, last = bits * (number - 1), bits * number
        if not bits or (last + 7) // 8 > self.size_bytes:
            raise Malformed("there are fewer pixels than the header says", code="pixels_missing", source="PS3.5 8.1.1")
        start, end = first // 8, (last + 7) // 8
        found = self._little(self._element.value_at + start, end - start)
        if not first % 8 and not last % 8:
            return found
        # Frames of single bits follow each other without a gap. Source: PS3.5 8.1.1.
        shifted = (int.from_bytes(found, "little") >> first % 8) & ((1 << bits) - 1)
        return shifted.to_bytes((bits + 7) // 8, "little")

    def _little(self, at: int, length: int) -> bytes:
        found = bytes(self._data[at : at + length])
        width = self._word_bytes()
        return swapped(found, width) if self._big_endian and width > 1 else found

    def _word_bytes(self) -> int:
        if self.tag in _FLOAT_PIXELS:
            return 4 if self.tag == _FLOAT_PIXELS[0] else 8
        return 2 if self._element.vr == "OW" else 1

    def _fragmented(self, number: int) -> bytes:
        with _told_apart():
            return bytes(
                get_frame(
                    self._fragments(),
                    number - 1,
                    extended_offsets=self._extended if all(self._extended) else None,
                    number_of_frames=self.number_of_frames,
                )
            )

    def _every_fragmented(self) -> Iterator[bytes]:
        extended = self._extended if all(self._extended) else None
        with _told_apart():
            yield from generate_frames(
                self._fragments(), number_of_frames=self.number_of_frames, extended_offsets=extended
            )

    def _fragments(self) -> _Window:
        return _Window(self._data, self._element.value_at, self._end)


class _Window:
    """Part of a buffer as a file that is read. Positions count from its start."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data = data
        self._start = start
        self._end = end
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._start - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        found = bytes(self._data[self._start + self._at : self._start + self._at + max(wanted, 0)])
        self._at += len(found)
        return found

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = {0: 0, 1: self._at, 2: self._end - self._start}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


@contextmanager
def open_pixels(path: Path) -> Iterator[Pixels]:
    """
    Open the pixels of the Part 10 file at *path*; only what is asked for is read.

    Raises: LookupError, if it has none; Malformed, Unsupported, if it cannot be read.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        yield pixels_of(dataset_bytes(data, meta), meta.transfer_syntax_uid)


def pixels_of(dataset: DataSetBytes, transfer_syntax_uid: str) -> Pixels:
    """Return the pixels of a data set. Raises: LookupError, if it has none; Malformed, if their form is not its own."""
    values: dict[int, bytes] = {}
    for element in Walk(dataset.data, dataset.start, dataset.end, dataset.syntax, wanted=_WANTED):
        if element.depth or element.tag not in _WANTED or element.event > Event.SEQUENCE:
            continue
        if element.tag not in (PIXEL_DATA, *_FLOAT_PIXELS):
            values[element.tag] = bytes(dataset.data[element.value_at : element.value_at + element.length])
            continue
        if (element.length == UNDEFINED) == (transfer_syntax_uid in NATIVE):
            raise Malformed("the pixels are not in the form of the transfer syntax", code="pixel_data_form")
        order = ">" if dataset.syntax.big_endian else "<"
        form = _form(values, order, transfer_syntax_uid)
        return Pixels(dataset, element, _shape(values, element, order), values, form)
    raise LookupError("no pixels")


def _shape(values: dict[int, bytes], element: Element, order: str) -> Shape:
    said = {tag: _short(values.get(tag, b""), order) for tag in _SHORTS}
    frames = values.get(_FRAMES, b"").strip(b" \0")[:12]
    count = max(int(frames), 1) if frames.isdigit() else 1
    bits = said[_BITS_ALLOCATED] * max(said[_SAMPLES], 1)
    # Two chrominance samples for two pixels. Source: PS3.3 C.7.6.3.1.2.
    if values.get(_PHOTOMETRIC, b"").strip(b" \0") == b"YBR_FULL_422" and element.length != UNDEFINED:
        bits = said[_BITS_ALLOCATED] * 2
    return Shape(said[_ROWS], said[_COLUMNS], bits, count)


def _form(values: dict[int, bytes], order: str, transfer_syntax_uid: str) -> PixelForm:
    said = {tag: _short(values.get(tag, b""), order) for tag in _SHORTS}
    photometric = values.get(_PHOTOMETRIC, b"").strip(b" \0")[:16].decode("latin_1")
    allocated = said[_BITS_ALLOCATED]
    stored = said[_BITS_STORED] or allocated
    high_bit = said[_HIGH_BIT] if _HIGH_BIT in values else stored - 1
    samples = max(said[_SAMPLES], 1)
    form = (said[_ROWS], said[_COLUMNS], samples, photometric, allocated, stored, high_bit, said[_REPRESENTATION])
    return PixelForm(transfer_syntax_uid, *form, said[_PLANAR])


def _short(value: bytes, order: str) -> int:
    return int(struct.unpack_from(f"{order}H", value)[0]) if len(value) >= 2 else 0


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, IndexError, TypeError, struct.error, StopIteration):
        raise Malformed(
            "the fragments cannot be told apart into frames", code="fragments", source="PS3.5 A.4"
        ) from None
