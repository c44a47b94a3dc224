"""Whether two files hold the same object: a digest that does not depend on how an uncompressed data set was written."""

from __future__ import annotations

import array
import hashlib
import struct
from pathlib import Path

from bridge.codecs.dicom.elements import ITEM, NATIVE, UNDEFINED, Element, Event, Walk, vr_of
from bridge.codecs.dicom.part10 import DataSetBytes, dataset_bytes, open_buffer, read_file_meta
from bridge.errors import Malformed

# A multiple of every word's width, so that no word is cut by a chunk.
_CHUNK_BYTES = 1 << 20
_WORDS = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), "H"),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), "I"),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), "Q"),
}
_PADDED_VRS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())  # noqa: SIM905
_MAX_PADDED_BYTES = 64 << 10
_TRAILING_PADDING = 0xFFFCFFFC


def content_digest(path: Path) -> str:
    """
    Return the SHA-256, hexadecimal, of what a file's data set says.

    Equal for implicit and explicit VR, little and big endian, deflated or not, defined and undefined lengths, with and
    without group lengths and padding; a compressed object equals only one of the same transfer syntax. Pixels are read
    in chunks. Raises: as `datasets.read_header`.
    """
    with open_buffer(path) as data:
        meta = read_file_meta(data)
        digest = _Digest(dataset_bytes(data, meta))
        if meta.transfer_syntax_uid not in NATIVE:
            digest.mark(b"T", 0, meta.transfer_syntax_uid.encode("ascii", "replace"))
        digest.feed_all()
        return digest.result()


def same_content(one: Path, other: Path) -> bool:
    """Say whether two files hold the same object, however each is written. Raises: as `content_digest`."""
    return content_digest(one) == content_digest(other)


class _Digest:
    """Feeds a hash with the elements of a data set in one canonical form: little endian, no lengths of containers."""

    def __init__(self, dataset: DataSetBytes) -> None:
        self._dataset = dataset
        self._hash = hashlib.sha256()
        self._opened: int | None = None

    def result(self) -> str:
        return self._hash.hexdigest()

    def mark(self, kind: bytes, tag: int, rest: bytes = b"") -> None:
        self._hash.update(kind + struct.pack("<LL", tag, len(rest)) + rest)

    def feed_all(self) -> None:
        self._feed(self._dataset.start, self._dataset.end)

    def _feed(self, start: int, end: int) -> None:
        for element in Walk(self._dataset.data, start, end, self._dataset.syntax):
            if element.event is Event.VALUE:
                self._settle_opened()
                self._value(element)
            elif element.event is Event.SEQUENCE:
                self._settle_opened()
                self._opened = element.tag
            elif element.event is Event.SEQUENCE_END and self._opened is not None:
                # An empty sequence: unknown private ones cannot be told from an empty value in implicit VR.
                self._opened = None
                self.mark(b"V", element.tag)
            else:
                self._settle_opened()
                self._structure(element)

    def _settle_opened(self) -> None:
        if self._opened is not None:
            self.mark(b"S", self._opened)
            self._opened = None

    def _structure(self, element: Element) -> None:
        if element.event is Event.FRAGMENT:
            self.mark(b"F", 0)
            self._bytes(element.value_at, element.value_at + element.length, "")
        else:
            self.mark({Event.ITEM: b"I", Event.ITEM_END: b"i"}.get(element.event, b"s"), 0)

    def _value(self, element: Element) -> None:
        tag, end = element.tag, element.value_at + element.length
        if tag & 0xFFFF == 0 or tag == _TRAILING_PADDING:
            return
        if not element.vr and self._is_sequence(element):
            self._private_sequence(element)
            return
        if vr_of(tag) in _PADDED_VRS and element.length <= _MAX_PADDED_BYTES:
            self.mark(b"V", tag, self._dataset.data[element.value_at : end].rstrip(b" \0"))
            return
        self.mark(b"V", tag)
        if element.length:
            self._bytes(element.value_at, end, _WORDS.get(element.vr, "") if self._dataset.syntax.big_endian else "")

    def _bytes(self, start: int, end: int, word: str) -> None:
        """Feed a value in chunks, even if it is not; big endian words are turned round."""
        is_odd = (end - start) % 2
        self._hash.update(struct.pack("<Q", end - start + is_odd))
        for at in range(start, end, _CHUNK_BYTES):
            chunk = self._dataset.data[at : min(at + _CHUNK_BYTES, end)]
            if word:
                whole = len(chunk) // struct.calcsize(word) * struct.calcsize(word)
                words = array.array(word, chunk[:whole])
                words.byteswap()
                chunk = words.tobytes() + chunk[whole:]
            self._hash.update(chunk)
        self._hash.update(b"\0" * is_odd)

    def _is_sequence(self, element: Element) -> bool:
        """Say whether a value without VR, so a private one in implicit VR, is a run of well-formed items."""
        items = self._items(element)
        if not items:
            return False
        try:
            for start, end in items:
                for _ in Walk(self._dataset.data, start, end, self._dataset.syntax):
                    pass
        except Malformed:
            return False
        return True

    def _items(self, element: Element) -> list[tuple[int, int]]:
        """Return the spans of the items in a value, none if it is something else."""
        spans, at, end = [], element.value_at, element.value_at + element.length
        while at + 8 <= end:
            group, number, length = struct.unpack_from("<HHL", self._dataset.data, at)
            if group << 16 | number != ITEM or length == UNDEFINED or at + 8 + length > end:
                return []
            spans.append((at + 8, at + 8 + length))
            at += 8 + length
        return spans if at == end else []

    def _private_sequence(self, element: Element) -> None:
        self.mark(b"S", element.tag)
        for start, end in self._items(element):
            self.mark(b"I", 0)
            self._feed(start, end)
            self._settle_opened()
            self.mark(b"i", 0)
        self.mark(b"s", 0)
