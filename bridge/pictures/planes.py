"""Overlay planes of the groups 60xx: graphics that the device laid over its image. Source: PS3.3 C.9.2."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from bridge.pictures.attributes import Shape

_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _FIRST_FRAME = 0x10, 0x11, 0x15, 0x50, 0x51
_BIT_POSITION, _DATA = 0x102, 0x3000


def draw_planes(picture: NDArray[np.uint8], header: Dataset, shape: Shape, frame: int) -> NDArray[np.uint8]:
    """Return *picture* with every overlay plane of *frame* drawn in white; one that cannot be read is left out."""
    drawn = picture
    for group in _GROUPS:
        if (group << 16 | _DATA) not in header:
            continue
        plane = _plane(header, group, frame)
        if plane is None:
            continue
        drawn = drawn.copy() if drawn is picture else drawn
        _lay(drawn, *plane)
    return drawn


def _plane(header: Dataset, group: int, frame: int) -> tuple[NDArray[np.bool_], int, int] | None:
    """Return a plane's bits, and the row and column of the image (from 0) that its first one lies on."""
    rows, columns = _number(header, group, _ROWS), _number(header, group, _COLUMNS)
    frames = _number(header, group, _FRAMES) or 1
    index = frame - (_number(header, group, _FIRST_FRAME) or 1) if frames > 1 else 0
    count = rows * columns
    raw = header[group << 16 | _DATA].value
    if not isinstance(raw, bytes) or not 0 < count <= len(raw) * 8 or not 0 <= index < frames:
        return None
    start = index * count
    first = start // 8
    bits = np.unpackbits(np.frombuffer(raw, np.uint8)[first : (start + count + 7) // 8], bitorder="little")
    bits = bits[start - first * 8 :][:count]
    if len(bits) < count:
        return None
    return bits.reshape(rows, columns).astype(np.bool_), *_origin(header, group)


def _lay(picture: NDArray[np.uint8], bits: NDArray[np.bool_], row: int, column: int) -> None:
    top, left = max(row, 0), max(column, 0)
    part = bits[top - row :, left - column :]
    place = picture[top : top + part.shape[0], left : left + part.shape[1]]
    place[part[: place.shape[0], : place.shape[1]]] = 255


def _origin(header: Dataset, group: int) -> tuple[int, int]:
    try:
        row, column = header[group << 16 | _ORIGIN].value
        return int(row) - 1, int(column) - 1
    except (KeyError, TypeError, ValueError):
        return 0, 0


def _number(header: Dataset, group: int, element: int) -> int:
    try:
        return int(header[group << 16 | element].value)
    except (KeyError, TypeError, ValueError):
        return 0
