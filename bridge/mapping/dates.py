"""Days and times of senders that do not write them as HL7 does, brought to HL7's form. Source: HL7 2.5.1 2.A.22 (DTM)."""

from __future__ import annotations

import re

from bridge.mapping.site import Policy

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
