"""Two names compared, part by part and then as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from bridge.domain.names import NamePart, NativeName, PersonName, Reading, parse_name, reread
from bridge.domain.phonetics import edits_within, phonetic_key
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.study import Header

_TWO_EDITS_FROM, _CUT_FROM, _EDITS_IF_IT_SOUNDS_THE_SAME = 6, 8, 3


class NameGrade(StrEnum):
    """
    EQUAL, CLOSE; GIVEN: only the given name is equal; FAMILY: only the family name fits; NONE; NA: not comparable.

    GIVEN is how a changed surname looks, FAMILY how twins and relatives differ.
    """

    EQUAL = "EQUAL"
    CLOSE = "CLOSE"
    GIVEN = "GIVEN"
    FAMILY = "FAMILY"
    NONE = "NONE"
    NA = "NA"


# NA is last: where one known name can be compared, what cannot be says nothing.
NAME_GRADES_BEST_FIRST = (
    NameGrade.EQUAL,
    NameGrade.CLOSE,
    NameGrade.GIVEN,
    NameGrade.FAMILY,
    NameGrade.NONE,
    NameGrade.NA,
)
_RANK = {grade: rank for rank, grade in enumerate(NAME_GRADES_BEST_FIRST)}


class Fit(IntEnum):
    """How two parts of a name compare."""

    DIFFERENT = 0
    CLOSE = 1
    EQUAL = 2


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A grade, and whether the given names are equal: what a multiple birth asks for."""

    grade: NameGrade
    given_is_equal: bool = False


@dataclass(frozen=True, slots=True)
class HeaderName:
    """
    A header's name, parsed. texts: what to look it up by. rereads: its bytes in the site's character sets, only if the
    name is broken; they count only where they equal a name of the record.
    """

    texts: tuple[str, ...]
    parsed: PersonName
    rereads: tuple[PersonName, ...]
    is_placeholder: bool


Nicknames = Mapping[str, frozenset[int]]
_NO_GROUPS: frozenset[int] = frozenset()


def read_header_name(header: Header, rules: ReconcileRules) -> HeaderName:
    """Return *header*'s name, read again in the site's character sets if it is broken."""
    parsed = parse_name(header.patient_name)
    again = reread(header.patient_name_bytes, rules.charsets) if parsed.broken else ()
    rereads = tuple(name for name in map(parse_name, again) if not name.broken)
    return HeaderName((header.patient_name, *again), parsed, rereads, bool(parsed.words & rules.placeholder_words))


def grade_name(name: HeaderName, known: Iterable[str], rules: ReconcileRules) -> NameMatch:
    """Compare a header's name with every one known of a patient; the best grade counts."""
    best = NameMatch(NameGrade.NA)
    for text in known:
        record = parse_name(text)
        match = _grade(name, record, rules.nicknames)
        is_placeholder = name.is_placeholder or bool(record.words & rules.placeholder_words)
        if is_placeholder and match.grade not in (NameGrade.EQUAL, NameGrade.NA):
            # Two unidentified patients share a surname and little else is said by it.
            match = NameMatch(NameGrade.NONE)
        if (_RANK[match.grade], not match.given_is_equal) < (_RANK[best.grade], not best.given_is_equal):
            best = match
        if best.grade == NameGrade.EQUAL and best.given_is_equal:
            break
    return best


def grade_texts(one: str, other: str, rules: ReconcileRules) -> NameMatch:
    """Compare two decoded names."""
    parsed = parse_name(one)
    name = HeaderName((one,), parsed, (), bool(parsed.words & rules.placeholder_words))
    return grade_name(name, (other,), rules)


def is_better(one: NameGrade, other: NameGrade) -> bool:
    """Say whether grade *one* fits better than *other*."""
    return _RANK[one] < _RANK[other]


def _grade(name: HeaderName, record: PersonName, nicknames: Nicknames) -> NameMatch:
    written = _grade_written(name.parsed.readings, record.readings, nicknames)
    native = _grade_natives(name.parsed.natives, record.natives)
    if any(_equals_when_reread(again, record) for again in name.rereads):
        native = NameMatch(NameGrade.EQUAL, given_is_equal=True)
    if written is None:
        return native or NameMatch(NameGrade.NA)
    if native is None:
        return written
    fits = written.grade in (NameGrade.EQUAL, NameGrade.CLOSE)
    if native.grade == NameGrade.EQUAL:
        return native if fits else written
    if written.grade == NameGrade.EQUAL:
        # The same in Latin letters and other characters: a namesake, or another form of one character.
        return NameMatch(NameGrade.CLOSE)
    return max(written, native, key=lambda match: _RANK[match.grade])


def _equals_when_reread(again: PersonName, record: PersonName) -> bool:
    natives = {native.whole for native in again.natives}
    written = {(reading.family.letters, reading.given.letters) for reading in again.readings}
    return any(native.whole in natives for native in record.natives) or any(
        (reading.family.letters, reading.given.letters) in written for reading in record.readings
    )


def _grade_natives(header: tuple[NativeName, ...], record: tuple[NativeName, ...]) -> NameMatch | None:
    """Compare names in their own script; None where no script is common to both. Kanji decide over kana."""
    for has_han in (True, False):
        ours = [native for native in header if native.has_han == has_han]
        theirs = [native for native in record if native.has_han == has_han]
        if ours and theirs:
            grades = [_grade_native(one, other) for one in ours for other in theirs]
            best = min(grades, key=_RANK.__getitem__)
            if best == NameGrade.NONE and not has_han and not _same_script(ours, theirs):
                return None
            return NameMatch(best, given_is_equal=best in (NameGrade.EQUAL, NameGrade.GIVEN))
    return None


def _same_script(ours: list[NativeName], theirs: list[NativeName]) -> bool:
    """Say whether two spelled names use one script; the blocks of kana, hangul, Cyrillic, Greek start 256 apart."""
    blocks = [{_block(char) for native in natives for char in native.whole} for natives in (ours, theirs)]
    return bool(blocks[0] & blocks[1])


def _block(char: str) -> int:
    code = ord(char)
    return 0xAC00 if 0xAC00 <= code <= 0xD7A3 else code & ~0xFF


def _grade_native(one: NativeName, other: NativeName) -> NameGrade:
    if one.whole == other.whole:
        return NameGrade.EQUAL
    if one.given and other.given and one.given == other.given:
        return NameGrade.GIVEN
    for whole, parts in ((one, other), (other, one)):
        if whole.family and parts.given and whole.whole.startswith(parts.family):
            return NameGrade.FAMILY
    return NameGrade.NONE


def _grade_written(header: tuple[Reading, ...], record: tuple[Reading, ...], nicknames: Nicknames) -> NameMatch | None:
    """Compare names in Latin letters. What both sides wrote so decides; a romanised reading never contradicts it."""
    written = [[reading for reading in readings if not reading.is_spelled] for readings in (header, record)]
    if all(written):
        match = _best_reading(written[0], written[1], nicknames)
        if match is not None and match.grade != NameGrade.CLOSE:
            return match
    return _best_reading(header, record, nicknames)


def _best_reading(header: Iterable[Reading], record: Iterable[Reading], nicknames: Nicknames) -> NameMatch | None:
    best: NameMatch | None = None
    for one in header:
        for other in record:
            match = _grade_readings(one, other, nicknames)
            if best is None or _RANK[match.grade] < _RANK[best.grade]:
                best = match
            if best.grade == NameGrade.EQUAL:
                return best
    return best


def _grade_readings(header: Reading, record: Reading, nicknames: Nicknames) -> NameMatch:
    if _is_single(header) and _is_single(record):
        return _grade_single(header, record, nicknames)
    family = compare_parts(header.family, record.family, nicknames)
    given = _compare_given(header, record, nicknames)
    straight = _grade_fits(family, given, header, record)
    if straight.grade in (NameGrade.EQUAL, NameGrade.CLOSE) or not (header.given and record.given):
        return straight
    family_turned = compare_parts(header.given, record.family, nicknames)
    given_turned = compare_parts(header.family, record.given, nicknames)
    turned = _grade_fits(family_turned, given_turned, header, record)
    # Exchanged names must fit as a whole: one part alone in the other's place says nothing of a changed surname.
    if turned.grade == NameGrade.GIVEN:
        turned = NameMatch(NameGrade.NONE)
    return turned if _RANK[turned.grade] < _RANK[straight.grade] else straight


def _is_single(reading: Reading) -> bool:
    return not (reading.family and reading.given)


def _grade_single(header: Reading, record: Reading, nicknames: Nicknames) -> NameMatch:
    """A single name on both sides is the whole of it, whichever component it was written in."""
    fits = {compare_parts(header.family or header.given, record.family or record.given, nicknames)}
    if header.given and record.given:
        fits.add(_compare_given(header, record, nicknames))
    fit = max(fits)
    grade = {Fit.EQUAL: NameGrade.EQUAL, Fit.CLOSE: NameGrade.CLOSE}.get(fit, NameGrade.NONE)
    return NameMatch(grade, given_is_equal=fit == Fit.EQUAL and bool(header.given and record.given))


def _grade_fits(family: Fit, given: Fit, header: Reading, record: Reading) -> NameMatch:
    given_is_equal = given == Fit.EQUAL
    if family == Fit.EQUAL and given_is_equal:
        return NameMatch(NameGrade.EQUAL, given_is_equal=True)
    if not header.given or not record.given:
        return NameMatch({Fit.EQUAL: NameGrade.CLOSE, Fit.CLOSE: NameGrade.FAMILY}.get(family, NameGrade.NONE))
    if family and given:
        return NameMatch(NameGrade.CLOSE, given_is_equal)
    if given_is_equal and len(header.given.letters) > 1:
        return NameMatch(NameGrade.GIVEN, given_is_equal=True)
    return NameMatch(NameGrade.FAMILY if family else NameGrade.NONE)


def _compare_given(header: Reading, record: Reading, nicknames: Nicknames) -> Fit:
    """Compare given names; a middle name may stand in the given name's component on either side."""
    plain = compare_parts(header.given, record.given, nicknames)
    if plain == Fit.EQUAL or not (header.given and record.given):
        return plain
    forms = [
        {reading.given.letters + reading.middle.letters, reading.given.letters + reading.middle.letters[:1]}
        if reading.middle
        else {reading.given.letters}
        for reading in (header, record)
    ]
    if forms[0] & forms[1]:
        return Fit.EQUAL
    if plain == Fit.DIFFERENT and len(record.middle.letters) > 1 and record.middle.letters == header.given.letters:
        return Fit.CLOSE
    return plain


def compare_parts(one: NamePart, other: NamePart, nicknames: Nicknames) -> Fit:
    """Compare one part of a name with the same part of another; an empty part is different from any other."""
    if not one or not other:
        return Fit.DIFFERENT
    if one.letters in (other.letters, other.written_out) or one.written_out in (other.letters, other.written_out):
        return Fit.EQUAL
    if len(one.words) == len(other.words) > 1 and sorted(one.words) == sorted(other.words):
        return Fit.EQUAL
    return Fit.CLOSE if _is_close(one, other, nicknames) else Fit.DIFFERENT


def _is_close(one: NamePart, other: NamePart, nicknames: Nicknames) -> bool:
    short, long = one.letters, other.letters
    if len(short) > len(long):
        short, long = long, short
    if len(short) == 1:
        return long.startswith(short)
    if _is_part_of_compound(one.words, other.words):
        return True
    return _is_alike(short, long, nicknames) and not _differs_by_a_mark(one.words, other.words)


def _is_alike(short: str, long: str, nicknames: Nicknames) -> bool:
    if len(short) >= _CUT_FROM and long.startswith(short):
        return True
    if edits_within(short, long, 2 if len(short) >= _TWO_EDITS_FROM else 1):
        return True
    if nicknames.get(short, _NO_GROUPS) & nicknames.get(long, _NO_GROUPS):
        return True
    return phonetic_key(short) == phonetic_key(long) and edits_within(short, long, _EDITS_IF_IT_SOUNDS_THE_SAME)


def _is_part_of_compound(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if len(one) == len(other):
        return False
    few, many = (one, other) if len(one) < len(other) else (other, one)
    return set(few) <= set(many) and any(len(word) > 1 for word in few)


def _differs_by_a_mark(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Say whether only a number or a single letter tells two names apart: TWIN A and TWIN B are two people."""
    if len(one) != len(other):
        return False
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    if any(char.isdigit() for word in (*one, *other) for char in word):
        return [c for c in "".join(one) if c.isdigit()] != [c for c in "".join(other) if c.isdigit()]
    return len(one) > 1 and all(len(a) == len(b) == 1 for a, b in pairs)
