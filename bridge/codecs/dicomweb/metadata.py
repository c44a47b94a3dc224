"""An object's header as DICOM JSON, without its pixels. Source: PS3.18 10.4.1.1.2, F."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from bridge.errors import Malformed, Unsupported

_BULK_BYTES = 1024


def metadata_of(path: Path) -> dict[str, Any]:
    """
    Return the header of a Part 10 file; binary values over a kilobyte are left out.

    Raises: Malformed, Unsupported for a deflated object: reading its header would inflate the whole of it.
    """
    try:
        if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            raise Unsupported("metadata of deflated objects is not served", source="PS3.5 A.5")
        dataset = dcmread(path, stop_before_pixels=True, defer_size=_BULK_BYTES * 64)
        return dataset.to_json_dict(_BULK_BYTES, _no_address, suppress_invalid_tags=True)
    except (InvalidDicomError, OSError, ValueError, TypeError, RecursionError):
        raise Malformed("the object cannot be read") from None


def _no_address(_: DataElement) -> str:
    return ""
