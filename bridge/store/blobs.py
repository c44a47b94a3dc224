"""Received objects, named by their digest, in a folder or a bucket: bytes before row, and what was received is never edited.

In a folder a spool file lies on the same file system as its final place. A new object gets its name there first, then
file and folder are synced together: both wait for the same commit of the file system's journal. fsync of the file alone
loses the newest name when the power goes. What lies under a name already may be torn, if nothing names it, so it is never
taken for kept: an object that comes again is synced before it takes the place. No path is built from received text.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bridge.errors import Unavailable

# Where a sync takes no longer, a second thread costs more than it saves.
_QUICK_SYNC_SECS = 0.0003
_SYNCING_THREADS = 8
# A file system on which a file cannot have two names. Source: link(2).
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_DIGEST = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 1 << 20


class Place(StrEnum):
    """
    Where an object lies. damaged: its bytes are not what was received, kept for a person to look at. swept: no row named
    it; what turns out to be named after all is brought back, and is read there until then.
    """

    KEPT = "objects"
    DAMAGED = "damaged"
    SWEPT = "swept"


# What a sweep took wrongly is read where it lies.
_READ_FROM = (Place.KEPT, Place.SWEPT)


@dataclass(frozen=True, slots=True)
class Lying:
    """One object as its store lists it. moved_at: when it was written there last, or came to its place."""

    blob: str
    size_bytes: int
    moved_at: datetime


class Blobs(Protocol):
    """
    A store of objects; the same promises in a folder and in a bucket.

    spool: a local folder where objects arrive, and where copies are made to leave. is_failing: it lost what it had taken;
    nothing more is kept and the process ends. Every method may raise Unavailable, and ValueError for what is no digest.
    """

    spool: Path
    is_failing: bool

    def check_room(self, wanted_bytes: int = 0) -> None:
        """Refuse before accepting when there is no room. Raises: Unavailable. Source: PS3.4 B.2.3 (A700)."""

    def free_bytes(self) -> int:
        """Return the room left on the local disk above the low-water mark, never below 0."""
        ...

    def cached_bytes(self) -> int:
        """Return what local copies of objects that lie elsewhere take of the disk."""
        ...

    def keep(self, spooled: Path, digest: str) -> str:
        """
        Make *spooled* durable under its digest and return the blob's name; the spool file is gone afterwards.

        digest: SHA-256 of the file, hexadecimal. Raises: Unavailable; nothing is kept then.
        """
        ...

    def keep_bytes(self, content: bytes, digest: str) -> str:
        """Make *content* durable under its digest and return the blob's name. Raises: Unavailable; nothing is kept then."""
        ...

    def at_hand(self, blob: str) -> AbstractContextManager[Path]:
        """
        Yield a local file of *blob* to read, never to write; it may be gone once the block ends.

        Raises: Unavailable, "object_damaged" if it is not there as it was received.
        """
        ...

    def read(self, blob: str, place: Place = Place.KEPT) -> Iterator[bytes]:
        """Return the bytes that lie in the store now, past any cache. Raises: FileNotFoundError; OSError, if unreadable."""
        ...

    def listed(self, place: Place) -> Iterator[Lying]:
        """Return what lies at *place*."""
        ...

    def move(self, blob: str, source: Place, target: Place) -> None:
        """Put *blob* elsewhere, over what lies there. Raises: FileNotFoundError, if it is not at *source*."""
        ...

    def drop(self, blob: str, place: Place) -> None:
        """Remove *blob* from *place*, if it is there."""
        ...

    def probe(self) -> None:
        """Write and read something that means nothing. Raises: Unavailable, if the store as a whole is not there."""

    def older_than(self, age_secs: float, now: float) -> list[Path]:
        """Return local files that nobody has written to for *age_secs*: left by a crash; now: seconds since the epoch."""
        ...


def check_name(blob: str) -> str:
    """Return *blob*. Raises: ValueError, if it is no digest: a name from outside never becomes a path or a key."""
    if not _DIGEST.fullmatch(blob):
        raise ValueError("not a blob's name")
    return blob


def spool_bytes(folder: Path, content: bytes) -> Path:
    """Write *content* to a new file in *folder* and return it. Raises: Unavailable."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as spooled:
            spooled.write(content)
    except OSError as fault:
        raise disk_fault(fault) from fault
    return Path(spooled.name)


def check_free(folder: Path, low_water_bytes: int, wanted_bytes: int) -> None:
    """Raises: Unavailable, if the disk of *folder* would have less than *low_water_bytes* left."""
    if _free(folder) < low_water_bytes + wanted_bytes:
        raise Unavailable("the disk is full", code="disk_full")


def free_above(folder: Path, low_water_bytes: int) -> int:
    """Return the free bytes of *folder*'s disk above the mark, never below 0."""
    return max(0, _free(folder) - low_water_bytes)


def damaged() -> Unavailable:
    """Return what a reader is told of an object that is not there as it was received."""
    return Unavailable("the object is damaged or missing", code="object_damaged")


def disk_fault(fault: OSError) -> Unavailable:
    """Return what a writer is told of a disk that did not take its bytes."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable("the disk is full", code="disk_full")
    return Unavailable("the disk is failing", code="disk_failing")


class FolderBlobs:
    """
    A folder of objects: `objects/ab/<sha-256>` kept, `spool/` still arriving; `damaged/` and `swept/` beside them.

    low_water_bytes: with less free than this, nothing new is begun (C-STORE 0xA700) while rows can still be written.
    is_failing: the disk lost a write it had taken; a later fsync would say that all is well, so nothing more is kept and
    the process ends.
    """

    def __init__(self, folder: Path, *, low_water_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self._objects = folder / Place.KEPT
        self._low_water_bytes = low_water_bytes
        self.is_failing = False
        self._syncer = ThreadPoolExecutor(_SYNCING_THREADS, "blob-sync")
        self._last_sync_secs = 0.0
        for place in (self.spool, *(folder / one for one in Place)):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_fan()

    def check_room(self, wanted_bytes: int = 0) -> None:
        """
        Refuse before accepting when the disk is nearly full.

        Raises: Unavailable. Source: PS3.4 B.2.3 (A700, out of resources).
        """
        if self.is_failing:
            raise Unavailable("the disk is failing", code="disk_failing")
        check_free(self.folder, self._low_water_bytes, wanted_bytes)

    def free_bytes(self) -> int:
        """Return the room left above the low-water mark, never below 0."""
        return free_above(self.folder, self._low_water_bytes)

    def cached_bytes(self) -> int:
        """Return 0: the objects themselves lie here."""
        return 0

    def keep(self, spooled: Path, digest: str) -> str:
        """
        Make *spooled* durable under its digest and return the blob's name; the spool file is gone afterwards.

        digest: SHA-256 of the file, hexadecimal.
        Raises: Unavailable, if the disk is full or failing; nothing is kept then.
        """
        target = self.path_of(digest)
        try:
            if self._is_named(spooled, target):
                self._sync_with_folder(target)
            else:
                self._sync(spooled)
                os.replace(spooled, target)
                self._sync(target.parent)
        except OSError as fault:
            raise disk_fault(fault) from fault
        return digest

    def keep_bytes(self, content: bytes, digest: str) -> str:
        """Make *content* durable under its digest and return the blob's name. Raises: Unavailable; nothing is kept then."""
        self.check_room(len(content))
        return self.keep(spool_bytes(self.spool, content), digest)

    def path_of(self, blob: str) -> Path:
        """Return where *blob* lies. Raises: ValueError, if it is no digest: a name from outside never becomes a path."""
        return self._at(blob, Place.KEPT)

    @contextmanager
    def at_hand(self, blob: str) -> Iterator[Path]:
        """Yield the file of *blob*, as it lies there. Raises: Unavailable, if it does not."""
        found = next((path for place in _READ_FROM if (path := self._at(blob, place)).is_file()), None)
        if found is None:
            raise damaged()
        yield found

    def read(self, blob: str, place: Place = Place.KEPT) -> Iterator[bytes]:
        """Return the bytes of *blob* in chunks. Raises: FileNotFoundError; OSError, if they cannot be read."""
        with self._at(blob, place).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def listed(self, place: Place) -> Iterator[Lying]:
        """Return what lies at *place*, folder by folder; what goes meanwhile is passed over."""
        folder = self.folder / place
        for part in sorted(folder.iterdir()) if place == Place.KEPT else [folder]:
            for entry in os.scandir(part):
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    moved_at = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield Lying(entry.name, found.st_size, moved_at)

    def move(self, blob: str, source: Place, target: Place) -> None:
        """Rename *blob* to its other place. Raises: FileNotFoundError; Unavailable."""
        old, new = self._at(blob, source), self._at(blob, target)
        try:
            os.utime(old)
            os.replace(old, new)
            self._sync(new.parent)
            self._sync(old.parent)
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise disk_fault(fault) from fault

    def drop(self, blob: str, place: Place) -> None:
        """Remove *blob* from *place*, if it is there."""
        self._at(blob, place).unlink(missing_ok=True)

    def _at(self, blob: str, place: Place) -> Path:
        name = check_name(blob)
        return self._objects / name[:2] / name if place == Place.KEPT else self.folder / place / name

    def probe(self) -> None:
        """Write and remove a file, beside the folders that are there from the first start on. Raises: Unavailable."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._objects / "ff") as file:
                file.write(b"imaging-bridge")
                file.flush()
        except OSError as fault:
            raise disk_fault(fault) from fault

    def older_than(self, age_secs: float, now: float) -> list[Path]:
        """Return spool files that nobody has written to for *age_secs*; now: seconds since the epoch."""
        return [path for path in self.spool.iterdir() if now - path.stat().st_mtime > age_secs]

    def _is_named(self, spooled: Path, target: Path) -> bool:
        """Move *spooled* to *target* if nothing lies there, and say whether that was so."""
        try:
            os.link(spooled, target)
        except FileExistsError:
            return False
        except OSError as fault:
            if fault.errno in _NO_LINKS:
                return False
            raise
        os.unlink(spooled)
        return True

    def _sync_with_folder(self, path: Path) -> None:
        if self._last_sync_secs <= _QUICK_SYNC_SECS:
            self._sync(path)
            self._sync(path.parent)
            return
        folder = self._syncer.submit(self._sync, path.parent)
        try:
            self._sync(path)
        finally:
            folder.result()

    def _sync(self, path: Path) -> None:
        began = time.monotonic()
        try:
            _sync(path)
        except OSError as fault:
            self.is_failing = self.is_failing or fault.errno == errno.EIO
            raise
        self._last_sync_secs = time.monotonic() - began

    def _make_fan(self) -> None:
        """Make all 256 folders at once and durably, so that keeping an object never has to make one."""
        if (self._objects / "ff").exists():
            return
        for number in range(256):
            (self._objects / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        for folder in (self._objects, self.folder, self.folder.parent):
            _sync(folder)


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
