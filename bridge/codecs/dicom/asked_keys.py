"""A worklist query as people read it: which keys it holds, with which values, in which character set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag

from bridge.codecs.dicom import answers, charset, worklist_model
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.elements import vr_of
from bridge.codecs.dicom.keys import Key, read_identifier

_READ_AS_TEXT = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)


@dataclass(frozen=True, slots=True)
class AskedKey:
    """
    One key.

    keyword: "" for a private or unknown element. value: "" where nothing is asked but the attribute itself. in_step: it
    stands inside the scheduled procedure step. is_legible: False where its bytes are not of the query's character set.
    """

    tag: str
    keyword: str
    value: str
    in_step: bool = False
    is_legible: bool = True


@dataclass(frozen=True, slots=True)
class AskedKeys:
    """
    A whole query. character_set: what it declares, "" if nothing. is_sound_set: False for one we do not know whole.

    hints: slugs of what is odd about it.
    """

    keys: tuple[AskedKey, ...]
    character_set: str = ""
    is_sound_set: bool = True
    hints: tuple[str, ...] = ()

    @property
    def asking(self) -> tuple[AskedKey, ...]:
        """The keys that hold a value."""
        return tuple(key for key in self.keys if key.value.strip(" *^=\0"))

    def legible(self, keyword: str) -> bool:
        """Say whether the key of that keyword could be read for certain."""
        return all(key.is_legible for key in self.keys if key.keyword == keyword)


def read_asked_keys(identifier: bytes, transfer_syntax_uid: str, default_charset: CharacterSet) -> AskedKeys:
    """
    Return what a query holds, in the order of its tags; those inside the step behind the step's place.

    default_charset: how keys are read that declare no character set. Raises: Malformed, if it cannot be read.
    """
    keys = read_identifier(identifier, transfer_syntax_uid)
    raw = next((key.value for key in keys if key.tag == worklist_model.CHARACTER_SET), b"").strip(b" \0")
    declared = charset.parse(raw) if raw else default_charset
    found = tuple(_read(keys, declared, in_step=False))
    return AskedKeys(found, raw.decode("ascii", "replace"), declared.is_sound)


def stored_value(encoded: bytes, keyword: str, *, in_step: bool) -> str:
    """Return what a stored worklist item holds of an attribute, as text; "" if nothing."""
    record = answers.read_record(encoded)
    if in_step:
        steps = answers.read_items(record.get(worklist_model.STEP_SEQUENCE, b""))
        record = steps[0] if steps else {}
    value = next((value for tag, value in record.items() if keyword_for_tag(tag) == keyword), b"")
    return value.decode("utf-8", "replace").strip(" \0")


def _read(keys: Iterable[Key], declared: CharacterSet, *, in_step: bool) -> Iterator[AskedKey]:
    for key in keys:
        if key.tag == worklist_model.CHARACTER_SET:
            continue
        if key.items is None:
            yield _one(key, declared, in_step)
        elif key.tag == worklist_model.STEP_SEQUENCE:
            yield from _read(key.items, declared, in_step=True)
        else:
            inside = [one for one in _read(key.items, declared, in_step=in_step) if one.value]
            value = ", ".join(f"{one.keyword or one.tag} {one.value}" for one in inside)
            legible = all(one.is_legible for one in inside)
            yield AskedKey(_tag(key.tag), keyword_for_tag(key.tag), value, in_step, legible)


def _one(key: Key, declared: CharacterSet, in_step: bool) -> AskedKey:
    vr = vr_of(key.tag) or key.vr
    text, legible = declared.decode(key.value.rstrip(b" \0"), person_name=vr == "PN")
    if vr not in _READ_AS_TEXT:
        text, legible = ("(binary)" if key.value.strip(b"\0 ") else ""), True
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text.strip(" \0"))
    return AskedKey(_tag(key.tag), keyword_for_tag(key.tag), shown, in_step, legible)


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
