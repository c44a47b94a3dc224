"""The file around a data set: preamble, meta group, and where the pixels begin. Source: PS3.10 7."""

from __future__ import annotations

import mmap
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bridge.codecs.dicom.elements import Buffer, Syntax, Walk, syntax_of
from bridge.errors import Malformed, Unavailable, Unsupported

IMPLEMENTATION_CLASS_UID = "2.25.145559405260224967181549291005345669959"
IMPLEMENTATION_VERSION_NAME = "IMAGINGBRIDGE_1"
# A deflated object is inflated wherever it is read, so 100 KB that say "1 GB" must stop early: beyond the free part
# whoever sent a byte gets so many for it and no more, and at last none.
MAX_INFLATED_BYTES = 512 << 20
FREE_INFLATED_BYTES = 16 << 20
MAX_INFLATION = 100
# What is larger is inflated into a nameless file and mapped, so that several at once do not fill the memory.
_INFLATED_IN_MEMORY = 4 << 20
_DEFLATED_CHUNK = 64 << 10
_INFLATED_CHUNK = 1 << 20

_PREAMBLE = 128
_MAGIC = b"DICM"
_META_START = _PREAMBLE + len(_MAGIC)
_GROUP_LENGTH = 0x00020000
_ELEMENT = struct.Struct("<HH2sH")
_LENGTH = struct.Struct("<L")
_META_VRS = frozenset({b"UI", b"SH", b"AE"})


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the meta group says. dataset_at: offset of the data set's first byte."""

    media_storage_sop_class_uid: str
    media_storage_sop_instance_uid: str
    transfer_syntax_uid: str
    source_application_entity_title: str
    dataset_at: int


@dataclass(frozen=True, slots=True)
class DataSetBytes:
    """A data set as bytes to walk: *data* from *start* to *end*; a deflated one is inflated already."""

    data: Buffer
    start: int
    end: int
    syntax: Syntax


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str) -> bytes:
    """Return preamble and meta group for an object that *source_ae_title* sent. Source: PS3.10 7.1."""
    own = _explicit(0x0003, b"UI", sop_instance_uid.encode("ascii"))
    before, behind = _shared_meta(sop_class_uid, transfer_syntax_uid, source_ae_title)
    length = struct.pack("<L", len(before) + len(own) + len(behind))
    return b"".join((bytes(_PREAMBLE), _MAGIC, _explicit(0, b"UL", length), before, own, behind))


@lru_cache(maxsize=256)
def _shared_meta(sop_class_uid: str, transfer_syntax_uid: str, source_ae_title: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the SOP Instance UID in all files of one kind that one device sends."""
    before = (_explicit(0x0001, b"OB", b"\0\1"), _explicit(0x0002, b"UI", sop_class_uid.encode("ascii")))
    behind = (
        _explicit(0x0010, b"UI", transfer_syntax_uid.encode("ascii")),
        _explicit(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _explicit(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
        _explicit(0x0016, b"AE", source_ae_title.encode("ascii")) if source_ae_title else b"",
    )
    return b"".join(before), b"".join(behind)


def _explicit(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    if vr == b"OB":
        return struct.pack("<HH2sHL", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def read_file_meta(data: Buffer) -> FileMeta:
    """
    Return the meta group of a Part 10 file.

    Raises: Malformed, code "not_part10" without preamble and "DICM", "no_transfer_syntax", or as the walk does.
    """
    if data[_PREAMBLE:_META_START] != _MAGIC:
        raise Malformed("not a DICOM file", code="not_part10", source="PS3.10 7.1")
    plain = _plain_meta(data)
    if plain is not None:
        return plain
    values: dict[int, str] = {}
    dataset_at = _META_START
    for element in Walk(data, _META_START, _meta_end(data), Syntax()):
        dataset_at = element.value_at + element.length
        if element.length <= 256:
            values[element.tag] = data[element.value_at : dataset_at].decode("latin_1").strip("\0 ")
        # Without a group length the data set follows unannounced, and may be written in implicit VR.
        if data[dataset_at : dataset_at + 2] != b"\2\0":
            break
    if not values.get(0x00020010):
        raise Malformed("no transfer syntax in the file meta", code="no_transfer_syntax", source="PS3.10 7.1")
    return _meta(values, dataset_at)


def _plain_meta(data: Buffer) -> FileMeta | None:
    """Return a meta group of known form: its length first, then ascending elements that fill it; None for any other."""
    at, end, last = _META_START + 12, _meta_end(data), _GROUP_LENGTH
    if end == len(data) or data[end : end + 2] == b"\2\0":
        return None
    values: dict[int, str] = {}
    while at + 8 <= end:
        group, number, vr, length = _ELEMENT.unpack_from(data, at)
        tag = group << 16 | number
        if group != 2 or tag <= last:
            return None
        at, last = at + 8, tag
        if vr == b"OB":
            length = _LENGTH.unpack_from(data, at)[0]
            at += 4
        elif vr not in _META_VRS:
            return None
        at += length
        if length <= 256:
            values[tag] = data[at - length : at].decode("latin_1").strip("\0 ")
    return _meta(values, at) if at == end and values.get(0x00020010) else None


def _meta(values: dict[int, str], dataset_at: int) -> FileMeta:
    return FileMeta(
        media_storage_sop_class_uid=values.get(0x00020002, ""),
        media_storage_sop_instance_uid=values.get(0x00020003, ""),
        transfer_syntax_uid=values[0x00020010],
        source_application_entity_title=values.get(0x00020016, ""),
        dataset_at=dataset_at,
    )


def _meta_end(data: Buffer) -> int:
    """Return where the meta group ends by its own length; without one, the elements' group number tells."""
    first = data[_META_START : _META_START + 12]
    if len(first) == 12 and first[:6] == b"\2\0\0\0UL":
        return min(_META_START + 12 + int(struct.unpack_from("<L", first, 8)[0]), len(data))
    return len(data)


@contextmanager
def open_buffer(path: Path) -> Iterator[Buffer]:
    """Map a file into memory for a walk; only the pages that are looked at are read."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def dataset_bytes(data: Buffer, meta: FileMeta) -> DataSetBytes:
    """
    Return the data set behind *meta*.

    Raises: as `inflate`; Unavailable, code "disk_full", if a large one finds no room.
    """
    syntax = syntax_of(meta.transfer_syntax_uid)
    if not syntax.deflated:
        return DataSetBytes(data, meta.dataset_at, len(data), syntax)
    inflated = _inflated(data, meta.dataset_at)
    return DataSetBytes(inflated, 0, len(inflated), syntax)


def inflate(deflated: Buffer, start: int = 0) -> Iterator[bytes]:
    """
    Yield the data set of a deflated transfer syntax, which begins at *start*, in chunks.

    Raises: Unsupported, code "inflation_limit", beyond MAX_INFLATED_BYTES, or beyond FREE_INFLATED_BYTES and MAX_INFLATION
    times what was sent; Malformed, code "bad_deflate" or "truncated". Source: PS3.5 A.5.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    ceiling = min(MAX_INFLATED_BYTES, max(FREE_INFLATED_BYTES, MAX_INFLATION * (len(deflated) - start)))
    at, count, waiting = start, 0, b""
    while not inflater.eof:
        if not waiting:
            waiting = deflated[at : at + _DEFLATED_CHUNK]
            at += len(waiting)
        try:
            chunk = inflater.decompress(waiting, _INFLATED_CHUNK)
        except zlib.error:
            raise Malformed(
                "the deflated data set cannot be inflated", code="bad_deflate", source="PS3.5 A.5"
            ) from None
        count += len(chunk)
        if count > ceiling:
            raise Unsupported("the deflated data set is too large", code="inflation_limit", source="PS3.5 A.5")
        if not (chunk or waiting or inflater.eof):
            raise Malformed("the deflated data set is cut off", code="truncated", source="PS3.5 A.5")
        waiting = inflater.unconsumed_tail
        yield chunk


def _inflated(deflated: Buffer, start: int) -> Buffer:
    """Return a deflated data set inflated: in memory, or mapped if it is large. Raises: as `inflate`; Unavailable."""
    small = bytearray()
    chunks = inflate(deflated, start)
    for chunk in chunks:
        small += chunk
        if len(small) > _INFLATED_IN_MEMORY:
            break
    else:
        return bytes(small)
    try:
        with tempfile.TemporaryFile(prefix="inflated-") as file:
            file.write(small)
            file.writelines(chunks)
            file.flush()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:
        raise Unavailable("the object could not be inflated: no room", code="disk_full") from None
