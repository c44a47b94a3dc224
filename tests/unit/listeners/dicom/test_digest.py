"""A file's digest is that of its bytes, however large it is and however it was written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bridge.listeners.dicom.digest import FileDigest


@pytest.mark.parametrize("size", [0, 1, 2 << 20, (2 << 20) + 1, 7_654_321])
@pytest.mark.parametrize("fragment", [16_000, 131_066, 3 << 20])
def test_small_and_large_files_have_the_digest_of_their_bytes(tmp_path: Path, size: int, fragment: int) -> None:
    content = os.urandom(size)
    handle = os.open(tmp_path / "object", os.O_CREAT | os.O_RDWR)
    digest = FileDigest()
    for at in range(0, size, fragment):
        written = memoryview(content)[at : at + fragment]
        os.write(handle, written)
        digest.take(handle, written, at + len(written))
    assert digest.result(handle, size) == hashlib.sha256(content).hexdigest()
    os.close(handle)


def test_a_file_that_lost_what_was_written_has_no_digest(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "object", os.O_CREAT | os.O_RDWR)
    digest = FileDigest()
    digest.take(handle, memoryview(bytes(8 << 20)), 8 << 20)
    with pytest.raises(OSError, match="shorter"):
        digest.result(handle, 8 << 20)
    digest.settle()
    os.close(handle)
