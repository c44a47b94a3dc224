"""Specific Character Set (0008,0005): text to bytes and back. Source: PS3.3 C.12.1.1.2, PS3.5 6.1."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from bridge.domain.romanise import romanise

DEFAULT_TERM = "ISO_IR 100"
UTF8_TERM = "ISO_IR 192"
ESC = b"\x1b"

# Only these names reach a decoder: a Python codec's name in (0008,0005) must never pick that codec.
_CODECS: dict[str, str] = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 192": "utf_8",
    "ISO_IR 203": "iso8859_15",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO 2022 IR 58": "gb2312",
    "ISO 2022 IR 87": "iso2022_jp",
    "ISO 2022 IR 149": "euc_kr",
    "ISO 2022 IR 159": "iso2022_jp_2",
}
_CODECS.update(
    {f"ISO 2022 IR {t[7:]}": c for t, c in list(_CODECS.items()) if t.startswith("ISO_IR") and t != UTF8_TERM}
)
STAND_ALONE = frozenset({UTF8_TERM, "GB18030", "GBK"})
_ESCAPES: dict[str, bytes] = {
    "ascii": b"\x1b(B",
    "latin_1": b"\x1b-A",
    "iso8859_2": b"\x1b-B",
    "iso8859_3": b"\x1b-C",
    "iso8859_4": b"\x1b-D",
    "iso8859_7": b"\x1b-F",
    "iso8859_6": b"\x1b-G",
    "iso8859_8": b"\x1b-H",
    "iso8859_5": b"\x1b-L",
    "iso8859_9": b"\x1b-M",
    "tis_620": b"\x1b-T",
    "iso8859_15": b"\x1b-b",
    "gb2312": b"\x1b$)A",
    "euc_kr": b"\x1b$)C",
}
_BY_ESCAPE = {escape: codec for codec, escape in _ESCAPES.items()} | {b"\x1b(J": "shift_jis", b"\x1b)I": "shift_jis"}
_JIS = {b"\x1b$B": "iso2022_jp", b"\x1b$@": "iso2022_jp", b"\x1b$(D": "iso2022_jp_2"}
_ESCAPE_SEQUENCE = re.compile(rb"\x1b(?:\$[()][A-D]|\$[@B]|[(][BJ]|[)]I|-[A-Zb])")
_PN_DELIMITERS = re.compile(r"([\^=\\])")
_TEXT_DELIMITERS = re.compile(r"([\\\r\n\t\f])")
_MISSPELT = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d+)")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """
    One value of (0008,0005), checked.

    terms: DICOM defined terms, the first one "" for the default repertoire. is_sound: every term was known and the
    combination legal; an unsound set still reads, as its sound part (ISO_IR 100 if there is none).
    """

    terms: tuple[str, ...]
    is_sound: bool = True

    @property
    def value(self) -> bytes:
        """The element's value, unpadded; b"" for the default repertoire."""
        return "\\".join(self.terms).encode("ascii")

    def decode(self, raw: bytes, *, person_name: bool = False) -> tuple[str, bool]:
        """
        Return the text of *raw*, and whether every byte was legal in this set.

        Bytes without the escape that a further term needs read as in that term: devices forget it. Else as Latin-1.
        """
        if raw.isascii() and ESC not in raw:
            return raw.decode("ascii"), True
        try:
            if len(self.terms) > 1 and ESC in raw:
                return _decode_extended(raw, self.terms, person_name), True
            return _plain_decode(raw, _CODECS[self.terms[0]]), ESC not in raw
        except UnicodeError:
            return self._leniently(raw), False

    def _leniently(self, raw: bytes) -> str:
        codecs = [_CODECS[term] for term in self.terms[1:] if ESC not in raw]
        for codec in (codec for codec in codecs if codec not in _JIS.values()):
            try:
                return _plain_decode(raw, codec)
            except UnicodeError:
                continue
        return raw.decode("latin_1")

    def encode(self, text: str, *, person_name: bool = False) -> bytes:
        """
        Return *text* in this set, with code extensions where the set has several terms.

        Raises: UnicodeEncodeError, if a character has no place in it. Source: PS3.5 6.1.2.5.
        """
        if text.isascii():
            return text.encode("ascii")
        if len(self.terms) == 1:
            return _plain_encode(text, _CODECS[self.terms[0]])
        pieces = (_PN_DELIMITERS if person_name else _TEXT_DELIMITERS).split(text)
        return b"".join(_encode_extended(piece, self.terms) for piece in pieces)

    def fits(self, text: str, *, person_name: bool = False) -> bool:
        """Say whether *text* can be written in this set."""
        try:
            self.encode(text, person_name=person_name)
        except UnicodeEncodeError:
            return False
        return True


ASCII = CharacterSet(("",))
LATIN_1 = CharacterSet((DEFAULT_TERM,))
UTF8 = CharacterSet((UTF8_TERM,))


@lru_cache(maxsize=256)
def parse(raw: bytes) -> CharacterSet:
    """Return the character set that the value *raw* names; unknown terms are dropped and make it unsound."""
    names = [part.strip(" \0") for part in raw.decode("latin_1").split("\\")]
    known = [(name, _corrected(name)) for name in names]
    terms = [term for _, term in known if term is not None]
    sound = all(name == term for name, term in known)
    if any(term in STAND_ALONE for term in terms) and len(terms) > 1:
        terms = terms[:1] if terms[0] in STAND_ALONE else [term for term in terms if term not in STAND_ALONE]
        sound = False
    # Kanji or hangul without code extensions is a frequent slip: the extension's escapes are honoured all the same.
    if len(terms) == 1 and _is_multi_byte_extension(terms[0]):
        terms, sound = ["", terms[0]], False
    return CharacterSet(tuple(terms) or (DEFAULT_TERM,), sound)


def parse_setting(text: str) -> CharacterSet | None:
    """Return the character set of a settings value such as "ISO_IR 100", None if it names none that is sound."""
    if text == "ISO_IR 6":
        # An answer in the default repertoire names no set at all. Source: PS3.3 C.12.1.1.2.
        return ASCII
    found = parse(text.encode("latin_1", "replace"))
    return found if text and found.is_sound else None


def _corrected(name: str) -> str | None:
    if name in _CODECS:
        return name
    if misspelt := _MISSPELT.fullmatch(name.upper()):
        term = f"{'ISO 2022 IR' if misspelt[1] else 'ISO_IR'} {misspelt[2]}"
        return term if term in _CODECS else None
    return name.upper() if name.upper() in STAND_ALONE else None


def _is_multi_byte_extension(term: str) -> bool:
    return term in ("ISO 2022 IR 58", "ISO 2022 IR 87", "ISO 2022 IR 149", "ISO 2022 IR 159")


def _plain_decode(raw: bytes, codec: str) -> str:
    if codec == "shift_jis":
        return "".join(bytes([b]).decode("shift_jis") for b in raw)
    return raw.decode(codec)


def _plain_encode(text: str, codec: str) -> bytes:
    encoded = text.encode(codec)
    if codec == "shift_jis" and len(encoded) != len(text):
        raise UnicodeEncodeError("iso_ir_13", text, 0, len(text), "not in JIS X 0201")
    return encoded


def _decode_extended(raw: bytes, terms: tuple[str, ...], person_name: bool) -> str:
    """Decode code extensions; a delimiter brings the first set back. Source: PS3.5 6.1.2.5.3."""
    first = _CODECS[terms[0]]
    delimiters = b"^=\\" if person_name else b"\\\r\n\t\f"
    out, at, escape = [], 0, b""
    marks = [(m.start(), m.end(), m.group()) for m in _ESCAPE_SEQUENCE.finditer(raw)]
    for start, end, mark in [*marks, (len(raw), len(raw), b"")]:
        out.append(_decode_run(raw[at:start], escape, first, delimiters))
        at, escape = end, mark
    return "".join(out)


def _decode_run(run: bytes, escape: bytes, first: str, delimiters: bytes) -> str:
    if not run:
        return ""
    if escape in _JIS:
        return (escape + run).decode(_JIS[escape])
    codec = _BY_ESCAPE.get(escape, first)
    cut = next((i for i, b in enumerate(run) if b in delimiters), len(run))
    return _plain_decode(run[:cut], codec) + _plain_decode(run[cut:], first)


def _encode_extended(piece: str, terms: tuple[str, ...]) -> bytes:
    for position, term in enumerate(terms):
        try:
            encoded = _plain_encode(piece, _CODECS[term])
        except UnicodeEncodeError:
            continue
        if _CODECS[term] in ("iso2022_jp", "iso2022_jp_2"):
            return encoded.removesuffix(b"\x1b(B") + (b"\x1b(J" if terms[0].endswith("IR 13") else b"\x1b(B")
        escape = b"\x1b)I" if _CODECS[term] == "shift_jis" else _ESCAPES[_CODECS[term]]
        return encoded if position == 0 else escape + encoded
    raise UnicodeEncodeError("specific_character_set", piece, 0, len(piece), "in none of the sets")


_LETTERS = "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЁІЇЄҐЂЈЉЊЋЏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩÆŒØŁĐÞÐßıĦŊŦςþ"
_LATIN_LETTERS = (
    "A B V G D E Zh Z I Y K L M N O P R S T U F Kh Ts Ch Sh Shch  Y  E Yu Ya E I Yi Ye G Dj J Lj Nj C Dz "
    "A V G D E Z I Th I K L M N X O P R S T Y F Ch Ps O AE OE O L D Th D ss i H N T s th"
)
_LATIN: dict[str, str] = dict(zip(_LETTERS, _LATIN_LETTERS.split(" "), strict=True))


# Kana and hangul spell sounds, and a run of them is read as one.
_SPELLED = re.compile("[\u3041-\u30ff\uff66-\uff9f\uac00-\ud7a3]+")


def _spelled(run: re.Match[str]) -> str:
    return next(iter(romanise(run[0])), run[0]).capitalize()


def transliterate(text: str, into: CharacterSet, *, person_name: bool = False) -> str:
    """
    Return *text* written with characters that *into* has: a name that a device can show beats none.

    A PN group in another script is left out if another group remains; one that remains takes the empty first group's
    place, as such devices show no other. What has no transliteration becomes "?".
    """
    if into.fits(text, person_name=person_name):
        return text
    if not person_name:
        return _transliterated(text, into)
    first, *others = text.split("=")
    readable = [name for group in (first, *others) if group and "?" not in (name := _transliterated(group, into))]
    if not readable or not first:
        return readable[0] if readable else "=".join(_transliterated(group, into) for group in (first, *others))
    shown = _transliterated(first, into)
    kept = [shown if shown in readable else "", *(group if into.fits(group) else "" for group in others)]
    return "=".join(kept).rstrip("=") or readable[0]


def _transliterated(text: str, into: CharacterSet) -> str:
    out = []
    # "Shch" in a word of capitals.
    is_capitals = text == text.upper() != text.lower()
    if _SPELLED.search(text):
        text = _SPELLED.sub(_spelled, unicodedata.normalize("NFKC", text))
    for character in text:
        if into.fits(character):
            out.append(character)
            continue
        upper = _LATIN.get(character.upper())
        plain = _LATIN.get(character, upper.lower() if upper is not None and character != character.upper() else upper)
        if plain is None:
            plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        if is_capitals:
            plain = plain.upper()
        out.append(plain if into.fits(plain) else "?")
    return "".join(out)
