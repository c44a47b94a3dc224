"""The files of a disc, a folder or a ZIP, one after the other; nothing is ever unpacked to where its name says.

Links and special files are not followed, archives within archives not opened; names serve for nothing but comparing
them with the DICOMDIR's.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bridge.codecs.dicom.media_directory import FILE_NAME
from bridge.errors import Malformed, Unsupported

MOST_FILES: Final = 1_000_000
_MOST_ENTRIES: Final = 200_000
_MOST_DIRECTORY_BYTES: Final = 64 << 20
_MOST_DEPTH: Final = 32
# A whole archive that unpacks to more than this, and to so many times its own size, is no disc.
FREE_UNPACKED_BYTES: Final = 8 << 30
MOST_UNPACKING: Final = 200
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
# What reading an entry of a broken or hostile archive raises.
UNREADABLE: Final = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file. parts: folders and name from the top, in lower case. open: may raise one of UNREADABLE."""

    parts: tuple[str, ...]
    size_bytes: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    @property
    def is_directory(self) -> bool:
        """Whether it calls itself a DICOMDIR."""
        return self.parts[-1] == FILE_NAME.casefold()


def files_of(path: Path) -> Iterator[MediaFile]:
    """
    Yield the files at *path*: a folder, a DICOMDIR in one, a ZIP, or a single file.

    Raises: Malformed, Unsupported, for a ZIP that is broken or hostile; LookupError, where nothing is.
    """
    if path.name.casefold() == FILE_NAME.casefold() and path.is_file():
        path = path.parent
    if path.is_dir():
        yield from _in_folder(path, ())
    elif path.is_file() and zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from _in_archive(file)
    elif path.is_file():
        yield MediaFile((path.name.casefold(),), path.stat().st_size, lambda: path.open("rb"))
    else:
        raise LookupError(f"no folder, ZIP or file {path}")


def uploaded_files(streams: Iterable[tuple[str, IO[bytes]]]) -> Iterator[MediaFile]:
    """
    Yield what was handed in: *streams* by the names they came with, which serve for nothing else; a ZIP as what it holds.

    Raises: Malformed, Unsupported, for a ZIP that is broken or hostile.
    """
    for name, stream in streams:
        stream.seek(0)
        if zipfile.is_zipfile(stream):
            yield from _in_archive(stream)
        else:
            parts = tuple(part.casefold() for part in name.replace("\\", "/").split("/") if part)
            yield MediaFile(parts or ("",), stream.seek(0, os.SEEK_END), _rewinder(stream))


def _rewinder(stream: IO[bytes]) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    def opened() -> AbstractContextManager[IO[bytes]]:
        stream.seek(0)
        return nullcontext(stream)

    return opened


def _in_folder(folder: Path, parts: tuple[str, ...]) -> Iterator[MediaFile]:
    """Yield files in the order of their names, folder by folder, so that a study comes together."""
    if len(parts) >= _MOST_DEPTH:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda one: one.name)
    except OSError:
        return
    for entry in entries:
        here = (*parts, entry.name.casefold())
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(Path(entry.path), here)
        elif entry.is_file(follow_symlinks=False):
            yield MediaFile(here, entry.stat(follow_symlinks=False).st_size, _opener(Path(entry.path)))


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError("not a plain file")
        return os.fdopen(handle, "rb")

    return opened


def _in_archive(file: IO[bytes]) -> Iterator[MediaFile]:
    size = file.seek(0, os.SEEK_END)
    _check_directory(file, size)
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE:
        raise Malformed("the ZIP cannot be read", code="bad_archive") from None
    with closing(archive):
        entries = [one for one in archive.infolist() if not one.is_dir()]
        unpacked = sum(one.file_size for one in entries)
        if unpacked > max(FREE_UNPACKED_BYTES, MOST_UNPACKING * size):
            raise Unsupported("the ZIP would unpack to far more than any disc holds", code="archive_bomb")
        for one in sorted(entries, key=lambda each: each.filename):
            parts = tuple(part.casefold() for part in one.filename.replace("\\", "/").split("/") if part)
            if parts:
                yield MediaFile(parts, one.file_size, _entry_opener(archive, one))


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise zipfile.BadZipFile("encrypted, or packed in a way that is not read")
        return archive.open(entry)

    return opened


def _check_directory(file: IO[bytes], size: int) -> None:
    """
    Look how many entries a ZIP says it has before they are read: each costs memory.

    Raises: Unsupported, for more than any disc holds; Malformed. Source: APPNOTE 4.3.14 to 4.3.16.
    """
    start = max(0, size - (1 << 16) - _END.size - _LOCATOR.size)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise Malformed("the ZIP has no end", code="bad_archive")
    _, _, _, _, count, length, _, _ = _END.unpack_from(tail, at)
    locator = at - _LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
        file.seek(_LOCATOR.unpack_from(tail, locator)[2])
        end = file.read(_END_64.size)
        if len(end) < _END_64.size or end[:4] != b"PK\6\6":
            raise Malformed("the ZIP has no end", code="bad_archive")
        count, length = _END_64.unpack(end)[7:9]
    if count > _MOST_ENTRIES or length > _MOST_DIRECTORY_BYTES:
        raise Unsupported("the ZIP has more entries than any disc", code="archive_bomb")
