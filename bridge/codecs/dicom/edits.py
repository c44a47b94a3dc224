"""Changes to an encoded data set as byte ranges: everything else is copied as it stands, in chunks."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterable
from io import BufferedWriter
from typing import BinaryIO, NamedTuple

from bridge.codecs.dicom.elements import SHORT_LENGTH_VRS, Buffer, Syntax
from bridge.errors import Unsupported

_CHUNK_BYTES = 1 << 20
_LONG_BYTES = 1 << 16
_NOT_HERE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
_ITEM = (0xFFFE, 0xE000)


class Edit(NamedTuple):
    """Replace the bytes from *start* up to *end* by *replacement*; start == end inserts."""

    start: int
    end: int
    replacement: bytes

    @property
    def delta(self) -> int:
        """How many bytes longer the data set gets."""
        return len(self.replacement) - (self.end - self.start)


def apply_edits(
    data: Buffer,
    span: tuple[int, int],
    edits: Iterable[Edit],
    write: Callable[[bytes], object],
    copy: Callable[[int, int], bool] = lambda start, end: False,
) -> None:
    """
    Write the bytes of *span* with *edits* made. They must not overlap; at one place an insertion comes first.

    copy: given the offsets of a long range that stays, may write it another way; False where it did not.
    """
    at, end = span
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        _copy(data, (at, edit.start), write, copy)
        write(edit.replacement)
        at = edit.end
    _copy(data, (at, end), write, copy)


def copy_range(source: BinaryIO, target: BufferedWriter, start: int, end: int) -> bool:
    """Let the kernel append a range of *source* to *target*; False, with nothing written, where it cannot."""
    target.flush()
    while start < end:
        try:
            copied = os.copy_file_range(source.fileno(), target.fileno(), end - start, start)
        except OSError as fault:
            if fault.errno not in _NOT_HERE:
                raise
            return False
        if not copied:
            raise OSError(errno.EIO, "the file ends before its length")
        start += copied
    return True


def _copy(
    data: Buffer, span: tuple[int, int], write: Callable[[bytes], object], copy: Callable[[int, int], bool]
) -> None:
    start, end = span
    if end - start >= _LONG_BYTES and copy(start, end):
        return
    for at in range(start, end, _CHUNK_BYTES):
        write(data[at : min(at + _CHUNK_BYTES, end)])


class ElementWriter:
    """Encodes elements as a transfer syntax writes them. Lengths are explicit. Source: PS3.5 7.1, 7.5."""

    def __init__(self, syntax: Syntax) -> None:
        self._implicit = syntax.implicit
        self._order = ">" if syntax.big_endian else "<"

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """
        Return one element; an odd value is padded.

        Raises: Unsupported, code "too_long", if the VR's two bytes of length cannot hold it.
        """
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB") else b" "
        group, number = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return struct.pack(self._order + "HHL", group, number, len(value)) + value
        if vr not in SHORT_LENGTH_VRS:
            return struct.pack(self._order + "HH2sHL", group, number, vr.encode("ascii"), 0, len(value)) + value
        if len(value) > 0xFFFF:
            raise Unsupported("a value does not fit its element any more", code="too_long", source="PS3.5 7.1.2")
        return struct.pack(self._order + "HH2sH", group, number, vr.encode("ascii"), len(value)) + value

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        """Return a sequence of encoded items."""
        return self.element(tag, "SQ", b"".join(self.item(item) for item in items))

    def item(self, content: bytes) -> bytes:
        """Return one item around its encoded elements."""
        return struct.pack(self._order + "HHL", *_ITEM, len(content)) + content

    def tag(self, tag: int) -> bytes:
        """Return the value of an AT element."""
        return struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF)

    def length(self, length: int) -> bytes:
        """Return the length field of a sequence or item."""
        return struct.pack(self._order + "L", length)
