"""Days and times of senders that do not write them as HL7 does, brought to HL7's form. Source: HL7 2.5.1 2.A.22 (DTM)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from bridge.errors import Malformed
from bridge.mapping.convert import Moment
from bridge.mapping.site import Policy

_TIMESTAMP = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d{1,6})?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?", re.ASCII
)
_TIMESTAMP_MAX = 26
_LONGEST = 40
_CLOCK = r"(?:[T ]\s?(\d{1,2}):?(\d\d)(?::?(\d\d)(?:\.\d{1,6})?)?)?"
_ZONE = r"(Z|[+-]\d\d:?\d\d)?"
_ISO = re.compile(rf"(\d{{4}})-?(\d\d)-?(\d\d){_CLOCK}{_ZONE}", re.ASCII)
_OTHER = re.compile(rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{4}}){_CLOCK}{_ZONE}", re.ASCII)


def in_hl7_form(value: str, policy: Policy) -> str:
    """
    Return *value* as a TS, by the site's `date_format`; what does not fit that format comes back as it was.

    >>> in_hl7_form("01/15/2025 14:30:00", Policy(date_format="month_first"))
    '20250115143000'
    >>> in_hl7_form("2025-01-15T14:30:00Z", Policy(date_format="iso"))
    '20250115143000+0000'
    """
    if policy.date_format == "hl7" or value.isdigit() or len(value) > _LONGEST:
        return value
    found = _ISO.fullmatch(value)
    if found:
        year, month, day, *rest = found.groups()
    elif policy.date_format != "iso" and (found := _OTHER.fullmatch(value)):
        first, second, year, *rest = found.groups()
        month, day = (first, second) if policy.date_format == "month_first" else (second, first)
    else:
        return value
    hour, minute, seconds, zone = rest
    clock = f"{hour:0>2}{minute}{seconds or ''}" if hour else ""
    offset = "+0000" if zone == "Z" else (zone or "").replace(":", "")
    return f"{year}{month:0>2}{day:0>2}{clock}{offset}"


@lru_cache(maxsize=4096)
def read_timestamp(value: str, zone: tzinfo, where: str) -> tuple[Moment, int] | None:
    """
    Return a TS as a moment, and how many of its digits stand before the fraction; None for zeros.

    zone: of a value without offset; one with an offset is brought to it.
    Raises: Malformed, if it is no TS. Source: HL7 2.5.1 2.A.22 (DTM).
    """
    found = _TIMESTAMP.fullmatch(value) if len(value) <= _TIMESTAMP_MAX else None
    if not found:
        raise Malformed("not a date and time", where=where, source="HL7 2.5.1 2.A.22")
    if not value[:8].strip("0"):
        return None
    numbers = [int(n) if n else None for n in found.groups()[:6]]
    year, month, day, hour, minute, second = (
        n if n is not None else d for n, d in zip(numbers, (1, 1, 1, 0, 0, 0), strict=True)
    )
    try:
        # A leap second has no place in a datetime.
        moment = datetime(year, month, day, hour, minute, min(second, 59) if second <= 60 else second)
        if found[7]:
            offset = timedelta(hours=int(found[8]), minutes=int(found[9])) * (-1 if found[7] == "-" else 1)
            moment = moment.replace(tzinfo=timezone(offset)).astimezone(zone)
        else:
            moment = moment.replace(tzinfo=zone)
        at = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("not a date and time", where=where, source="HL7 2.5.1 2.A.22") from None
    precision = sum(len(n) for n in found.groups()[:6] if n)
    return Moment(moment.strftime("%Y%m%d%H%M%S").rjust(14, "0"), at), precision


def minutes_between(start: Moment, end: Moment) -> str:
    """Return how many minutes *end* is after *start*."""
    return str(round((end.at - start.at).total_seconds() / 60))
