"""Search parameters as they are written in an address: prefixes, escapes, modifiers. Source: FHIR R4 and R5, 3.1.1.4."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from bridge.domain.resource_query import Span, Target, Term, Token, Value, Words
from bridge.errors import Malformed

_PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+ -]\d\d:\d\d)?)?)?)?", re.ASCII
)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_MOST_VALUES = 200
_MOST_CHARACTERS = 4096
_MODIFIERS = {
    "token": ("not", "missing"),
    "date": ("missing",),
    "string": ("exact", "contains", "missing"),
    "reference": ("identifier", "missing"),
    "uri": ("missing",),
}


def term(name: str, kind: str, text: str, zone: tzinfo, targets: tuple[str, ...] = ()) -> Term:
    """
    Return what one parameter asks.

    name: as it was written, with its modifier ("status:not", "subject:Patient"). kind: of the parameter ("token", "date",
    "string", "reference", "uri"). zone: of dates that name none. targets: what a reference may point to.
    Raises: Malformed, for a modifier that is not served and for a value that is none of its kind.
    """
    plain, _, modifier = name.partition(":")
    if len(text) > _MOST_CHARACTERS:
        raise Malformed("this value is too long", code="too_long", where=plain)
    if modifier and modifier not in _MODIFIERS[kind] and not (kind == "reference" and modifier in targets):
        raise Malformed("this modifier is not served", where=f"{plain}:{modifier[:20]}", source="FHIR R4 3.1.1.4.3")
    if modifier == "missing":
        if text not in ("true", "false"):
            raise Malformed("true or false is wanted", where=name)
        return Term(plain, is_missing=text == "true")
    parts = _split(text, ",")
    if len(parts) > _MOST_VALUES:
        raise Malformed(f"at most {_MOST_VALUES} values can be asked for at once", code="too_long", where=plain)
    if kind == "reference" and modifier == "identifier":
        return Term(f"{plain}.identifier", tuple(_token(one) for one in parts))
    read = _reader(plain, kind, modifier, zone)
    return Term(plain, tuple(read(one) for one in parts if one), is_negated=modifier == "not")


def moment_span(text: str, zone: tzinfo, where: str) -> Span:
    """Return the stretch that a date with its prefix means. Raises: Malformed. Source: FHIR R4 3.1.1.4.7."""
    how, plain = (text[:2], text[2:]) if text[:2] in _PREFIXES else ("eq", text)
    begin, end = _stretch(plain, zone, where)
    return Span(how, begin.astimezone(UTC), end.astimezone(UTC))


def _reader(name: str, kind: str, modifier: str, zone: tzinfo) -> Callable[[str], Value]:
    if kind == "date":
        return lambda text: moment_span(_plain(text), zone, name)
    if kind == "reference":
        return lambda text: _target(_plain(text), modifier, name)
    if kind == "string":
        return lambda text: Words(_plain(text), modifier or "starts")
    return _token


def _token(text: str) -> Token:
    system, *rest = _split(text, "|")
    if not rest:
        return Token(_plain(system))
    return Token(_plain("|".join(rest)), _plain(system))


def _target(text: str, modifier: str, name: str) -> Target:
    place = text.split("/_history/")[0]
    kind, _, resource_id = place.rpartition("/")
    kind = kind.rpartition("/")[2]
    if not _ID.fullmatch(resource_id) or (modifier and kind not in ("", modifier)):
        raise Malformed("a reference is wanted", where=name, source="FHIR R4 3.1.1.4.12")
    return Target(kind or modifier, resource_id)


def _stretch(text: str, zone: tzinfo, where: str) -> tuple[datetime, datetime]:
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second, fraction, offset = found.groups()
        if hour is None:
            return _days(int(year), int(month) if month else None, int(day) if day else None, zone)
        at = datetime.fromisoformat(
            f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{(fraction or '')[:7]}{_offset(offset)}"
        )
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        lasts = timedelta(microseconds=1) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
        at.astimezone(UTC)
        return at, at + lasts
    except (ValueError, OverflowError):
        raise Malformed("a date or an instant is wanted", where=where, source="FHIR R4 3.1.1.4.7") from None


def _days(year: int, month: int | None, day: int | None, zone: tzinfo) -> tuple[datetime, datetime]:
    begin = datetime(year, month or 1, day or 1, tzinfo=zone)
    if day:
        # The next day's midnight by the clock on the wall, however long the day was.
        end = (begin.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    elif month:
        end = begin.replace(year=year + month // 12, month=month % 12 + 1)
    else:
        end = begin.replace(year=year + 1)
    begin.astimezone(UTC)
    end.astimezone(UTC)
    return begin, end


def _offset(text: str | None) -> str:
    # A plus sign that nobody escaped arrives as a blank.
    return (text or "").replace(" ", "+").replace("Z", "+00:00")


def _split(text: str, mark: str) -> list[str]:
    """Return what stands between marks, those that are escaped aside. Source: FHIR R4 3.1.1.4.5."""
    parts, begin, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == mark:
            parts.append(text[begin:at])
            begin = at + 1
        at += 1
    return [*parts, text[begin:]]


def _plain(text: str) -> str:
    return re.sub(r"\\([\\|,$])", r"\1", text)
