"""The same object in the other uncompressed little endian syntax, for a receiver that took only that one. Source: PS3.5 A.1, A.2."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.codecs.dicom.explicit import explicit_pieces
from bridge.errors import Malformed, Unsupported

LITTLE_ENDIAN: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE})


def reencode(source: Path, target: Path, transfer_syntax_uid: str) -> None:
    """
    Write *source*, a Part 10 file, to *target* in *transfer_syntax_uid*; values stay, only VRs come or go.

    Into implicit VR the whole object is in memory meanwhile. Raises: Unsupported, unless both syntaxes are uncompressed little endian;
    Malformed, if a value has no form in the other syntax.
    """
    if transfer_syntax_uid == EXPLICIT_LITTLE:
        with target.open("wb") as file:
            file.writelines(explicit_pieces(source))
        return
    try:
        dataset = pydicom.dcmread(source)
        if str(dataset.file_meta.TransferSyntaxUID) not in LITTLE_ENDIAN or transfer_syntax_uid not in LITTLE_ENDIAN:
            raise Unsupported("not between uncompressed little endian syntaxes", code="transfer_syntax")
        dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
        implicit = transfer_syntax_uid == IMPLICIT_LITTLE
        dataset.save_as(target, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    except (InvalidDicomError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as fault:
        raise Malformed("the object has no form in the other transfer syntax", code="cannot_reencode") from fault
