"""The digest of a file while it is written: of a large one another thread takes it, reading what has been written."""

from __future__ import annotations

import contextlib
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

# Below it a second thread costs more than it saves.
_TAKEN_AT_ONCE_BYTES: Final = 2 << 20
_STEP_BYTES: Final = 1 << 20
_READ_BYTES: Final = 256 << 10

_readers = ThreadPoolExecutor(4, "digest")


class FileDigest:
    """
    SHA-256 of one file that grows, told of every write. handle: open for reading too; closed only after `settle`.

    What the other thread has read it also tells the kernel to begin to write, so that the sync at the end waits for less.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._given_bytes = 0
        self._reading: Future[None] | None = None

    def take(self, handle: int, written: memoryview, size_bytes: int) -> None:
        """Go on with what was *written* last. size_bytes: the file's, with it."""
        if size_bytes <= _TAKEN_AT_ONCE_BYTES:
            self._digest.update(written)
            self._given_bytes = size_bytes
        elif size_bytes - self._given_bytes >= _STEP_BYTES and (self._reading is None or self._reading.done()):
            self._await_reading()
            self._reading = _readers.submit(self._read, handle, self._given_bytes, size_bytes)
            self._given_bytes = size_bytes

    def result(self, handle: int, size_bytes: int) -> str:
        """Return the digest, hexadecimal, of the whole file. Raises: OSError, if it cannot be read back."""
        self._await_reading()
        self._read(handle, self._given_bytes, size_bytes)
        self._given_bytes = size_bytes
        return self._digest.hexdigest()

    def settle(self) -> None:
        """Return once nothing reads the file any more."""
        with contextlib.suppress(OSError):
            self._await_reading()

    def _await_reading(self) -> None:
        if self._reading is not None:
            reading, self._reading = self._reading, None
            reading.result()

    def _read(self, handle: int, start: int, end: int) -> None:
        if start == end:
            return
        buffer = bytearray(min(_READ_BYTES, end - start))
        view, at = memoryview(buffer), start
        while at < end:
            got = os.preadv(handle, [view[: end - at]], at)
            if not got:
                raise OSError("the file is shorter than what was written")
            self._digest.update(view[:got])
            at += got
        if start:
            os.posix_fadvise(handle, start, end - start, os.POSIX_FADV_DONTNEED)
