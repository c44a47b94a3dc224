"""Received objects on disk, named by their digest: bytes before row, and what was received is never edited.

A spool file lies on the same file system as its final place, so that keeping it is: fsync, rename, fsync of the folder.
fsync of the file alone loses the newest name when the power goes. No path is ever built from received text.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import Unavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """
    A folder of objects: `objects/ab/<sha-256>` kept, `spool/` still arriving.

    low_water_bytes: with less free than this, nothing new is begun (C-STORE 0xA700) while rows can still be written.
    is_failing: the disk lost a write it had taken; a later fsync would say that all is well, so nothing more is kept and
    the process ends.
    """

    def __init__(self, folder: Path, *, low_water_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self._objects = folder / "objects"
        self._low_water_bytes = low_water_bytes
        self.is_failing = False
        for place in (self.spool, self._objects):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_fan()

    def check_room(self, wanted_bytes: int = 0) -> None:
        """
        Refuse before accepting when the disk is nearly full.

        Raises: Unavailable. Source: PS3.4 B.2.3 (A700, out of resources).
        """
        if self.is_failing:
            raise Unavailable("the disk is failing", code="disk_failing")
        free = os.statvfs(self.folder)
        if free.f_bavail * free.f_frsize < self._low_water_bytes + wanted_bytes:
            raise Unavailable("the disk is full", code="disk_full")

    def keep(self, spooled: Path, digest: str) -> str:
        """
        Make *spooled* durable under its digest and return the blob's name; the spool file is gone afterwards.

        digest: SHA-256 of the file, hexadecimal.
        Raises: Unavailable, if the disk is full or failing; nothing is kept then.
        """
        target = self.path_of(digest)
        try:
            if target.exists():
                self._sync(target.parent)
                spooled.unlink(missing_ok=True)
                return digest
            self._sync(spooled)
            os.replace(spooled, target)
            self._sync(target.parent)
        except OSError as fault:
            raise _unavailable(fault) from fault
        return digest

    def keep_bytes(self, content: bytes, digest: str) -> str:
        """Make *content* durable under its digest and return the blob's name. Raises: Unavailable; nothing is kept then."""
        self.check_room(len(content))
        try:
            with tempfile.NamedTemporaryFile(dir=self.spool, delete=False) as spooled:
                spooled.write(content)
        except OSError as fault:
            raise _unavailable(fault) from fault
        return self.keep(Path(spooled.name), digest)

    def path_of(self, blob: str) -> Path:
        """Return where *blob* lies. Raises: ValueError, if it is no digest: a name from outside never becomes a path."""
        if not _DIGEST.fullmatch(blob):
            raise ValueError("not a blob's name")
        return self._objects / blob[:2] / blob

    @contextmanager
    def at_hand(self, blob: str) -> Iterator[Path]:
        """Yield a file of *blob* to read, never to write; it may be gone once the block ends. Raises: ValueError."""
        yield self.path_of(blob)

    def older_than(self, age_secs: float, now: float) -> list[Path]:
        """Return spool files that nobody has written to for *age_secs*; now: seconds since the epoch."""
        return [path for path in self.spool.iterdir() if now - path.stat().st_mtime > age_secs]

    def _sync(self, path: Path) -> None:
        try:
            _sync(path)
        except OSError as fault:
            self.is_failing = self.is_failing or fault.errno == errno.EIO
            raise

    def _make_fan(self) -> None:
        """Make all 256 folders at once and durably, so that keeping an object never has to make one."""
        if (self._objects / "ff").exists():
            return
        for number in range(256):
            (self._objects / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        for folder in (self._objects, self.folder, self.folder.parent):
            _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unavailable(fault: OSError) -> Unavailable:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable("the disk is full", code="disk_full")
    return Unavailable("the disk is failing", code="disk_failing")
