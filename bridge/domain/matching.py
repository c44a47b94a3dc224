"""DICOM query matching: one function for each kind. Pure, on strings as a stored record and a query key hold them.

Dates are "YYYYMMDD", times "HHMMSS" with up to six digits of fraction, both as the hospital's clock says, "" if unknown.
An unknown stored value fails every key but a universal one. Source: PS3.4 C.2.2.2, K.2.2.1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from bridge.errors import Malformed

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})

_DATE = re.compile(r"(\d{4})([.\-/]?)(\d{2})\2(\d{2})")
_HYPHENATED_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})?-(\d{4}-\d{2}-\d{2})?")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_DAY_START, _DAY_END = "000000", "235959.999999"


@dataclass(frozen=True, slots=True)
class Range:
    """An inclusive interval of DA, TM or joined DA and TM values; an empty end is open."""

    low: str = ""
    high: str = ""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and value != "" and self.low <= value and (not self.high or value <= self.high)


@dataclass(frozen=True, slots=True)
class TimeRange(Range):
    """A time window; one whose low end is after its high end crosses midnight. is_range: the key was one, not one time."""

    is_range: bool = True

    @property
    def crosses_midnight(self) -> bool:
        return bool(self.low and self.high) and self.low > self.high

    def __contains__(self, value: object) -> bool:
        if self.crosses_midnight:
            return isinstance(value, str) and value != "" and (value >= self.low or value <= self.high)
        return Range.__contains__(self, value)


def is_universal(key: str) -> bool:
    """Say whether *key* asks for nothing in particular: empty, or nothing but asterisks (also, leniently, in a date)."""
    return not key.strip(" *\0")


@lru_cache(maxsize=4096)
def normal_date(text: str) -> str:
    """
    Return a DA value as "YYYYMMDD", "" if it is none. Reads the separators of ACR-NEMA and of devices' mistakes.

    >>> normal_date("2024.01.31"), normal_date("20240230"), normal_date("")
    ('20240131', '', '')
    """
    found = _DATE.fullmatch(text.strip(" \0"))
    if not found:
        return ""
    try:
        date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return ""
    return found[1] + found[3] + found[4]


def normal_integer(text: str) -> int | None:
    """Return the number that *text*, not empty, writes, a decimal's whole part; None if it is none, or beyond 64 bits."""
    try:
        # Some writers put a decimal where an integer belongs; beyond 16 characters it is neither.
        number = int(float(text[:16])) if "." in text else int(text[:16])
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1 << 63 else None


@lru_cache(maxsize=4096)
def normal_time(text: str) -> str:
    """
    Return a TM value as "HHMMSS" with the fraction it has, "" if it is none. Source: PS3.5 6.2 (TM).

    >>> normal_time("8:30"), normal_time("0830"), normal_time("08:30:15.5")
    ('', '083000', '083015.5')
    """
    found = _TIME.fullmatch(text.strip(" \0"))
    if not found or int(found[1]) > 23 or int(found[2] or 0) > 59 or int(found[3] or 0) > 60:
        return ""
    return f"{found[1]}{found[2] or '00'}{found[3] or '00'}" + (f".{found[4]}" if found[4] else "")


def parse_date_range(key: str) -> Range | None:
    """
    Return the dates that a DA key asks for, None if it is universal.

    Raises: Malformed, if an end is not a date. Source: PS3.4 C.2.2.2.5.
    """
    if is_universal(key):
        return None
    low, high = _range_ends(key)
    return Range(_date_end(low), _date_end(high))


def parse_time_range(key: str) -> TimeRange | None:
    """
    Return the times that a TM key asks for, None if it is universal; "10" reaches from 10:00:00 to 10:59:59.999999.

    Raises: Malformed, if an end is not a time. Source: PS3.4 C.2.2.2.5.
    """
    if is_universal(key):
        return None
    low, high = _range_ends(key)
    earliest, latest = _time_end(low, _DAY_START), _time_end(high, _DAY_END)
    # A fraction's last zeros say nothing, and would sort behind the same time without them.
    return TimeRange(earliest.rstrip("0").rstrip(".") if "." in earliest else earliest, latest, is_range="-" in key)


def _range_ends(key: str) -> tuple[str, str]:
    """Split a range; a lone value is both ends. A date may hold hyphens of its own."""
    key = key.strip(" \0")
    if normal_date(key):
        return key, key
    if hyphenated := _HYPHENATED_RANGE.fullmatch(key):
        return hyphenated[1] or "", hyphenated[2] or ""
    low, hyphen, high = key.partition("-")
    return (low.strip(), high.strip()) if hyphen else (key, key)


def _date_end(text: str) -> str:
    if is_universal(text):
        return ""
    if not (found := normal_date(text)):
        raise Malformed("not a date or range of dates", code="bad_date", source="PS3.4 C.2.2.2.5")
    return found


def _time_end(text: str, fill: str) -> str:
    if is_universal(text):
        return ""
    if not normal_time(text):
        raise Malformed("not a time or range of times", code="bad_time", source="PS3.4 C.2.2.2.5")
    said = text.replace(":", "").strip(" \0")
    return said + fill[len(said) :]


def match_date_range(wanted: Range | None, value: str) -> bool:
    """Say whether the date *value* lies in *wanted*; None wants every value, also an unknown one."""
    return wanted is None or value in wanted


def match_time_range(wanted: TimeRange | None, value: str) -> bool:
    """Say whether the time *value* lies in *wanted*, at *wanted*'s precision. Source: PS3.4 C.2.2.2.5."""
    return wanted is None or normal_time(value) in wanted


def combined_range(dates: Range | None, times: TimeRange | None) -> Range | None:
    """
    Return one interval of joined "YYYYMMDDHHMMSS" values if both keys are ranges, None if they filter apart.

    Two filters would lose a night shift: 31 January to 1 February from 22:00 to 06:00 is eight hours, not two
    evenings. Source: PS3.4 K.6-1 (remark on scheduled start), C.2.2.2.5.
    """
    if dates is None or times is None or dates.low == dates.high or not times.is_range:
        return None
    low = dates.low + (times.low or _DAY_START) if dates.low else ""
    return Range(low, dates.high + (times.high or _DAY_END) if dates.high else "")


def match_date_time(dates: Range | None, times: TimeRange | None, value: tuple[str, str]) -> bool:
    """Say whether a stored date and time fit a date key and a time key that belong together (see `combined_range`)."""
    together = combined_range(dates, times)
    if together is None:
        return match_date_range(dates, value[0]) and match_time_range(times, value[1])
    return bool(value[0] and value[1]) and value[0] + normal_time(value[1]) in together


def match_single(key: str, value: str) -> bool:
    """Say whether *value* is *key*, case-sensitive, without the spaces around either. Source: PS3.4 C.2.2.2.1."""
    return is_universal(key) or key.strip(" \0") == value.strip(" \0") != ""


def match_wildcard(key: str, value: str) -> bool:
    """Say whether *value* fits *key*, in which * stands for any run and ? for one character. Source: PS3.4 C.2.2.2.4."""
    if is_universal(key):
        return True
    value = value.strip(" \0")
    return value != "" and _fits(_segments(key.strip(" \0")), value)


@lru_cache(maxsize=4096)
def _segments(key: str) -> tuple[re.Pattern[str], ...]:
    """Cut a wildcard key at its asterisks; each piece has a fixed length, so no piece can backtrack."""
    pieces = re.split(r"\*+", key)
    return tuple(re.compile(re.escape(piece).replace("\\?", "."), re.DOTALL) for piece in pieces)


def _fits(segments: tuple[re.Pattern[str], ...], value: str) -> bool:
    """Match first piece, last piece, and each one between at its leftmost place: linear, whatever the key."""
    if len(segments) == 1:
        return segments[0].fullmatch(value) is not None
    first = segments[0].match(value)
    if first is None:
        return False
    at = first.end()
    for segment in segments[1:-1]:
        found = segment.search(value, at)
        if found is None:
            return False
        at = found.end()
    return any(segments[-1].fullmatch(value, start) is not None for start in range(at, len(value) + 1))


def fold_name(text: str) -> str:
    """
    Return a name as it is compared: without accents, case, width, padding and trailing delimiters.

    >>> fold_name("Núñez^José^^^ ")
    'nunez^jose'
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c) or "\u3099" <= c <= "\u309a")
    components = [
        " ".join(component.split()) for component in unicodedata.normalize("NFC", plain).strip("\0").split("^")
    ]
    return "^".join(components).rstrip("^")


def match_person_name(key: str, value: str) -> bool:
    """
    Say whether the person name *value* fits *key*: any group of the key against any group of the value.

    Neither case nor accents count; "SMITH" is not "SMITHSON", "SMITH*" is "SMITH^JOHN". Groups of the key that are
    empty or universal ask nothing. Source: PS3.4 C.2.2.2.1, C.2.2.2.4.
    """
    wanted = name_keys(key)
    stored = name_groups(value)
    return not wanted or any(_group_fits(want, have) for want in wanted for have in stored)


def name_groups(value: str) -> tuple[str, ...]:
    """Return the component groups of a stored name as they are compared, without empty ones."""
    return tuple(folded for group in value.split("=") if (folded := fold_name(group)))


def name_keys(key: str) -> tuple[str, ...]:
    """
    Return what the groups of a name key ask for, folded, each in every form; () if the key asks for no name.

    "SMITH^*" asks for a given name only in letter: a record without one is still a Smith, a Smithson is none.

    >>> name_keys("SMITH^*^*=*"), name_keys("Ek=^^")
    (('smith^*', 'smith'), ('ek',))
    """
    found: list[str] = []
    for group in key.split("="):
        components = [] if asks_no_name(group) else fold_name(group).split("^")
        count = len(components)
        while components and not components[-1].strip("*"):
            components.pop()
        if components:
            whole = "^".join(components)
            found += [whole] if len(components) == count else [f"{whole}^*", whole]
    return tuple(dict.fromkeys(found))


def asks_no_name(key: str) -> bool:
    """Say whether a name key is nothing but delimiters, blanks and asterisks."""
    return is_universal(key.translate(_NO_DELIMITERS))


def has_wildcard(key: str) -> bool:
    """Say whether a text key holds * or ?."""
    return "*" in key or "?" in key


_NO_DELIMITERS = str.maketrans("", "", "^=")


def _group_fits(want: str, have: str) -> bool:
    return _fits(_segments(want), have) if has_wildcard(want) else want == have


def match_any(match: Callable[[str, str], bool], keys: Iterable[str], values: Iterable[str]) -> bool:
    """Say whether any of several keys fits any of several stored values; no key, or a universal one, wants everything."""
    wanted, stored = [key for key in keys if not is_universal(key)], list(values)
    return not wanted or any(match(key, value) for key in wanted for value in stored)
