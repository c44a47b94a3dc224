"""Delimiters and the escapes that stand for them. Source: HL7 2.5.1 2.5.4, 2.7."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.errors import Malformed

NULL = '""'
_HEX = re.compile(r"[Xx]((?:[0-9A-Fa-f]{2}){1,2000})")
_SPACES = re.compile(r"\.(sp|sk|in|ti)\s*\+?([0-9]{0,2})")
_BREAKS = frozenset({".br", ".ce", ".fi", ".nf", ".sp"})
_HIGHLIGHT = frozenset({"H", "N"})
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_LONGEST_BODY = 4100


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five characters of MSH-1 and MSH-2; "" for one that MSH-2 leaves out."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def encoding_characters(self) -> str:
        """MSH-2 as it is sent."""
        return self.component + self.repetition + self.escape + self.subcomponent


STANDARD = Delimiters()
_USUAL = "|^~\\&|"


def read_delimiters(header: str) -> Delimiters:
    """
    Return the delimiters that an MSH (FHS, BHS) segment declares; STANDARD itself for the usual ones.

    Raises: Malformed, where two are the same, or one could be text: every value behind it would be guesswork.
    """
    if header[3:9] == _USUAL:
        return STANDARD
    separator = header[3:4]
    characters = header[4:].split(separator, 1)[0] if separator else ""
    if has_double_escape(characters):
        characters = characters[:3] + characters[4:]
    # From 2.7 on a fifth character announces truncation; it separates nothing. Source: HL7 2.7 2.5.5.2.
    chosen = separator + characters
    if not 1 <= len(characters) <= 5:
        raise Malformed("no usable encoding characters", where="MSH-2", source="HL7 2.5.1 2.14.9.2")
    if len(set(chosen)) != len(chosen) or any(
        c.isalnum() or c.isspace() or c == '"' or not c.isprintable() for c in chosen
    ):
        raise Malformed("delimiters that are not distinct punctuation", where="MSH-2", source="HL7 2.5.1 2.14.9.2")
    padded = [*characters[:4], "", "", ""]
    found = Delimiters(separator, padded[0], padded[1], padded[2], padded[3])
    return STANDARD if found == STANDARD else found


def has_double_escape(encoding_characters: str) -> bool:
    r"""
    Say whether MSH-2 is the usual one with its escape twice.

    A program's text that escaped the backslash for its own language; nothing else can be meant by it.

    >>> has_double_escape("^~\\\\&"), has_double_escape("^~\\&"), has_double_escape("^^^~&")
    (True, False, False)
    """
    return encoding_characters == "^~\\\\&"


def unescape(text: str, delimiters: Delimiters, codec: str, unknown: list[str] | None = None) -> str:
    """
    Return *text* with its escapes decoded; one that means nothing stays as it is.

    codec: the message's, for hexadecimal bytes. unknown: takes the first letter of each escape that was kept.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    out: list[str] = []
    at = 0
    while (begin := text.find(mark, at)) >= 0:
        out.append(text[at:begin])
        end = text.find(mark, begin + 1, begin + _LONGEST_BODY)
        decoded = _decode(text[begin + 1 : end], delimiters, codec) if end >= 0 else None
        if decoded is None:
            out.append(mark)
            at = begin + 1
            if unknown is not None:
                unknown.append(text[begin + 1 : begin + 2])
        else:
            out.append(decoded)
            at = end + 1
    out.append(text[at:])
    return "".join(out)


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """Return *text* so that it can stand between delimiters; line ends become `.br`."""
    mark = delimiters.escape
    if mark in text:
        text = text.replace(mark, f"{mark}E{mark}")
    for letter, delimiter in _letters(delimiters):
        if delimiter and letter != "E" and delimiter in text:
            text = text.replace(delimiter, f"{mark}{letter}{mark}")
    if "\r" in text or "\n" in text:
        line_break = f"{mark}.br{mark}"
        text = text.replace("\r\n", line_break).replace("\r", line_break).replace("\n", line_break)
    return text


def _letters(delimiters: Delimiters) -> tuple[tuple[str, str], ...]:
    return (
        ("E", delimiters.escape),
        ("F", delimiters.field),
        ("S", delimiters.component),
        ("T", delimiters.subcomponent),
        ("R", delimiters.repetition),
    )


def _decode(body: str, delimiters: Delimiters, codec: str) -> str | None:
    """Return what the escape *body* stands for, None if it is no escape we know."""
    if len(body) == 1:
        if body in _HIGHLIGHT:
            return ""
        return dict(_letters(delimiters)).get(body)
    if body in _BREAKS:
        return "\r\n"
    spaces = _SPACES.fullmatch(body)
    if spaces:
        count = int(spaces[2] or 1)
        return "\r\n" * count if spaces[1] == "sp" else " " * count
    hexadecimal = _HEX.fullmatch(body)
    if hexadecimal:
        return _decode_hex(hexadecimal[1], codec)
    return None


def _decode_hex(digits: str, codec: str) -> str | None:
    try:
        text = bytes.fromhex(digits).decode(codec)
    except UnicodeDecodeError:
        return None
    return None if _UNSAFE.search(text) else text
