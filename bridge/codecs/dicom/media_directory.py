"""The DICOMDIR of a disc: which files it names. The objects themselves are found by looking, whatever it says.

Source: PS3.3 F.3 (Basic Directory Information Object), PS3.10 8.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

import pydicom
from pydicom.errors import InvalidDicomError

from bridge.errors import Malformed

FILE_NAME: Final = "DICOMDIR"
DIRECTORY_CLASS: Final = "1.2.840.10008.1.3.10"
MOST_BYTES: Final = 64 << 20
_MOST_COMPONENTS: Final = 8


def listed_files(content: bytes) -> set[tuple[str, ...]]:
    """
    Return the files that a DICOMDIR names, each as its folders and name, in lower case.

    Raises: Malformed, if it cannot be read. A name that would lead elsewhere is left out: nothing is opened by it.
    """
    try:
        directory = pydicom.dcmread(BytesIO(content), force=False)
        records = directory.get("DirectoryRecordSequence") or []
        named = [record.get("ReferencedFileID") for record in records]
    except (InvalidDicomError, AttributeError, EOFError, KeyError, TypeError, ValueError, RuntimeError):
        raise Malformed("the DICOMDIR cannot be read", code="bad_directory", source="PS3.10 8.6") from None
    return {parts for one in named if one and (parts := _parts(one))}


def _parts(file_id: object) -> tuple[str, ...]:
    components = [file_id] if isinstance(file_id, str) else list(file_id) if isinstance(file_id, (list, tuple)) else []
    if not components and hasattr(file_id, "__iter__"):
        components = list(file_id)
    parts = tuple(str(one).strip().casefold() for one in components)
    is_plain = all(part and not set(part) & set("/\\:\0") and part not in (".", "..") for part in parts)
    return parts if is_plain and 0 < len(parts) <= _MOST_COMPONENTS else ()
