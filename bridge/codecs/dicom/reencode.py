"""The same object in another uncompressed little endian syntax, for a receiver that took only that one. Source: PS3.5 A.1, A.2."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, NATIVE
from bridge.codecs.dicom.explicit import explicit_pieces
from bridge.codecs.dicom.implicit import implicit_pieces
from bridge.codecs.dicom.part10 import open_buffer, read_file_meta
from bridge.codecs.dicom.unpacked import UNPACKABLE, Unpack, unpacked_pieces
from bridge.errors import Unsupported

LITTLE_ENDIAN: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE})


def can_become_plain(transfer_syntax_uid: str, unpack: Unpack | None) -> bool:
    """Say whether an object kept in *transfer_syntax_uid* can be sent in either syntax of LITTLE_ENDIAN."""
    return transfer_syntax_uid in LITTLE_ENDIAN or (unpack is not None and transfer_syntax_uid in UNPACKABLE)


def reencode(source: Path, target: Path, transfer_syntax_uid: str, unpack: Unpack | None = None) -> None:
    """
    Write *source*, a Part 10 file, to *target* in *transfer_syntax_uid*, one of LITTLE_ENDIAN; values stay.

    unpack: of compressed pixels, None where they are to stay so. A second file lies beside *target* meanwhile.
    Raises: Unsupported, if it cannot be; Malformed, if the file cannot be read; as `unpack`.
    """
    if transfer_syntax_uid not in LITTLE_ENDIAN:
        raise Unsupported("not an uncompressed little endian syntax", code="transfer_syntax")
    with open_buffer(source) as data:
        kept = read_file_meta(data).transfer_syntax_uid
    if kept == EXPLICIT_LITTLE and transfer_syntax_uid == IMPLICIT_LITTLE:
        with target.open("wb") as file:
            file.writelines(implicit_pieces(source))
        return
    is_packed = unpack is not None and kept not in NATIVE
    explicit = target if transfer_syntax_uid == EXPLICIT_LITTLE else target.with_name(f"explicit-{target.name}")
    try:
        with explicit.open("wb") as file:
            file.writelines(unpacked_pieces(source, unpack) if unpack and is_packed else explicit_pieces(source))
        if explicit is not target:
            with target.open("wb") as file:
                file.writelines(implicit_pieces(explicit))
    finally:
        if explicit is not target:
            explicit.unlink(missing_ok=True)
