"""Local copies of objects that lie in a bucket: bounded, least recently used first out, safe for readers of several processes.

A reader gets a name of its own for the file, a hard link, so that nothing another reader or an eviction does takes it away.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Of the capacity: how much is added before the folder is looked through again, and what is left of it then.
_LOOK_AFTER = 0.05
_EVICT_TO = 0.9
_LOCKS = 16


class BlobCache:
    """
    Two folders: `cached/` of whole, verified objects by name, and `lent/`, what readers have open.

    Each process counts what it adds; several together may be over capacity_bytes by a twentieth for each.
    """

    def __init__(self, folder: Path, capacity_bytes: int) -> None:
        self._cached = folder / "cached"
        self._lent = folder / "lent"
        self._capacity_bytes = capacity_bytes
        self._added_bytes = capacity_bytes
        # Two readers of one object in this process wait for one download.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        for place in (self._cached, self._lent):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def lend(self, blob: str, fetch: Callable[[Path], None]) -> Iterator[Path]:
        """
        Yield a file of *blob*, fetched if it is not here; it is gone for this reader once the block ends.

        fetch: writes the verified object to the path it is given, or raises.
        """
        with tempfile.TemporaryDirectory(dir=self._lent, ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "object"
            if not self._link(blob, path):
                with self._locks[int(blob[:2], 16) % _LOCKS]:
                    if not self._link(blob, path):
                        fetch(path)
                        self._admit(blob, path)
            yield path

    def take(self, blob: str, file: Path) -> None:
        """Keep *file*, which is *blob* whole, for the readers that come soon; it is gone afterwards."""
        self._admit(blob, file)
        file.unlink(missing_ok=True)

    def forget(self, blob: str) -> None:
        """Let *blob* go."""
        (self._cached / blob).unlink(missing_ok=True)

    def used_bytes(self) -> int:
        """Return what the copies take of the disk."""
        return sum(size for _, size, _ in self._entries())

    def older_than(self, age_secs: float, now: float) -> list[Path]:
        """Return what readers that crashed left open; now: seconds since the epoch."""
        return [path for path in self._lent.iterdir() if now - path.stat().st_mtime > age_secs]

    def _link(self, blob: str, path: Path) -> bool:
        entry = self._cached / blob
        try:
            os.link(entry, path)
            os.utime(entry)
        except FileNotFoundError:
            return path.exists()
        return True

    def _admit(self, blob: str, file: Path) -> None:
        """Keep a copy, if one of that size may be kept at all and the disk takes its name."""
        size_bytes = file.stat().st_size
        if size_bytes > self._capacity_bytes:
            return
        with suppress(OSError):
            os.link(file, self._cached / blob)
        self._added_bytes += size_bytes
        if self._added_bytes > self._capacity_bytes * _LOOK_AFTER:
            self._evict()

    def _evict(self) -> None:
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        self._added_bytes = 0
        if total <= self._capacity_bytes:
            return
        for _, size, name in entries:
            if total <= self._capacity_bytes * _EVICT_TO:
                return
            self.forget(name)
            total -= size

    def _entries(self) -> Iterator[tuple[int, int, str]]:
        """Return when each copy was used last, its bytes and its name."""
        for entry in os.scandir(self._cached):
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                yield found.st_mtime_ns, found.st_size, entry.name
