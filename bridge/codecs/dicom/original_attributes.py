"""One item of Original Attributes Sequence (0400,0561): what a modification replaced. Source: PS3.3 C.12.1.1.9."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.edits import ElementWriter
from bridge.domain.matching import normal_date

_CHARACTER_SET = 0x00080005
_LENGTHS = {"LO": 64, "SH": 16, "CS": 16}
_PN_GROUP_MAX = 64


@dataclass(frozen=True, slots=True)
class Modification:
    """Who changed attributes, when and why. at: aware. reason: COERCE or CORRECT."""

    at: datetime
    modifying_system: str
    reason: str = "COERCE"

    @property
    def at_value(self) -> str:
        """The instant as DT with its offset."""
        return date_time(self.at)


def date_time(at: datetime) -> str:
    """Return an aware instant as DT with its offset. Source: PS3.5 6.2."""
    return at.strftime("%Y%m%d%H%M%S.%f%z")


@dataclass(frozen=True, slots=True)
class OldValue:
    """
    An attribute as it was. encoded: its whole element, b"" if it was absent; value: the value alone.

    character_set: what its text is in, None if nothing says.
    """

    tag: int
    vr: str
    value: bytes = b""
    encoded: bytes = b""
    character_set: CharacterSet | None = None

    @property
    def is_conformant(self) -> bool:
        """Say whether the value is one that its VR allows, so that it can be repeated as it was."""
        if self.vr == "SQ" or not self.value.strip(b" \0"):
            return True
        if self.tag == _CHARACTER_SET:
            return charset.parse(self.value).is_sound
        if self.vr == "DA":
            text = self.value.decode("latin_1").strip(" ")
            return normal_date(text) == text
        if self.character_set is None or not self.character_set.is_sound:
            return self.value.isascii()
        text, legal = self.character_set.decode(self.value.rstrip(b" \0"), person_name=self.vr == "PN")
        longest = max(map(len, text.split("="))) if self.vr == "PN" else len(text)
        return legal and longest <= _LENGTHS.get(self.vr, _PN_GROUP_MAX)


def modification_item(writer: ElementWriter, modification: Modification, old: Iterable[OldValue]) -> bytes:
    """
    Return the encoded elements of the item that records *modification*.

    A value that its VR does not allow is kept as bytes beside, and stands with zero length among the others.
    """
    kept = sorted(old, key=lambda value: value.tag)
    modified = b"".join(
        value.encoded if value.encoded and value.is_conformant else writer.element(value.tag, value.vr, b"")
        for value in kept
    )
    odd = [value for value in kept if not value.is_conformant]
    parts = [writer.sequence(0x04000550, [modified])]
    if odd:
        parts.append(writer.sequence(0x04000551, [_nonconforming(writer, value) for value in odd]))
    parts += [
        writer.element(0x04000562, "DT", modification.at_value.encode("ascii")),
        writer.element(0x04000563, "LO", modification.modifying_system.encode("ascii", "replace")),
        writer.element(0x04000564, "LO", b""),
        writer.element(0x04000565, "CS", modification.reason.encode("ascii")),
    ]
    return b"".join(parts)


def _nonconforming(writer: ElementWriter, value: OldValue) -> bytes:
    return writer.element(0x00720026, "AT", writer.tag(value.tag)) + writer.element(0x04000552, "OB", value.value)
