"""Birth dates and sexes compared. Source: PS3.5 6.2 (DA, CS), PS3.3 C.7.1.1."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

# A year before this is a device's default, not a patient's.
_FIRST_YEAR = 1870
_BOTH_SEXES = frozenset({"M", "F"})


class BirthDateGrade(StrEnum):
    """EQUAL; SWAP: day and month exchanged; NEAR: one of year, month, day differs; PARTIAL: only the year is known."""

    EQUAL = "EQUAL"
    SWAP = "SWAP"
    NEAR = "NEAR"
    PARTIAL = "PARTIAL"
    NA = "NA"
    DIFF = "DIFF"


_BEST_FIRST = tuple(BirthDateGrade(name) for name in ("EQUAL", "SWAP", "NEAR", "PARTIAL", "DIFF", "NA"))


class SexGrade(StrEnum):
    """DIFF is male against female; O, U, N and nothing are NA."""

    EQUAL = "EQUAL"
    DIFF = "DIFF"
    NA = "NA"


@lru_cache(maxsize=50_000)
def read_birth_date(text: str, placeholders: frozenset[str]) -> str:
    """Return "YYYYMMDD", or "YYYY" where only the year is said; "" for a placeholder or no date."""
    digits = text.strip().replace("-", "").replace(".", "")
    if digits in placeholders or not digits.isascii() or not digits.isdigit() or int(digits[:4]) < _FIRST_YEAR:
        return ""
    if len(digits) in (4, 6) or (len(digits) == 8 and digits[4:] == "0000"):
        return digits[:4]
    if len(digits) != 8 or not ("01" <= digits[4:6] <= "12" and "01" <= digits[6:] <= "31"):
        return ""
    return digits


def swapped(birth_date: str) -> str:
    """Return "YYYYMMDD" with day and month exchanged, "" where that is no date."""
    if len(birth_date) != 8 or birth_date[6:] > "12":
        return ""
    return birth_date[:4] + birth_date[6:] + birth_date[4:6]


def grade_birth_date(received: str, known: Iterable[str], placeholders: frozenset[str]) -> BirthDateGrade:
    """Compare a header's birth date with every one known of a patient; the best grade counts."""
    header = read_birth_date(received, placeholders)
    if not header:
        return BirthDateGrade.NA
    grades = {_compare(header, read_birth_date(date, placeholders)) for date in known}
    return next((grade for grade in _BEST_FIRST if grade in grades), BirthDateGrade.NA)


def _compare(header: str, record: str) -> BirthDateGrade:
    if not record:
        return BirthDateGrade.NA
    if header == record and len(header) == 8:
        return BirthDateGrade.EQUAL
    same_year = header[:4] == record[:4]
    if 4 in (len(header), len(record)) or "0101" in (header[4:], record[4:]):
        if same_year:
            return BirthDateGrade.PARTIAL
        if 4 in (len(header), len(record)):
            return BirthDateGrade.DIFF
    if swapped(header) == record:
        return BirthDateGrade.SWAP
    return BirthDateGrade.NEAR if _is_near(header, record) else BirthDateGrade.DIFF


def _is_near(header: str, record: str) -> bool:
    differs = [header[:4] != record[:4], header[4:6] != record[4:6], header[6:] != record[6:]]
    if sum(differs) != 1:
        return False
    if not differs[0]:
        return True
    one_digit = sum(a != b for a, b in zip(header[:4], record[:4], strict=True)) == 1
    return one_digit or abs(int(header[:4]) - int(record[:4])) in (1, 10)


def grade_sex(received: str, known: str) -> SexGrade:
    """Compare PatientSex of a header with the record's."""
    header, record = received.strip().upper()[:1], known.strip().upper()[:1]
    if header not in _BOTH_SEXES or record not in _BOTH_SEXES:
        return SexGrade.NA
    return SexGrade.EQUAL if header == record else SexGrade.DIFF
