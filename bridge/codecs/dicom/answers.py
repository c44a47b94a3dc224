"""Query answers by splicing: a stored record's encoded elements, cut to what was asked, in the caller's syntax and set.

Building a Dataset for each answer costs a millisecond; a list of 500 has no half second to give away.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from bridge.codecs.dicom import charset
from bridge.codecs.dicom.charset import CharacterSet
from bridge.codecs.dicom.device_text import FOLLOWS, Reading, fitted
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, SHORT_LENGTH_VRS, vr_of
from bridge.codecs.dicom.keys import Key

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_HEAD = struct.Struct("<HHL")
_SHORT_LENGTH = struct.Struct("<H")
_LENGTH = struct.Struct("<L")
_ITEM = b"\xfe\xff\x00\xe0"

CHARACTER_SET = 0x00080005

# A record as stored: values by tag, UTF-8 or ASCII, even length; of a sequence the bytes of all its items.
Record = dict[int, bytes]


class Step(NamedTuple):
    """
    One element of an answer.

    head: tag, and VR in explicit VR. empty: the element without a value. is_short: two bytes of length. inside: of a
    sequence, one without steps for all that is stored of it; None for a value. echo: returned as sent (a private creator).
    """

    tag: int
    vr: str
    head: bytes
    empty: bytes
    is_short: bool
    inside: Plan | None
    echo: bytes | None = None


Encode = Callable[[bytes, Step], bytes]
# Told of each element that a device gets less of, or other letters of, than is stored.
OnLoss = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """
    The elements of an answer in tag order, without the character set, and whether each carries its VR.

    Equal to itself alone: answers are remembered by it, and its hash would take longer than an answer.
    """

    steps: tuple[Step, ...]
    explicit: bool


def encode_record(values: dict[int, bytes | list[bytes]]) -> bytes:
    """Return a record in implicit VR little endian: elements in tag order; a list is a sequence of encoded items."""
    out = []
    for tag in sorted(values):
        value = values[tag]
        if isinstance(value, list):
            value = b"".join(_ITEM + _LENGTH.pack(len(item)) + item for item in value)
        elif len(value) % 2:
            value += b"\0" if vr_of(tag) == "UI" else b" "
        out.append(_HEAD.pack(tag >> 16, tag & 0xFFFF, len(value)) + value)
    return b"".join(out)


@lru_cache(maxsize=4096)
def read_record(encoded: bytes) -> Record:
    """Return the elements of what `encode_record` made. The result is shared: read it, don't change it."""
    record: Record = {}
    at, end = 0, len(encoded)
    while at < end:
        group, number, length = _HEAD.unpack_from(encoded, at)
        at += 8
        record[group << 16 | number] = encoded[at : at + length]
        at += length
    return record


def read_items(sequence: bytes) -> list[Record]:
    """Return the items of a sequence that `encode_record` wrote."""
    items, at = [], 0
    while at < len(sequence):
        (length,) = _LENGTH.unpack_from(sequence, at + 4)
        items.append(read_record(sequence[at + 8 : at + 8 + length]))
        at += 8 + length
    return items


@lru_cache(maxsize=512)
def plan(keys: tuple[Key, ...], transfer_syntax_uid: str) -> Plan:
    """
    Return what an answer to *keys* consists of.

    Private keys are kept where their private creator is asked for, too; a creator is returned as sent. An empty sequence
    key, or one with an empty item, asks for all of it. Source: PS3.4 C.2.2.1.2, K.2.2.1.2, PS3.5 7.8.1.
    """
    explicit = transfer_syntax_uid == EXPLICIT_LITTLE
    creators = {key.tag for key in keys if key.tag & 0x10000 and 0x10 <= key.tag & 0xFFFF <= 0xFF}
    steps = []
    for key in keys:
        is_orphan = key.tag & 0x10000 and key.tag not in creators and _creator_of(key.tag) not in creators
        if key.tag != CHARACTER_SET and not is_orphan:
            steps.append(_step(key, explicit, is_creator=key.tag in creators))
    return Plan(tuple(steps), explicit)


def _creator_of(tag: int) -> int:
    return (tag & 0xFFFF0000) | (tag >> 8 & 0xFF)


def _step(key: Key, explicit: bool, *, is_creator: bool) -> Step:
    vr = "LO" if is_creator else vr_of(key.tag) or key.vr or "UN"
    inside = plan(key.items or (), EXPLICIT_LITTLE if explicit else "") if vr == "SQ" else None
    head, is_short = _head(key.tag, vr, explicit)
    empty = head + (_SHORT_LENGTH if is_short else _LENGTH).pack(0)
    return Step(key.tag, vr, head, empty, is_short, inside, key.value if is_creator else None)


def _head(tag: int, vr: str, explicit: bool) -> tuple[bytes, bool]:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head, False
    is_short = vr in SHORT_LENGTH_VRS
    return head + vr.encode("ascii") + (b"" if is_short else b"\0\0"), is_short


class Given(NamedTuple):
    """An answer. is_lossy: some value is shorter, or in other letters, than what is stored."""

    identifier: bytes
    is_lossy: bool


@lru_cache(maxsize=4096)
def give(asked: Plan, encoded: bytes, wanted: CharacterSet | None, reading: Reading = FOLLOWS) -> Given:
    """
    Return the answer to *asked* from the record *encoded*, in the best character set for the caller.

    reading: what the caller can take by its profile; names that do not fit its set are transliterated.
    wanted: what its request declared; taken if every returned value fits. Else ASCII, else UTF-8. Remembered: devices
    ask for the same list every few seconds.
    """
    record, forced = read_record(encoded), reading.character_set
    losses: list[int] = []
    if forced is not None:
        body = _emit(asked, record, _lossy_encoder(forced, reading, losses.append))
        return Given(_charset_element(forced, asked) + body, bool(losses))
    for chosen in (wanted, charset.ASCII):
        if chosen is not None and chosen.is_sound:
            try:
                body = _emit(asked, record, _cutting(_strict_encoder(chosen), reading, losses.append))
            except UnicodeEncodeError:
                losses.clear()
            else:
                return Given(_charset_element(chosen, asked) + body, bool(losses))
    body = _emit(asked, record, _cutting(_as_stored, reading, losses.append))
    return Given(_charset_element(charset.UTF8, asked) + body, bool(losses))


def _charset_element(chosen: CharacterSet, asked: Plan) -> bytes:
    """Return (0008,0005), which comes before anything else an answer can hold and is never empty."""
    value = chosen.value
    if not value:
        return b""
    value += b" " * (len(value) % 2)
    head, is_short = _head(CHARACTER_SET, "CS", asked.explicit)
    return head + (_SHORT_LENGTH if is_short else _LENGTH).pack(len(value)) + value


def _emit(asked: Plan, record: Record, encode: Encode) -> bytes:
    out = []
    for step in asked.steps:
        value = record.get(step.tag, b"") if step.echo is None else step.echo
        if not value:
            out.append(step.empty)
            continue
        if step.inside is not None:
            value = _emit_items(step.inside, value, encode)
        elif step.vr in TEXT_VRS:
            value = encode(value, step)
        out.append(step.head)
        out.append((_SHORT_LENGTH if step.is_short else _LENGTH).pack(len(value)))
        out.append(value)
    return b"".join(out)


def _emit_items(inside: Plan, stored: bytes, encode: Encode) -> bytes:
    out = []
    for item in read_items(stored):
        body = _emit(inside if inside.steps else _whole(tuple(item), inside.explicit), item, encode)
        out.append(_ITEM + _LENGTH.pack(len(body)) + body)
    return b"".join(out)


@lru_cache(maxsize=512)
def _whole(tags: tuple[int, ...], explicit: bool) -> Plan:
    keys = tuple(Key(tag, vr_of(tag), items=() if vr_of(tag) == "SQ" else None) for tag in tags)
    return plan(keys, EXPLICIT_LITTLE if explicit else "")


def _as_stored(value: bytes, step: Step) -> bytes:
    return value


def _strict_encoder(chosen: CharacterSet) -> Encode:
    def encode(value: bytes, step: Step) -> bytes:
        if value.isascii():
            return value
        return _padded(chosen.encode(value.decode("utf-8").rstrip(" "), person_name=step.vr == "PN"))

    return encode


def _lossy_encoder(chosen: CharacterSet, reading: Reading, on_loss: OnLoss) -> Encode:
    def encode(value: bytes, step: Step) -> bytes:
        if value.isascii() and not reading.cuts:
            return value
        text, is_name = value.decode("utf-8").rstrip(" "), step.vr == "PN"
        shown = fitted(charset.transliterate(text, chosen, person_name=is_name), step.tag, step.vr, reading)
        if shown != text:
            on_loss(step.tag)
        return _padded(chosen.encode(shown, person_name=is_name))

    return encode


def _cutting(encode: Encode, reading: Reading, on_loss: OnLoss) -> Encode:
    """Cut what is too long before it is encoded."""
    if not reading.cuts:
        return encode

    def cut_and_encode(value: bytes, step: Step) -> bytes:
        text = value.decode("utf-8").rstrip(" ")
        shown = fitted(text, step.tag, step.vr, reading)
        if shown == text:
            return encode(value, step)
        on_loss(step.tag)
        return encode(_padded(shown.encode("utf-8")), step)

    return cut_and_encode


def _padded(encoded: bytes) -> bytes:
    return encoded + b" " * (len(encoded) % 2)
