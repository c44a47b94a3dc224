"""From stored values to grey: modality transformation, values of interest, photometric sense. Source: PS3.3 C.11, PS3.4 N.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.pictures.wish import Window

Floats = NDArray[np.float64]
# A table in the header has at most 65,536 entries (PS3.3 C.11.1.1.1).
_MAX_ENTRIES = 65_536
_LOW_SHARE, _HIGH_SHARE = 0.5, 99.5


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table of the header. first: the input that its first entry stands for. bits: of an entry."""

    entries: Floats
    first: int
    bits: int
    explanation: str = ""

    def apply(self, values: Floats) -> Floats:
        """Return what the table makes of *values*; beyond its ends the first and last entries hold."""
        at = np.clip(np.nan_to_num(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[at.astype(np.int64)]


@dataclass(frozen=True, slots=True)
class Tones:
    """
    How one frame's values become grey.

    slope, intercept: of the modality transformation where it has no table. presets: windows, then tables, as the header
    has them. padding: received values that are no part of the picture, ends included. inverted: MONOCHROME1.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality_table: Table | None = None
    presets: tuple[Window | Table, ...] = ()
    padding: tuple[int, int] | None = None
    inverted: bool = False

    def rescaled(self, stored: NDArray[Any]) -> Floats:
        """Return *stored* in modality units."""
        values = stored.astype(np.float64)
        if self.modality_table is not None:
            return self.modality_table.apply(values)
        return values * self.slope + self.intercept


def grey(stored: NDArray[Any], tones: Tones, chosen: Window | Table | None) -> tuple[NDArray[np.uint8], Window | None]:
    """
    Return *stored* as 8-bit grey, and the window it was drawn with.

    stored: integers or floats of one frame, rows by columns. chosen: None for a window made of the values themselves.
    """
    if chosen is None:
        chosen = _own_window(stored, tones)
    shade = _shader(chosen)
    if stored.dtype.itemsize <= 2 and stored.dtype.kind in "ui":
        picture = _by_table(stored, tones, shade)
    else:
        picture = _shades(tones.rescaled(stored), tones, shade)
    if (padded := _padded(stored, tones)) is not None:
        picture[padded] = 0
    return picture, chosen if isinstance(chosen, Window) else None


def _by_table(stored: NDArray[Any], tones: Tones, shade: Callable[[Floats], Floats]) -> NDArray[np.uint8]:
    """Work out each possible value once, then look every pixel up: the same result for a fraction of memory and time."""
    unsigned = np.dtype(f"u{stored.dtype.itemsize}")
    every = np.arange(1 << 8 * stored.dtype.itemsize, dtype=unsigned).view(stored.dtype.newbyteorder("="))
    native = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("="))
    table = _shades(tones.rescaled(every), tones, shade)
    picture: NDArray[np.uint8] = table[native.view(unsigned)]
    return picture


def _shades(values: Floats, tones: Tones, shade: Callable[[Floats], Floats]) -> NDArray[np.uint8]:
    part = np.clip(np.nan_to_num(shade(values)), 0.0, 1.0)
    return np.asarray((1.0 - part if tones.inverted else part) * 255 + 0.5, dtype=np.uint8)


def _shader(chosen: Window | Table) -> Callable[[Floats], Floats]:
    """Return what takes modality units to 0 (black) … 1 (white). Source: PS3.3 C.11.2.1.2, C.11.2.1.3."""
    if isinstance(chosen, Table):
        top = float((1 << chosen.bits) - 1) or 1.0
        return lambda values: chosen.apply(values) / top
    center, width = chosen.center, chosen.width
    if chosen.function == "SIGMOID":
        return lambda values: 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if chosen.function == "LINEAR_EXACT":
        return lambda values: (values - center) / width + 0.5
    if width <= 1:
        return lambda values: np.where(values > center - 0.5, 1.0, 0.0)
    return lambda values: (values - (center - 0.5)) / (width - 1) + 0.5


def _own_window(stored: NDArray[Any], tones: Tones) -> Window:
    """Return a window from the values that are really there, a few outliers (metal, markers) left out."""
    padded = _padded(stored, tones)
    seen = stored if padded is None else stored[~padded]
    values = tones.rescaled(seen[np.isfinite(seen)] if seen.dtype.kind == "f" else seen)
    if not values.size:
        return Window(0.5, 1.0, "LINEAR_EXACT")
    low, high = (float(one) for one in np.percentile(values, (_LOW_SHARE, _HIGH_SHARE)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        # A frame of one value: its own shade of what could be stored, as nothing tells it from anything.
        return _whole_range(stored, tones)
    return Window((low + high) / 2, high - low, "LINEAR_EXACT")


def _whole_range(stored: NDArray[Any], tones: Tones) -> Window:
    top = np.iinfo(stored.dtype).max if stored.dtype.kind in "ui" else 1
    low, high = sorted(float(one) for one in tones.rescaled(np.array([0, top], dtype=stored.dtype)))
    return Window((low + high) / 2, (high - low) or 1.0, "LINEAR_EXACT")


def _padded(stored: NDArray[Any], tones: Tones) -> NDArray[np.bool_] | None:
    if tones.padding is None:
        return None
    low, high = tones.padding
    return np.asarray((stored >= low) & (stored <= high), dtype=np.bool_)


def table_of(
    descriptor: tuple[int, int, int], entries: NDArray[Any], *, is_signed: bool, explanation: str = ""
) -> Table | None:
    """
    Return the table that a header describes, None where it describes none.

    descriptor: entries, first input, bits an entry; is_signed: its inputs are, whatever VR the first was written in.
    Source: PS3.3 C.11.1.1.1, C.11.2.1.1.
    """
    count, first, bits = descriptor
    count = count or _MAX_ENTRIES
    if not 0 < bits <= 16 or count > _MAX_ENTRIES or not len(entries):
        return None
    if is_signed and first >= 0x8000:
        first -= 0x10000
    # Eight-bit entries packed two to a word, which some writers do although each has a word of its own.
    if bits <= 8 and len(entries) * 2 == count + count % 2 and entries.dtype.itemsize == 2:
        entries = np.ascontiguousarray(entries).view(np.uint8)
    usable = entries[:count].astype(np.float64)
    # Some write 16 as the bits of a table whose entries have 8, 10 or 12: the largest entry says where white is.
    needed = max(int(usable.max()).bit_length(), 1)
    return Table(usable, first, needed if bits == 16 and needed <= 12 else bits, explanation)
