"""Person names read for comparison: groups, components, repairs, folding. Source: PS3.5 6.2.1 (PN), PS3.3 C.12.1.

A reading is one way to see family, given and middle name in Latin letters; a name has several where its writer did
not say which part is which, or where a script can be spelled in more than one way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from bridge.domain.romanise import is_han, is_spelled_script, romanise

_GROUPS, _COMPONENTS, _MOST_WORDS_TO_SPLIT = 3, 5, 6
# Three groups of 64 characters are allowed; what a hostile peer adds is not compared.
_LONGEST = 512
# Dropped wherever another word stands beside them; short ones that are names somewhere (MA, DO, LE) are not here.
_TITLES = frozenset(
    {"DR", "PROF", "MR", "MRS", "MS", "MISS", "SIR", "DAME", "REV", "HERR", "FRAU", "SRA", "MD", "PHD", "MBBS", "DDS",
     "DVM", "ESQ", "JR", "SR", "II", "III", "IV", "JUNIOR", "SENIOR"}
)  # fmt: skip
_SPECIAL = str.maketrans(
    {"Ø": "O", "Æ": "AE", "Œ": "OE", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŋ": "NG", "Ə": "A",
     "İ": "I", "Ё": "Е", "Ё".lower(): "Е"}
)  # fmt: skip
# German and Scandinavian letters are written out as two where a keyboard lacks them.
_WRITTEN_OUT = str.maketrans({"Ä": "AE", "Ö": "OE", "Ü": "UE", "Ø": "OE", "Å": "AA"})
_APOSTROPHES = str.maketrans("", "", "'’‘`´ʼʻ·‧・＇")
_NOT_A_WORD = re.compile(r"[^\w]+|_")
_ESCAPE = re.compile("\x1b[\x20-\x2f]+[\x40-\x7e]")
_QUESTION_RUN = re.compile(r"\?{2,}|^\s*\?\s*$")
# U+00B4 serves as an apostrophe and U+00B7 stands in Catalan names: both are sound.
_LATIN_1_SYMBOLS = frozenset(
    chr(code)
    for code in (*range(0xA1, 0xC0), 0xD7, 0xF7)
    if code not in (0xAD, 0xB4, 0xB7) and not unicodedata.category(chr(code)).startswith("L")
) | {"ª", "º", "µ"}


@dataclass(frozen=True, slots=True)
class NamePart:
    """
    One part in upper-case Latin letters and digits.

    letters: without spaces. words: its words in the order written. written_out: letters with ä as AE and so on,
    the same as letters where there is no such letter.
    """

    letters: str = ""
    words: tuple[str, ...] = ()
    written_out: str = ""

    def __bool__(self) -> bool:
        return bool(self.letters)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to see a name in Latin letters. is_spelled: romanised from another script, not written so."""

    family: NamePart
    given: NamePart
    middle: NamePart
    is_spelled: bool = False


@dataclass(frozen=True, slots=True)
class NativeName:
    """A name as written in its own script, katakana as hiragana. given is empty where the parts are not told apart."""

    family: str
    given: str
    has_han: bool

    @property
    def whole(self) -> str:
        return self.family + self.given


@dataclass(frozen=True, slots=True)
class PersonName:
    """A parsed PN. words: every Latin word of it. broken: some of it was written in a wrong character set."""

    readings: tuple[Reading, ...] = ()
    natives: tuple[NativeName, ...] = ()
    words: frozenset[str] = frozenset()
    broken: bool = False


def fold(text: str) -> str:
    """Return *text* NFKC, upper case, without diacritics on Latin and Greek letters; other scripts stay as they are."""
    if text.isascii():
        return text.upper()
    upper = unicodedata.normalize("NFKC", text).upper().translate(_SPECIAL)
    if upper.isascii():
        return upper
    return "".join(_base_of(char) for char in upper)


def _base_of(char: str) -> str:
    code = ord(char)
    latin_or_greek = code < 0x0400 or 0x1E00 <= code < 0x2000
    if not latin_or_greek:
        return char
    return "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))


def is_broken(component: str) -> bool:
    """
    Say whether *component* was decoded in a wrong character set.

    ESC, C1 controls, U+FFFD, runs of question marks, Latin-1 symbols, or two or more accented letters without one
    plain letter. NÚÑEZ is sound.
    """
    if component.isascii():
        return "\x1b" in component or ("?" in component and bool(_QUESTION_RUN.search(component)))
    if any(c == "\x1b" or "\x80" <= c <= "\x9f" or c == "\ufffd" or c in _LATIN_1_SYMBOLS for c in component):
        return True
    if _QUESTION_RUN.search(component):
        return True
    accented = sum(1 for c in component if "\u00c0" <= c <= "\u024f")
    return accented >= 2 and not any(c.isascii() and c.isalpha() for c in component)


def parse_name(patient_name: str) -> PersonName:
    """Read a PN, or what is sent in its place, for comparison. patient_name: decoded, with its groups."""
    return _parse(patient_name[:_LONGEST])


@lru_cache(maxsize=50_000)
def _parse(patient_name: str) -> PersonName:
    readings: list[Reading] = []
    natives: list[NativeName] = []
    words: set[str] = set()
    broken = False
    for group in patient_name.replace("\0", "").split("=")[:_GROUPS]:
        components = [component.strip() for component in group.rstrip("^ ").split("^")][:_COMPONENTS]
        if not any(components):
            continue
        if any(is_broken(component) for component in components[:3]):
            broken = True
            continue
        parts = _repair(components)
        for component in components:
            words.update(_words(fold(component)))
        natives += _natives(parts)
        readings += _readings(parts)
    return PersonName(tuple(dict.fromkeys(readings)), tuple(dict.fromkeys(natives)), frozenset(words), broken)


def names_words(patient_name: str) -> frozenset[str]:
    """Return every word of *patient_name*, folded."""
    return parse_name(patient_name).words


def reread(raw: bytes, charsets: Iterable[str]) -> tuple[str, ...]:
    """
    Return what *raw* says in each of *charsets* (Python codec names) that can read the whole of it.

    For a name whose Specific Character Set was wrong or missing. Escape sequences that a codec leaves are dropped.
    """
    texts = []
    for charset in charsets:
        try:
            text = raw.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
        texts.append(_ESCAPE.sub("", text))
    return tuple(dict.fromkeys(text for text in texts if not text.isascii()))


def _repair(components: list[str]) -> tuple[str, str, str]:
    """Return family, given and middle name; "A, B" in one component is family and given."""
    family, given, middle = (unicodedata.normalize("NFKC", part) for part in [*components, "", ""][:3])
    if not given and not middle and "," in family:
        family, _, given = family.partition(",")
    return family.strip(), given.strip(), middle.strip()


def _words(folded: str) -> tuple[str, ...]:
    return tuple(word for word in _NOT_A_WORD.split(folded.translate(_APOSTROPHES)) if word)


def _without_titles(words: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(word for word in words if word not in _TITLES)
    return kept or words


def _part_of_words(words: tuple[str, ...], written_out: str = "") -> NamePart:
    letters = "".join(words)
    return NamePart(letters, words, written_out or letters)


def _parts_of(text: str) -> tuple[NamePart, ...]:
    """Return the Latin readings of one component; none if it cannot be spelled (kanji)."""
    if not text:
        return (NamePart(),)
    words = _without_titles(_words(fold(text)))
    if not words:
        return (NamePart(),)
    if all(word.isascii() for word in words):
        written_out = ""
        if not text.isascii():
            folded = fold(unicodedata.normalize("NFC", text).upper().translate(_WRITTEN_OUT))
            written_out = "".join(_without_titles(_words(folded)))
        return (_part_of_words(words, written_out),)
    spelled = [romanise(word) for word in words]
    if not all(spelled):
        return ()
    most = max(len(choices) for choices in spelled)
    return tuple(_part_of_words(tuple(choices[min(i, len(choices) - 1)] for choices in spelled)) for i in range(most))


def _readings(parts: tuple[str, str, str]) -> list[Reading]:
    families, givens, middles = (_parts_of(part) for part in parts)
    if not middles:
        middles = (NamePart(),)
    is_spelled = any(is_spelled_script(char) for part in parts if not part.isascii() for char in part)
    readings = [
        Reading(family, given, middles[0], is_spelled) for family in families for given in givens if family or given
    ]
    if parts[1] or parts[2]:
        return readings
    # One component with several words: which of them is the family name is not said, so every cut is a reading.
    for family in families:
        words = family.words
        if 1 < len(words) <= _MOST_WORDS_TO_SPLIT:
            readings += [
                Reading(_part_of_words(words[:cut]), _part_of_words(words[cut:]), NamePart(), is_spelled)
                for cut in range(1, len(words))
            ]
    return readings


def _natives(parts: tuple[str, str, str]) -> list[NativeName]:
    if parts[0].isascii() and parts[1].isascii():
        return []
    texts = [_native_text(part) for part in parts[:2]]
    whole = "".join(texts)
    if not any(is_han(char) or is_spelled_script(char) for char in whole):
        return []
    has_han = any(is_han(char) for char in whole)
    family, given = texts
    if not given and len(_words(parts[0])) == 2:
        family, given = (_native_text(word) for word in _words(parts[0]))
    return [NativeName(family, given, has_han)]


def _native_text(text: str) -> str:
    folded = "".join(_words(fold(text)))
    return "".join(chr(ord(char) - 0x60) if "ァ" <= char <= "ヴ" else char for char in folded)
