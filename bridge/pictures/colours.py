"""From stored colour to red, green and blue: luminance and chrominance, palettes plain and segmented. Source: PS3.3 C.7.6.3.1.2, C.7.9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import Malformed

Picture8 = NDArray[np.uint8]
# Rows: red, green, blue from Y, Cb - 128, Cr - 128 of a full range.
_FULL = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], dtype=np.float32)
_MAX_ENTRIES = 65_536
_MAX_SEGMENTS = 65_536


@dataclass(frozen=True, slots=True)
class Palette:
    """Red, green and blue of each index, 8 bits each: entries by 3. first: the index of the first entry."""

    entries: Picture8
    first: int

    def apply(self, indices: NDArray[Any]) -> Picture8:
        """Return the colours of *indices*; beyond the ends the first and last entries hold."""
        at = np.clip(indices.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        picture: Picture8 = self.entries[at]
        return picture


def eight_bits(samples: NDArray[Any], bits_stored: int) -> Picture8:
    """Return colour samples of *bits_stored* bits as 8 bits each."""
    if samples.dtype == np.uint8 and bits_stored == 8:
        return samples
    if bits_stored <= 8:
        return _bytes(samples.astype(np.int32) * 255 // max((1 << bits_stored) - 1, 1))
    return _bytes(samples.astype(np.int64) >> (bits_stored - 8))


def rgb_of_ybr(picture: Picture8) -> Picture8:
    """Return red, green and blue of full-range Y, Cb and Cr. Source: PS3.3 C.7.6.3.1.2, YBR_FULL."""
    values = picture.astype(np.float32)
    values[..., 1:] -= 128
    return _bytes(values @ _FULL.T + np.float32(0.5))


def rgb_of_partial_ybr(picture: Picture8) -> Picture8:
    """Return red, green and blue of Y from 16 to 235 and chrominance from 16 to 240. Source: PS3.3 C.7.6.3.1.2 (retired)."""
    values = picture.astype(np.float32)
    values[..., 0] = (values[..., 0] - 16) * np.float32(255 / 219)
    values[..., 1:] = (values[..., 1:] - 128) * np.float32(255 / 224)
    return _bytes(values @ _FULL.T + np.float32(0.5))


def _bytes(values: NDArray[Any]) -> Picture8:
    cut: Picture8 = np.clip(values, 0, 255).astype(np.uint8)
    return cut


def palette_of(
    descriptors: list[tuple[int, int, int]], planes: list[NDArray[np.uint16]], *, is_signed: bool
) -> Palette:
    """
    Return the palette of three tables, one a colour.

    descriptors: entries, first index, bits. planes: each table's words, one an entry. Raises: Malformed, code "bad_palette".
    """
    count, first, bits = descriptors[0]
    count = count or _MAX_ENTRIES
    if is_signed and first >= 0x8000:
        first -= 0x10000
    colours = []
    for plane in planes:
        if bits <= 8 and len(plane) * 2 == count + count % 2:
            plane = plane.view(np.uint8).astype(np.uint16)
        if not len(plane):
            raise Malformed("a colour table is empty", code="bad_palette", source="PS3.3 C.7.6.3.1.6")
        colours.append(plane[:count])
    length = min(len(plane) for plane in colours)
    stacked = np.stack([plane[:length] for plane in colours], axis=1)
    # Entries of 16 bits are shown by their upper half; some write 16 and use 8.
    is_wide = bits > 8 and int(stacked.max()) > 255
    return Palette((stacked >> 8 if is_wide else stacked).astype(np.uint8), first)


def unfold_segments(words: NDArray[np.uint16], count: int) -> NDArray[np.uint16]:
    """
    Return the entries that a segmented palette stands for.

    words: opcode, length and values in a row. count: how many entries are wanted. Raises: Malformed, code "bad_palette".
    Source: PS3.3 C.7.9.2.
    """
    out: list[int] = []
    at = segments = 0
    while at + 2 < len(words) and len(out) < count:
        segments += 1
        if segments > _MAX_SEGMENTS:
            raise Malformed("a colour table has too many segments", code="bad_palette", source="PS3.3 C.7.9.2")
        at = _unfold_one(words, at, out, count)
    return np.array(out[:count], dtype=np.uint16)


def _unfold_one(words: NDArray[np.uint16], at: int, out: list[int], count: int) -> int:
    """Append what the segment at *at* stands for, and return where the next one begins."""
    opcode, length = int(words[at]), int(words[at + 1])
    if opcode == 0:
        out.extend(int(one) for one in words[at + 2 : at + 2 + length])
        return at + 2 + length
    if opcode == 1 and out:
        last, end = out[-1], int(words[at + 2])
        steps = min(length, count - len(out))
        out.extend(round(last + (end - last) * step / length) for step in range(1, steps + 1))
        return at + 3
    if opcode == 2 and at + 3 < len(words):
        byte_offset = int(words[at + 2]) | int(words[at + 3]) << 16
        _repeat(words, (byte_offset // 2, length), out, count)
        return at + 4
    raise Malformed("a colour table has an unknown segment", code="bad_palette", source="PS3.3 C.7.9.2.3")


def _repeat(words: NDArray[np.uint16], place: tuple[int, int], out: list[int], count: int) -> None:
    """Unfold earlier segments once more; they hold no reference themselves. place: word offset, and how many segments."""
    at, repeats = place
    for _ in range(repeats):
        if at + 2 >= len(words) or int(words[at]) == 2 or len(out) >= count:
            return
        at = _unfold_one(words, at, out, count)
