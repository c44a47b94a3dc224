"""Documents that stand inside a message. Source: HL7 2.5.1 2.A.24 (ED), tables 0191, 0291, 0299."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from bridge.codecs.hl7.er7 import Message, Segment
from bridge.errors import Malformed

MAX_DOCUMENT_BYTES = 16 << 20
UNKNOWN = "application/octet-stream"
_TYPES = {
    "pdf": "application/pdf",
    "plain": "text/plain",
    "text": "text/plain",
    "rtf": "application/rtf",
    "xml": "application/xml",
    "xhl7cda": "application/xml",
    "x-hl7-cda-level-one": "application/xml",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "tiff": "image/tiff",
    "gif": "image/gif",
}
_SPACE = str.maketrans("", "", " \t\r\n")
_PDF_MARK = b"%PDF-"
_PDF_MARK_WITHIN = 1024
_DATA = 5


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document as sent. content_type: what its sender calls it and its bytes do not contradict, else UNKNOWN."""

    content_type: str
    content: bytes = field(repr=False)


def read_embedded(message: Message, segment: Segment) -> Embedded | None:
    """
    Return the document in OBX-5 of *segment*, None if there is none in it.

    Raises: Malformed, if it is not written as its own encoding says, or larger than MAX_DOCUMENT_BYTES.
    """
    parts = (segment.field(5) or "").split(message.delimiters.component, _DATA - 1)
    if len(parts) < _DATA or not parts[_DATA - 1].strip():
        return None
    kind, subtype, encoding = (message.decode(part).lower() for part in parts[1:4])
    content = _decode(message.decode(parts[_DATA - 1]), encoding, f"{segment.where}-5.{_DATA}")
    return Embedded(_content_type(kind, subtype, content), content) if content else None


def _decode(text: str, encoding: str, where: str) -> bytes:
    if len(text) > 2 * MAX_DOCUMENT_BYTES:
        raise _too_large(where)
    try:
        if encoding == "base64":
            content = base64.b64decode(text.translate(_SPACE), validate=True)
        elif encoding == "hex":
            content = bytes.fromhex(text)
        else:
            content = text.encode()
    except (binascii.Error, ValueError):
        raise Malformed(
            "the document is not written as its encoding says", where=where, source="HL7 table 0299"
        ) from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise _too_large(where)
    return content


def _content_type(kind: str, subtype: str, content: bytes) -> str:
    """Return the type by its subtype ("pdf", "text/xml"); a file that says PDF and is none is shown as nothing known."""
    found = _TYPES.get(subtype.rpartition("/")[2]) or _TYPES.get(kind, UNKNOWN)
    if found == "application/pdf" and _PDF_MARK not in content[:_PDF_MARK_WITHIN]:
        return UNKNOWN
    return found


def _too_large(where: str) -> Malformed:
    return Malformed(f"a document larger than {MAX_DOCUMENT_BYTES >> 20} MiB", code="too_long", where=where)
