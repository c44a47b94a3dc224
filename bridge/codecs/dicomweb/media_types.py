"""Which media types a caller accepts, and which transfer syntaxes they stand for. Source: PS3.18 8.7, RFC 9110 12.5.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, NATIVE
from bridge.errors import Malformed

DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
DICOM_XML: Final = "application/dicom+xml"
OCTETS: Final = "application/octet-stream"
MULTIPART: Final = "multipart/related"
ANY_SYNTAX: Final = "*"

_JPEG: Final = "1.2.840.10008.1.2.4."
# What a compressed frame is called, and in which transfer syntaxes. Source: PS3.18 Tables 8.7.3-4 and 8.7.3-5.
_FRAMES: Final = {
    "image/jpeg": ("50", "51", "57", "70"),
    "image/jls": ("80", "81"),
    "image/jp2": ("90", "91"),
    "image/jpx": ("92", "93"),
    "image/jphc": ("201", "202", "203"),
    "image/jxl": ("110", "111", "112"),
    "video/mpeg": ("100", "101", "100.1", "101.1"),
    "video/mp4": tuple(f"{number}{part}" for number in range(102, 109) for part in ("", ".1")),
}
_RLE: Final = "1.2.840.10008.1.2.5"
_NAME_OF: Final = {_JPEG + last: kind for kind, lasts in _FRAMES.items() for last in lasts} | {_RLE: "image/dicom-rle"}
# Names that clients still use for the same.
_OTHER_NAMES: Final = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "video/mpeg2": "video/mpeg",
    "image/j2k": "image/jp2",
    "image/j2c": "image/jp2",
}
_ACCEPT_MAX: Final = 8192
_TYPES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    One media type that a caller takes.

    kind: lower case, maybe with "*". inner: a multipart's parts, "" for any. transfer_syntax_uid: "" where none is named,
    "*" for any. quality: 0 is left out already.
    """

    kind: str
    inner: str = ""
    transfer_syntax_uid: str = ""
    quality: float = 1.0

    @property
    def is_multipart(self) -> bool:
        return self.kind in (MULTIPART, "multipart/*")

    @property
    def part(self) -> str:
        """The media type of what is wanted itself, whether it comes in parts or alone."""
        return (self.inner or "*/*") if self.is_multipart else self.kind

    def takes(self, kind: str) -> bool:
        """Say whether the thing itself may be of media type *kind*."""
        main = kind.partition("/")[0]
        part = _OTHER_NAMES.get(self.part, self.part)
        return part in (kind, "*/*", f"{main}/*")


def accepted(header: str, parameter: str = "") -> tuple[Accepted, ...]:
    """
    Return what is accepted, best first: the parameter `accept` where there is one, else the header.

    Raises: Malformed, if it is no list of media types. Source: PS3.18 8.3.3.1, 8.7.5.
    """
    # An address that was not encoded turns the plus into a blank.
    text = parameter.replace("application/dicom ", "application/dicom+") or header or "*/*"
    if len(text) > _ACCEPT_MAX:
        raise Malformed("too long", code="too_long", where="Accept")
    found = [one for each in _split(text, ",") if (one := _read(each)) is not None]
    if len(found) > _TYPES_MAX:
        raise Malformed("too many media types", code="too_many", where="Accept")
    return tuple(sorted((one for one in found if one.quality > 0), key=lambda one: -one.quality))


def frame_type_of(transfer_syntax_uid: str) -> str:
    """Return the media type of a frame as it is kept in *transfer_syntax_uid*; "" where the standard names none."""
    return OCTETS if transfer_syntax_uid in NATIVE else _NAME_OF.get(transfer_syntax_uid, "")


def object_syntax(wanted: Sequence[Accepted], kept: str, *, decodes: bool) -> str:
    """
    Return the transfer syntax in which an object kept in *kept* may leave, "" if none of *wanted* allows one.

    decodes: its pixels can be unpacked here. Without a transfer syntax what is compressed leaves as it is kept, although
    the default is Explicit VR Little Endian: who wants that asks for it. Source: PS3.18 8.7.3.4, 8.7.3.5.
    """
    unpacks = kept in NATIVE or decodes
    for one in (each for each in wanted if each.takes(DICOM)):
        asked = one.transfer_syntax_uid
        if asked in (ANY_SYNTAX, kept):
            return kept
        if asked == EXPLICIT_LITTLE and unpacks:
            return EXPLICIT_LITTLE
        if not asked:
            return EXPLICIT_LITTLE if kept in NATIVE else kept
    return ""


def frame_form(wanted: Sequence[Accepted], kept: str, *, decodes: bool) -> tuple[Accepted, str, str] | None:
    """
    Return what a frame kept in *kept* leaves as; None if nothing that is *wanted* can be made.

    That is: which of *wanted* it answers, its media type, and its transfer syntax, where Explicit VR Little Endian means
    unpacked pixels. Source: PS3.18 8.7.3.3, 10.4.3.
    """
    own = frame_type_of(kept) or OCTETS
    is_plain = kept in NATIVE
    for one in wanted:
        asked = one.transfer_syntax_uid
        # By its own name or by "image/*": as it is kept.
        if own != OCTETS and one.part != "*/*" and one.takes(own) and asked in ("", ANY_SYNTAX, kept):
            return one, own, kept
        if not one.takes(OCTETS) or (one.part == "*/*" and not asked and not is_plain):
            continue
        if not is_plain and asked in (ANY_SYNTAX, kept):
            return one, own, kept
        if asked in ("", ANY_SYNTAX, EXPLICIT_LITTLE, kept) and (is_plain or decodes):
            return one, OCTETS, EXPLICIT_LITTLE
    anything = next((one for one in wanted if one.part == "*/*" and not one.transfer_syntax_uid), None)
    return (anything, own, kept) if anything is not None and not is_plain else None


def _read(text: str) -> Accepted | None:
    kind, *rest = (part.strip() for part in _split(text, ";"))
    if not kind:
        return None
    if "/" not in kind and kind != "*":
        raise Malformed("not a media type", where="Accept", source="RFC 9110 12.5.1")
    parameters = {}
    for each in rest:
        name, _, value = each.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"').strip()
    return Accepted(
        "*/*" if kind == "*" else kind.lower(),
        parameters.get("type", "").lower(),
        parameters.get("transfer-syntax", ""),
        _quality(parameters.get("q", "1")),
    )


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0) if len(text) <= 5 else 1.0
    except ValueError:
        raise Malformed("not a quality", where="Accept", source="RFC 9110 12.4.2") from None


def _split(text: str, separator: str) -> Iterator[str]:
    """Yield the parts of *text* between separators that stand outside quotes."""
    start, quoted = 0, False
    for at, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            yield text[start:at]
            start = at + 1
    yield text[start:]
